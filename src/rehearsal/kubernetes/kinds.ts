/**
 * The kinds that the in-memory API server serves: built-in ones as a table, custom ones from CustomResourceDefinitions.
 *
 * Facts of the table (plural, scope, status subresource, whether a spec change counts a generation) are those of
 * Kubernetes v1.36; the contract suite compares the ones this product relies on.
 */
import { isPlainObject } from "../../core/json.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../../kube/model.ts";

export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  /** Whether `status` is written only through its own path. */
  readonly hasStatus: boolean;
  /** Whether metadata.generation counts changes of the wanted state. */
  readonly counts: boolean;
  /** Only POST, nothing is stored (reviews). */
  readonly virtual?: boolean;
  /** Schema of a custom kind. */
  readonly schema?: Readonly<Record<string, unknown>>;
}

type Flags = { readonly cluster?: true; readonly status?: true; readonly counts?: true; readonly virtual?: true };
type Row = readonly [group: string, kind: string, plural: string, flags: Flags];

const CLUSTER = { cluster: true } as const;
const STATUS = { status: true } as const;
const COUNTS = { status: true, counts: true } as const;

const ROWS: readonly Row[] = [
  ["", "Namespace", "namespaces", { ...CLUSTER, ...STATUS }],
  ["", "Node", "nodes", { ...CLUSTER, ...STATUS }],
  ["", "PersistentVolume", "persistentvolumes", { ...CLUSTER, ...STATUS }],
  ["", "ConfigMap", "configmaps", {}],
  ["", "Secret", "secrets", {}],
  ["", "Pod", "pods", COUNTS],
  ["", "Service", "services", STATUS],
  ["", "ServiceAccount", "serviceaccounts", {}],
  ["", "PersistentVolumeClaim", "persistentvolumeclaims", STATUS],
  ["", "Endpoints", "endpoints", {}],
  ["", "Event", "events", {}],
  ["", "LimitRange", "limitranges", {}],
  ["", "ResourceQuota", "resourcequotas", STATUS],
  ["apps", "Deployment", "deployments", COUNTS],
  ["apps", "StatefulSet", "statefulsets", COUNTS],
  ["apps", "DaemonSet", "daemonsets", COUNTS],
  ["apps", "ReplicaSet", "replicasets", COUNTS],
  ["batch", "Job", "jobs", COUNTS],
  ["batch", "CronJob", "cronjobs", COUNTS],
  ["networking.k8s.io", "NetworkPolicy", "networkpolicies", { counts: true }],
  ["networking.k8s.io", "Ingress", "ingresses", COUNTS],
  ["policy", "PodDisruptionBudget", "poddisruptionbudgets", COUNTS],
  ["rbac.authorization.k8s.io", "Role", "roles", {}],
  ["rbac.authorization.k8s.io", "RoleBinding", "rolebindings", {}],
  ["rbac.authorization.k8s.io", "ClusterRole", "clusterroles", CLUSTER],
  ["rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", CLUSTER],
  ["storage.k8s.io", "StorageClass", "storageclasses", CLUSTER],
  ["scheduling.k8s.io", "PriorityClass", "priorityclasses", { ...CLUSTER, counts: true }],
  ["coordination.k8s.io", "Lease", "leases", {}],
  ["apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", { ...CLUSTER, ...COUNTS }],
  ["authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", { ...CLUSTER, virtual: true }],
];

export const BUILT_IN_KINDS: readonly Kind[] = ROWS.map(([group, kind, plural, flags]) => ({
  group,
  version: "v1",
  kind,
  plural,
  singular: kind.toLowerCase(),
  namespaced: flags.cluster !== true,
  hasStatus: flags.status === true,
  counts: flags.counts === true,
  ...(flags.virtual === true ? { virtual: true } : {}),
}));

export const CRD_GROUP = "apiextensions.k8s.io";

/** "apps/v1", "v1". */
export function apiVersionOf(kind: Pick<Kind, "group" | "version">): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}

/** Names the collection in the store: versions of one kind share it. */
export function collectionOf(kind: Pick<Kind, "group" | "plural">): string {
  return `${kind.group}/${kind.plural}`;
}

/** Tells whether a CustomResourceDefinition may be used: its condition `Established` is "True". */
export function isEstablished(definition: KubeObject): boolean {
  return listAt(definition, "status", "conditions").some(
    (condition) => textAt(condition, "type") === "Established" && textAt(condition, "status") === "True",
  );
}

/** The kinds that one CustomResourceDefinition makes, one for each served version; none before it is established. */
export function kindsOfDefinition(definition: KubeObject): readonly Kind[] {
  if (!isEstablished(definition)) return [];
  const group = textAt(definition, "spec", "group") ?? "";
  const names = fieldAt(definition, "spec", "names");
  return listAt(definition, "spec", "versions")
    .filter((version) => fieldAt(version, "served") === true)
    .map((version) => customKind({ group, names, definition, version }));
}

function customKind(parts: {
  readonly group: string;
  readonly names: unknown;
  readonly definition: KubeObject;
  readonly version: unknown;
}): Kind {
  const kind = textAt(parts.names, "kind") ?? "";
  const schema = fieldAt(parts.version, "schema", "openAPIV3Schema");
  return {
    group: parts.group,
    version: textAt(parts.version, "name") ?? "",
    kind,
    plural: textAt(parts.names, "plural") ?? "",
    singular: textAt(parts.names, "singular") ?? kind.toLowerCase(),
    namespaced: textAt(parts.definition, "spec", "scope") !== "Cluster",
    hasStatus: fieldAt(parts.version, "subresources", "status") !== undefined,
    counts: true,
    schema: isPlainObject(schema) ? schema : {},
  };
}
