/** What setup and status do in the cluster, as rules to ask for one by one. */
import type { AccessQuestion, Kube } from "../kube/calls.ts";
import { STORAGE_LEASE } from "../storage/lease.ts";
import { SMOKE_NAMESPACE } from "../storage/smoke-objects.ts";

interface Need {
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly string[];
  readonly namespace?: string;
  readonly subresource?: string;
}

const WRITE = ["get", "create", "patch"] as const;
const READ = ["get", "list", "watch"] as const;
const WATCH = ["list", "watch"] as const;

/** Grouped as a person would grant them. */
const NEEDS: readonly Need[] = [
  { group: "", resource: "namespaces", verbs: WRITE },
  { group: "", resource: "nodes", verbs: WATCH },
  { group: "", resource: "pods", verbs: READ },
  { group: "", resource: "pods", subresource: "log", verbs: ["get"] },
  { group: "", resource: "events", verbs: READ },
  ...["msp", "alga-system", "flux-system"].flatMap((namespace): Need[] => [
    { group: "", resource: "secrets", verbs: WRITE, namespace },
    { group: "", resource: "configmaps", verbs: WRITE, namespace },
  ]),
  { group: "", resource: "serviceaccounts", verbs: WRITE, namespace: "flux-system" },
  { group: "", resource: "services", verbs: WRITE, namespace: "flux-system" },
  { group: "apps", resource: "deployments", verbs: [...READ, "create", "patch"] },
  { group: "apps", resource: "statefulsets", verbs: WATCH },
  { group: "batch", resource: "jobs", verbs: [...READ, "delete"] },
  // The bootstrap job that failed, when the operator says to try again.
  { group: "batch", resource: "jobs", verbs: ["delete"], namespace: "msp" },
  { group: "storage.k8s.io", resource: "storageclasses", verbs: [...READ, "create", "patch", "delete"] },
  { group: "", resource: "persistentvolumes", verbs: ["list", "patch"] },
  { group: "", resource: "persistentvolumeclaims", verbs: ["create", "delete"], namespace: SMOKE_NAMESPACE },
  {
    group: "coordination.k8s.io",
    resource: "leases",
    verbs: ["get", "create", "patch"],
    namespace: STORAGE_LEASE.namespace,
  },
  { group: "apiextensions.k8s.io", resource: "customresourcedefinitions", verbs: WRITE },
  { group: "rbac.authorization.k8s.io", resource: "clusterroles", verbs: WRITE },
  { group: "rbac.authorization.k8s.io", resource: "clusterrolebindings", verbs: WRITE },
  {
    group: "source.toolkit.fluxcd.io",
    resource: "ocirepositories",
    verbs: [...READ, "create", "patch"],
    namespace: "flux-system",
  },
  {
    group: "kustomize.toolkit.fluxcd.io",
    resource: "kustomizations",
    verbs: [...READ, "create", "patch"],
    namespace: "flux-system",
  },
  { group: "helm.toolkit.fluxcd.io", resource: "helmreleases", verbs: [...READ, "patch"] },
  { group: "helm.toolkit.fluxcd.io", resource: "helmreleases", verbs: ["patch"], namespace: "alga-system" },
];

/** The rules that are missing, as a person would write them: "create secrets in namespace msp". */
export async function missingPermissions(kube: Pick<Kube, "canI">, signal: AbortSignal): Promise<readonly string[]> {
  const all = await kube.canI({ verb: "*", group: "*", resource: "*" }, { signal });
  if (all.allowed) return [];
  const questions = NEEDS.flatMap(({ verbs, ...rule }) => verbs.map((verb): AccessQuestion => ({ verb, ...rule })));
  const answers = await Promise.all(questions.map((question) => kube.canI(question, { signal })));
  return questions.filter((_question, index) => answers[index]?.allowed !== true).map(describe);
}

function describe({ verb, group, resource, subresource, namespace }: AccessQuestion): string {
  const name = `${resource}${subresource === undefined ? "" : `/${subresource}`}${group === "" ? "" : `.${group}`}`;
  return `${verb} ${name}${namespace === undefined ? "" : ` in namespace ${namespace}`}`;
}
