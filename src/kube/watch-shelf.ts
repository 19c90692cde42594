/** What a watch cache holds: objects by kind, the state of each kind, and one notification for many changes. */
import { rejectOnAbort } from "../core/deadline.ts";
import { ApplianceError, type PublicError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { newest } from "./list.ts";
import { type KindRef, type KubeObject, withoutManagedFields } from "./model.ts";

export interface WatchedKind extends KindRef {
  /** Name of the kind in this cache. */
  readonly key: string;
  readonly metadataOnly?: boolean;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Reduces an object to what is needed, to save memory. managedFields are dropped before. */
  readonly keep?: (object: KubeObject) => KubeObject;
  /** Objects of this kind; more make the cache stale with kube/too-large. Absent: 5000. */
  readonly maxObjects?: number;
  /** When a kept object was news, milliseconds since 1970. Given: of more than `maxObjects` the oldest are let go instead. */
  readonly timeOf?: (object: KubeObject) => number;
}

/**
 * starting: nothing known yet. synced: as current as the watch. stale: the server was lost, items are the last known.
 * forbidden: a permission is missing. absent: the kind is not served.
 */
export type CacheState = "starting" | "synced" | "stale" | "forbidden" | "absent";

export interface CacheView {
  readonly items: readonly KubeObject[];
  readonly state: CacheState;
  /** When the state began, milliseconds since 1970. */
  readonly since: number;
  /** Why it is stale, forbidden or absent. */
  readonly problem?: PublicError;
}

/**
 * Objects in memory, by kind and then by namespace and name. Every `key` is one of the kinds it was made with.
 *
 * @throws {ApplianceError} internal/defect for another key.
 */
export interface Shelf {
  view(key: string): CacheView;
  /** Takes a whole list, whose objects are reduced already. */
  replace(key: string, objects: readonly KubeObject[]): void;
  /** @throws {ApplianceError} kube/too-large when the kind has more objects than it may. */
  put(key: string, object: KubeObject): void;
  remove(key: string, object: KubeObject): void;
  setState(key: string, state: CacheState, problem?: PublicError): void;
  /** Calls with the keys that changed, many changes at once. Answers what ends the calls. */
  onChange(call: (keys: ReadonlySet<string>) => void): () => void;
  /** Resolves when no kind is "starting" any more; rejects when the signal fires first. */
  settled(signal?: AbortSignal): Promise<void>;
  /** Ends the notices. What is held stays readable. */
  stop(): void;
}

interface Slot {
  readonly kind: WatchedKind;
  readonly objects: Map<string, KubeObject>;
  /** Made when it is asked for, dropped by every change. */
  view: CacheView | undefined;
  state: CacheState;
  since: number;
  problem: PublicError | undefined;
}

/** Annotation in which kubectl keeps a whole copy of an object. */
const KUBECTL_COPY = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * Makes an empty shelf; every kind is "starting".
 *
 * @param batchMs Milliseconds that changes are collected before `onChange` tells them together.
 */
export function createShelf(
  clock: Pick<Clock, "now" | "after">,
  kinds: readonly WatchedKind[],
  batchMs: number,
): Shelf {
  const slots = new Map(kinds.map((kind) => [kind.key, emptySlot(kind, clock.now())] as const));
  const notices = createNotices(clock, batchMs);
  const waiting = new Set<() => void>();
  const slotOf = (key: string): Slot => {
    const slot = slots.get(key);
    if (slot !== undefined) return slot;
    throw new ApplianceError("internal/defect", `Cannot read watch cache "${key}": no kind has this key`);
  };
  const changed = (slot: Slot): void => {
    slot.view = undefined;
    notices.mark(slot.kind.key);
  };
  const isSettled = (): boolean => [...slots.values()].every((slot) => slot.state !== "starting");

  return {
    view: (key) => viewOf(slotOf(key)),
    replace: (key, objects) => {
      const slot = slotOf(key);
      slot.objects.clear();
      for (const object of objects) slot.objects.set(placeOf(object), object);
      changed(slot);
    },
    put: (key, object) => {
      const slot = slotOf(key);
      slot.objects.set(placeOf(object), reduced(slot.kind, object));
      changed(slot);
      if (slot.kind.timeOf === undefined) refuseTooMany(slot);
      else letOldGo(slot, slot.kind.timeOf);
    },
    remove: (key, object) => {
      const slot = slotOf(key);
      if (slot.objects.delete(placeOf(object))) changed(slot);
    },
    setState: (key, state, problem) => {
      const slot = slotOf(key);
      if (slot.state === state && slot.problem?.message === problem?.message) return;
      if (slot.state !== state) slot.since = clock.now();
      slot.state = state;
      slot.problem = problem;
      changed(slot);
      if (isSettled()) for (const wake of waiting) wake();
    },
    onChange: notices.onChange,
    settled: async (signal) => {
      if (isSettled()) return;
      const settled = new Promise<void>((resolve) => void waiting.add(resolve));
      await (signal === undefined ? settled : Promise.race([settled, rejectOnAbort(signal)]));
    },
    stop: notices.stop,
  };
}

function emptySlot(kind: WatchedKind, now: number): Slot {
  return { kind, objects: new Map(), view: undefined, state: "starting", since: now, problem: undefined };
}

function viewOf(slot: Slot): CacheView {
  const { state, since, problem } = slot;
  slot.view ??= { items: [...slot.objects.values()], state, since, ...(problem === undefined ? {} : { problem }) };
  return slot.view;
}

function placeOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/** What is kept of an object: without managedFields and kubectl's copy, and by the kind's own `keep`. */
export function reduced(kind: WatchedKind, object: KubeObject): KubeObject {
  const bare = withoutManagedFields(object);
  const { annotations } = bare.metadata;
  const lean =
    annotations?.[KUBECTL_COPY] === undefined
      ? bare
      : {
          ...bare,
          metadata: {
            ...bare.metadata,
            annotations: Object.fromEntries(Object.entries(annotations).filter(([name]) => name !== KUBECTL_COPY)),
          },
        };
  return kind.keep?.(lean) ?? lean;
}

/** Objects of one kind, unless the kind says otherwise. */
export const MAX_OBJECTS = 5_000;

function refuseTooMany(slot: Slot): void {
  const limit = slot.kind.maxObjects ?? MAX_OBJECTS;
  if (slot.objects.size <= limit) return;
  throw new ApplianceError(
    "kube/too-large",
    `Cannot watch ${slot.kind.kind}: there are more than ${limit} objects, fewer or a selector are wanted`,
  );
}

/** Lets the oldest go, a tenth at once, so that sorting is seldom. */
function letOldGo({ kind, objects }: Slot, timeOf: (object: KubeObject) => number): void {
  const limit = kind.maxObjects ?? MAX_OBJECTS;
  if (objects.size <= limit * 1.1) return;
  const kept = newest([...objects], limit, ([, object]) => timeOf(object));
  objects.clear();
  // In the order of time, as a watch would bring them.
  for (const [place, object] of kept.reverse()) objects.set(place, object);
}

interface Notices {
  mark(key: string): void;
  onChange(call: (keys: ReadonlySet<string>) => void): () => void;
  stop(): void;
}

/** Gathers keys for a while, then tells all listeners once. */
function createNotices(clock: Pick<Clock, "after">, batchMs: number): Notices {
  const listeners = new Set<(keys: ReadonlySet<string>) => void>();
  let dirty = new Set<string>();
  let cancel: (() => void) | undefined;
  const tell = (): void => {
    const keys = dirty;
    dirty = new Set();
    cancel = undefined;
    for (const listener of [...listeners]) listener(keys);
  };
  return {
    mark: (key) => {
      dirty.add(key);
      cancel ??= clock.after(batchMs, tell);
    },
    onChange: (call) => {
      listeners.add(call);
      return () => void listeners.delete(call);
    },
    stop: () => {
      cancel?.();
      listeners.clear();
    },
  };
}
