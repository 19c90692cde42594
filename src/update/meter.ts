/**
 * Counts errors while an update is judged: what the pulse counts, at every look instead of once a minute.
 *
 * What was counted is kept with the notes of the run, so that a restart of the control plane in the middle of a verdict forgets no
 * restart of a worker. Looks between two keepings are lost with the process, and so is the calm: nobody has watched meanwhile.
 */
import { toInstant } from "../core/time.ts";
import type { ApplianceStatus } from "../status/model.ts";
import { note, readNotes, type UpdateCall } from "./context.ts";
import { atPace } from "./ports.ts";
import { begun, type Counts, type Taken, withInventory, withLook } from "./pulse.ts";

const MINUTE_MS = 60_000;
/** How often what was counted is kept, in milliseconds of a box. */
const KEEP_MS = 60_000;

/** The count of one verdict. */
export interface Meter {
  /** Looks at the status, and counts what it says. */
  observe(signal: AbortSignal): Promise<ApplianceStatus>;
  /** Counts up to now, and keeps it. */
  counts(): Promise<Counts>;
}

/** Begins to count, or goes on where an earlier process of the same run was. */
export async function openMeter({ context, signal }: UpdateCall): Promise<Meter> {
  const { deps, settings } = context;
  await deps.observe(signal);
  let taken: Taken = (await readNotes(context)).watched ?? begun(deps.inventory(), toInstant(deps.clock.now()));
  let lastMs = deps.clock.monotonic();
  const keep = async (): Promise<void> => {
    const nowMs = deps.clock.monotonic();
    const minutes = (nowMs - lastMs) / atPace(settings, MINUTE_MS);
    taken = withInventory(taken, deps.inventory(), { at: toInstant(deps.clock.now()), minutes });
    lastMs = nowMs;
    await note(context, { watched: taken });
  };
  await note(context, { watched: taken });
  return {
    observe: async (limit) => {
      const status = await deps.observe(limit);
      taken = { ...taken, counts: withLook(taken.counts, status) };
      if (deps.clock.monotonic() - lastMs >= atPace(settings, KEEP_MS)) await keep();
      return status;
    },
    counts: async () => {
      await keep();
      return taken.counts;
    },
  };
}
