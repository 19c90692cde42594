/** What the cluster says of its storage: classes, volumes and claims of local-path, and the provisioners that make them. Reads only. */
import type { Kube } from "../kube/calls.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../kube/model.ts";
import { readinessOf } from "../kube/readiness.ts";
import { CONFIGURATION, DEFAULT_MARK, DRIVER, PROVISIONER, type StorageImages } from "./objects.ts";
import { SMOKE_NAMESPACE } from "./smoke-objects.ts";

/** What k3s brings by itself. @see k3s v1.34, manifests/local-storage.yaml */
export const BUNDLED = { ...PROVISIONER, namespace: "kube-system" } as const;

const CLASS = { apiVersion: "storage.k8s.io/v1", kind: "StorageClass" } as const;
const VOLUME = { apiVersion: "v1", kind: "PersistentVolume" } as const;
const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim" } as const;
const MARKS = [DEFAULT_MARK, "storageclass.beta.kubernetes.io/is-default-class"];
const MAKER = "pv.kubernetes.io/provisioned-by";
const NO_PROVISIONER = "kubernetes.io/no-provisioner";

export interface StorageFacts {
  readonly classes: readonly KubeObject[];
  /** Volumes of local-path provisioners, ours or not, without those of a smoke test. */
  readonly volumes: readonly KubeObject[];
  /** Volumes of smoke tests. */
  readonly smokeVolumes: readonly KubeObject[];
  /** Every claim but those of a smoke test. */
  readonly claims: readonly KubeObject[];
  /** The appliance's provisioner, also where an older box or a person put it. */
  readonly provisioner: KubeObject | undefined;
  /** Image of the pods that it starts. */
  readonly helper: string | undefined;
  /** That of k3s. */
  readonly bundled: KubeObject | undefined;
  /** Provisioners of the same kind in other places: "namespace/name". */
  readonly others: readonly string[];
}

/** Asks for all of it. Safe at any time. Throws as `Kube` does. */
export async function gatherStorage(kube: Kube, signal: AbortSignal): Promise<StorageFacts> {
  const [classes, volumes, claims, deployments, helper] = await Promise.all([
    kube.list(CLASS, { signal }),
    kube.list(VOLUME, { signal }),
    kube.list(CLAIM, { signal }),
    kube.list({ apiVersion: PROVISIONER.apiVersion, kind: PROVISIONER.kind }, { signal }),
    helperImage(kube, signal),
  ]);
  const own = volumes.items.filter(isLocalPath);
  const provisioners = deployments.items.filter(({ metadata }) => metadata.name === PROVISIONER.name);
  const placed = (namespace: string): KubeObject | undefined =>
    provisioners.find(({ metadata }) => metadata.namespace === namespace);
  return {
    classes: classes.items,
    volumes: own.filter((volume) => !isOfSmoke(volume)),
    smokeVolumes: own.filter(isOfSmoke),
    claims: claims.items.filter(({ metadata }) => metadata.namespace !== SMOKE_NAMESPACE),
    provisioner: placed(PROVISIONER.namespace),
    helper,
    bundled: placed(BUNDLED.namespace),
    others: provisioners
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
      .filter((place) => ![PROVISIONER, BUNDLED].some(({ namespace, name }) => place === `${namespace}/${name}`)),
  };
}

/** Tells whether a StorageClass is marked as the default one, also by the older mark. */
export function isDefaultClass(one: KubeObject): boolean {
  return MARKS.some((mark) => fieldAt(one, "metadata", "annotations", mark) === "true");
}

/** The classes that claims without a class may get; one without a provisioner gives volumes to nobody by itself. */
export function defaultClasses(classes: readonly KubeObject[]): readonly KubeObject[] {
  return classes.filter((one) => isDefaultClass(one) && textAt(one, "provisioner") !== NO_PROVISIONER);
}

/** "local-path (rancher.io/local-path)". */
export function describeClass(one: KubeObject): string {
  return `${one.metadata.name} (${textAt(one, "provisioner") ?? "unknown provisioner"})`;
}

/** Tells whether a Deployment wants pods and all of them are there. */
export function isRunning(deployment: KubeObject | undefined): deployment is KubeObject {
  return deployment !== undefined && !isStopped(deployment) && readinessOf(deployment).state === "ready";
}

/** Tells whether a Deployment wants no pod. */
export function isStopped(deployment: KubeObject): boolean {
  return fieldAt(deployment, "spec", "replicas") === 0;
}

/** Tells whether a volume goes with its claim, data and all. */
export function goesWithClaim(volume: KubeObject): boolean {
  return textAt(volume, "spec", "persistentVolumeReclaimPolicy") === "Delete";
}

/** The image that a Deployment runs. */
export function imageOf(deployment: KubeObject | undefined): string | undefined {
  return textAt(listAt(deployment, "spec", "template", "spec", "containers")[0], "image");
}

/** The images that the provisioner runs with now; undefined where there is none. */
export function imagesNow({ provisioner, helper }: StorageFacts): StorageImages | undefined {
  const image = imageOf(provisioner);
  return image === undefined || helper === undefined ? undefined : { provisioner: image, helper };
}

function isLocalPath(volume: KubeObject): boolean {
  return fieldAt(volume, "metadata", "annotations", MAKER) === DRIVER;
}

function isOfSmoke(volume: KubeObject): boolean {
  return textAt(volume, "spec", "claimRef", "namespace") === SMOKE_NAMESPACE;
}

/** From the template of helper pods: JSON as we write it, or YAML as others do. */
async function helperImage(kube: Kube, signal: AbortSignal): Promise<string | undefined> {
  const template = textAt(await kube.get(CONFIGURATION, { signal }), "data", "helperPod.yaml") ?? "";
  return /["']?\bimage["']?:\s*["']?([^\s"',}]{1,512})/.exec(template)?.[1];
}
