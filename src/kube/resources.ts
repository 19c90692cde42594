/**
 * Which REST path serves a kind: a table for the kinds of this product, discovery for all others.
 *
 * The table saves a round trip per kind at start and keeps `status` useful while discovery is slow; it holds only facts
 * that an API version can never change (plural name and scope).
 */
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import { groupOf, type KindRef, versionOf } from "./model.ts";

export interface Resource {
  readonly group: string;
  readonly version: string;
  /** Plural name in paths and RBAC rules: "deployments". */
  readonly plural: string;
  readonly namespaced: boolean;
}

const CLUSTER = false;
const NAMESPACED = true;

type Row = readonly [apiVersion: string, kind: string, plural: string, namespaced: boolean];

const ROWS: readonly Row[] = [
  ["v1", "Namespace", "namespaces", CLUSTER],
  ["v1", "Node", "nodes", CLUSTER],
  ["v1", "PersistentVolume", "persistentvolumes", CLUSTER],
  ["v1", "ConfigMap", "configmaps", NAMESPACED],
  ["v1", "Secret", "secrets", NAMESPACED],
  ["v1", "Pod", "pods", NAMESPACED],
  ["v1", "Service", "services", NAMESPACED],
  ["v1", "ServiceAccount", "serviceaccounts", NAMESPACED],
  ["v1", "PersistentVolumeClaim", "persistentvolumeclaims", NAMESPACED],
  ["v1", "Endpoints", "endpoints", NAMESPACED],
  ["v1", "Event", "events", NAMESPACED],
  ["v1", "LimitRange", "limitranges", NAMESPACED],
  ["v1", "ResourceQuota", "resourcequotas", NAMESPACED],
  ["apps/v1", "Deployment", "deployments", NAMESPACED],
  ["apps/v1", "StatefulSet", "statefulsets", NAMESPACED],
  ["apps/v1", "DaemonSet", "daemonsets", NAMESPACED],
  ["apps/v1", "ReplicaSet", "replicasets", NAMESPACED],
  ["batch/v1", "Job", "jobs", NAMESPACED],
  ["batch/v1", "CronJob", "cronjobs", NAMESPACED],
  ["networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", NAMESPACED],
  ["networking.k8s.io/v1", "Ingress", "ingresses", NAMESPACED],
  ["policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", NAMESPACED],
  ["rbac.authorization.k8s.io/v1", "Role", "roles", NAMESPACED],
  ["rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", NAMESPACED],
  ["rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", CLUSTER],
  ["rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", CLUSTER],
  ["storage.k8s.io/v1", "StorageClass", "storageclasses", CLUSTER],
  ["scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", CLUSTER],
  ["coordination.k8s.io/v1", "Lease", "leases", NAMESPACED],
  ["apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", CLUSTER],
  ["authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", CLUSTER],
  ["source.toolkit.fluxcd.io/v1", "OCIRepository", "ocirepositories", NAMESPACED],
  ["source.toolkit.fluxcd.io/v1", "HelmRepository", "helmrepositories", NAMESPACED],
  ["source.toolkit.fluxcd.io/v1", "HelmChart", "helmcharts", NAMESPACED],
  ["source.toolkit.fluxcd.io/v1", "GitRepository", "gitrepositories", NAMESPACED],
  ["kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomizations", NAMESPACED],
  ["helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases", NAMESPACED],
];

const KNOWN: ReadonlyMap<string, Resource> = new Map(
  ROWS.map(([apiVersion, kind, plural, namespaced]) => [
    `${apiVersion}|${kind}`,
    { group: groupOf(apiVersion), version: versionOf(apiVersion), plural, namespaced },
  ]),
);

/** The resource of a kind of the table. */
function knownResource(kind: KindRef): Resource | undefined {
  return KNOWN.get(`${kind.apiVersion}|${kind.kind}`);
}

/** The path under which a group and version is served: "/api/v1", "/apis/apps/v1". */
export function groupPath(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

export interface PathParts {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** The path of a collection, an object or a subresource. Parts are escaped. */
export function resourcePath(resource: Resource, parts: PathParts): string {
  const base = groupPath(resource.group === "" ? resource.version : `${resource.group}/${resource.version}`);
  const place =
    resource.namespaced && parts.namespace !== undefined ? `/namespaces/${encodeURIComponent(parts.namespace)}` : "";
  const tail = [parts.name, parts.subresource].filter((part) => part !== undefined).map(encodeURIComponent);
  return [`${base}${place}/${resource.plural}`, ...tail].join("/");
}

/**
 * Finds a kind in the answer of `GET /apis/<group>/<version>`.
 *
 * @see Kubernetes API reference, "APIResourceList v1 meta"
 */
function resourceFromDiscovery(kind: KindRef, answer: unknown): Resource | undefined {
  const rows = isPlainObject(answer) && Array.isArray(answer.resources) ? answer.resources : [];
  const row = rows.find(
    (entry): entry is { name: string; namespaced: boolean } =>
      isPlainObject(entry) && entry.kind === kind.kind && typeof entry.name === "string" && !entry.name.includes("/"),
  );
  if (row === undefined) return undefined;
  return {
    group: groupOf(kind.apiVersion),
    version: versionOf(kind.apiVersion),
    plural: row.name,
    namespaced: row.namespaced === true,
  };
}

/** Makes the lookup of a client: table first, then discovery, found rows kept (a missing kind is asked for again). */
export function createResourceLookup(
  discover: (path: string, signal?: AbortSignal) => Promise<unknown>,
): (kind: KindRef, signal?: AbortSignal) => Promise<Resource> {
  const found = new Map<string, Resource>();
  return async (kind, signal) => {
    const key = `${kind.apiVersion}|${kind.kind}`;
    const known = knownResource(kind) ?? found.get(key);
    if (known !== undefined) return known;
    const resource = resourceFromDiscovery(kind, await discover(groupPath(kind.apiVersion), signal));
    if (resource === undefined) throw kindNotServed(kind);
    found.set(key, resource);
    return resource;
  };
}

/** The error for a kind that the API server does not serve: its CustomResourceDefinition is not there (yet). */
function kindNotServed(kind: KindRef, cause?: unknown): ApplianceError {
  return new ApplianceError(
    "kube/not-found",
    `Cannot use kind "${kind.apiVersion} ${kind.kind}": the API server does not serve it, its CustomResourceDefinition is wanted`,
    { cause, details: { missing: "kind", apiVersion: kind.apiVersion, kind: kind.kind } },
  );
}
