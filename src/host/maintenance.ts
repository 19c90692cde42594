/**
 * The maintenance document on the host: written at each start by the bootstrap, and marked at each shutdown by its unit.
 *
 * A start that finds the one before without a mark asks the journal of that boot; where that tells of no shutdown either, it was
 * unclean. Kept in root's own folder, bounded; one that a disk damaged is put aside and begun anew.
 */
import { join } from "node:path/posix";
import { isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import {
  type Boot,
  type KeptMaintenance,
  keptMaintenanceSchema,
  MAINTENANCE_SCHEMA,
  MAX_BOOTS,
  MAX_BOOTSTRAPS,
  MAX_CHANGES,
  type MaintainedSystem,
  type Maintenance,
} from "../core/maintenance.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import type { HistoryRecord } from "../operation/store.ts";
import { gatherSystem } from "./agent-facts.ts";
import { earlierBoots } from "./earlier-boots.ts";
import { openHostStore } from "./host-store.ts";

const MAX_BYTES = 256 * 1024;
const PROGRAM_MS = 10_000;
const MAX_TEXT = 400;

type MaintenanceDeps = Pick<Deps, "clock" | "machine" | "files" | "exec" | "log">;

/** @param options.appliance Version of this executable. */
export interface NoteOptions {
  readonly paths: StatePaths;
  readonly appliance: string;
  readonly signal: AbortSignal;
}

/**
 * Notes that this boot has begun, how the one before ended, and what changed since. Safe to call again in the same boot: a shutdown
 * that was marked and did not happen is taken back.
 */
export async function noteBoot(deps: MaintenanceDeps, options: NoteOptions): Promise<void> {
  const { paths, appliance, signal } = options;
  const bootId = await deps.machine.bootId();
  const nowMs = deps.clock.now();
  const system: MaintainedSystem = { ...(await gatherSystem(deps, paths, signal)), appliance };
  const before = await readKept(deps, paths);
  const startedMs = nowMs - (await deps.machine.uptimeMs());
  const known = before?.boots.find((boot) => boot.bootId === bootId);
  const earlier = (before?.boots ?? []).filter((boot) => boot.bootId !== bootId);
  const close = (boot: Boot): Promise<Boot> => closeBoot(deps, boot, signal);
  const closed = await Promise.all(earlier.map(close));
  const unnoted =
    before === undefined ? await earlierBoots(deps, { root: paths.root, bootId, startedMs, close, signal }) : [];
  const running: Boot = { bootId, startedAt: known?.startedAt ?? toInstant(startedMs), endedAt: null, end: "running" };
  await writeKept(deps, paths, {
    schema: MAINTENANCE_SCHEMA,
    system,
    boots: [...unnoted, ...closed, running].slice(-MAX_BOOTS),
    changes: [...(before?.changes ?? []), ...changesOf(before?.system, system, toInstant(nowMs))].slice(-MAX_CHANGES),
  });
}

/**
 * Notes who may get in now, before it is so: a change of access that leaves no trace is none that an owner could find. Each call is a
 * line of its own.
 * @throws {ApplianceError} the file/ codes when it cannot be noted.
 */
export async function noteAccess(
  deps: MaintenanceDeps,
  { paths, appliance, signal, from, to }: NoteOptions & { readonly from: string; readonly to: string },
): Promise<void> {
  // A box whose bootstrap has noted nothing yet has a system all the same.
  const kept = (await readKept(deps, paths)) ?? {
    schema: MAINTENANCE_SCHEMA,
    system: { ...(await gatherSystem(deps, paths, signal)), appliance },
    boots: [],
    changes: [],
  };
  const change = { at: toInstant(deps.clock.now()), what: "access", from, to } as const;
  await writeKept(deps, paths, { ...kept, changes: [...kept.changes, change].slice(-MAX_CHANGES) });
}

/** Marks that this boot ends as it should. Only while systemd stops: a restart of the unit is no shutdown. @returns whether it did. */
export async function noteShutdown(deps: MaintenanceDeps, options: Omit<NoteOptions, "appliance">): Promise<boolean> {
  const { paths, signal } = options;
  const said = await deps.exec(["systemctl", "is-system-running"], { timeoutMs: PROGRAM_MS, signal });
  if (said.stdout.trim() !== "stopping") return false;
  const bootId = await deps.machine.bootId();
  const kept = await readKept(deps, paths);
  if (kept === undefined) return false;
  const endedAt = toInstant(deps.clock.now());
  const boots = kept.boots.map((boot): Boot => (boot.bootId === bootId ? { ...boot, endedAt, end: "clean" } : boot));
  await writeKept(deps, paths, { ...kept, boots });
  return true;
}

/** The whole document; undefined while the host has not written one. Reads only. */
export async function readMaintenance(
  deps: Pick<MaintenanceDeps, "files" | "clock" | "log">,
  paths: StatePaths,
): Promise<Maintenance | undefined> {
  const kept = await readKept(deps, paths, { leaveDamaged: true });
  if (kept === undefined) return undefined;
  const history = await openHostStore(deps, paths).readHistory();
  return {
    ...kept,
    observedAt: toInstant(deps.clock.now()),
    uncleanShutdowns: kept.boots.filter(({ end }) => end === "unclean").length,
    runs: history.slice(-MAX_BOOTSTRAPS).map(runOf),
  };
}

function runOf({ operationId, kind, state, startedAt, at, about }: HistoryRecord): Maintenance["runs"][number] {
  const { problem } = about;
  const said = typeof problem === "object" && problem !== null && "message" in problem ? String(problem.message) : null;
  return { operationId, kind, state, startedAt, endedAt: at, problem: said?.slice(0, MAX_TEXT) ?? null };
}

/** A boot that is over, with its end. */
async function closeBoot(deps: MaintenanceDeps, boot: Boot, signal: AbortSignal): Promise<Boot> {
  if (boot.end !== "running") return boot;
  const last = await lastWordOf(deps, boot.bootId, signal);
  return { ...boot, endedAt: last?.at ?? null, end: last?.isShutdown === true ? "clean" : "unclean" };
}

/**
 * The last line of a boot's journal: journald says "Journal stopped" when it is told to end.
 * @see systemd-journald.service(8); journalctl(1), "--boot"
 */
async function lastWordOf(
  { exec }: MaintenanceDeps,
  bootId: string,
  signal: AbortSignal,
): Promise<{ readonly at: string; readonly isShutdown: boolean } | undefined> {
  const id = bootId.replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/.test(id)) return undefined;
  const argv = [
    "journalctl",
    `--boot=${id}`,
    "--lines=1",
    "--output=json",
    "--output-fields=MESSAGE",
    "--no-pager",
  ] as const;
  const said = await exec(argv, { timeoutMs: PROGRAM_MS, signal }).catch(() => undefined);
  signal.throwIfAborted();
  try {
    const line = JSON.parse(said?.stdout.trim() ?? "") as Readonly<Record<string, unknown>>;
    const atMs = Number(line.__REALTIME_TIMESTAMP) / 1_000;
    if (!Number.isFinite(atMs) || Math.abs(atMs) > 8.64e15) return undefined;
    return { at: toInstant(atMs), isShutdown: line.MESSAGE === "Journal stopped" };
  } catch {
    return undefined;
  }
}

