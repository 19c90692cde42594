/** Progress of a copy as lines for people: how far, how much in all, and how quickly. */
import type { CommandContext } from "../cli/command.ts";
import type { Output } from "../cli/output.ts";
import { humanBytes } from "../core/quantity.ts";

/** On a terminal a line a second is followed with the eye; a log of a pipeline is read later. */
const TERMINAL_MS = 1_000;
const LOG_MS = 15_000;

/** Milliseconds between two lines of progress. */
export function linesEveryMs(out: Pick<Output, "terminal">): number {
  return out.terminal ? TERMINAL_MS : LOG_MS;
}

/**
 * Makes a teller: "Copied 120 MB of 1.9 GB (6%), 31 MB/s", now and then, and once at the end. The rate is of this run: bytes that
 * were there at the first call are not counted.
 */
export function percentLines(
  { out, deps }: Pick<CommandContext, "out" | "deps">,
  verb: string,
): (done: number, total: number) => void {
  const everyMs = linesEveryMs(out);
  let first: { readonly atMs: number; readonly bytes: number } | undefined;
  let [lastMs, isOver] = [Number.NEGATIVE_INFINITY, false];
  return (done, total) => {
    const now = deps.clock.monotonic();
    first ??= { atMs: now, bytes: done };
    const isEnd = done >= total;
    if (isOver || (!isEnd && now - lastMs < everyMs)) return;
    [lastMs, isOver] = [now, isEnd];
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    const seconds = (now - first.atMs) / 1_000;
    const rate = seconds > 0 ? `, ${humanBytes(Math.round((done - first.bytes) / seconds))}/s` : "";
    out.progress(`${verb} ${humanBytes(done)} of ${humanBytes(total)} (${percent}%)${rate}`);
  };
}
