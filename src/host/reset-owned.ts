/**
 * What on this box is the appliance's: the list that reset shows and works off, and nothing else.
 *
 * Namespaces are ours by their contract names; everything shared with others (Flux, storage, cluster-wide objects) only where our
 * mark is on it, and Flux only while nobody else uses it. Reads only.
 */
import { isApplianceError } from "../core/errors.ts";
import type { Kube } from "../kube/calls.ts";
import { FIELD_MANAGER } from "../kube/client.ts";
import { type KindRef, type KubeObject, type ObjectRef, refOf, textAt } from "../kube/model.ts";
import { HOST_FOLDER, PROVISIONER } from "../storage/objects.ts";

/** Namespaces by contract. @see design.md section 4 */
const NAMESPACES = [
  "msp",
  "alga-system",
  "appliance-system",
  "alga-appliance-control-plane",
  "alga-appliance-support",
  "storage-smoke",
  "alga-storage-smoke",
];
/** Where volumes and their claims live, and the secrets that open what is on them. */
export const DATA_NAMESPACE = "msp";
const FLUX_NAMESPACE = "flux-system";
const STORAGE_NAMESPACE = PROVISIONER.namespace;
/** Folders of volumes on the host: nothing outside of them is ever removed. */
const VOLUME_FOLDERS = [HOST_FOLDER, "/var/lib/rancher/k3s/storage"];
const OUR_KUSTOMIZATIONS = ["alga-appliance", "alga-platform", "alga-core", "alga-background"];

