/**
 * A stream of known length that can be read again from where a request broke off.
 *
 * The last bytes that were read are kept; whoever wants earlier ones has the stream opened anew and read up to there. What is
 * in memory is what is kept, whatever the length of the stream.
 */
import { streamOf } from "../core/streams.ts";

export interface Replay {
  /**
   * Bytes from an offset up to another one, which is not part of it. Ends what an earlier call gave. The part that reaches
   * the end of the stream is given only when the stream has ended well, so that a stream that checks its bytes at its end
   * never gives all of them when they are wrong.
   */
  part(from: number, to: number): ReadableStream<Uint8Array>;
  /** Lets the stream go. Safe to call again. */
  end(): void;
}

export interface ReplayOptions {
  /** Length of the stream. */
  readonly sizeBytes: number;
  /** Bytes that are kept at least. */
  readonly keepBytes: number;
}

interface Kept {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** One reading of the stream; a new one begins when bytes are wanted that are no longer kept. */
interface Reading {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly kept: Kept[];
  readBytes: number;
  isOver: boolean;
  /** Two parts may want more at the same time, when one was left in the middle. */
  pending: Promise<void> | undefined;
}

/** Makes it. Nothing is opened yet. @param open The stream from its first byte; throws into `part` what it throws. */
export function createReplay(open: () => ReadableStream<Uint8Array>, options: ReplayOptions): Replay {
  let reading: Reading | undefined;
  let parts = 0;
  const end = (): void => {
    if (reading !== undefined && !reading.isOver) reading.reader.cancel().catch(() => {});
    reading = undefined;
  };
  const readingFrom = (from: number): Reading => {
    const first = reading?.kept[0]?.start ?? reading?.readBytes ?? 0;
    if (reading !== undefined && first <= from) return reading;
    end();
    reading = { reader: open().getReader(), kept: [], readBytes: 0, isOver: false, pending: undefined };
    return reading;
  };
  return {
    end,
    part: (from, to) => {
      parts += 1;
      const own = parts;
      return streamOf(bytesOf(readingFrom(from), { from, to, ...options, isCurrent: () => own === parts }));
    },
  };
}

interface Part extends ReplayOptions {
  readonly from: number;
  readonly to: number;
  readonly isCurrent: () => boolean;
}

async function* bytesOf(reading: Reading, part: Part): AsyncGenerator<Uint8Array, void> {
  const { from, to, sizeBytes } = part;
  for (let at = from; at < to && part.isCurrent(); ) {
    const found = reading.kept.findLast(({ start }) => start <= at);
    const rest = found?.bytes.subarray(at - found.start, to - found.start) ?? new Uint8Array();
    // The last bytes of all wait for the end.
    const isLast = at + rest.length >= sizeBytes;
    if ((rest.length === 0 || isLast) && !reading.isOver) await more(reading, part);
    else if (rest.length === 0) return;
    else {
      at += rest.length;
      yield rest;
    }
  }
}

function more(reading: Reading, options: ReplayOptions): Promise<void> {
  reading.pending ??= readOn(reading, options).finally(() => {
    reading.pending = undefined;
  });
  return reading.pending;
}

async function readOn(reading: Reading, { keepBytes }: ReplayOptions): Promise<void> {
  const { done, value } = await reading.reader.read();
  reading.isOver = done;
  if (value === undefined || value.length === 0) return;
  reading.kept.push({ start: reading.readBytes, bytes: value });
  reading.readBytes += value.length;
  while ((reading.kept[1]?.start ?? Number.POSITIVE_INFINITY) <= reading.readBytes - keepBytes) reading.kept.shift();
}
