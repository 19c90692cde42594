/** A look that repeats: on an interval, and at once when somebody asks for it, never twice at a time. */
import { isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";

export interface Repeated {
  /** Asks for a look now; one that runs is followed by one more. */
  soon(): void;
}

/**
 * Repeats `look` until the signal fires. What it throws is logged and does not end the repetition.
 *
 * @param look Returns the milliseconds until the next look.
 */
export function repeat(
  deps: Pick<Deps, "clock" | "log">,
  look: () => Promise<number>,
  options: { readonly what: string; readonly signal: AbortSignal; readonly minMs: number },
): Repeated {
  let wake: (() => void) | undefined;
  let asked = false;
  const soon = (): void => {
    asked = true;
    wake?.();
  };
  const pause = async (ms: number): Promise<void> => {
    const nap = new AbortController();
    wake = () => nap.abort();
    await deps.clock.sleep(Math.min(ms, options.minMs), options.signal).catch(() => {});
    const restMs = ms - options.minMs;
    if (restMs > 0 && !asked) {
      await deps.clock.sleep(restMs, AbortSignal.any([options.signal, nap.signal])).catch(() => {});
    }
    wake = undefined;
    asked = false;
  };
  const run = async (): Promise<void> => {
    while (!options.signal.aborted) await pause(await once(deps, look, options.what));
  };
  void run();
  return { soon };
}

const AFTER_A_DEFECT_MS = 30_000;

async function once(deps: Pick<Deps, "log">, look: () => Promise<number>, what: string): Promise<number> {
  try {
    return await look();
  } catch (thrown) {
    if (!isApplianceError(thrown, "internal/aborted")) deps.log.warn("look failed", { what, error: thrown });
    return AFTER_A_DEFECT_MS;
  }
}
