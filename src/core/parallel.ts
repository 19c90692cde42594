/** Working on many things, a few at a time. */
import { abortReason } from "./deadline.ts";

export interface ParallelOptions {
  /** How many at a time. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

/**
 * Works on every item, at most `limit` of them at a time, begun in order.
 *
 * The first failure aborts the signal that all the others were given; it is thrown when every one of them has ended, so that
 * nothing goes on behind the caller's back. An abort of `options.signal` is thrown as its reason.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  options: ParallelOptions,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const queue = items[Symbol.iterator]();
  let failure: { readonly thrown: unknown } | undefined;
  const run = async (): Promise<void> => {
    while (failure === undefined && !signal.aborted) {
      const next = queue.next();
      if (next.done === true) return;
      await work(next.value, signal).catch((thrown: unknown) => {
        failure ??= { thrown };
        stop.abort(thrown);
      });
    }
  };
  await Promise.all(Array.from({ length: options.limit }, run));
  if (failure !== undefined) throw failure.thrown;
  if (options.signal.aborted) throw abortReason(options.signal);
}
