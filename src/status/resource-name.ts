/** How RBAC rules name a kind: "pods", "deployments.apps". */
import { groupOf } from "../kube/model.ts";

/** Plural of a watched kind with its group, as kubectl and RBAC rules write it. */
export function resourceName(ref: { readonly apiVersion: string; readonly kind: string }): string {
  const lower = ref.kind.toLowerCase();
  const plural = lower.endsWith("s") ? `${lower}es` : lower.endsWith("y") ? `${lower.slice(0, -1)}ies` : `${lower}s`;
  const group = groupOf(ref.apiVersion);
  return group === "" ? plural : `${plural}.${group}`;
}
