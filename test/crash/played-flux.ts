/** Flux and the kubelet in the kill tests of updates: they answer at once, when something of theirs is written. */
import type { Kube } from "../../src/kube/client.ts";
import { type KubeObject, listAt, refOf, textAt } from "../../src/kube/model.ts";
import { DEFAULT_COMPONENTS } from "../../src/release/components.ts";

const FLUX = "flux-system";
const SOURCE = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository" };
const KUSTOMIZATION = { apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization" };
const HELM = { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease" };
const CHILDREN = ["alga-platform", "alga-core", "alga-background"];
const SOURCE_REF = { kind: SOURCE.kind, name: "alga-appliance" };
const CHILD_SPEC = { interval: "1m", prune: true, sourceRef: SOURCE_REF };
const HELM_SPEC = { interval: "1m", chartRef: SOURCE_REF };
const REQUESTED = "reconcile.fluxcd.io/requestedAt";

export function isFluxObject({ kind }: KubeObject): boolean {
  return kind === SOURCE.kind || kind === KUSTOMIZATION.kind || kind === HELM.kind;
}

/** Brings everything to the digest that the source pins, once source and parent are there; a Helm release answers a request. */
export async function playFlux(kube: Kube, object: KubeObject): Promise<void> {
  if (object.kind === HELM.kind) return answerRequest(kube, object);
  const source = await kube.get({ ...SOURCE, namespace: FLUX, name: "alga-appliance" });
  const parent = await kube.get({ ...KUSTOMIZATION, namespace: FLUX, name: "alga-appliance" });
  if (source === undefined || parent === undefined) return;
  const revision = `latest@${textAt(source, "spec", "ref", "digest")}`;
  await tell(kube, source, { artifact: { revision } });
  for (const name of CHILDREN)
    await make(kube, { ...KUSTOMIZATION, metadata: { namespace: FLUX, name }, spec: CHILD_SPEC });
  for (const name of ["alga-appliance", ...CHILDREN]) {
    const found = await kube.get({ ...KUSTOMIZATION, namespace: FLUX, name });
    if (found !== undefined) await tell(kube, found, { lastAppliedRevision: revision });
  }
  for (const { name, releaseNamespace: namespace } of DEFAULT_COMPONENTS) {
    await make(kube, { ...HELM, metadata: { namespace, name }, spec: HELM_SPEC });
    const release = await kube.get({ ...HELM, namespace, name });
    if (release !== undefined && !(await isLocked(kube, release))) await tell(kube, release, {});
  }
}

/** Helm does nothing while a revision of its own is pending. */
async function isLocked(kube: Kube, { metadata }: KubeObject): Promise<boolean> {
  const kind = { apiVersion: "v1", kind: "Secret", namespace: metadata.namespace ?? "" };
  const selector = `owner=helm,name=${metadata.name},status in (pending-install,pending-upgrade,pending-rollback)`;
  return (await kube.list(kind, { labelSelector: selector })).items.length > 0;
}

async function answerRequest(kube: Kube, release: KubeObject): Promise<void> {
  if (await isLocked(kube, release)) return;
  const asked = release.metadata.annotations?.[REQUESTED];
  await tell(kube, release, asked === undefined ? {} : { lastHandledReconcileAt: asked });
}

async function make(kube: Kube, object: KubeObject): Promise<void> {
  if ((await kube.get(refOf(object))) === undefined) await kube.create(object);
}

async function tell(kube: Kube, object: KubeObject, fields: Record<string, unknown>): Promise<void> {
  const observedGeneration = object.metadata.generation ?? 1;
  // Always the same: what is told twice is no second write.
  const lastTransitionTime = "2026-11-21T00:00:00Z";
  const ready = { type: "Ready", status: "True", reason: "Succeeded", message: "", observedGeneration };
  const conditions = [{ ...ready, lastTransitionTime }];
  await kube.patch(refOf(object), { status: { ...fields, observedGeneration, conditions } }, { subresource: "status" });
}

/** Every image comes, and nothing of it can be started. */
export async function playPrefetch(kube: Kube, pod: KubeObject): Promise<void> {
  if (textAt(pod, "status", "phase") === "Failed") return;
  const terminated = { exitCode: 128, reason: "StartError" };
  const containerStatuses = listAt(pod, "spec", "containers").map((raw) => {
    const { name, image } = raw as { readonly name: string; readonly image: string };
    return { name, image, imageID: "", ready: false, restartCount: 0, state: { terminated } };
  });
  await kube.patch(refOf(pod), { status: { phase: "Failed", containerStatuses } }, { subresource: "status" });
}
