/**
 * The hidden name under which a file grows, so that the next process goes on when this one dies.
 *
 * The name tells who writes: pid and start time. A file of a process that is no more is taken over by renaming it, which only
 * one can do; while somebody writes, everybody else is refused. Names are enough, because sticks with FAT know no links.
 */
import { basename, dirname, join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";

type PartialDeps = Pick<Deps, "files" | "machine">;

interface Found {
  readonly path: string;
  readonly pid: number;
  readonly startTicks: string;
  readonly sizeBytes: number;
}

/**
 * Claims the hidden name of a file, with the largest of what dead processes left under it; the others are removed.
 *
 * @returns the name. There may be no file of it yet.
 * @throws {ApplianceError} operation/busy when a process that lives writes the same file.
 */
export async function claimPartial(deps: PartialDeps, path: string): Promise<string> {
  const self = await deps.machine.self();
  const own = nameOf(path, self);
  const [largest, ...others] = (await partialsOf(deps, path)).toSorted((a, b) => b.sizeBytes - a.sizeBytes);
  if (largest !== undefined && largest.path !== own) {
    await deps.files.rename(largest.path, own).catch(async (thrown: unknown) => {
      // Somebody else was quicker: then that one is told of.
      await partialsOf(deps, path);
      throw thrown;
    });
  }
  for (const { path: other } of others) await deps.files.remove(other);
  return own;
}

/** The hidden name of what an earlier run left of another content of the file. Beside `claimPartial`, for the same writer. */
export function formerName(path: string): string {
  return join(dirname(path), `.${basename(path)}.former`);
}

/** @throws {ApplianceError} operation/busy when somebody else has begun since `claimPartial`. Call when the file is there. */
export async function confirmPartial(deps: PartialDeps, path: string): Promise<void> {
  await partialsOf(deps, path);
}

function nameOf(path: string, { pid, startTicks }: { readonly pid: number; readonly startTicks: string }): string {
  return join(dirname(path), `.${basename(path)}.${pid}-${startTicks}.partial`);
}

/** Those of this process and of dead ones. */
async function partialsOf({ files, machine }: PartialDeps, path: string): Promise<readonly Found[]> {
  const self = await machine.self();
  const found: Found[] = [];
  for (const name of await files.list(dirname(path))) {
    const start = `.${basename(path)}.`;
    const [, pid, startTicks] =
      /^(\d{1,10})-(\d{1,20})\.partial$/.exec(name.startsWith(start) ? name.slice(start.length) : "") ?? [];
    if (pid === undefined || startTicks === undefined) continue;
    const place = join(dirname(path), name);
    const one = await files.stat(place, { links: "show" });
    if (one?.kind !== "file") continue;
    const isOwn = Number(pid) === self.pid && startTicks === self.startTicks;
    if (!isOwn && (await machine.processStart(Number(pid))) === startTicks) throw busy(path, pid);
    found.push({ path: place, pid: Number(pid), startTicks, sizeBytes: one.sizeBytes });
  }
  return found;
}

function busy(path: string, pid: string): ApplianceError {
  return new ApplianceError(
    "operation/busy",
    `Cannot write file "${path}": process ${pid} is writing it, one at a time is wanted`,
    { hint: "Wait until it is done, or name another file" },
  );
}
