/**
 * A journal as a stream: piece by piece as the reader takes it, redacted line by line, within bounds of lines, bytes and time. However
 * long it is, a piece of it is in memory. When the reader goes away the program ends.
 */
import { abortReason } from "../core/deadline.ts";
import type { Deps } from "../core/ports.ts";
import { createLineRedactor, redactLines } from "../core/redact-lines.ts";
import { programFailed } from "./containerd.ts";

/** Bytes of an answer at most. */
const MAX_BYTES = 16 * 1024 * 1024;
/** A longer line is given in pieces. */
const MAX_LINE = 64 * 1024;
/** Lines that are looked at together first: a journal may begin within a private key. */
const FIRST_LINES = 200;

/** What a journal is read with. */
export interface JournalReading {
  readonly argv: readonly [string, ...string[]];
  /** Milliseconds for all of it, however slowly it is taken. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Told once, when nothing runs any more. */
  readonly onEnd: () => void;
}

/**
 * Starts to read a journal. Resolves with the stream once the first bytes are there, so that a program that fails at once is an error
 * and no empty journal.
 *
 * @throws {ApplianceError} exec/failed, exec/not-found, exec/timeout, internal/aborted.
 */
export async function openJournal(
  deps: Pick<Deps, "exec">,
  reading: JournalReading,
): Promise<AsyncGenerator<Uint8Array, void>> {
  const pieces = redacted(outputOf(deps, reading));
  const first = await pieces.next();
  const opened = (async function* (): AsyncGenerator<Uint8Array, void> {
    try {
      yield new Uint8Array();
      if (first.done !== true) yield first.value;
      yield* pieces;
    } finally {
      await pieces.return();
    }
  })();
  // Begun, so that its end is heard also when nobody reads a byte of it.
  await opened.next();
  return opened;
}

/** Output of a program, a piece when one is wanted; its end ends the program. */
async function* outputOf(
  { exec }: Pick<Deps, "exec">,
  { argv, timeoutMs, signal, onEnd }: JournalReading,
): AsyncGenerator<Uint8Array, void> {
  const gone = new AbortController();
  let offer: { readonly bytes: Uint8Array; readonly taken: () => void } | undefined;
  let letGo = (): void => {};
  let news = Promise.withResolvers<void>();
  const onOutput = (bytes: Uint8Array): Promise<void> => {
    const taken = Promise.withResolvers<void>();
    if (gone.signal.aborted) taken.resolve();
    offer = { bytes, taken: taken.resolve };
    news.resolve();
    return taken.promise;
  };
  const both = AbortSignal.any([signal, gone.signal]);
  const ended = exec(argv, { timeoutMs, maxBytes: MAX_BYTES, signal: both, onOutput }).finally(() => news.resolve());
  ended.catch(() => {});
  try {
    for (;;) {
      await news.promise;
      if (offer === undefined) break;
      const { bytes, taken } = offer;
      letGo = taken;
      offer = undefined;
      news = Promise.withResolvers();
      const { resolve } = news;
      ended.then(() => resolve()).catch(() => resolve());
      yield bytes;
      taken();
    }
    if (signal.aborted) throw abortReason(signal);
    const result = await ended;
    if (result.code !== 0) throw programFailed(argv[0], result);
    if (result.truncated) yield new TextEncoder().encode(`[cut after ${MAX_BYTES} bytes]\n`);
  } finally {
    gone.abort();
    letGo();
    await ended.catch(() => {});
    onEnd();
  }
}

/** Whole lines, masked. The first ones are held back until it is known whether a key began before them. */
async function* redacted(pieces: AsyncGenerator<Uint8Array, void>): AsyncGenerator<Uint8Array, void> {
  const redact = createLineRedactor();
  let first: string[] | undefined = [];
  try {
    for await (const lines of linesOf(pieces)) {
      if (first === undefined) yield text(lines.map(redact));
      else {
        first.push(...lines);
        if (first.length < FIRST_LINES) continue;
        yield text(firstMasked(first, redact));
        first = undefined;
      }
    }
    if (first !== undefined && first.length > 0) yield text(firstMasked(first, redact));
  } finally {
    await pieces.return();
  }
}

/** Masks the first lines by what is known of all of them, and lets the redactor of the rest see them too. */
function firstMasked(lines: readonly string[], redact: (line: string) => string): readonly string[] {
  for (const line of lines) redact(line);
  return redactLines(lines);
}

async function* linesOf(pieces: AsyncGenerator<Uint8Array, void>): AsyncGenerator<readonly string[], void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    while (rest.length > MAX_LINE) {
      lines.push(rest.slice(0, MAX_LINE));
      rest = rest.slice(MAX_LINE);
    }
    if (lines.length > 0) yield lines;
  }
  rest += decoder.decode();
  if (rest !== "") yield [rest];
}

function text(lines: readonly string[]): Uint8Array {
  return new TextEncoder().encode(`${lines.join("\n")}\n`);
}
