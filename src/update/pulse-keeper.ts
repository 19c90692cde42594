/** Keeps the pulse on disk, a minute at a time, and tells an update what the hour before it was like. */
import { parseInstant, toInstant } from "../core/time.ts";
import { repeat } from "../status/repeat.ts";
import { note, readNotes, type UpdateContext } from "./context.ts";
import { atPace, type UpdateDeps, type UpdateSettings } from "./ports.ts";
import {
  begun,
  MAX_MINUTES,
  NOTHING,
  PULSE_SCHEMA,
  type PulseDocument,
  pulseSchema,
  sumOf,
  withInventory,
  withLook,
} from "./pulse.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

type PulseDeps = Pick<UpdateDeps, "clock" | "log" | "store" | "observe" | "inventory">;

/**
 * Takes the pulse once a minute until the signal fires. What an earlier process has kept counts: restarts between two processes are
 * counted too. One small file a minute; only the process that follows the channel does it.
 */
export function keepPulse(deps: PulseDeps, settings: UpdateSettings, signal: AbortSignal): void {
  const everyMs = atPace(settings, MINUTE_MS);
  const take = async (): Promise<number> => {
    const kept = await readPulse(deps);
    const status = await deps.observe(signal);
    const inventory = deps.inventory();
    // Nothing of the product is there: nothing is installed, or Kubernetes is silent.
    if (inventory.pods.every(({ component }) => component === null)) return everyMs;
    const at = toInstant(deps.clock.now());
    if (kept === undefined || isAhead(kept, deps.clock.now())) {
      await deps.store.writeDocument("pulse", { schema: PULSE_SCHEMA, last: begun(inventory, at), minutes: [] });
      return everyMs;
    }
    const taken = withInventory({ ...kept.last, counts: withLook(NOTHING, status) }, inventory, { at, minutes: 1 });
    const minutes = [...kept.minutes, { ...taken.counts, at }].slice(-MAX_MINUTES);
    await deps.store.writeDocument("pulse", { schema: PULSE_SCHEMA, last: { ...taken, counts: NOTHING }, minutes });
    return everyMs;
  };
  repeat(deps, take, { what: "pulse", signal, minMs: everyMs });
}

/** Kept by a clock that was ahead of the one of now: it says nothing about when. */
function isAhead({ last }: PulseDocument, nowMs: number): boolean {
  return (parseInstant(last.at) ?? Number.POSITIVE_INFINITY) > nowMs + MINUTE_MS;
}

/** What is kept; a damaged file is none. */
function readPulse({ store }: Pick<PulseDeps, "store">): Promise<PulseDocument | undefined> {
  return store.readDocument("pulse", pulseSchema).catch(() => undefined);
}

/**
 * Notes what the last hour was like, once for a run and before it changes anything. Safe to call again: a run that was killed after
 * its first change must not take its own trouble for that of before.
 */
export async function noteHourBefore(context: UpdateContext): Promise<void> {
  const { deps, settings } = context;
  if ((await readNotes(context)).hourBefore !== null) return;
  const kept = await readPulse(deps);
  const nowMs = deps.clock.now();
  const hour = kept === undefined ? NOTHING : sumOf(kept, nowMs - atPace(settings, HOUR_MS), nowMs);
  await note(context, { hourBefore: hour });
}
