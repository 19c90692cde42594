/**
 * What Kubernetes told lately, good news too: read from the cluster when somebody looks, kept for a moment, never watched.
 *
 * The engine watches warnings only, so that a cluster with 50,000 events costs no memory. Names and messages are text
 * that others wrote: one harmless line each, redacted and bounded.
 */
import { withDeadline } from "../core/deadline.ts";
import { isApplianceError } from "../core/errors.ts";
import { json, type Route } from "../core/http.ts";
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import { type EventFacts, eventFacts } from "./facts.ts";
import { eventOf, type InventoryEvent } from "./inventory.ts";

/** One event with its kind of news. */
export interface ListedEvent extends InventoryEvent {
  readonly warning: boolean;
}

/** The newest events of all namespaces. */
export interface EventList {
  /** At most 1,000, newest first. */
  readonly events: readonly ListedEvent[];
  /** How many there are beside those that are told; null: more than are read at once, so the newest may be missing. */
  readonly left: number | null;
}

export interface EventListEdge {
  readonly kube: Pick<Kube, "list">;
  readonly deps: Pick<Deps, "clock">;
}

const MAX_TOLD = 1_000;
/** Kubernetes keeps events for an hour; a box has some hundreds in it. */
const MAX_READ = 5_000;
const FRESH_MS = 2_000;
const TIMEOUT_MS = 10_000;
const EVENTS = { apiVersion: "v1", kind: "Event" } as const;

/** `GET /api/cluster-events`. Many readers cost one list in two seconds. */
export function eventListRoutes(edge: EventListEdge): readonly Route[] {
  const read = shared(edge, () => listEvents(edge));
  return [
    {
      method: "GET",
      path: "/api/cluster-events",
      access: "session",
      summary: "The newest 1,000 events that Kubernetes keeps, normal ones and warnings",
      handle: async () => json(await read()),
    },
  ];
}

async function listEvents(edge: EventListEdge): Promise<EventList> {
  const limit = { limit: MAX_READ };
  return await withDeadline(edge.deps.clock, TIMEOUT_MS, {
    what: "the events",
    work: async (signal) => {
      try {
        return foldEvents((await edge.kube.list(EVENTS, { ...limit, signal })).items.map(eventFacts));
      } catch (thrown) {
        if (!isApplianceError(thrown, "kube/too-large")) throw thrown;
        return await warningsAlone(edge, signal);
      }
    },
  });
}

/** Where there are too many of all kinds, the warnings are what counts. */
async function warningsAlone({ kube }: EventListEdge, signal: AbortSignal): Promise<EventList> {
  const { items } = await kube.list(EVENTS, { fieldSelector: "type=Warning", signal });
  return { ...foldEvents(items.map(eventFacts)), left: null };
}

/** The newest first, bounded. Pure. */
function foldEvents(facts: readonly EventFacts[]): EventList {
  const sorted = [...facts].sort((a, b) => b.atMs - a.atMs);
  return {
    events: sorted.slice(0, MAX_TOLD).map((one) => ({ ...eventOf(one), warning: one.warning })),
    left: Math.max(0, facts.length - MAX_TOLD),
  };
}

/** One answer for all who ask within two seconds; a failure is not kept. */
function shared<T>({ deps }: Pick<EventListEdge, "deps">, ask: () => Promise<T>): () => Promise<T> {
  let known: { readonly atMs: number; readonly answer: Promise<T> } | undefined;
  return () => {
    const atMs = deps.clock.now();
    if (known !== undefined && Math.abs(atMs - known.atMs) < FRESH_MS) return known.answer;
    const answer = ask();
    const mine = { atMs, answer };
    known = mine;
    answer.catch(() => {
      if (known === mine) known = undefined;
    });
    return answer;
  };
}
