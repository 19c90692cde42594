/**
 * The control plane as the embedded cluster knows it: with exactly the rights that its manifests give it on a box. So every rehearsal
 * shows that they are enough, and what it asked for shows which of them it needs.
 */
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { CONTROL_PLANE_MANIFESTS } from "../../embed/manifests.ts";
import type { AccessRule, Identity } from "./kubernetes/access.ts";

const roleSchema = z.object({
  kind: z.literal("ClusterRole"),
  rules: z.array(
    z.strictObject({
      apiGroups: z.array(z.string()),
      resources: z.array(z.string()),
      verbs: z.array(z.string()),
    }),
  ),
});
const namespacedSchema = z.object({
  kind: z.literal("Role"),
  metadata: z.object({ namespace: z.string() }),
  rules: roleSchema.shape.rules,
});

/** How the control plane names itself to the embedded API; whoever comes without it (a person with curl, a test) may do everything. */
export const CONTROL_PLANE_HEADERS = { authorization: "Bearer rehearsed-control-plane" } as const;

/** The identity of the pod's service account, from the roles of `embed/control-plane/rbac.yaml`. */
export function controlPlaneIdentity(manifest = CONTROL_PLANE_MANIFESTS["rbac.yaml"] ?? ""): Identity {
  const documents = parseAllDocuments(manifest).map((document): unknown => document.toJS());
  const rules = documents.flatMap((document): readonly AccessRule[] => {
    const role = roleSchema.safeParse(document);
    if (role.success) return role.data.rules.map(toRule);
    const namespaced = namespacedSchema.safeParse(document);
    if (!namespaced.success) return [];
    const namespaces = [namespaced.data.metadata.namespace];
    return namespaced.data.rules.map((rule) => ({ ...toRule(rule), namespaces }));
  });
  return { user: "system:serviceaccount:alga-appliance-control-plane:appliance-control-plane", rules };
}

function toRule({ apiGroups, resources, verbs }: z.infer<typeof roleSchema>["rules"][number]): AccessRule {
  return { groups: apiGroups, resources, verbs };
}
