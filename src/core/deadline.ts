/** Deadlines: an AbortSignal that also fires by the clock port, so that tests need not wait. */
import { ApplianceError } from "./errors.ts";
import type { Clock } from "./ports.ts";

export interface Deadline {
  readonly signal: AbortSignal;
  /** Stops the clock; call when the work is over. */
  cancel(): void;
}

/** Makes a signal that fires with internal/timeout after `ms`, or together with `parent`. */
export function deadline(
  clock: Pick<Clock, "after">,
  ms: number,
  options: { readonly what: string; readonly parent?: AbortSignal },
): Deadline {
  const controller = new AbortController();
  const stop = clock.after(ms, () =>
    controller.abort(
      new ApplianceError(
        "internal/timeout",
        `Cannot wait longer for ${options.what}: ${Math.round(ms / 1000)} s have passed`,
      ),
    ),
  );
  const signal =
    options.parent === undefined ? controller.signal : AbortSignal.any([controller.signal, options.parent]);
  return { signal, cancel: stop };
}

/** Runs work under a deadline and rejects with internal/timeout when it takes longer, even if the work ignores the signal. */
export async function withDeadline<T>(
  clock: Pick<Clock, "after">,
  ms: number,
  options: { readonly what: string; readonly parent?: AbortSignal; readonly work: (signal: AbortSignal) => Promise<T> },
): Promise<T> {
  const limit = deadline(clock, ms, options);
  try {
    return await Promise.race([options.work(limit.signal), rejectOnAbort(limit.signal)]);
  } finally {
    limit.cancel();
  }
}

/** Rejects with the reason of the signal as soon as it fires; never resolves. */
export function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(abortReason(signal));
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}

/** The reason of a fired signal as one of our errors. */
export function abortReason(signal: AbortSignal): ApplianceError {
  const reason: unknown = signal.reason;
  if (reason instanceof ApplianceError) return reason;
  return new ApplianceError("internal/aborted", "Cannot go on: the work was stopped", { cause: reason });
}
