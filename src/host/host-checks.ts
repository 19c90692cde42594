/**
 * What must be true of a box before k3s is started: each finding has a cause that a person can mend. Reads only.
 */
import { X509Certificate } from "node:crypto";
import { join } from "node:path/posix";
import { readBody } from "../core/body.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { humanBytes } from "../core/quantity.ts";
import { toInstant } from "../core/time.ts";
import type { StepResult } from "../operation/step.ts";
import type { BootstrapCall } from "./bootstrap-context.ts";

/** Below this k3s and its images cannot be unpacked, and the kubelet evicts pods. */
const MIN_FREE_BYTES = 2 * 1024 * 1024 * 1024;
const MAX_CERTIFICATE_BYTES = 64 * 1024;
const API_PORT = 6443;
/** The page over TLS. @see embed/control-plane/workload.yaml */
const SECURE_PORT = 8443;
const PROBE_MS = 3_000;
/** States of a unit that has processes. */
const RUNNING = ["active", "activating", "reloading", "deactivating"];

/**
 * Looks at the settings, disk, clock, control groups and ports.
 * @throws {ApplianceError} config/invalid or config/unreadable for settings that this process could not use; the host/ code of the
 *   first finding.
 */
export async function checkHost(call: BootstrapCall): Promise<StepResult> {
  if (call.settings.settingsProblem !== undefined) throw withWayOut(call.settings.settingsProblem);
  const free = await checkDisk(call);
  await checkProgram(call);
  await checkClock(call);
  await checkCgroups(call);
  await checkPorts(call);
  return { state: "done", detail: `${humanBytes(free)} free, ports free, clock plausible` };
}

/** What the machine itself must be; the settings alone name where it is looked at. */
type MachineCall = Pick<BootstrapCall, "deps"> & { readonly settings: Pick<BootstrapCall["settings"], "paths"> };

/** What of the machine itself keeps Kubernetes from starting: disk, clock, control groups; each with its way out. Reads only. */
export async function machineFaults(call: MachineCall): Promise<readonly ApplianceError[]> {
  const faults: ApplianceError[] = [];
  for (const check of [checkDisk, checkClock, checkCgroups]) {
    try {
      await check(call);
    } catch (thrown) {
      if (!(thrown instanceof ApplianceError)) throw thrown;
      faults.push(thrown);
    }
  }
  return faults;
}

/** Not tried again by this process, which has read them: the next one reads them anew. */
function withWayOut({ code, message, cause }: ApplianceError): ApplianceError {
  return new ApplianceError(code, message, {
    cause,
    hint: "Mend the file, or: alga-appliance recover (keeps it under another name and writes what can be read of it)",
    details: { retrySafe: false },
  });
}

async function checkDisk({ deps, settings }: MachineCall): Promise<number> {
  const { freeBytes } = await deps.files.space(settings.paths.state);
  if (freeBytes >= MIN_FREE_BYTES) return freeBytes;
  throw new ApplianceError(
    "host/disk-full",
    `Cannot start on this disk: ${humanBytes(freeBytes)} are free under "${settings.paths.state}", ${humanBytes(MIN_FREE_BYTES)} are wanted`,
    { hint: "Make room on the disk: journalctl --vacuum-size=200M, or remove what does not belong to the appliance" },
  );
}

/** The payload's was installed before, where there was none. */
async function checkProgram({ deps, settings }: BootstrapCall): Promise<void> {
  const { k3s, payload } = settings.paths;
  if ((await deps.files.stat(k3s)) !== undefined) return;
  throw new ApplianceError(
    "host/no-k3s",
    `Cannot start Kubernetes: there is no "${k3s}", and none in "${payload}/bin" to install; one is wanted`,
    { hint: `Put ${payload} of the ISO back, then: systemctl restart alga-appliance-bootstrap` },
  );
}

/**
 * A clock before the box's own CA was made makes every certificate of it "not yet valid", one after its end all of them "expired". What
 * k3s makes of its CA it renews itself at each start.
 */
async function checkClock({ deps, settings }: MachineCall): Promise<void> {
  const path = join(settings.paths.root, "var/lib/rancher/k3s/server/tls/server-ca.crt");
  const bytes = await deps.files.read(path, { maxBytes: MAX_CERTIFICATE_BYTES });
  const valid = bytes === undefined ? undefined : validityOf(bytes);
  if (valid === undefined) return;
  const { fromMs: madeMs, toMs } = valid;
  const nowMs = deps.clock.now();
  if (nowMs > toMs) throw authorityEnded(nowMs, toMs);
  if (nowMs >= madeMs) return;
  throw new ApplianceError(
    "host/clock-wrong",
    `Cannot start with this clock: it says ${toInstant(nowMs)}, later than ${toInstant(madeMs)} is wanted (when this box was set up)`,
    { hint: "Set the clock: timedatectl set-ntp true, or timedatectl set-time 'YYYY-MM-DD HH:MM'" },
  );
}

