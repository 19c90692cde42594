/**
 * The annotations by which Flux's controllers are asked for something, and the object of a component that is asked.
 *
 * A request is a word: another word asks anew, and the controller answers with it in `status.lastHandledReconcileAt`.
 *
 * @see Flux v2.9, "Triggering a reconcile", "Resetting remediation retries" and "Forcing a release"
 */
import type { ObjectRef } from "../kube/model.ts";
import type { ComponentSpec } from "../release/components.ts";

/** Look at it now. */
export const REQUESTED = "reconcile.fluxcd.io/requestedAt";
/** Count failures from the start; counts only when it says the same as the request. */
export const RESET = "reconcile.fluxcd.io/resetAt";
/** Run Helm once more, also where nothing differs; counts only when it says the same as the request. */
export const FORCED = "reconcile.fluxcd.io/forceAt";

/** The HelmRelease of a component. */
export function helmReleaseOf({ name, releaseNamespace }: Pick<ComponentSpec, "name" | "releaseNamespace">): ObjectRef {
  return { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease", namespace: releaseNamespace, name };
}
