/**
 * The pulse of the box: errors that the box itself can see, counted by the minute and kept for as long as an update compares with.
 *
 * Three measures, none of which needs the application to tell anything: containers that were started again and warnings of Kubernetes,
 * each by component, and looks at the login page that found it silent or answering with a server error. Pure; `pulse-keeper.ts` keeps
 * them, `meter.ts` takes the same while an update is judged.
 */
import { z } from "zod";
import { parseInstant } from "../core/time.ts";
import type { Inventory } from "../status/inventory.ts";
import type { ApplianceStatus } from "../status/model.ts";

const byComponent = z.record(z.string(), z.number());

export const countsSchema = z.object({
  /** Minutes that were looked at; of a rehearsal, its own. */
  minutes: z.number(),
  /** Looks that found out whether the login page answers. */
  looks: z.number(),
  /** Of these, how many found no login page. */
  failed: z.number(),
  /** Of these, how many were answered with a server error. */
  errors: z.number(),
  restarts: byComponent,
  warnings: byComponent,
});
export type Counts = z.infer<typeof countsSchema>;

/** What was counted, and up to where: what is counted next counts from there. */
export const takenSchema = z.object({
  counts: countsSchema,
  /** When the inventory was looked at last, RFC 3339. */
  at: z.string(),
  /** Restarts of each pod at that moment. */
  pods: z.record(z.string(), z.number()),
});
export type Taken = z.infer<typeof takenSchema>;

export const PULSE_SCHEMA = "alga.appliance.pulse/v1";
/** Minutes that are kept: an hour, and what passes between it and the first change of an update. */
export const MAX_MINUTES = 90;

/** pulse.json: one entry a minute, oldest first. */
export const pulseSchema = z.object({
  schema: z.literal(PULSE_SCHEMA),
  last: takenSchema,
  minutes: z.array(countsSchema.extend({ at: z.string() })).max(MAX_MINUTES),
});
export type PulseDocument = z.infer<typeof pulseSchema>;

export const NOTHING: Counts = { minutes: 0, looks: 0, failed: 0, errors: 0, restarts: {}, warnings: {} };

/** Adds one look at the login page; one that could not be made says nothing. */
export function withLook(counts: Counts, { tiers, checks }: Pick<ApplianceStatus, "tiers" | "checks">): Counts {
  const { state } = tiers.login;
  if (state === "unknown") return counts;
  const isError = checks.some(({ code, state: found }) => code === "login/server-error" && found === "failed");
  return {
    ...counts,
    looks: counts.looks + 1,
    failed: counts.failed + (state === "ready" ? 0 : 1),
    errors: counts.errors + (isError ? 1 : 0),
  };
}

/** Begins to count: restarts and warnings of before are of no interest. */
export function begun(inventory: Inventory, at: string): Taken {
  return { counts: NOTHING, at, pods: restartsOf(inventory) };
}

/** Adds what the inventory shows since it was looked at last. A pod that is new has started again as often as it says. */
export function withInventory(
  taken: Taken,
  inventory: Inventory,
  now: { readonly at: string; readonly minutes: number },
): Taken {
  const { counts } = taken;
  const restarts = merged(counts.restarts, restartsSince(taken, inventory));
  const warnings = merged(counts.warnings, warningsSince(taken, inventory, now.at));
  const minutes = counts.minutes + now.minutes;
  return { at: now.at, pods: restartsOf(inventory), counts: { ...counts, minutes, restarts, warnings } };
}

function restartsSince({ pods: before }: Taken, { pods }: Inventory): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { namespace, name, component, restarts } of pods) {
    const more = restarts - (before[`${namespace}/${name}`] ?? 0);
    if (component !== null && more > 0) found[component] = (found[component] ?? 0) + more;
  }
  return found;
}

/** Of pods of a component, and of its Helm release, which has its name. */
function warningsSince({ at: since }: Taken, { pods, events }: Inventory, until: string): Record<string, number> {
  const owners = new Map(pods.map((pod) => [`Pod ${pod.namespace}/${pod.name}`, pod.component]));
  const components = new Set(owners.values());
  const [fromMs = 0, toMs = 0] = [parseInstant(since), parseInstant(until)];
  const found: Record<string, number> = {};
  for (const { ref, name, at } of events) {
    const atMs = parseInstant(at) ?? 0;
    const owner = owners.get(ref) ?? (components.has(name) ? name : null);
    if (owner !== null && atMs > fromMs && atMs <= toMs) found[owner] = (found[owner] ?? 0) + 1;
  }
  return found;
}

/** Of pods of the product, by "namespace/name". */
function restartsOf({ pods }: Inventory): Record<string, number> {
  const ours = pods.filter(({ component }) => component !== null);
  return Object.fromEntries(ours.map(({ namespace, name, restarts }) => [`${namespace}/${name}`, restarts]));
}

/** Sums what is kept between two instants, in milliseconds since 1970. Minutes of a clock that was wrong then are left out. */
export function sumOf({ minutes }: Pick<PulseDocument, "minutes">, fromMs: number, toMs: number): Counts {
  const kept = minutes.filter(({ at }) => {
    const atMs = parseInstant(at) ?? 0;
    return atMs > fromMs && atMs <= toMs;
  });
  return kept.reduce<Counts>(added, NOTHING);
}

function added(sum: Counts, one: Counts): Counts {
  return {
    minutes: sum.minutes + one.minutes,
    looks: sum.looks + one.looks,
    failed: sum.failed + one.failed,
    errors: sum.errors + one.errors,
    restarts: merged(sum.restarts, one.restarts),
    warnings: merged(sum.warnings, one.warnings),
  };
}

function merged(a: Counts["restarts"], b: Counts["restarts"]): Record<string, number> {
  const all = { ...a };
  for (const [name, count] of Object.entries(b)) all[name] = (all[name] ?? 0) + count;
  return all;
}