function authorityEnded(nowMs: number, toMs: number): ApplianceError {
  return new ApplianceError(
    "host/certificates-expired",
    `Cannot start with the authority of this box's Kubernetes: it ended ${toInstant(toMs)}, and the clock says ${toInstant(nowMs)}`,
    {
      hint: "Check the clock with timedatectl; if it is right, give k3s a new authority: k3s certificate rotate-ca (see its documentation)",
    },
  );
}

function validityOf(bytes: Uint8Array): { readonly fromMs: number; readonly toMs: number } | undefined {
  try {
    const { validFrom, validTo } = new X509Certificate(bytes);
    const [fromMs, toMs] = [Date.parse(validFrom), Date.parse(validTo)];
    return Number.isFinite(fromMs) && Number.isFinite(toMs) ? { fromMs, toMs } : undefined;
  } catch {
    // A CA that nobody can read is k3s's matter: it tells so itself.
    return undefined;
  }
}

async function checkCgroups({ deps, settings }: MachineCall): Promise<void> {
  const place = (path: string): string => join(settings.paths.root, path);
  const two = await deps.files.read(place("sys/fs/cgroup/cgroup.controllers"), { maxBytes: 4_096 });
  const one = await deps.files.stat(place("sys/fs/cgroup/memory"));
  const has = two === undefined ? one !== undefined : new TextDecoder().decode(two).split(/\s+/).includes("memory");
  if (has) return;
  throw new ApplianceError(
    "host/no-cgroup",
    "Cannot start Kubernetes on this kernel: there is no memory control group, one is wanted",
    { hint: "Start the kernel with cgroup_enable=memory (in GRUB_CMDLINE_LINUX of /etc/default/grub), then reboot" },
  );
}

/** A port may be held by our own: k3s that runs, or the control plane that answers. */
async function checkPorts(call: BootstrapCall): Promise<void> {
  const { deps, settings, signal } = call;
  if (await deps.network.isListening(API_PORT)) {
    const { stdout } = await deps.exec(["systemctl", "is-active", "k3s.service"], { timeoutMs: 30_000, signal });
    // At a boot systemd starts it beside us: it holds its port before it says that it is active.
    if (!RUNNING.includes(stdout.trim())) throw await portTaken(call, API_PORT);
  }
  const ours = [settings.port, SECURE_PORT];
  const held = await Promise.all(ours.map((port) => deps.network.isListening(port)));
  const taken = ours.find((_port, at) => held[at]);
  if (taken === undefined || (await isControlPlane(deps, { port: settings.port, signal }))) return;
  throw await portTaken(call, taken);
}

/** Tells whether what listens on the control plane's port is the control plane. */
export async function isControlPlane(
  deps: Pick<Deps, "transports">,
  { port, signal }: { readonly port: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const fetch = deps.transports.open({ connectTimeoutMs: PROBE_MS, idleTimeoutMs: PROBE_MS });
  try {
    const answer = await fetch(new Request(`http://127.0.0.1:${port}/healthz`, { signal }));
    const tooLarge = (): Error => new Error("not ours");
    const text = new TextDecoder().decode(await readBody(answer.body, { maxBytes: 1_024, tooLarge, signal }));
    return answer.status === 200 && /"ok":\s*true/.test(text) && /"mode":/.test(text);
  } catch {
    if (signal.aborted) throw signal.reason;
    return false;
  }
}

async function portTaken({ deps, signal }: BootstrapCall, port: number): Promise<ApplianceError> {
  const listed = await deps
    .exec(["ss", "-Hltnp", `sport = :${port}`], { timeoutMs: 10_000, maxBytes: 4_096, signal })
    .catch(() => undefined);
  const text = listed?.stdout.trim() ?? "";
  const holder = /users:\(\("([^"]{1,64})",pid=(\d+)/.exec(text);
  const who = holder === null ? "another program" : `"${holder[1]}" (process ${holder[2]})`;
  return new ApplianceError(
    "host/port-taken",
    `Cannot use port "${port}": ${who} listens there, a free port is wanted`,
    {
      hint: `Stop it: systemctl disable --now <unit>; ss -Hltnp shows who listens`,
      details: text === "" ? {} : { evidence: [{ ref: `ss, port ${port}`, text }] },
    },
  );
}
