/**
 * The status engine: everything observed in the background, folded into one document in memory that is always there.
 *
 * `current()` only reads. The document is folded when something changed, within a quarter of a second, and every few
 * seconds because time passes; its generation grows only when it says something else. An operation that goes on to
 * another step, stops or ends is folded at once, so that nobody who saw that finds an older status. Losing Kubernetes, the registry
 * or the login page never stops it: it says so and recovers by itself.
 */
import { rejectOnAbort } from "../core/deadline.ts";
import type { Deps } from "../core/ports.ts";
import { bootstrapJobs } from "./bootstrap-state.ts";
import { condition } from "./facts.ts";
import { foldStatus } from "./fold.ts";
import { foldInventory, type Inventory } from "./inventory.ts";
import type { ApplianceStatus } from "./model.ts";
import type { BootstrapRecord, Observations } from "./observation.ts";
import { type ObservingDeps, startObserving } from "./observing.ts";
import { repeat } from "./repeat.ts";
import { saying } from "./saying.ts";
import type { StatusSources } from "./sources.ts";
import { createView } from "./view.ts";

export type { BoxFacts, StatusSources } from "./sources.ts";

/** Keeps the status document new. Whoever saw an operation move finds a document that is as new. */
export interface StatusEngine {
  /** The document as last folded. Instant, from memory. */
  current(): ApplianceStatus;
  /**
   * The document folded now, after everything was looked at once; waits at most some seconds for a cluster that is silent.
   * @throws {ApplianceError} internal/aborted.
   */
  observe(signal?: AbortSignal): Promise<ApplianceStatus>;
  /** Called after each change of what it says, within a quarter of a second, and at each turn of an operation. */
  subscribe(call: (status: ApplianceStatus) => void): () => void;
  /** Pods and warnings as seen now, from memory. */
  inventory(): Inventory;
  /** Looks at the box, the login page and the registry now. */
  refresh(): void;
  stop(): void;
}

/**
 * Between two folds: ten times what the last one took, so that folding takes a tenth of a processor at most, but not longer than a
 * quarter of a second, so that a change is on every screen within one.
 */
const FOLD_PAUSE_MS = { least: 50, most: 200, times: 10 } as const;
/** Ages and limits of patience move without any event. */
const TICK_MS = 2_000;
/** How long the first look may take before what is known so far is told. */
const PATIENCE_MS = 8_000;

/** Starts observing. Works until `stop()`. */
export function createStatusEngine(deps: ObservingDeps, sources: StatusSources): StatusEngine {
  const end = new AbortController();
  const { signal } = end;
  const schedule = createSchedule(deps, () => document.fold(), signal);
  const observing = startObserving(deps, sources, {
    signal,
    changed: () => schedule.soon(),
    moved: () => schedule.now(),
  });
  const document = createDocument(deps, () => observing.current(), sources.rememberBootstrap);
  repeat(deps, tick(schedule), { what: "tick", signal, minMs: TICK_MS });
  return {
    current: document.current,
    observe: async (asked) => {
      const limit = asked === undefined ? signal : AbortSignal.any([asked, signal]);
      const looked = Promise.all([observing.settled(limit), observing.readBox()]);
      await Promise.race([looked, deps.clock.sleep(PATIENCE_MS, limit), rejectOnAbort(limit)]);
      document.fold();
      return document.current();
    },
    subscribe: document.subscribe,
    inventory: () => foldInventory(createView(observing.current(), deps.clock.now())),
    refresh: observing.refresh,
    stop: () => {
      end.abort();
      document.close();
    },
  };
}

interface Document {
  current(): ApplianceStatus;
  fold(): void;
  subscribe(call: (status: ApplianceStatus) => void): () => void;
  close(): void;
}

/** Keeps the newest document and tells when it says something else. */
function createDocument(
  deps: Pick<Deps, "clock">,
  observe: () => Observations,
  remember: StatusSources["rememberBootstrap"],
): Document {
  const listeners = new Set<(status: ApplianceStatus) => void>();
  let remembered: BootstrapRecord | null = null;
  const folded = (): ApplianceStatus => {
    const nowMs = deps.clock.now();
    const seen = observe();
    const known = seen.bootstrap ?? remembered;
    const bootstrap = known ?? completedIn(seen, nowMs);
    if (known === null && bootstrap !== null) remember?.(bootstrap);
    remembered = bootstrap;
    return foldStatus({ ...seen, bootstrap }, nowMs);
  };
  let status: ApplianceStatus = { ...folded(), generation: 1 };
  let said = saying(status);
  return {
    current: () => status,
    fold: () => {
      const next = folded();
      const saysNow = saying(next);
      const isNew = saysNow !== said;
      status = { ...next, generation: status.generation + (isNew ? 1 : 0) };
      said = saysNow;
      if (isNew) for (const listener of [...listeners]) listener(status);
    },
    subscribe: (call) => {
      listeners.add(call);
      return () => void listeners.delete(call);
    },
    close: () => listeners.clear(),
  };
}

/** Sees that the first tenant was created; the job says so for some minutes only. */
function completedIn(seen: Observations, nowMs: number): BootstrapRecord | null {
  for (const { job, name } of bootstrapJobs({ seen, items: (key) => seen.lists[key]?.items ?? [] })) {
    const complete = job === undefined ? undefined : condition(job, "Complete");
    if (complete?.status === "True") return { job: name, completedAtMs: complete.sinceMs ?? nowMs };
  }
  return null;
}

interface Schedule {
  soon(): void;
  /** Folds before it returns. Costs a whole fold: only for what seldom happens. */
  now(): void;
}

/** Folds soon after a change, and never so often that nothing else is done. */
function createSchedule(deps: Pick<Deps, "clock">, fold: () => void, signal: AbortSignal): Schedule {
  let nextMs = Number.NEGATIVE_INFINITY;
  let isDue = false;
  const run = (): void => {
    isDue = false;
    if (signal.aborted) return;
    const startedMs = deps.clock.monotonic();
    fold();
    const endedMs = deps.clock.monotonic();
    const { least, most, times } = FOLD_PAUSE_MS;
    nextMs = endedMs + Math.min(most, Math.max(least, times * (endedMs - startedMs)));
  };
  return {
    soon: () => {
      if (isDue || signal.aborted) return;
      isDue = true;
      deps.clock.after(Math.max(5, nextMs - deps.clock.monotonic()), run);
    },
    now: fold,
  };
}

function tick(schedule: Schedule): () => Promise<number> {
  return async () => {
    schedule.soon();
    return TICK_MS;
  };
}
