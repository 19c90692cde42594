/** Namespaces that the storage needs for itself and that nobody else has made yet. */
import { isApplianceError } from "../core/errors.ts";
import type { Kube } from "../kube/calls.ts";
import { type KubeObject, refOf } from "../kube/model.ts";

/** Makes a namespace where there is none; one that is there stays as it is. Safe to call again, and by two at once. Throws as `Kube` does. */
export async function ensureNamespace(kube: Kube, namespace: KubeObject, signal: AbortSignal): Promise<void> {
  if ((await kube.get(refOf(namespace), { signal })) !== undefined) return;
  try {
    await kube.create(namespace, { signal });
  } catch (thrown) {
    if (!isApplianceError(thrown, "kube/conflict")) throw thrown;
  }
}
