/** How far a push is, for whoever draws it. */
import type { Clock } from "../core/ports.ts";

export interface PushProgress {
  readonly phase: "looking" | "sending" | "reading back";
  /** Bytes of blobs that have arrived in this run. */
  readonly sentBytes: number;
  /** Bytes of all blobs, each counted once. */
  readonly totalBytes: number;
  /** Bytes that need not be sent: they were there, or were mounted. */
  readonly skippedBytes: number;
  /** Of what was sent, from the beginning of the sending to its last byte so far. */
  readonly bytesPerSecond: number;
  /** Bytes that were read back and have the right digest. */
  readonly checkedBytes: number;
}

/** Adds up what a push does; each call is told on at once. All numbers are bytes. */
export interface ProgressMeter {
  phase(phase: PushProgress["phase"]): void;
  skipped(bytes: number): void;
  /** Negative when an upload begins anew. */
  sent(bytes: number): void;
  checked(bytes: number): void;
  now(): PushProgress;
}

/** Makes a meter. `tell` is called at every change; whoever draws decides how often. */
export function createMeter(
  clock: Pick<Clock, "monotonic">,
  totalBytes: number,
  tell: (progress: PushProgress) => void = () => {},
): ProgressMeter {
  let phase: PushProgress["phase"] = "looking";
  let [sentBytes, skippedBytes, checkedBytes] = [0, 0, 0];
  let startedMs: number | undefined;
  let lastMs = 0;
  const now = (): PushProgress => {
    const seconds = startedMs === undefined ? 0 : (lastMs - startedMs) / 1_000;
    const bytesPerSecond = seconds > 0 ? Math.round(Math.max(0, sentBytes) / seconds) : 0;
    return { phase, sentBytes, totalBytes, skippedBytes, bytesPerSecond, checkedBytes };
  };
  const change = (act: () => void): void => {
    act();
    tell(now());
  };
  return {
    now,
    phase: (next) =>
      change(() => {
        phase = next;
        if (next === "sending") startedMs ??= clock.monotonic();
      }),
    skipped: (bytes) =>
      change(() => {
        skippedBytes += bytes;
      }),
    sent: (bytes) =>
      change(() => {
        sentBytes += bytes;
        lastMs = clock.monotonic();
      }),
    checked: (bytes) =>
      change(() => {
        checkedBytes += bytes;
      }),
  };
}
