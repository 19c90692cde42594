/** What every part of the in-memory API server works on: the store, the kinds now served, time and identities. */
import type { KubeObject } from "../../kube/model.ts";
import { apiVersionOf, BUILT_IN_KINDS, CRD_GROUP, collectionOf, type Kind, kindsOfDefinition } from "./kinds.ts";
import type { Store } from "./store.ts";

/** What the calls of one server share. */
export interface World {
  readonly store: Store;
  /** RFC 3339 with seconds, as Kubernetes writes times. */
  now(): string;
  uuid(): string;
  /** Letters for generateName. */
  suffix(): string;
}

/** One request, its address understood. */
export interface Call {
  readonly kind: Kind;
  /** "" for the whole cluster. */
  readonly namespace: string;
  /** "" for the collection. */
  readonly name: string;
  readonly subresource: string;
  readonly query: URLSearchParams;
  /** Field manager of writes. */
  readonly manager: string;
  readonly dryRun: boolean;
}

export const DEFINITIONS = `${CRD_GROUP}/customresourcedefinitions`;
export const NAMESPACES = "/namespaces";

/** All kinds served now: a custom kind appears when its definition is established. */
export function servedKinds(world: World): readonly Kind[] {
  return [...BUILT_IN_KINDS, ...world.store.list(DEFINITIONS).flatMap(kindsCached)];
}

const CACHE = new WeakMap<KubeObject, readonly Kind[]>();

function kindsCached(definition: KubeObject): readonly Kind[] {
  const found = CACHE.get(definition) ?? kindsOfDefinition(definition);
  CACHE.set(definition, found);
  return found;
}

/** The kind of a stored object, for work that is not bound to a request. */
export function kindOf(world: World, object: KubeObject): Kind | undefined {
  return servedKinds(world).find((kind) => kind.kind === object.kind && apiVersionOf(kind) === object.apiVersion);
}

/** The stored object that a call means, undefined when there is none. */
export function liveObject(world: World, call: Pick<Call, "kind" | "namespace" | "name">): KubeObject | undefined {
  return world.store.get(collectionOf(call.kind), call.kind.namespaced ? call.namespace : "", call.name);
}

/** An object in the version that was asked for; versions of a custom kind differ in nothing else here. */
export function inVersion(kind: Kind, object: KubeObject): KubeObject {
  return { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind };
}