const PARTS = ["os", "kernel", "k3s", "appliance"] as const;

function changesOf(
  before: MaintainedSystem | undefined,
  now: MaintainedSystem,
  at: string,
): KeptMaintenance["changes"] {
  if (before === undefined) return [];
  // What could not be asked this time has not changed.
  const changed = PARTS.filter((what) => now[what] !== null && before[what] !== now[what]);
  return changed.map((what) => ({ at, what, from: before[what], to: now[what] }));
}

async function readKept(
  deps: Pick<MaintenanceDeps, "files" | "clock" | "log">,
  paths: StatePaths,
  options: { readonly leaveDamaged?: boolean } = {},
): Promise<KeptMaintenance | undefined> {
  const path = pathOf(paths);
  const bytes = await deps.files.read(path, { maxBytes: MAX_BYTES });
  if (bytes === undefined) return undefined;
  try {
    return keptMaintenanceSchema.parse(parseJson(bytes, { what: path, maxBytes: MAX_BYTES }));
  } catch (error) {
    if (options.leaveDamaged === true) return undefined;
    const aside = `${path}.corrupt-${toInstant(deps.clock.now()).replaceAll(/[:.]/g, "")}`;
    await deps.files.rename(path, aside);
    deps.log.error("maintenance document cannot be used", { aside, error });
    return undefined;
  }
}

async function writeKept(deps: Pick<Deps, "files">, paths: StatePaths, kept: KeptMaintenance): Promise<void> {
  await deps.files.makeDirectory(paths.host, { mode: 0o700 });
  await deps.files.write(pathOf(paths), `${JSON.stringify(kept, undefined, 2)}\n`);
}

function pathOf(paths: StatePaths): string {
  return join(paths.host, "maintenance.json");
}

/** As `noteBoot`, for a start that must not fail because its notes cannot be written. */
export async function tryNoteBoot(deps: MaintenanceDeps, options: NoteOptions): Promise<void> {
  try {
    await noteBoot(deps, options);
  } catch (thrown) {
    options.signal.throwIfAborted();
    if (!isApplianceError(thrown)) throw thrown;
    deps.log.warn("start is not noted", { error: thrown });
  }
}
