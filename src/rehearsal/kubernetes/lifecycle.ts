/**
 * What the control plane does by itself after a write: definitions become established, finalizers hold objects back,
 * dependants of deleted owners and contents of deleted namespaces are removed.
 *
 * The real server leaves garbage collection and namespaces to the controller manager; here it happens within the write.
 */
import { type KubeObject, listAt, type OwnerReference, textAt } from "../../kube/model.ts";
import { CRD_GROUP, collectionOf, isEstablished, type Kind } from "./kinds.ts";
import { afterUpdate } from "./ownership.ts";
import { mergeRuleOf } from "./schema.ts";
import { kindOf, NAMESPACES, servedKinds, type World } from "./world.ts";

const FOREGROUND = "foregroundDeletion";

/** Called with every stored object. */
export function afterStored(world: World, kind: Kind, object: KubeObject): void {
  if (kind.group === CRD_GROUP && !isEstablished(object)) establish(world, kind, object);
  if (object.metadata.deletionTimestamp !== undefined) removeWhenFree(world, kind, object);
  if (kind.plural === "namespaces" && object.metadata.deletionTimestamp === undefined) addRootContents(world, object);
}

/**
 * Starts a deletion: at once, or marked while finalizers hold the object.
 *
 * @returns what the object is afterwards; its deletionTimestamp tells that it is still there.
 */
export function settleRemoval(
  world: World,
  kind: Kind,
  step: { readonly live: KubeObject; readonly propagation: string },
): KubeObject {
  const { live, propagation } = step;
  if (propagation === "Orphan") orphan(world, live);
  const own = live.metadata.finalizers ?? [];
  const foreground = propagation === "Foreground" && dependentsOf(world, live).length > 0;
  const finalizers = foreground && !own.includes(FOREGROUND) ? [...own, FOREGROUND] : own;
  if (finalizers.length === 0 && kind.plural !== "namespaces") return removeNow(world, kind, live);
  const marked = mark(world, kind, live, finalizers);
  const stored = world.store.put(collectionOf(kind), marked);
  if (kind.plural === "namespaces") emptyNamespace(world, stored);
  if (foreground) removeDependents(world, stored);
  removeWhenFree(world, kind, stored);
  return world.store.get(collectionOf(kind), stored.metadata.namespace ?? "", stored.metadata.name) ?? stored;
}

function mark(world: World, kind: Kind, live: KubeObject, finalizers: readonly string[]): KubeObject {
  const metadata = {
    ...live.metadata,
    ...(finalizers.length === 0 ? {} : { finalizers }),
    deletionTimestamp: live.metadata.deletionTimestamp ?? world.now(),
    deletionGracePeriodSeconds: 0,
    ...(kind.counts
      ? { generation: (live.metadata.generation ?? 0) + (live.metadata.deletionTimestamp === undefined ? 1 : 0) }
      : {}),
  };
  if (kind.plural !== "namespaces") return { ...live, metadata };
  return { ...live, metadata, status: { phase: "Terminating" } };
}

/** Removes a marked object when no finalizer holds it any more (foreground deletion ends with its dependants). */
function removeWhenFree(world: World, kind: Kind, object: KubeObject): void {
  const held = (object.metadata.finalizers ?? []).filter(
    (name) => name !== FOREGROUND || dependentsOf(world, object).length > 0,
  );
  if (held.length > 0) return;
  if (kind.plural === "namespaces" && contentsOf(world, object.metadata.name).length > 0) return;
  removeNow(world, kind, object);
}

function removeNow(world: World, kind: Kind, object: KubeObject): KubeObject {
  const gone = world.store.remove(collectionOf(kind), object);
  if (kind.group === CRD_GROUP) removeInstances(world, object);
  removeDependents(world, object);
  const { namespace } = object.metadata;
  if (namespace !== undefined) finishNamespace(world, namespace);
  finishOwners(world, object);
  return gone;
}

/** Objects whose only remaining owner is this one. */
function dependentsOf(world: World, owner: KubeObject): readonly KubeObject[] {
  return allObjects(world).filter((object) => ownersOf(object).some(({ uid }) => uid === owner.metadata.uid));
}

