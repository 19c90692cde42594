/**
 * Boots from before the appliance took notes, by the system's own records: the journal where it is kept, and wtmp for what is older.
 *
 * Both were written by others, by clocks that may have been wrong, on disks that may have failed: everything is bounded, what has no
 * plausible time is left out, and what cannot be read is as if it were not there.
 *
 * @see journalctl(1), "--list-boots"; utmp(5); systemd-update-utmp.service(8)
 */
import { join } from "node:path/posix";
import { z } from "zod";
import type { Boot } from "../core/maintenance.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";

type RecordDeps = Pick<Deps, "files" | "exec" | "clock">;

export interface EarlierOptions {
  readonly root: string;
  /** This boot, which is none of them: its id, and when it began. */
  readonly bootId: string;
  readonly startedMs: number;
  /** How a boot of the journal ended. */
  readonly close: (boot: Boot) => Promise<Boot>;
  readonly signal: AbortSignal;
}

/** Boots of the journal whose ends are asked for, one program each. */
const MAX_JOURNAL = 20;
const MAX_WTMP = 50;
const PROGRAM_MS = 10_000;
const MAX_LIST_BYTES = 256 * 1024;
/** Older than any release of the system beneath. */
const EARLIEST_MS = Date.UTC(2020, 0, 1);
const DAY_MS = 86_400_000;
/** The journal begins some time after wtmp has noted a boot, or before. */
const SAME_BOOT_MS = 5 * 60_000;

/** Finds them, the oldest first. Never throws but the reason of the signal. */
export async function earlierBoots(deps: RecordDeps, options: EarlierOptions): Promise<readonly Boot[]> {
  const latestMs = deps.clock.now() + DAY_MS;
  const journal = (await journalBoots(deps, options)).filter((boot) => isPlausible(startOf(boot), latestMs));
  const older = await wtmpBoots(deps, options.root, latestMs).catch(() => []);
  options.signal.throwIfAborted();
  // What the journal tells, and this boot itself, stand in both.
  const firstMs = Math.min(...journal.map(startOf), options.startedMs) - SAME_BOOT_MS;
  const before = older.filter((boot) => startOf(boot) < firstMs).slice(-MAX_WTMP);
  return [...before, ...(await closeAll(journal, options))];
}

function startOf({ startedAt }: Boot): number {
  return Date.parse(startedAt);
}

async function closeAll(boots: readonly Boot[], { close }: EarlierOptions): Promise<readonly Boot[]> {
  const closed: Boot[] = [];
  for (const boot of boots.slice(-MAX_JOURNAL)) closed.push(await close(boot));
  return closed;
}

const listSchema = z
  .array(z.object({ boot_id: z.string().regex(/^[0-9a-f]{32}$/), first_entry: z.number() }))
  .max(10_000);

async function journalBoots({ exec }: RecordDeps, { bootId, signal }: EarlierOptions): Promise<readonly Boot[]> {
  const argv = ["journalctl", "--list-boots", "--output=json", "--no-pager", "--quiet"] as const;
  const said = await exec(argv, { timeoutMs: PROGRAM_MS, maxBytes: MAX_LIST_BYTES, signal }).catch(() => undefined);
  signal.throwIfAborted();
  try {
    return listSchema
      .parse(JSON.parse(said?.stdout ?? ""))
      .map(({ boot_id, first_entry }) => ({ id: dashed(boot_id), atMs: first_entry / 1_000 }))
      .filter(({ id, atMs }) => id !== bootId && Math.abs(atMs) < 8.64e15)
      .map(({ id, atMs }): Boot => ({ bootId: id, startedAt: toInstant(atMs), endedAt: null, end: "running" }));
  } catch {
    return [];
  }
}

/** As the kernel writes it. */
function dashed(id: string): string {
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** A record of wtmp. @see utmp(5), glibc's struct utmp on 64 bits */
const WTMP = { bytes: 384, user: 44, userBytes: 32, seconds: 340 } as const;
const KIND = { runLevel: 1, boot: 2 } as const;
/** Of its end: some months of a box on which people log in. */
const MAX_WTMP_BYTES = WTMP.bytes * 4_096;

interface Mark {
  readonly what: "boot" | "shutdown";
  readonly atMs: number;
}

async function wtmpBoots({ files }: RecordDeps, root: string, latestMs: number): Promise<readonly Boot[]> {
  const marks = marksOf(await wtmpEnd(files, join(root, "var/log/wtmp"))).filter(({ atMs }) =>
    isPlausible(atMs, latestMs),
  );
  // A system that never writes shutdowns down tells nothing by their absence.
  const writesThem = marks.some(({ what }) => what === "shutdown");
  return marks.flatMap(({ what, atMs }, at): readonly Boot[] => {
    if (what === "shutdown") return [];
    const next = marks[at + 1];
    const endedAt = next?.what === "shutdown" && next.atMs >= atMs ? toInstant(next.atMs) : null;
    const end = endedAt !== null ? "clean" : writesThem ? "unclean" : "unknown";
    return [{ bootId: `wtmp-${Math.floor(atMs / 1_000)}`, startedAt: toInstant(atMs), endedAt, end }];
  });
}

async function wtmpEnd(files: Pick<Deps["files"], "openRead">, path: string): Promise<Uint8Array> {
  const file = await files.openRead(path);
  if (file === undefined) return new Uint8Array();
  try {
    const whole = file.sizeBytes - (file.sizeBytes % WTMP.bytes);
    const length = Math.min(whole, MAX_WTMP_BYTES);
    return await file.readAt(whole - length, length);
  } finally {
    await file.close();
  }
}

/** Boots and shutdowns in their order; a boot that was noted twice is one. */
function marksOf(bytes: Uint8Array): readonly Mark[] {
  const marks: Mark[] = [];
  for (let at = 0; at + WTMP.bytes <= bytes.length; at += WTMP.bytes) {
    const mark = markOf(bytes.subarray(at, at + WTMP.bytes));
    const last = marks.at(-1);
    const isAgain = mark?.what === last?.what && Math.abs((mark?.atMs ?? 0) - (last?.atMs ?? 0)) < 1_000;
    if (mark !== undefined && !isAgain) marks.push(mark);
  }
  return marks;
}

function markOf(record: Uint8Array): Mark | undefined {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const kind = view.getInt16(0, true);
  const user = String.fromCharCode(...record.subarray(WTMP.user, WTMP.user + WTMP.userBytes)).replace(/\0.*$/s, "");
  const atMs = view.getUint32(WTMP.seconds, true) * 1_000;
  if (kind === KIND.boot && user === "reboot") return { what: "boot", atMs };
  return kind === KIND.runLevel && user === "shutdown" ? { what: "shutdown", atMs } : undefined;
}

function isPlausible(atMs: number, latestMs: number): boolean {
  return atMs >= EARLIEST_MS && atMs <= latestMs;
}
