/**
 * When a disk will be full at the present rate, from hourly samples in memory: nothing is said in the first day after a
 * start.
 *
 * Two measures of growth must agree, and the smaller counts: the straight line through all samples is not fooled by logs
 * that grow and are rotated, the median hour is not fooled by one large download.
 */

/** A size at a time of a clock that never jumps. */
export interface DiskSample {
  readonly atMs: number;
  readonly usedBytes: number;
}

const HOUR_MS = 3_600_000;
/** Two weeks: older growth says little about the next. */
const MAX_SAMPLES = 14 * 24;
const MIN_SPAN_MS = 24 * HOUR_MS;
/** Further ahead nobody plans by a disk's rate. */
const HORIZON_MS = 2 * 365 * 24 * HOUR_MS;

export interface DiskTrend {
  /**
   * Takes a look at a disk, at most one an hour is kept.
   *
   * @param atMs Of a clock that never jumps.
   * @returns milliseconds until it is full at the present rate; undefined when that is not known or far away.
   */
  see(
    disk: { readonly path: string; readonly freeBytes: number; readonly totalBytes: number },
    atMs: number,
  ): number | undefined;
}

/** Starts without any sample. */
export function createDiskTrend(): DiskTrend {
  const kept = new Map<string, readonly DiskSample[]>();
  return {
    see: ({ path, freeBytes, totalBytes }, atMs) => {
      const before = kept.get(path) ?? [];
      const last = before.at(-1);
      const isDue = last === undefined || atMs - last.atMs >= HOUR_MS;
      const sample = { atMs, usedBytes: totalBytes - freeBytes };
      if (isDue) kept.set(path, [...before, sample].slice(-MAX_SAMPLES));
      return untilFull(kept.get(path) ?? [], freeBytes);
    },
  };
}

/** Milliseconds until no byte is free; undefined when it does not grow, was not seen for a day, or it is far away. Pure. */
export function untilFull(samples: readonly DiskSample[], freeBytes: number): number | undefined {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.atMs - first.atMs < MIN_SPAN_MS) return undefined;
  const bytesPerMs = Math.min(lineSlope(samples), medianSlope(samples));
  if (!(bytesPerMs > 0)) return undefined;
  const leftMs = freeBytes / bytesPerMs;
  return leftMs < HORIZON_MS ? leftMs : undefined;
}

/** Slope of the line of least squares, in bytes a millisecond. */
function lineSlope(samples: readonly DiskSample[]): number {
  const mean = (of: (sample: DiskSample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const meanAt = mean(({ atMs }) => atMs);
  const meanUsed = mean(({ usedBytes }) => usedBytes);
  const together = mean(({ atMs, usedBytes }) => (atMs - meanAt) * (usedBytes - meanUsed));
  return together / mean(({ atMs }) => (atMs - meanAt) ** 2);
}

/** Growth from one sample to the next, in bytes a millisecond: the middle one of all. */
function medianSlope(samples: readonly DiskSample[]): number {
  const slopes = samples
    .slice(1)
    .flatMap((sample, index) => {
      const before = samples[index];
      return before === undefined ? [] : (sample.usedBytes - before.usedBytes) / (sample.atMs - before.atMs);
    })
    .sort((a, b) => a - b);
  return slopes[Math.floor(slopes.length / 2)] ?? 0;
}