function removeDependents(world: World, owner: KubeObject): void {
  for (const dependent of dependentsOf(world, owner)) {
    const living = ownersOf(dependent).filter(({ uid }) => uid !== owner.metadata.uid && exists(world, uid));
    const kind = kindOf(world, dependent);
    if (kind === undefined) continue;
    if (living.length > 0)
      store(world, kind, { ...dependent, metadata: { ...dependent.metadata, ownerReferences: living } });
    else settleRemoval(world, kind, { live: dependent, propagation: "Background" });
  }
}

function orphan(world: World, owner: KubeObject): void {
  for (const dependent of dependentsOf(world, owner)) {
    const kind = kindOf(world, dependent);
    const ownerReferences = ownersOf(dependent).filter(({ uid }) => uid !== owner.metadata.uid);
    if (kind !== undefined) store(world, kind, { ...dependent, metadata: { ...dependent.metadata, ownerReferences } });
  }
}

function finishOwners(world: World, gone: KubeObject): void {
  for (const { uid } of ownersOf(gone)) {
    const owner = allObjects(world).find((object) => object.metadata.uid === uid);
    if (owner?.metadata.deletionTimestamp === undefined) continue;
    const kind = kindOf(world, owner);
    if (kind !== undefined) removeWhenFree(world, kind, owner);
  }
}

function ownersOf(object: KubeObject): readonly OwnerReference[] {
  return object.metadata.ownerReferences ?? [];
}

function exists(world: World, uid: string): boolean {
  return allObjects(world).some((object) => object.metadata.uid === uid);
}

function allObjects(world: World): readonly KubeObject[] {
  return world.store.collections().flatMap((collection) => world.store.list(collection));
}

function contentsOf(world: World, namespace: string): readonly KubeObject[] {
  return world.store.collections().flatMap((collection) => world.store.list(collection, namespace));
}

function emptyNamespace(world: World, namespace: KubeObject): void {
  for (const object of contentsOf(world, namespace.metadata.name)) {
    const kind = kindOf(world, object);
    if (kind !== undefined) settleRemoval(world, kind, { live: object, propagation: "Background" });
  }
}

function finishNamespace(world: World, name: string): void {
  const namespace = world.store.get(NAMESPACES, "", name);
  const kind = namespace === undefined ? undefined : kindOf(world, namespace);
  if (namespace?.metadata.deletionTimestamp !== undefined && kind !== undefined) removeWhenFree(world, kind, namespace);
}

function removeInstances(world: World, definition: KubeObject): void {
  const collection = `${textAt(definition, "spec", "group") ?? ""}/${textAt(definition, "spec", "names", "plural") ?? ""}`;
  for (const object of world.store.list(collection)) world.store.remove(collection, object);
}

/** The API extension server accepts the names and starts to serve the kind. */
function establish(world: World, kind: Kind, definition: KubeObject): void {
  const at = world.now();
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: "True",
    reason,
    message,
    lastTransitionTime: at,
  });
  const versions = listAt(definition, "spec", "versions");
  const status = {
    conditions: [
      condition("NamesAccepted", "NoConflicts", "no conflicts found"),
      condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ],
    acceptedNames: (definition.spec as { names?: unknown } | undefined)?.names ?? {},
    storedVersions: versions
      .filter((version) => (version as { storage?: unknown }).storage === true)
      .map((version) => textAt(version, "name") ?? ""),
  };
  const writer = {
    manager: "kube-apiserver",
    operation: "Update",
    apiVersion: definition.apiVersion,
    subresource: "status",
    time: at,
  } as const;
  world.store.put(collectionOf(kind), afterUpdate(mergeRuleOf(kind), definition, { ...definition, status }, writer));
}

/** Every namespace has the default service account and the cluster's certificate, as pods expect. */
function addRootContents(world: World, namespace: KubeObject): void {
  const kinds = servedKinds(world);
  const add = (kind: string, name: string, more: Record<string, unknown>): void => {
    const found = kinds.find((one) => one.kind === kind && one.group === "");
    if (found === undefined || world.store.get(collectionOf(found), namespace.metadata.name, name) !== undefined)
      return;
    const metadata = { name, namespace: namespace.metadata.name, uid: world.uuid(), creationTimestamp: world.now() };
    world.store.put(collectionOf(found), { apiVersion: "v1", kind, metadata, ...more });
  };
  add("ServiceAccount", "default", {});
  add("ConfigMap", "kube-root-ca.crt", { data: { "ca.crt": "" } });
}

function store(world: World, kind: Kind, object: KubeObject): void {
  world.store.put(collectionOf(kind), object);
}
