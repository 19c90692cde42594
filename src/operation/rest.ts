/** Waiting for a run to rest, from what is told of it. */
import { hasEnded, needsOperator } from "./fold.ts";
import type { OperationView } from "./model.ts";
import type { Operations } from "./operations.ts";

/**
 * Resolves with the newest operation when it has ended or needs the operator, at once where that is so already.
 *
 * @param isIdle Tells whether this process has stopped working on it: the end is on disk before the lease is given back.
 * @throws The reason of the signal. Listeners are removed either way.
 */
export function untilRest(
  operations: Pick<Operations, "current" | "subscribe">,
  isIdle: () => boolean,
  signal?: AbortSignal,
): Promise<OperationView | undefined> {
  return new Promise((resolve, reject) => {
    const check = (): void => {
      const view = operations.current();
      if (!isIdle() || (view !== undefined && !hasEnded(view) && !needsOperator(view))) return;
      stop();
      resolve(view);
    };
    const giveUp = (): void => {
      stop();
      reject(signal?.reason);
    };
    const unsubscribe = operations.subscribe(check);
    const stop = (): void => {
      unsubscribe();
      signal?.removeEventListener("abort", giveUp);
    };
    signal?.addEventListener("abort", giveUp, { once: true });
    check();
  });
}
