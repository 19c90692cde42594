/**
 * A change of the network that comes back by itself: applied, and undone unless somebody who still reaches the box confirms it.
 *
 * Before a file is touched, a record with the former files lies on the disk. It is obeyed by whoever comes first after the time is over:
 * this process, a timer of systemd, or the bootstrap of the next boot. So neither a process that dies nor a power cut leaves a box that
 * nobody reaches. Doing it twice does no harm.
 *
 * @see netplan(5), "netplan apply"; systemd-run(1), "--on-active"
 */
import { dirname, join } from "node:path/posix";
import { z } from "zod";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { run } from "./bootstrap-context.ts";
import { consolePaths } from "./console-paths.ts";
import { type NetplanEdit, OUR_NETPLAN } from "./netplan-files.ts";

/** What a change works with. */
export interface NetplanScope {
  readonly deps: Pick<Deps, "files" | "exec" | "machine" | "log">;
  readonly paths: StatePaths;
  readonly signal: AbortSignal;
}

const ASIDE = ".alga-before";
const MAX_BYTES = 256 * 1024;
/** Milliseconds that the timer leaves to the process that waits. */
const TIMER_GRACE_MS = 5_000;
const TIMER = "alga-appliance-network-undo";
const EXECUTABLE = "/usr/local/bin/alga-appliance";
const APPLY = ["netplan", "apply"] as const;
/**
 * In a unit of its own: the bootstrap is kept from the network and from the kernel's settings, and netplan touches both.
 * @see systemd-run(1), "--wait", "--pipe"; netplan-apply(8): it lets udev tell of the devices anew
 */
const APPLY_OUTSIDE = ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", ...APPLY] as const;

const recordSchema = z.object({
  schema: z.literal("alga.appliance.network-undo/v1"),
  interface: z.string(),
  bootId: z.string(),
  /** Uptime of that boot, in milliseconds, at which it is undone. */
  untilUptimeMs: z.number(),
  /** Files as they were; null: there was none. */
  files: z.array(z.object({ path: z.string(), content: z.string().nullable() })),
});

/** A change that waits for its confirmation. */
export type NetworkUndo = z.infer<typeof recordSchema>;

/** The change that waits, undefined when there is none. @throws {ApplianceError} file/corrupt for a record that nobody can read. */
export async function pendingNetworkChange({ deps, paths }: NetplanScope): Promise<NetworkUndo | undefined> {
  const path = consolePaths(paths).networkUndo;
  const bytes = await deps.files.read(path, { maxBytes: 4 * MAX_BYTES });
  if (bytes === undefined) return undefined;
  try {
    return recordSchema.parse(parseJson(bytes, { what: "the undo of the network", maxBytes: 4 * MAX_BYTES }));
  } catch (cause) {
    throw new ApplianceError("file/corrupt", `Cannot undo the network: "${path}" holds something else`, {
      cause,
      hint: "Look at /etc/netplan and remove the file",
    });
  }
}

/** Milliseconds that are left to confirm it; 0 also after another boot. */
export async function timeLeft({ deps }: NetplanScope, undo: NetworkUndo): Promise<number> {
  if (undo.bootId !== (await deps.machine.bootId())) return 0;
  return Math.max(0, undo.untilUptimeMs - (await deps.machine.uptimeMs()));
}

/**
 * Puts the settings in force for a time. Files of others are edited as the change says; how they were stays beside them.
 *
 * @throws {ApplianceError} host/network-busy while another change waits; exec/not-found on a box without netplan; exec/failed with the words
 *   of netplan that refuses it, and file/ codes: then everything is as it was.
 */
export async function tryNetwork(
  scope: NetplanScope,
  change: {
    readonly interface: string;
    /** Of our file. */
    readonly text: string;
    /** Of the files of others. */
    readonly edits?: readonly NetplanEdit[];
    readonly withinMs: number;
  },
): Promise<NetworkUndo> {
  const { deps, paths } = scope;
  const before = await pendingNetworkChange(scope);
  if (before !== undefined && (await timeLeft(scope, before)) > 0) throw busy();
  if (before !== undefined) await undoNetwork(scope);
  await assertNetplan(scope);
  const folder = join(paths.root, "etc/netplan");
  const edits = change.edits ?? [];
  const ours = join(folder, OUR_NETPLAN);
  const touched = [ours, ...edits.flatMap(({ path }) => [path, `${path}${ASIDE}`])];
  const undo: NetworkUndo = {
    schema: "alga.appliance.network-undo/v1",
    interface: change.interface,
    bootId: await deps.machine.bootId(),
    untilUptimeMs: (await deps.machine.uptimeMs()) + change.withinMs,
    files: await Promise.all(touched.map(async (path) => ({ path, content: await textOf(scope, path) }))),
  };
  const { networkUndo } = consolePaths(paths);
  await deps.files.makeDirectory(dirname(networkUndo), { mode: 0o700 });
  if (!(await deps.files.create(networkUndo, `${JSON.stringify(undo)}\n`, { mode: 0o600 }))) throw busy();
  try {
    await armTimer(scope, change.withinMs);
    await deps.files.makeDirectory(folder, { mode: 0o755 });
    for (const { path, text } of edits) {
      const former = undo.files.find((file) => file.path === path)?.content ?? "";
      await deps.files.write(`${path}${ASIDE}`, former, { mode: 0o600 });
      await deps.files.write(path, text, { mode: 0o600 });
    }
    await deps.files.write(ours, change.text, { mode: 0o600 });
    await run(scope, ["netplan", "generate"]);
    await run(scope, APPLY);
    return undo;
  } catch (thrown) {
    await undoNetwork({ ...scope, signal: NEVER });
    throw thrown;
  }
}

