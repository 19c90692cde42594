/**
 * What the host says of itself, in one document: `alga.appliance.host-facts/v1`.
 *
 * Every part comes from a file or a program of the host, each with a time of its own; one that is not there or says something strange
 * leaves its part empty, and never the document.
 */
import { z } from "zod";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import { findK3s } from "./containerd.ts";

type FactsDeps = Pick<Deps, "clock" | "machine" | "network" | "files" | "exec">;

const PROGRAM_MS = 2_000;
const MAX_FILE_BYTES = 16 * 1024;
/** More would be a box of another kind. */
const MAX_ROWS = 64;

const text = z.string().max(400);
const addressSchema = z.array(
  z.object({
    ifname: text,
    addr_info: z.array(z.object({ local: text, prefixlen: z.number(), scope: text })).default([]),
  }),
);
const routeSchema = z.array(z.object({ dst: text, gateway: text.optional(), dev: text.default("") }));
const mountSchema = z.object({
  filesystems: z.array(z.object({ target: text, source: text, fstype: text, size: z.number(), avail: z.number() })),
});
const smartSchema = z.object({ smart_status: z.object({ passed: z.boolean() }) });

/** The document, as the control plane and the support bundle read it. */
export interface HostFacts {
  readonly schema: "alga.appliance.host-facts/v1";
  readonly observedAt: string;
  readonly os: { readonly id: string | null; readonly version: string | null; readonly prettyName: string | null };
  readonly kernel: string | null;
  readonly bootId: string;
  readonly uptimeMs: number;
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number };
  readonly cpuCount: number;
  readonly k3s: {
    readonly version: string | null;
    readonly unit: "active" | "activating" | "failed" | "inactive" | "unknown";
  };
  readonly addresses: readonly { readonly interface: string; readonly address: string; readonly prefix: number }[];
  readonly routes: readonly { readonly to: string; readonly via: string | null; readonly interface: string }[];
  readonly nameServers: readonly string[];
  readonly disks: readonly HostDisk[];
  readonly time: {
    readonly synchronized: boolean | null;
    readonly server: string | null;
    /** The time server minus this clock. */
    readonly offsetMs: number | null;
  };
}

export interface HostDisk {
  readonly path: string;
  readonly device: string;
  readonly fileSystem: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** What the disk says of its own health; null where it or smartctl says nothing. */
  readonly smart: "passed" | "failed" | null;
}

/** What slow programs said last, by their words: whoever asks every few seconds passes the same one each time. */
export type KeptWords = Map<string, { readonly atMs: number; readonly words: string | undefined }>;

/** Gathers the facts, all parts at once: some seconds at most. */
export async function gatherHostFacts(
  deps: FactsDeps,
  paths: StatePaths,
  options: { readonly signal: AbortSignal; readonly kept?: KeptWords },
): Promise<HostFacts> {
  const host: Host = { deps, signal: options.signal, kept: options.kept ?? new Map() };
  const [os, kernel, bootId, uptimeMs, memory, version, unit, addresses, routes, nameServers, disks, time] =
    await Promise.all([
      osOf(host),
      fileText(host, "/proc/sys/kernel/osrelease"),
      deps.machine.bootId(),
      deps.machine.uptimeMs(),
      deps.machine.memory(),
      k3sVersion(host, paths),
      unitState(host),
      addressesOf(host),
      routesOf(host),
      deps.network.nameServers(),
      disksOf(host),
      timeOf(host),
    ]);
  return {
    schema: "alga.appliance.host-facts/v1",
    observedAt: toInstant(deps.clock.now()),
    ...{ os, kernel, bootId, uptimeMs, memory, cpuCount: deps.machine.cpuCount() },
    ...{ k3s: { version, unit }, addresses, routes, nameServers, disks, time },
  };
}

/** The part of the facts that the network is. */
export interface NetworkFacts extends Pick<HostFacts, "addresses" | "routes" | "nameServers"> {
  /** Names of all interfaces, and of those that are devices. */
  readonly interfaces: readonly string[];
  readonly devices: readonly string[];
}

