/** Whether a Kustomization of Flux has been applied as wanted. */
import { type KubeObject, numberAt, textAt } from "../kube/model.ts";
import { condition } from "./facts.ts";

/**
 * Ready, or looked at again by Flux without anything new: at every interval Ready turns Unknown for some seconds, which
 * is no news while the same revision stays applied.
 */
export function isApplied(kustomization: KubeObject): boolean {
  const ready = condition(kustomization, "Ready");
  const wanted = numberAt(kustomization, "metadata", "generation");
  const observed = numberAt(kustomization, "status", "observedGeneration");
  if (wanted !== undefined && observed !== undefined && observed < wanted) return false;
  if (ready?.status !== "Unknown") return ready?.status === "True";
  const applied = textAt(kustomization, "status", "lastAppliedRevision");
  const attempted = textAt(kustomization, "status", "lastAttemptedRevision");
  return applied !== undefined && applied !== "" && (attempted === undefined || attempted === applied);
}