/** On a box whose system keeps its network elsewhere, files of netplan would be written for nobody. @see netplan-info(8) */
async function assertNetplan(scope: NetplanScope): Promise<void> {
  try {
    await run(scope, ["netplan", "info"]);
  } catch (thrown) {
    if (!isApplianceError(thrown, "exec/not-found")) throw thrown;
    throw new ApplianceError("exec/not-found", "Cannot change the network: this box has no netplan, which is wanted", {
      cause: thrown,
      hint: "Set it where the system of this box keeps it; alga-appliance console network shows what is in force",
    });
  }
}

/** Whether our file says this: a change is in force, or was taken back. */
export async function isNetworkText(scope: NetplanScope, text: string): Promise<boolean> {
  return (await textOf(scope, join(scope.paths.root, "etc/netplan", OUR_NETPLAN))) === text;
}

/** What was begun is put back also when the caller has been stopped. */
const NEVER = new AbortController().signal;

/** Keeps the change. @throws {ApplianceError} host/network-busy when there is none any more: it was undone. */
export async function confirmNetwork(scope: NetplanScope): Promise<void> {
  const pending = await pendingNetworkChange(scope);
  if (pending === undefined || (await timeLeft(scope, pending)) === 0) throw tooLate();
  await scope.deps.files.remove(consolePaths(scope.paths).networkUndo);
  await disarmTimer(scope);
}

/**
 * Puts the former files back and applies them. Safe to call again, and by two at once.
 * @returns the interface; undefined when nothing waits.
 */
export function undoNetwork(scope: NetplanScope): Promise<string | undefined> {
  return putBack(scope, APPLY);
}

async function putBack(scope: NetplanScope, apply: readonly [string, ...string[]]): Promise<string | undefined> {
  const { deps, paths } = scope;
  const pending = await pendingNetworkChange(scope);
  if (pending === undefined) return undefined;
  for (const { path, content } of pending.files) {
    if (content === null) await deps.files.remove(path);
    else await deps.files.write(path, content, { mode: 0o600 });
  }
  await run(scope, apply);
  await deps.files.remove(consolePaths(paths).networkUndo);
  await disarmTimer(scope);
  return pending.interface;
}

/**
 * Undoes a change that nobody confirmed in its time or its boot, also from within a sandbox. For every start; what fails is logged,
 * because a start must go on.
 */
export async function undoExpiredNetwork(scope: NetplanScope): Promise<void> {
  try {
    const pending = await pendingNetworkChange(scope);
    if (pending === undefined || (await timeLeft(scope, pending)) > 0) return;
    const name = await putBack(scope, APPLY_OUTSIDE);
    scope.deps.log.warn("network settings that nobody confirmed are undone", { interface: name });
  } catch (error) {
    if (!isApplianceError(error) || error.code === "internal/aborted") throw error;
    scope.deps.log.error("network settings are not undone", { error });
  }
}

async function textOf({ deps }: NetplanScope, path: string): Promise<string | null> {
  const bytes = await deps.files.read(path, { maxBytes: MAX_BYTES });
  return bytes === undefined ? null : new TextDecoder().decode(bytes);
}

/** A timer of systemd undoes it when this process is gone. Without systemd the next boot does. */
async function armTimer({ deps, signal }: NetplanScope, withinMs: number): Promise<void> {
  const seconds = Math.ceil((withinMs + TIMER_GRACE_MS) / 1_000);
  const argv = [
    ...(["systemd-run", "--quiet", "--collect", `--unit=${TIMER}`, `--on-active=${seconds}s`] as const),
    ...[EXECUTABLE, "console", "network", "undo"],
  ] as const;
  const result = await deps.exec([...argv], { timeoutMs: PROGRAM_MS, signal }).catch((error: unknown) => {
    if (!isApplianceError(error) || error.code === "internal/aborted") throw error;
    return { code: 127, stderr: error.message };
  });
  if (result.code !== 0)
    deps.log.warn("no timer undoes the network when this process dies", { why: result.stderr.slice(-200) });
}

const PROGRAM_MS = 20_000;

async function disarmTimer({ deps, signal }: NetplanScope): Promise<void> {
  await deps
    .exec(["systemctl", "stop", `${TIMER}.timer`], { timeoutMs: PROGRAM_MS, signal })
    .catch((error: unknown) => {
      if (!isApplianceError(error) || error.code === "internal/aborted") throw error;
    });
}

function busy(): ApplianceError {
  return new ApplianceError("host/network-busy", "Cannot change the network: another change waits to be confirmed", {
    hint: "alga-appliance console network confirm keeps it, alga-appliance console network undo takes it back",
  });
}

function tooLate(): ApplianceError {
  return new ApplianceError(
    "host/network-busy",
    "Cannot confirm the network: no change waits, it was undone or confirmed",
    {
      hint: "alga-appliance console network shows what is in force",
    },
  );
}
