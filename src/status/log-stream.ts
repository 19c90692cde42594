/**
 * A container's log as events: pieces of masked lines, at most 2000 lines a second, each with the instant of its last line, so
 * that a reader that comes back gets what it missed and nothing twice.
 */
import { isApplianceError, publicError } from "../core/errors.ts";
import type { StreamEvent } from "../core/event-stream.ts";
import type { Deps } from "../core/ports.ts";
import { createLineRedactor } from "../core/redact-lines.ts";
import type { Kube, LogLine, PodRef } from "../kube/calls.ts";
import { harmless } from "./evidence.ts";

export interface LogStreamOptions {
  /** Lines of the past that come first; a reader that comes back gets what it missed instead. */
  readonly tailLines: number;
  /** What the reader got last, from its Last-Event-ID; untrusted. */
  readonly lastEventId: string | null;
  readonly signal: AbortSignal;
}

/** Characters of one line that are shown. */
export const MAX_LINE = 4_096;
/** Lines of one event; more come in the next. */
const MAX_LINES = 500;
/** Lines in one second that a page can be expected to show; of more the number is told. */
const MAX_LINES_A_SECOND = 2_000;

interface FollowDeps {
  readonly kube: Pick<Kube, "follow">;
  readonly deps: Pick<Deps, "clock">;
}

/**
 * Follows one container. Ends with `end` when the container does, and with `problem` and `end` when its log may not or cannot be
 * read. A broken connection to the cluster throws, so that the stream breaks and its reader comes back.
 */
export async function* logEvents(
  { kube, deps }: FollowDeps,
  ref: PodRef,
  options: LogStreamOptions,
): AsyncGenerator<StreamEvent> {
  const last = parseStamp(options.lastEventId ?? "");
  const redact = createLineRedactor();
  const pace = createLinePace(deps);
  const from =
    last === undefined ? { tailLines: options.tailLines } : { since: `${options.lastEventId?.slice(0, 19)}Z` };
  try {
    for await (const piece of kube.follow(ref, { ...from, signal: options.signal })) {
      const fresh = last === undefined ? piece : piece.filter((line) => isAfter(line, last));
      const { shown, left } = pace.take(fresh);
      for (const part of partsOf(shown)) yield eventOf(part, redact, 0);
      if (left > 0) yield { type: "log", data: { lines: [], left } };
    }
    yield { type: "end", data: { reason: "ended" } };
  } catch (thrown) {
    if (isApplianceError(thrown, "internal/aborted", "kube/unreachable", "kube/server-error")) throw thrown;
    const { code, message, hint } = publicError(thrown);
    yield { type: "problem", data: { code, message, ...(hint === undefined ? {} : { hint }) } };
    yield { type: "end", data: { reason: "problem" } };
  }
}

function eventOf(lines: readonly LogLine[], redact: (line: string) => string, left: number): StreamEvent {
  const id = stampOf(lines.at(-1)?.at ?? "");
  // Masked before it is cut, so that a cut never leaves half of a secret.
  const shown = lines.map(({ text }) => harmless(redact(text)).slice(0, MAX_LINE));
  return { ...(id === undefined ? {} : { id }), type: "log", data: { lines: shown, left } };
}

function* partsOf(lines: readonly LogLine[]): Generator<readonly LogLine[]> {
  for (let at = 0; at < lines.length; at += MAX_LINES) yield lines.slice(at, at + MAX_LINES);
}

interface LinePace {
  /** The lines that may be shown now, and how many may not. */
  take(lines: readonly LogLine[]): { readonly shown: readonly LogLine[]; readonly left: number };
}

function createLinePace({ clock }: Pick<Deps, "clock">): LinePace {
  let begunMs = Number.NEGATIVE_INFINITY;
  let count = 0;
  return {
    take: (lines) => {
      const nowMs = clock.monotonic();
      if (nowMs - begunMs >= 1_000) {
        begunMs = nowMs;
        count = 0;
      }
      // Of a flood the end is what tells.
      const room = Math.max(0, MAX_LINES_A_SECOND - count);
      const shown = room === 0 ? [] : lines.slice(-room);
      count += shown.length;
      return { shown, left: lines.length - shown.length };
    },
  };
}

interface Stamp {
  readonly seconds: number;
  /** Nine digits. */
  readonly fraction: string;
}

const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

function parseStamp(text: string): Stamp | undefined {
  const [, instant, fraction = "", zone] = STAMP.exec(text) ?? [];
  const ms = Date.parse(`${instant}${zone}`);
  return Number.isNaN(ms) ? undefined : { seconds: ms / 1000, fraction: fraction.padEnd(9, "0") };
}

/** The instant in UTC, with all digits of its fraction. */
function stampOf(at: string): string | undefined {
  const stamp = parseStamp(at);
  if (stamp === undefined) return undefined;
  return `${new Date(stamp.seconds * 1000).toISOString().slice(0, 19)}.${stamp.fraction}Z`;
}

function isAfter({ at }: LogLine, last: Stamp): boolean {
  const stamp = parseStamp(at);
  if (stamp === undefined) return true;
  return stamp.seconds === last.seconds ? stamp.fraction > last.fraction : stamp.seconds > last.seconds;
}
