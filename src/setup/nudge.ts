/**
 * What "Try again" does in the cluster while a step waits for Flux: what has stopped trying is asked to try once more.
 *
 * Only annotations are set, and what is ready is left alone. Done once for each time the operator says so.
 *
 * @see Flux v2.9, helm-controller, "Triggering a reconcile" and "Resetting remediation retries"
 */
import { REQUESTED, RESET } from "../flux/requests.ts";
import { FLUX_NAMESPACE } from "../flux/source.ts";
import { type KubeObject, refOf } from "../kube/model.ts";
import { readinessOf } from "../kube/readiness.ts";
import { componentsOf } from "../release/model.ts";
import { releaseOf, type StepCall } from "./context.ts";
import { operatorsWord } from "./operator-word.ts";

const HELM = { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease" } as const;
const KUSTOMIZE = { apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization", namespace: FLUX_NAMESPACE };
const SOURCE = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository", namespace: FLUX_NAMESPACE };

/** Asks source, Kustomizations and releases that are not ready to reconcile now, when the operator has said so. */
export async function nudgeFlux(call: StepCall, step: string): Promise<void> {
  const word = await operatorsWord(call, step);
  if (word === undefined) return;
  const { kube } = call.context.deps;
  const { manifest } = await releaseOf(call);
  const namespaces = new Set(componentsOf(manifest).map((component) => component.releaseNamespace));
  const kinds = [SOURCE, KUSTOMIZE, ...[...namespaces].map((namespace) => ({ ...HELM, namespace }))];
  for (const kind of kinds) {
    const { items } = await kube.list(kind, { signal: call.signal });
    for (const item of items.filter((one) => isStuck(one, word))) {
      const annotations = { [REQUESTED]: word, ...(kind.kind === HELM.kind ? { [RESET]: word } : {}) };
      await kube.patch(refOf(item), { metadata: { annotations } }, { signal: call.signal });
    }
  }
}

function isStuck(object: KubeObject, word: string): boolean {
  return readinessOf(object).state !== "ready" && object.metadata.annotations?.[REQUESTED] !== word;
}
