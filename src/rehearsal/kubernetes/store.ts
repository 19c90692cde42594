/**
 * The store: objects by collection, one revision counter, and a bounded history that watches resume from.
 *
 * It knows nothing of HTTP or kinds. Stored objects are never changed in place. Everything is plain JSON, so a snapshot
 * is a copy.
 */
import type { KubeObject } from "../../kube/model.ts";

export interface Change {
  readonly revision: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly collection: string;
  readonly object: KubeObject;
  /** What it was before: selectors need it to tell objects that left the selection. */
  readonly before: KubeObject | undefined;
}

/** The store as JSON. Managed by the rehearsal; the shape may change between versions of the executable. */
export interface StoreSnapshot {
  readonly revision: number;
  readonly objects: readonly (readonly [collection: string, objects: readonly KubeObject[]])[];
}

/** Objects by collection under one growing revision. Calls never wait; listeners are told before a write returns. */
export interface Store {
  /** The revision of the last write. */
  revision(): number;
  /** Changes up to this revision can no more be replayed. */
  compacted(): number;
  get(collection: string, namespace: string, name: string): KubeObject | undefined;
  /** Objects of a collection, ordered by namespace and name; namespace "" means all. */
  list(collection: string, namespace?: string): readonly KubeObject[];
  collections(): readonly string[];
  /** Stores an object under a new revision and returns it with that resourceVersion. */
  put(collection: string, object: KubeObject): KubeObject;
  /** Removes an object; the event carries it with a new resourceVersion. */
  remove(collection: string, object: KubeObject): KubeObject;
  /** Changes after a revision, in order. */
  since(revision: number): readonly Change[];
  subscribe(listener: (change: Change) => void): () => void;
  /** Forgets all history, as etcd's compaction does. */
  compact(): void;
  snapshot(): StoreSnapshot;
  restore(snapshot: StoreSnapshot): void;
}

/** 2000 changes: some minutes of a busy installation; older watches get 410 and list again. */
const DEFAULT_HISTORY = 2000;

/** Makes an empty store at revision 1. `history`: changes that watches can be resumed over; absent: 2000. */
export function createStore(options: { readonly history?: number } = {}): Store {
  const history = createHistory(options.history ?? DEFAULT_HISTORY);
  const objects = new Map<string, Map<string, KubeObject>>();
  let revision = 1;
  const collectionMap = (name: string): Map<string, KubeObject> => {
    const found = objects.get(name) ?? new Map<string, KubeObject>();
    objects.set(name, found);
    return found;
  };
  return {
    revision: () => revision,
    compacted: history.compacted,
    get: (collection, namespace, name) => objects.get(collection)?.get(`${namespace}/${name}`),
    list: (collection, namespace = "") => sorted(objects.get(collection), namespace),
    collections: () => [...objects.keys()],
    put: (collection, object) => {
      revision += 1;
      const before = collectionMap(collection).get(placeOf(object));
      const stored = withVersion(object, revision);
      collectionMap(collection).set(placeOf(object), stored);
      const type = before === undefined ? "ADDED" : "MODIFIED";
      history.record({ revision, type, collection, object: stored, before });
      return stored;
    },
    remove: (collection, object) => {
      revision += 1;
      collectionMap(collection).delete(placeOf(object));
      const gone = withVersion(object, revision);
      history.record({ revision, type: "DELETED", collection, object: gone, before: object });
      return gone;
    },
    since: history.since,
    subscribe: history.subscribe,
    compact: () => history.forget(revision),
    snapshot: () => ({ revision, objects: [...objects].map(([name, map]) => [name, [...map.values()]] as const) }),
    restore: (snapshot) => {
      objects.clear();
      for (const [name, list] of snapshot.objects) for (const one of list) collectionMap(name).set(placeOf(one), one);
      revision = snapshot.revision;
      history.forget(revision);
    },
  };
}

interface History extends Pick<Store, "compacted" | "since" | "subscribe"> {
  /** Keeps a change, forgets the oldest over the limit, and tells every listener. */
  record(change: Change): void;
  /** Forgets all changes up to this revision. */
  forget(revision: number): void;
}

function createHistory(limit: number): History {
  const listeners = new Set<(change: Change) => void>();
  let changes: Change[] = [];
  let compacted = 0;
  return {
    compacted: () => compacted,
    since: (from) => changes.filter((change) => change.revision > from),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    record: (change) => {
      changes.push(change);
      if (changes.length > limit) {
        compacted = changes[changes.length - limit - 1]?.revision ?? compacted;
        changes = changes.slice(-limit);
      }
      for (const listener of [...listeners]) listener(change);
    },
    forget: (revision) => {
      compacted = revision;
      changes = [];
    },
  };
}

function placeOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

function withVersion(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

function sorted(map: ReadonlyMap<string, KubeObject> | undefined, namespace: string): readonly KubeObject[] {
  const found = [...(map ?? [])].filter(([place]) => namespace === "" || place.startsWith(`${namespace}/`));
  return found.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, object]) => object);
}
