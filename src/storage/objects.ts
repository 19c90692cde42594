/**
 * The storage of the appliance as objects: Rancher's local-path provisioner with no more rights than it uses, and its StorageClass.
 *
 * Volumes lie on the host under /var/mnt/alga-data and are kept when their claim goes (Retain): they hold the database. The folder
 * above them is root's alone, and each volume opens to the group that its pod names (fsGroup): nothing is open to all. They are
 * volumes of the type "local": where the disk under them is missing the pod waits, instead of beginning anew in an empty folder.
 *
 * @see rancher/local-path-provisioner v0.0.31, deploy/local-path-storage.yaml, main.go and provisioner.go (what it asks for)
 */
import type { V1DeploymentSpec, V1Pod, V1PolicyRule, V1StorageClass } from "@kubernetes/client-node";
import type { KubeObject } from "../kube/model.ts";

const STORAGE_NAMESPACE = "local-path-storage";

/** Where the volumes lie on the host. @see reference: part of what every box has had since its first release */
export const HOST_FOLDER = "/var/mnt/alga-data/local-path-provisioner";
/** The charts of the product name it in their values. */
export const CLASS_NAME = "local-path";
/** The name by which the provisioner knows its classes and volumes; that of k3s' own is the same. */
export const DRIVER = "rancher.io/local-path";
export const DEFAULT_MARK = "storageclass.kubernetes.io/is-default-class";
export const CONFIGURATION = {
  apiVersion: "v1",
  kind: "ConfigMap",
  namespace: STORAGE_NAMESPACE,
  name: "local-path-config",
} as const;

const NAME = "local-path-provisioner";
export const PART_OF = "app.kubernetes.io/part-of";
export const PRODUCT = "alga-appliance";
const LABELS = { [PART_OF]: PRODUCT };
const READ = ["get", "list", "watch"];
const RBAC = "rbac.authorization.k8s.io";

/** Images of the provisioner and of the pods that it starts to make and remove folders. */
export interface StorageImages {
  readonly provisioner: string;
  readonly helper: string;
}

export const PROVISIONER = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  namespace: STORAGE_NAMESPACE,
  name: NAME,
} as const;

/** Everything but the StorageClass, which is made when the provisioner runs. */
export function provisionerObjects(images: StorageImages): readonly KubeObject[] {
  const metadata = { name: NAME, namespace: STORAGE_NAMESPACE, labels: LABELS };
  return [
    {
      apiVersion: "v1",
      kind: "Namespace",
      // Its helper pods mount the folder of the volumes from the host.
      metadata: { name: STORAGE_NAMESPACE, labels: { ...LABELS, "pod-security.kubernetes.io/enforce": "privileged" } },
    },
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    { apiVersion: `${RBAC}/v1`, kind: "ClusterRole", metadata: { name: NAME, labels: LABELS }, rules: clusterRules() },
    binding("ClusterRole", { name: NAME, labels: LABELS }),
    { apiVersion: `${RBAC}/v1`, kind: "Role", metadata, rules: ownRules() },
    binding("Role", metadata),
    configuration(images.helper),
    { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: deployment(images.provisioner) },
  ];
}

function binding(role: "ClusterRole" | "Role", metadata: KubeObject["metadata"]): KubeObject {
  return {
    apiVersion: `${RBAC}/v1`,
    kind: `${role}Binding`,
    metadata,
    roleRef: { apiGroup: RBAC, kind: role, name: NAME },
    subjects: [{ kind: "ServiceAccount", name: NAME, namespace: STORAGE_NAMESPACE }],
  };
}

/** The StorageClass of the provisioner, marked as the default. It is made last, so that nobody asks for a volume too early. */
export function storageClass(): KubeObject {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: {
      name: CLASS_NAME,
      labels: LABELS,
      annotations: { [DEFAULT_MARK]: "true", defaultVolumeType: "local" },
    },
    provisioner: DRIVER,
    reclaimPolicy: "Retain",
    volumeBindingMode: "WaitForFirstConsumer",
  } satisfies V1StorageClass & KubeObject;
}

/** In the whole cluster: claims and classes are read, volumes made and removed. It changes none that is there. */
function clusterRules(): readonly V1PolicyRule[] {
  return [
    { apiGroups: [""], resources: ["nodes"], verbs: ["get"] },
    { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: READ },
    { apiGroups: [""], resources: ["persistentvolumes"], verbs: [...READ, "create", "delete"] },
    { apiGroups: ["storage.k8s.io"], resources: ["storageclasses"], verbs: READ },
    { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
  ];
}

/** In its own namespace: the helper pods, what they say, and their template. */
function ownRules(): readonly V1PolicyRule[] {
  return [
    { apiGroups: [""], resources: ["pods"], verbs: ["get", "create", "delete"] },
    { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
    { apiGroups: [""], resources: ["configmaps"], resourceNames: [CONFIGURATION.name], verbs: ["get"] },
  ];
}

/** Its pod gets a volume by fsGroup: it is open to nobody else, nor is the folder above, which the host keeps. */
const SETUP = `#!/bin/sh
set -eu
mkdir -m 0770 -p "$VOL_DIR"
`;

const TEARDOWN = `#!/bin/sh
set -eu
rm -rf "$VOL_DIR"
`;

function configuration(helper: string): KubeObject {
  const nodePathMap = [{ node: "DEFAULT_PATH_FOR_NON_LISTED_NODES", paths: [HOST_FOLDER] }];
  const helperPod: V1Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "helper-pod" },
    spec: {
      priorityClassName: "system-node-critical",
      automountServiceAccountToken: false,
      containers: [
        {
          name: "helper-pod",
          image: helper,
          imagePullPolicy: "IfNotPresent",
          // Root, to make folders below root's; it removes what belongs to others, and nothing more.
          securityContext: {
            runAsUser: 0,
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"], add: ["DAC_OVERRIDE", "FOWNER"] },
            seccompProfile: { type: "RuntimeDefault" },
          },
        },
      ],
    },
  };
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: CONFIGURATION.name, namespace: STORAGE_NAMESPACE, labels: LABELS },
    data: {
      "config.json": JSON.stringify({ nodePathMap }),
      setup: SETUP,
      teardown: TEARDOWN,
      // JSON is YAML.
      "helperPod.yaml": JSON.stringify(helperPod),
    },
  };
}

function deployment(image: string): V1DeploymentSpec {
  const labels = { app: NAME };
  const container = {
    name: NAME,
    image,
    imagePullPolicy: "IfNotPresent",
    command: ["local-path-provisioner", "start", "--config", "/etc/config/config.json"],
    env: [
      { name: "POD_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
      // Its helper pods run under this account; the built-in name is another one.
      { name: "SERVICE_ACCOUNT_NAME", value: NAME },
    ],
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 10_001,
      runAsGroup: 10_001,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
    resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } },
    volumeMounts: [{ name: "config", mountPath: "/etc/config" }],
  };
  return {
    replicas: 1,
    // Two at once would make each volume twice.
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        serviceAccountName: NAME,
        priorityClassName: "system-cluster-critical",
        containers: [container],
        volumes: [{ name: "config", configMap: { name: CONFIGURATION.name } }],
      },
    },
  };
}