/** Gathers what the network of the box is now. Parts that nobody tells are empty. */
export async function gatherNetworkFacts(
  deps: Pick<FactsDeps, "clock" | "network" | "files" | "exec">,
  signal: AbortSignal,
): Promise<NetworkFacts> {
  const host = { deps, signal, kept: new Map() };
  const links = await json(host, ["ip", "-j", "address", "show"], addressSchema);
  const interfaces = (links ?? []).map(({ ifname }) => ifname).slice(0, MAX_ROWS);
  const isDevice = async (name: string): Promise<boolean> =>
    /^[\w.-]{1,15}$/.test(name) && (await deps.files.stat(`/sys/class/net/${name}/device`)) !== undefined;
  const known = await Promise.all(interfaces.map(isDevice));
  const [addresses, routes, nameServers] = await Promise.all([
    addressesOf(host),
    routesOf(host),
    deps.network.nameServers(),
  ]);
  return { addresses, routes, nameServers, interfaces, devices: interfaces.filter((_name, at) => known[at]) };
}

/** The system beneath the product: distribution, kernel, k3s; each null where it does not say. Some seconds at most. */
export async function gatherSystem(
  deps: Pick<FactsDeps, "clock" | "files" | "exec">,
  paths: StatePaths,
  signal: AbortSignal,
): Promise<{ readonly os: string | null; readonly kernel: string | null; readonly k3s: string | null }> {
  const host: Host = { deps, signal, kept: new Map() };
  const [os, kernel, k3s] = await Promise.all([
    osOf(host),
    fileText(host, "/proc/sys/kernel/osrelease"),
    k3sVersion(host, paths),
  ]);
  return { os: os.prettyName, kernel, k3s };
}

interface Host {
  readonly deps: Pick<FactsDeps, "clock" | "files" | "exec">;
  readonly signal: AbortSignal;
  readonly kept: KeptWords;
}

/** Milliseconds for which what a slow program said is told again: a disk's health and the clock's server change slowly. */
const KEPT_MS: Readonly<Record<string, number>> = {
  smartctl: 10 * 60_000,
  timedatectl: 60_000,
  chronyc: 60_000,
  k3s: 10 * 60_000,
};

/** What a program says, from memory where it said so lately. */
async function said(host: Host, argv: readonly [string, ...string[]]): Promise<string | undefined> {
  const keptMs = KEPT_MS[argv[0].slice(argv[0].lastIndexOf("/") + 1)];
  const key = argv.join(" ");
  const nowMs = host.deps.clock.monotonic();
  const before = host.kept.get(key);
  if (keptMs !== undefined && before !== undefined && nowMs - before.atMs < keptMs) return before.words;
  const words = await ask(host, argv);
  // Silence is not kept: a program that was missing or late may answer next time.
  if (keptMs !== undefined && words !== undefined && words !== "") host.kept.set(key, { atMs: nowMs, words });
  return words;
}

async function ask({ deps, signal }: Host, argv: readonly [string, ...string[]]): Promise<string | undefined> {
  const result = await deps.exec(argv, { timeoutMs: PROGRAM_MS, signal }).catch(() => undefined);
  if (signal.aborted) throw signal.reason;
  // smartctl tells findings in its exit code, systemctl is-active the state.
  return result?.stdout;
}

async function json<T>(host: Host, argv: readonly [string, ...string[]], schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse((await said(host, argv)) ?? ""));
  } catch {
    if (host.signal.aborted) throw host.signal.reason;
    return undefined;
  }
}

async function fileText({ deps }: Host, path: string): Promise<string | null> {
  const bytes = await deps.files.read(path, { maxBytes: MAX_FILE_BYTES }).catch(() => undefined);
  return bytes === undefined ? null : new TextDecoder().decode(bytes).trim();
}

/** @see os-release(5) */
async function osOf(host: Host): Promise<HostFacts["os"]> {
  const release = (await fileText(host, "/etc/os-release")) ?? "";
  const field = (name: string): string | null =>
    new RegExp(`^${name}=(?:"([^"\\n]*)"|([^"\\n]*))$`, "m")
      .exec(release)
      ?.slice(1)
      .find((one) => one !== undefined) ?? null;
  return { id: field("ID"), version: field("VERSION_ID"), prettyName: field("PRETTY_NAME") };
}

async function k3sVersion(host: Host, paths: StatePaths): Promise<string | null> {
  const words = await said(host, [await findK3s(host.deps, paths), "--version"]);
  return /^k3s version (\S{1,100})/.exec(words ?? "")?.[1] ?? null;
}

const UNIT_STATES = ["active", "activating", "failed", "inactive"] as const;

async function unitState(host: Host): Promise<HostFacts["k3s"]["unit"]> {
  const word = (await said(host, ["systemctl", "is-active", "k3s.service"]))?.trim();
  return UNIT_STATES.find((state) => state === word) ?? "unknown";
}

