/**
 * Whether Flux has brought the cluster to a release: source, Kustomizations, Helm releases, in the order in which it works.
 *
 * A Helm release counts when it has answered a request of this run and is ready: values alone change nothing that its
 * status would show.
 *
 * @see Flux v2.9, "Triggering a reconcile" (requestedAt, lastHandledReconcileAt), "Resetting remediation retries"
 */
import { FORCED, helmReleaseOf, REQUESTED, RESET } from "../flux/requests.ts";
import { CHILD_KUSTOMIZATIONS, FLUX_NAMESPACE } from "../flux/source.ts";
import { type KubeObject, type ObjectRef, refOf, textAt } from "../kube/model.ts";
import { readinessOf } from "../kube/readiness.ts";
import { componentsOf, type ReleaseManifest } from "../release/model.ts";
import type { UpdateCall } from "./context.ts";

const SOURCE_NAME = "alga-appliance";

const flux = (group: string, kind: string, name: string): ObjectRef => ({
  apiVersion: `${group}.toolkit.fluxcd.io/v1`,
  kind,
  namespace: FLUX_NAMESPACE,
  name,
});

/** A release, and the word by which its Helm releases are asked: another word asks anew. */
export interface Goal {
  readonly manifest: ReleaseManifest;
  readonly word: string;
}

/** What is not at the release yet, in one line; undefined when all of it is. Asks each Helm release once for a word. */
export async function notReached(call: UpdateCall, { manifest, word }: Goal): Promise<string | undefined> {
  const { digest } = manifest.config;
  const { kube } = call.context.deps;
  const source = await kube.get(flux("source", "OCIRepository", SOURCE_NAME), { signal: call.signal });
  if (textAt(source, "status", "artifact", "revision")?.endsWith(digest) !== true) return "Flux fetches the release";
  for (const name of [SOURCE_NAME, ...CHILD_KUSTOMIZATIONS]) {
    const found = await kube.get(flux("kustomize", "Kustomization", name), { signal: call.signal });
    const applied = textAt(found, "status", "lastAppliedRevision") ?? "";
    if (!applied.endsWith(digest)) {
      // The one before is there: without this Flux looks again only after its 30 s for a dependency that was not ready.
      if (found !== undefined) await ask(call, found, word);
      return `Flux applies ${name}`;
    }
  }
  for (const release of await helmReleases(call, manifest)) {
    const waiting = await helmWaits(call, { ...release, word });
    if (waiting !== undefined) return waiting;
  }
  return undefined;
}

async function helmReleases(
  { context, signal }: UpdateCall,
  manifest: ReleaseManifest,
): Promise<readonly { readonly name: string; readonly object: KubeObject | undefined }[]> {
  return Promise.all(
    componentsOf(manifest).map(async (component) => ({
      name: component.name,
      object: await context.deps.kube.get(helmReleaseOf(component), { signal }),
    })),
  );
}

async function helmWaits(
  call: UpdateCall,
  { name, object, word }: { readonly name: string; readonly object: KubeObject | undefined; readonly word: string },
): Promise<string | undefined> {
  if (object === undefined) return `Flux creates the release of ${name}`;
  if (await ask(call, object, word)) return `${name} is asked to follow`;
  if (textAt(object, "status", "lastHandledReconcileAt") !== word) return `Helm works on ${name}`;
  const { state, message } = readinessOf(object);
  return state === "ready" ? undefined : `${name}: ${message.slice(0, 200)}`;
}

/** Asks a controller to look now, once for a word. @returns false when it was asked before. */
async function ask(call: UpdateCall, object: KubeObject, word: string): Promise<boolean> {
  if (object.metadata.annotations?.[REQUESTED] === word) return false;
  const annotations = { [REQUESTED]: word };
  await call.context.deps.kube.patch(refOf(object), { metadata: { annotations } }, { signal: call.signal });
  return true;
}

/** Helm refuses because a revision of its own was left half-way. */
const PENDING = /another operation .* is in progress|pending-(?:install|upgrade|rollback)/i;

/**
 * Frees what has given up or is locked: Helm releases that are not ready are asked to try once more with fresh counts,
 * and a revision that an interrupted Helm left pending is taken away, as `helm rollback` would. Safe to call again.
 */
export async function freeStuckReleases(call: UpdateCall, { manifest, word }: Goal): Promise<void> {
  const { kube } = call.context.deps;
  for (const { object } of await helmReleases(call, manifest)) {
    if (object === undefined) continue;
    const { state, message } = readinessOf(object);
    if (state === "ready") continue;
    if (PENDING.test(message)) await removePending(call, object);
    if (object.metadata.annotations?.[REQUESTED] === word) continue;
    const annotations = { [REQUESTED]: word, [RESET]: word, [FORCED]: word };
    await kube.patch(refOf(object), { metadata: { annotations } }, { signal: call.signal });
  }
}

/** Helm keeps each revision in a Secret; only its labels are read. @see Helm v4, storage driver "secret" */
async function removePending({ context, signal }: UpdateCall, release: KubeObject): Promise<void> {
  const { kube, log } = context.deps;
  const name = textAt(release, "spec", "releaseName") ?? release.metadata.name;
  const namespace = textAt(release, "spec", "storageNamespace") ?? release.metadata.namespace ?? "";
  const { items } = await kube.list(
    { apiVersion: "v1", kind: "Secret", namespace },
    { labelSelector: `owner=helm,name=${name}`, metadataOnly: true, limit: 200, signal },
  );
  for (const { metadata } of items.filter((item) => item.metadata.labels?.status?.startsWith("pending-") === true)) {
    log.warn("a pending revision of Helm is removed", { release: name, revision: metadata.name });
    await kube.delete({ apiVersion: "v1", kind: "Secret", namespace, name: metadata.name }, { signal });
  }
}
