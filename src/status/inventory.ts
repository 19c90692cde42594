/**
 * The inventory: pods of the product with their containers, and the cluster's last warnings. What the pages beside the
 * overview show; the status document stays small without it. Folded from the observations in memory, on demand.
 *
 * Names and messages are text that others wrote: one harmless line each, redacted and bounded.
 */
import { oneLine } from "./evidence.ts";
import type { ContainerFacts, EventFacts } from "./facts.ts";
import { instantOrNull } from "./instant.ts";
import type { PodFacts, View } from "./view.ts";

export interface InventoryContainer {
  readonly name: string;
  readonly image: string;
  readonly ready: boolean;
  readonly restarts: number;
  readonly state: "running" | "waiting" | "ended" | "unknown";
  /** Why it waits or ended, in Kubernetes' words; empty while it runs. */
  readonly reason: string;
}

export interface InventoryPod {
  readonly namespace: string;
  readonly name: string;
  /** Component of the release; null for the platform. */
  readonly component: string | null;
  readonly node: string;
  readonly phase: string;
  readonly ready: boolean;
  /** Of all containers together. */
  readonly restarts: number;
  readonly createdAt: string | null;
  readonly containers: readonly InventoryContainer[];
}

export interface InventoryEvent {
  readonly at: string | null;
  /** `Pod msp/db-0`. */
  readonly ref: string;
  readonly namespace: string;
  readonly name: string;
  readonly reason: string;
  readonly message: string;
}

export interface Inventory {
  readonly pods: readonly InventoryPod[];
  /** Warnings of the last hour, newest first. */
  readonly events: readonly InventoryEvent[];
  /** How many there are beside those that are told. */
  readonly left: { readonly pods: number; readonly events: number };
}

/** What is known before anybody has looked. */
export const NO_INVENTORY: Inventory = { pods: [], events: [], left: { pods: 0, events: 0 } };

/** A box has some dozens of pods; the bounds hold the answer below about 1 MB. */
const MAX_PODS = 500;
const MAX_EVENTS = 1_000;
const MAX_MESSAGE = 500;

/** Folds the view into what the pages list. Pure. */
export function foldInventory({ pods, events }: Pick<View, "pods" | "events">): Inventory {
  const sorted = [...pods].sort((a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name));
  return {
    pods: sorted.slice(0, MAX_PODS).map(podOf),
    events: events.slice(0, MAX_EVENTS).map(eventOf),
    left: { pods: Math.max(0, pods.length - MAX_PODS), events: Math.max(0, events.length - MAX_EVENTS) },
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function podOf(pod: PodFacts): InventoryPod {
  return {
    namespace: oneLine(pod.namespace),
    name: oneLine(pod.name),
    component: pod.component ?? null,
    node: oneLine(pod.node),
    phase: oneLine(pod.phase),
    ready: pod.ready?.status === "True" && !pod.silent,
    restarts: pod.containers.reduce((sum, { restarts }) => sum + restarts, 0),
    createdAt: instantOrNull(pod.createdMs),
    containers: pod.containers.map(containerOf),
  };
}

function containerOf(container: ContainerFacts): InventoryContainer {
  const { name, image, ready, restarts, waiting, terminated, runningSinceMs } = container;
  const ended = terminated === undefined ? "" : `${terminated.reason} (${terminated.exitCode ?? "?"})`;
  const state =
    waiting !== undefined
      ? "waiting"
      : terminated !== undefined
        ? "ended"
        : ready || runningSinceMs !== undefined
          ? "running"
          : "unknown";
  const reason = oneLine(waiting?.reason ?? ended);
  return { name: oneLine(name), image: oneLine(image), ready, restarts, state, reason };
}

/** One event as safe lines. Pure. */
export function eventOf({ kind, namespace, name, reason, message, atMs }: EventFacts): InventoryEvent {
  const place = namespace === "" ? name : `${namespace}/${name}`;
  return {
    at: instantOrNull(atMs === 0 ? undefined : atMs),
    ref: oneLine(`${kind} ${place}`),
    namespace: oneLine(namespace),
    name: oneLine(name),
    reason: oneLine(reason),
    message: oneLine(message, MAX_MESSAGE),
  };
}
