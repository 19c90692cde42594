/**
 * What is kept of each watched object: the fields the fold reads and no more, so that memory stays small on a cluster
 * with thousands of pods. The shapes are data; a new check that needs a field adds it here.
 */
import { isPlainObject } from "../core/json.ts";
import { REQUESTED } from "../flux/requests.ts";
import type { KubeObject } from "../kube/model.ts";

/** `true` takes a value whole, a record takes the named fields, a list of one shape takes every item by that shape. */
export type Shape = true | readonly [Shape] | { readonly [field: string]: Shape };

/** Characters of one text: a message of Helm may hold a whole rendered manifest. */
const MAX_TEXT = 4096;
const MAX_ITEMS = 64;
const MAX_DEPTH = 8;

const META: Shape = {
  name: true,
  namespace: true,
  uid: true,
  resourceVersion: true,
  generation: true,
  creationTimestamp: true,
  deletionTimestamp: true,
  ownerReferences: [{ kind: true, name: true, controller: true }],
  labels: { "pod-template-hash": true, "job-name": true, "batch.kubernetes.io/job-name": true },
};
const CONTAINERS: Shape = [{ name: true, image: true }];
const CONTAINER_STATUSES: Shape = [
  { name: true, image: true, ready: true, started: true, restartCount: true, state: true, lastState: true },
];
const WORKLOAD: Shape = {
  metadata: META,
  spec: {
    replicas: true,
    paused: true,
    updateStrategy: true,
    progressDeadlineSeconds: true,
    template: { spec: { containers: CONTAINERS } },
  },
  status: true,
};
/** The least that names an object: there may be thousands of them. */
const NAME: Shape = { metadata: { name: true, namespace: true, resourceVersion: true } };
const FLUX: Shape = {
  metadata: { ...META, annotations: { [REQUESTED]: true } },
  spec: {
    suspend: true,
    url: true,
    ref: true,
    type: true,
    path: true,
    dependsOn: true,
    sourceRef: true,
    chart: { spec: { chart: true, version: true, sourceRef: true } },
    chartRef: true,
    releaseName: true,
    storageNamespace: true,
    targetNamespace: true,
    valuesFrom: [{ kind: true, name: true, valuesKey: true }],
  },
  status: {
    observedGeneration: true,
    conditions: true,
    history: [{ chartVersion: true, appVersion: true, status: true, version: true, lastDeployed: true }],
    artifact: { digest: true, revision: true, lastUpdateTime: true },
    lastAppliedRevision: true,
    lastHandledReconcileAt: true,
    lastAttemptedRevision: true,
    lastAttemptedReleaseAction: true,
    installFailures: true,
    upgradeFailures: true,
    failures: true,
  },
};

const SHAPES: Readonly<Record<string, Shape>> = {
  Node: {
    metadata: META,
    spec: { unschedulable: true, taints: true },
    status: {
      conditions: true,
      nodeInfo: { kubeletVersion: true },
      addresses: [{ type: true, address: true }],
    },
  },
  Pod: {
    metadata: META,
    spec: {
      nodeName: true,
      containers: CONTAINERS,
      volumes: [{ persistentVolumeClaim: { claimName: true } }],
      imagePullSecrets: [{ name: true }],
    },
    status: {
      phase: true,
      reason: true,
      message: true,
      startTime: true,
      conditions: true,
      containerStatuses: CONTAINER_STATUSES,
      initContainerStatuses: CONTAINER_STATUSES,
    },
  },
  Deployment: WORKLOAD,
  StatefulSet: WORKLOAD,
  Job: { metadata: META, spec: { backoffLimit: true, completions: true, suspend: true }, status: true },
  PersistentVolumeClaim: { metadata: META, spec: { storageClassName: true, volumeName: true }, status: true },
  StorageClass: {
    metadata: {
      name: true,
      resourceVersion: true,
      uid: true,
      annotations: {
        "storageclass.kubernetes.io/is-default-class": true,
        "storageclass.beta.kubernetes.io/is-default-class": true,
      },
    },
    provisioner: true,
  },
  Event: {
    metadata: META,
    involvedObject: { kind: true, namespace: true, name: true },
    type: true,
    reason: true,
    message: true,
    count: true,
    firstTimestamp: true,
    lastTimestamp: true,
    eventTime: true,
    series: { lastObservedTime: true },
  },
  HelmRelease: FLUX,
  Kustomization: FLUX,
  OCIRepository: FLUX,
  HelmRepository: FLUX,
  HelmChart: FLUX,
  DaemonSet: WORKLOAD,
  Service: { metadata: META, spec: { type: true, clusterIP: true } },
  Lease: { metadata: { name: true, namespace: true, resourceVersion: true }, spec: { renewTime: true } },
  ConfigMap: NAME,
  Secret: NAME,
};

/** Trims a watched object to what the fold reads. A kind without a shape keeps its metadata. */
export function keepNeeded(object: KubeObject): KubeObject {
  const kept = pick(object, SHAPES[object.kind] ?? { metadata: META }, 0);
  const metadata = isPlainObject(kept) && isPlainObject(kept.metadata) ? kept.metadata : {};
  return {
    ...(isPlainObject(kept) ? kept : {}),
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { ...metadata, name: object.metadata.name },
  };
}

function pick(value: unknown, shape: Shape, depth: number): unknown {
  if (typeof value === "string") return value.length > MAX_TEXT ? value.slice(0, MAX_TEXT) : value;
  if (depth > MAX_DEPTH) return undefined;
  if (Array.isArray(value)) {
    const inner = shape === true ? true : Array.isArray(shape) ? (shape[0] ?? true) : undefined;
    return inner === undefined ? undefined : value.slice(0, MAX_ITEMS).map((item) => pick(item, inner, depth + 1));
  }
  if (!isPlainObject(value)) return value;
  return pickFields(value, shape, depth);
}

function pickFields(value: Readonly<Record<string, unknown>>, shape: Shape, depth: number): unknown {
  if (Array.isArray(shape)) return undefined;
  const fields = shape === true ? Object.keys(value).slice(0, MAX_ITEMS) : Object.keys(shape);
  const kept: Record<string, unknown> = {};
  for (const field of fields) {
    if (!Object.hasOwn(value, field) || field === "__proto__") continue;
    const inner = shape === true ? true : (shape as Readonly<Record<string, Shape>>)[field];
    if (inner !== undefined) kept[field] = pick(value[field], inner, depth + 1);
  }
  return kept;
}
