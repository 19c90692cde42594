/** The `Clock` port on the runtime's own timers. */
import { abortReason } from "../core/deadline.ts";
import type { Clock } from "../core/ports.ts";

/** Longest delay that a timer of the runtimes takes (2^31 - 1 ms); longer waits are made of several. */
const LONGEST_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep,
  after: (ms, call) => {
    const timer = setTimeout(call, Math.min(ms, LONGEST_TIMER_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) throw abortReason(signal);
  let leftMs = ms;
  do {
    const partMs = Math.min(leftMs, LONGEST_TIMER_MS);
    await part(partMs, signal);
    leftMs -= partMs;
  } while (leftMs > 0);
}

function part(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      if (signal !== undefined) reject(abortReason(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