async function addressesOf(host: Host): Promise<HostFacts["addresses"]> {
  const links = (await json(host, ["ip", "-j", "address", "show"], addressSchema)) ?? [];
  return links
    .flatMap(({ ifname, addr_info }) =>
      addr_info
        .filter(({ scope }) => scope === "global")
        .map(({ local, prefixlen }) => ({ interface: ifname, address: local, prefix: prefixlen })),
    )
    .slice(0, MAX_ROWS);
}

async function routesOf(host: Host): Promise<HostFacts["routes"]> {
  const both = await Promise.all([
    json(host, ["ip", "-j", "-4", "route", "show"], routeSchema),
    json(host, ["ip", "-j", "-6", "route", "show"], routeSchema),
  ]);
  return both
    .flatMap((rows) => rows ?? [])
    .map(({ dst, gateway, dev }) => ({ to: dst, via: gateway ?? null, interface: dev }))
    .slice(0, MAX_ROWS);
}

async function disksOf(host: Host): Promise<readonly HostDisk[]> {
  const found = await json(
    host,
    [
      "findmnt",
      "--json",
      "--bytes",
      "--real",
      "--list",
      "--types",
      "ext4,xfs,btrfs,ext3,f2fs",
      "--output",
      "TARGET,SOURCE,FSTYPE,SIZE,AVAIL",
    ],
    mountSchema,
  );
  const seen = new Set<string>();
  // Bind mounts of the same device tell nothing new; containers have hundreds.
  const mounts = (found?.filesystems ?? [])
    .filter(({ source }) => !seen.has(deviceOf(source)) && seen.add(deviceOf(source)))
    .slice(0, MAX_ROWS);
  return Promise.all(
    mounts.map(async ({ target, source, fstype, size, avail }) => {
      const device = deviceOf(source);
      return {
        path: target,
        device,
        fileSystem: fstype,
        totalBytes: size,
        freeBytes: avail,
        smart: await smartOf(host, device),
      };
    }),
  );
}

/** findmnt writes "[/folder]" behind the device of a bind mount. */
function deviceOf(source: string): string {
  return source.replace(/\[.*$/, "");
}

async function smartOf(host: Host, device: string): Promise<HostDisk["smart"]> {
  if (!/^\/dev\/[A-Za-z0-9/_-]{1,100}$/.test(device)) return null;
  const health = await json(host, ["smartctl", "--json", "--health", "--nocheck=standby", device], smartSchema);
  return health === undefined ? null : health.smart_status.passed ? "passed" : "failed";
}

async function timeOf(host: Host): Promise<HostFacts["time"]> {
  const [state, sync, offsetMs] = await Promise.all([
    said(host, ["timedatectl", "show", "--property=NTPSynchronized", "--value"]),
    said(host, ["timedatectl", "show-timesync", "--property=ServerName", "--value"]),
    offsetOf(host),
  ]);
  const word = state?.trim();
  const server = sync?.trim().slice(0, 253) ?? "";
  return {
    synchronized: word === "yes" ? true : word === "no" ? false : null,
    server: server === "" ? null : server,
    offsetMs,
  };
}

/** How far the time server is ahead of this clock, by systemd-timesyncd, else by chrony; null where neither says so. */
async function offsetOf(host: Host): Promise<number | null> {
  return (
    timesyncOffsetMs((await said(host, ["timedatectl", "timesync-status"])) ?? "") ??
    chronyOffsetMs((await said(host, ["chronyc", "-n", "tracking"])) ?? "")
  );
}

const UNIT_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** "Offset: -1min 2.5s": positive where the server is ahead. @see timedatectl(1), "timesync-status"; systemd.time(7) */
export function timesyncOffsetMs(text: string): number | null {
  const [, sign, span = ""] = /^\s*Offset: ([+-])((?:\d+(?:\.\d+)?(?:us|ms|s|min|h|d) ?)+)$/m.exec(text) ?? [];
  if (sign === undefined) return null;
  const parts = [...span.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|min|h|d)/g)];
  const ms = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[unit ?? ""] ?? 0), 0);
  return rounded(sign === "-" ? -ms : ms);
}

/** "System time : 0.000012 seconds slow of NTP time": slow where the server is ahead. @see chronyc(1), "tracking" */
export function chronyOffsetMs(text: string): number | null {
  const [, seconds, word] = /^System time\s*: (\d{1,12}\.\d{1,12}) seconds (slow|fast) of NTP time$/m.exec(text) ?? [];
  if (seconds === undefined) return null;
  return rounded(Number(seconds) * (word === "slow" ? 1_000 : -1_000));
}

/** Microseconds are noise of the asking. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000 + 0;
}
