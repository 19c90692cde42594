/**
 * The storage provisioner for a cluster that has none: Rancher's local-path provisioner, as objects.
 *
 * Volumes lie on the host under /var/mnt/alga-data and are kept when their claim goes (Retain): they hold the database.
 *
 * @see rancher/local-path-provisioner v0.0.31, deploy/local-path-storage.yaml (objects and rules)
 */
import type { V1DeploymentSpec, V1Pod, V1PolicyRule, V1StorageClass } from "@kubernetes/client-node";
import type { KubeObject } from "../kube/model.ts";

export const STORAGE_NAMESPACE = "local-path-storage";

const NAME = "local-path-provisioner";
const HOST_FOLDER = "/var/mnt/alga-data/local-path-provisioner";
const LABELS = { "app.kubernetes.io/part-of": "alga-appliance" };
const READ = ["get", "list", "watch"];
const RBAC = "rbac.authorization.k8s.io";

export const PROVISIONER = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  namespace: STORAGE_NAMESPACE,
  name: NAME,
} as const;

/** Everything but the StorageClass, which is made when the provisioner runs. */
export function provisionerObjects(images: {
  readonly provisioner: string;
  readonly helper: string;
}): readonly KubeObject[] {
  const metadata = { name: NAME, namespace: STORAGE_NAMESPACE, labels: LABELS };
  const subject = { kind: "ServiceAccount", name: NAME, namespace: STORAGE_NAMESPACE };
  return [
    {
      apiVersion: "v1",
      kind: "Namespace",
      // Its helper pods write to the host.
      metadata: { name: STORAGE_NAMESPACE, labels: { ...LABELS, "pod-security.kubernetes.io/enforce": "privileged" } },
    },
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    { apiVersion: `${RBAC}/v1`, kind: "ClusterRole", metadata: { name: NAME, labels: LABELS }, rules: rules() },
    {
      apiVersion: `${RBAC}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name: NAME, labels: LABELS },
      roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: NAME },
      subjects: [subject],
    },
    configuration(images.helper),
    { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: deployment(images.provisioner) },
  ];
}

/** The StorageClass of the provisioner, marked as the default. It is made last, so that nobody asks for a volume too early. */
export function storageClass(): KubeObject {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: {
      name: "local-path",
      labels: LABELS,
      annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
    },
    provisioner: "rancher.io/local-path",
    reclaimPolicy: "Retain",
    volumeBindingMode: "WaitForFirstConsumer",
  } satisfies V1StorageClass & KubeObject;
}

function rules(): readonly V1PolicyRule[] {
  return [
    { apiGroups: [""], resources: ["nodes", "persistentvolumeclaims", "configmaps", "pods", "pods/log"], verbs: READ },
    { apiGroups: [""], resources: ["pods"], verbs: ["create", "delete"] },
    { apiGroups: [""], resources: ["persistentvolumes"], verbs: [...READ, "create", "patch", "update", "delete"] },
    { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: ["update", "patch"] },
    { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
    { apiGroups: ["storage.k8s.io"], resources: ["storageclasses"], verbs: READ },
    { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [...READ, "create", "update", "patch"] },
    { apiGroups: [""], resources: ["endpoints"], verbs: [...READ, "create", "update", "patch"] },
  ];
}

function configuration(helper: string): KubeObject {
  const nodePathMap = [{ node: "DEFAULT_PATH_FOR_NON_LISTED_NODES", paths: [HOST_FOLDER] }];
  const helperPod: V1Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "helper-pod" },
    spec: { containers: [{ name: "helper-pod", image: helper, imagePullPolicy: "IfNotPresent" }] },
  };
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "local-path-config", namespace: STORAGE_NAMESPACE, labels: LABELS },
    data: {
      "config.json": JSON.stringify({ nodePathMap }),
      setup: '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
      teardown: '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
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
    volumeMounts: [{ name: "config", mountPath: "/etc/config" }],
  };
  return {
    replicas: 1,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        serviceAccountName: NAME,
        containers: [container],
        volumes: [{ name: "config", configMap: { name: "local-path-config" } }],
      },
    },
  };
}