/** Kinds of Flux's, parents before what they make. */
const FLUX_KINDS: readonly KindRef[] = [
  { apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization" },
  { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease" },
  { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository" },
  { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "HelmRepository" },
  { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "HelmChart" },
  { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository" },
];
const CLUSTER_KINDS: readonly KindRef[] = [
  { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding" },
  { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole" },
  { apiVersion: "storage.k8s.io/v1", kind: "StorageClass" },
  { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" },
];

/** A volume of a claim of ours. */
export interface OwnedVolume {
  readonly name: string;
  readonly claim: string;
  /** Folder on the host that goes with it; null: it lies elsewhere, and is not touched. */
  readonly folder: string | null;
  readonly size: string;
}

export interface Owned {
  readonly namespaces: readonly string[];
  /** Objects of Flux that carry our release, parents first. */
  readonly releases: readonly ObjectRef[];
  readonly volumes: readonly OwnedVolume[];
  /** Objects without a namespace. */
  readonly cluster: readonly ObjectRef[];
  /** What is like ours and stays, with the reason. */
  readonly stays: readonly string[];
}

/**
 * Lists it.
 *
 * @param options.keepData Volumes, their claims and secrets, and what serves them stay.
 * @throws {ApplianceError} the kube/ codes while the cluster does not answer.
 */
export async function listOwned(
  kube: Kube,
  options: { readonly keepData: boolean; readonly signal: AbortSignal },
): Promise<Owned> {
  const { keepData, signal } = options;
  const namespaces = await listed(kube, { apiVersion: "v1", kind: "Namespace" }, signal);
  const flux = (await Promise.all(FLUX_KINDS.map((kind) => listed(kube, kind, signal)))).flat();
  const foreign = flux.filter((object) => !isOurRelease(object));
  const fluxNamespace = namespaces.find(({ metadata }) => metadata.name === FLUX_NAMESPACE);
  // A namespace that is gone went in an earlier step: what is left is judged by its own mark.
  const takesFlux = foreign.length === 0 && (fluxNamespace === undefined || hasOurMark(fluxNamespace));
  const storage = namespaces.find(({ metadata }) => metadata.name === STORAGE_NAMESPACE);
  const takesStorage = !keepData && (storage === undefined || hasOurMark(storage));
  const goes = namespaces
    .map(({ metadata }) => metadata.name)
    .filter(
      (name) =>
        (NAMESPACES.includes(name) && !(keepData && name === DATA_NAMESPACE)) ||
        (name === FLUX_NAMESPACE && takesFlux) ||
        (name === STORAGE_NAMESPACE && takesStorage),
    );
  const cluster = (await Promise.all(CLUSTER_KINDS.map((kind) => listed(kube, kind, signal)))).flat();
  const mine = cluster.filter((object) => isOurClusterObject(object, { takesFlux, takesStorage }));
  return {
    namespaces: goes,
    releases: flux.filter(isOurRelease).map(refOf),
    volumes: (await listed(kube, { apiVersion: "v1", kind: "PersistentVolume" }, signal)).flatMap(ownedVolume),
    cluster: mine.map(refOf),
    stays: [
      ...(keepData
        ? ["Volumes, their claims, the secrets that open them, and the storage provisioner: --keep-data"]
        : []),
      ...(fluxNamespace !== undefined && !takesFlux ? [fluxStays(foreign)] : []),
    ],
  };
}

function fluxStays(foreign: readonly KubeObject[]): string {
  const [first] = foreign;
  if (first === undefined) return "Flux: somebody else has installed it";
  const name = `${first.kind} ${first.metadata.namespace ?? ""}/${first.metadata.name}`;
  return `Flux: ${foreign.length} objects of others use it, such as ${name}`;
}

/** All objects of a kind; none where the cluster does not serve it. */
async function listed(kube: Kube, kind: KindRef, signal: AbortSignal): Promise<readonly KubeObject[]> {
  try {
    return (await kube.list(kind, { signal })).items;
  } catch (thrown) {
    if (isApplianceError(thrown, "kube/not-found")) return [];
    throw thrown;
  }
}

/** Tells whether the product applied an object, or labelled it. */
function hasOurMark({ metadata }: KubeObject): boolean {
  if (metadata.labels?.["app.kubernetes.io/part-of"] === "alga-appliance") return true;
  return (metadata.managedFields ?? []).some(
    ({ manager, operation }) => manager === FIELD_MANAGER && operation === "Apply",
  );
}

function isOurRelease(object: KubeObject): boolean {
  const { namespace = "", name, labels } = object.metadata;
  if (NAMESPACES.includes(namespace) || hasOurMark(object)) return true;
  if (namespace !== FLUX_NAMESPACE) return false;
  if (OUR_KUSTOMIZATIONS.includes(labels?.["kustomize.toolkit.fluxcd.io/name"] ?? "")) return true;
  // What helm-controller makes for a release is named after both.
  return object.kind === "HelmChart" ? name.startsWith("alga-system-") : name.startsWith("alga-");
}

function isOurClusterObject(
  object: KubeObject,
  { takesFlux, takesStorage }: { readonly takesFlux: boolean; readonly takesStorage: boolean },
): boolean {
  const { labels, annotations } = object.metadata;
  if (NAMESPACES.includes(annotations?.["meta.helm.sh/release-namespace"] ?? "")) return true;
  if (OUR_KUSTOMIZATIONS.includes(labels?.["kustomize.toolkit.fluxcd.io/name"] ?? "")) return true;
  if (!hasOurMark(object)) return false;
  if (labels?.["app.kubernetes.io/part-of"] === "flux" || /\.fluxcd\.io$/.test(object.metadata.name)) return takesFlux;
  if (object.kind === "StorageClass" || /local-path/.test(object.metadata.name)) return takesStorage;
  return true;
}

function ownedVolume(object: KubeObject): readonly OwnedVolume[] {
  const namespace = textAt(object, "spec", "claimRef", "namespace") ?? "";
  if (!NAMESPACES.includes(namespace)) return [];
  const claim = `${namespace}/${textAt(object, "spec", "claimRef", "name") ?? ""}`;
  const path = textAt(object, "spec", "local", "path") ?? textAt(object, "spec", "hostPath", "path");
  const size = textAt(object, "spec", "capacity", "storage") ?? "unknown";
  return [{ name: object.metadata.name, claim, folder: volumeFolder(path), size }];
}

/** The folder of a volume, when it is one: a direct child of a folder of volumes, by its plain name. Pure. */
export function volumeFolder(path: string | undefined): string | null {
  const [, base, name] = /^(\/.+)\/([A-Za-z0-9][A-Za-z0-9._-]{0,250})$/.exec(path ?? "") ?? [];
  return base !== undefined && name !== undefined && VOLUME_FOLDERS.includes(base) ? `${base}/${name}` : null;
}
