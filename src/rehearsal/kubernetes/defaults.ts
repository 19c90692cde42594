/** Defaults that the real server writes into new objects, as far as anything here reads them. */
import { isPlainObject } from "../../core/json.ts";
import { fieldAt, type KubeObject, listAt } from "../../kube/model.ts";
import { podSpec } from "./defaults-pod.ts";
import type { Kind } from "./kinds.ts";
import { withSchemaDefaults } from "./openapi.ts";
import { FREE_MAPS } from "./schema.ts";

type Fields = Readonly<Record<string, unknown>>;
type Defaulter = (object: KubeObject, live: KubeObject | undefined) => KubeObject;

/** Fills in what is absent. Safe to call again. */
export function withDefaults(kind: Kind, object: KubeObject, live: KubeObject | undefined): KubeObject {
  if (kind.schema !== undefined) return withSchemaDefaults(kind.schema, object);
  const complete = DEFAULTERS[kind.kind]?.(object, live) ?? object;
  const { apiVersion, metadata } = complete;
  const lean = withoutEmpties({ ...complete, metadata }, "");
  return {
    ...fields(lean),
    apiVersion,
    kind: kind.kind,
    metadata: { ...fields(fields(lean).metadata), name: metadata.name },
  };
}

/** Definitions hold schemas and rules hold lists, in which an empty list means something. */
const KEEPS_EMPTY = ["rules", "schema", "openAPIV3Schema", "managedFields"];

/** Built-in kinds have no empty lists and no empty maps of free keys: the real server's types leave them out. */
function withoutEmpties(value: unknown, name: string): unknown {
  if (KEEPS_EMPTY.includes(name)) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => withoutEmpties(item, ""));
  if (!isPlainObject(value)) return value;
  const kept = Object.entries(value).filter(([field, inner]) => KEEPS_EMPTY.includes(field) || !isEmpty(field, inner));
  return Object.fromEntries(kept.map(([field, inner]) => [field, withoutEmpties(inner, field)]));
}

function isEmpty(field: string, value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return FREE_MAPS.test(field) && isPlainObject(value) && Object.keys(value).length === 0;
}

const DEFAULTERS: Readonly<Record<string, Defaulter>> = {
  Namespace: (object) => ({
    ...withSpec(object, { finalizers: ["kubernetes"] }),
    metadata: {
      ...object.metadata,
      labels: { ...object.metadata.labels, "kubernetes.io/metadata.name": object.metadata.name },
    },
    status: object.status ?? { phase: "Active" },
  }),
  Secret: (object) => withoutStringData({ ...object, type: object.type ?? "Opaque" }),
  Service: withService,
  Deployment: (object) =>
    withPod(
      withSpec(object, {
        replicas: 1,
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
      }),
      { status: {} },
    ),
  StatefulSet: (object) =>
    withPod(
      withClaimTemplates(
        withSpec(object, {
          replicas: 1,
          revisionHistoryLimit: 10,
          podManagementPolicy: "OrderedReady",
          updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
          persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
        }),
      ),
      { status: { replicas: 0, availableReplicas: 0 } },
    ),
  DaemonSet: (object) =>
    withPod(
      withSpec(object, {
        revisionHistoryLimit: 10,
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      }),
      { status: { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 } },
    ),
  ReplicaSet: (object) => withPod(withSpec(object, { replicas: 1 }), { status: { replicas: 0 } }),
  Job: (object) => withJobSelector(withPod(withSpec(object, JOB), { status: {} })),
  CronJob: (object) =>
    withSpec(object, {
      concurrencyPolicy: "Allow",
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    }),
  Pod: (object) => ({
    ...object,
    spec: podSpec({ enableServiceLinks: true, ...fields(object.spec) }),
    status: object.status ?? { phase: "Pending", qosClass: "BestEffort" },
  }),
  PersistentVolumeClaim: (object) => ({
    ...withSpec(object, { volumeMode: "Filesystem" }),
    status: object.status ?? { phase: "Pending" },
  }),
  PersistentVolume: (object) => ({
    ...withSpec(object, { volumeMode: "Filesystem", persistentVolumeReclaimPolicy: "Retain" }),
    status: object.status ?? { phase: "Pending" },
  }),
  StorageClass: (object) => ({ reclaimPolicy: "Delete", volumeBindingMode: "Immediate", ...object }),
  PriorityClass: (object) => ({ preemptionPolicy: "PreemptLowerPriority", ...object }),
  RoleBinding: withSubjectGroups,
  ClusterRoleBinding: withSubjectGroups,
  CustomResourceDefinition: withDefinition,
};

const JOB: Fields = {
  completions: 1,
  parallelism: 1,
  backoffLimit: 6,
  completionMode: "NonIndexed",
  suspend: false,
  manualSelector: false,
  podReplacementPolicy: "TerminatingOrFailed",
};

function fields(value: unknown): Fields {
  return isPlainObject(value) ? value : {};
}

function withSpec(object: KubeObject, defaults: Fields): KubeObject {
  const spec = fieldAt(object, "spec");
  const given = Object.entries(defaults).filter(([, value]) => value !== undefined);
  return { ...object, spec: { ...Object.fromEntries(given), ...(isPlainObject(spec) ? spec : {}) } };
}

/** stringData is written only; it comes back as data. */
function withoutStringData(secret: KubeObject): KubeObject {
  const { stringData, ...rest } = secret;
  if (!isPlainObject(stringData)) return secret;
  const encoded = Object.entries(stringData).map(
    ([name, text]) => [name, Buffer.from(String(text)).toString("base64")] as const,
  );
  const data = isPlainObject(secret.data) ? secret.data : {};
  return {
    ...rest,
    apiVersion: secret.apiVersion,
    kind: secret.kind,
    metadata: secret.metadata,
    data: { ...data, ...Object.fromEntries(encoded) },
  };
}

function withService(object: KubeObject, live: KubeObject | undefined): KubeObject {
  const { clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy } = fields(live?.spec);
  // The address that was given once is kept when a configuration does not name it.
  const kept = { clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy };
  const open = ["NodePort", "LoadBalancer"].includes(String(fields(object.spec).type));
  const service = withSpec(object, {
    ...kept,
    type: "ClusterIP",
    sessionAffinity: "None",
    internalTrafficPolicy: "Cluster",
    ...(open ? { externalTrafficPolicy: "Cluster" } : {}),
  });
  return withClusterAddress(withPortProtocols(service));
}

function withPortProtocols(service: KubeObject): KubeObject {
  const spec = fields(service.spec);
  if (!Array.isArray(spec.ports)) return service;
  const ports = spec.ports.map((port: unknown) =>
    isPlainObject(port) ? { protocol: "TCP", ...port, targetPort: port.targetPort ?? port.port } : port,
  );
  return { ...service, spec: { ...spec, ports } };
}

/** An address of the cluster's range that depends only on the service's uid. */
function withClusterAddress(service: KubeObject): KubeObject {
  const spec = fields(service.spec);
  const uid = service.metadata.uid;
  if (spec.type === "ExternalName" || uid === undefined) return service;
  const number = Number.parseInt(uid.slice(0, 4), 16);
  const clusterIP = spec.clusterIP ?? `10.43.${number >> 8}.${number & 255}`;
  const more = { clusterIP, clusterIPs: [clusterIP], ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack" };
  return { ...service, spec: { ...more, ...spec }, status: service.status ?? { loadBalancer: {} } };
}

function withPod(object: KubeObject, first: { readonly status: Fields }): KubeObject {
  const { spec } = object;
  const template = fieldAt(object, "spec", "template");
  const status = object.status ?? first.status;
  if (!isPlainObject(spec) || !isPlainObject(template)) return { ...object, status };
  return { ...object, spec: { ...spec, template: { ...template, spec: podSpec(template.spec) } }, status };
}

function withClaimTemplates(object: KubeObject): KubeObject {
  const spec = fields(object.spec);
  if (!Array.isArray(spec.volumeClaimTemplates)) return object;
  const volumeClaimTemplates = spec.volumeClaimTemplates.map((claim: unknown) => ({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    ...fields(claim),
    spec: { volumeMode: "Filesystem", ...fields(fields(claim).spec) },
    status: { phase: "Pending" },
  }));
  return { ...object, spec: { ...spec, volumeClaimTemplates } };
}

function withSubjectGroups(binding: KubeObject): KubeObject {
  if (!Array.isArray(binding.subjects)) return binding;
  const subjects = binding.subjects.map((subject: unknown) =>
    ["User", "Group"].includes(String(fields(subject).kind))
      ? { apiGroup: "rbac.authorization.k8s.io", ...fields(subject) }
      : subject,
  );
  return { ...binding, subjects };
}

/** A Job selects its pods by its own uid, and takes their labels when it has none. */
function withJobSelector(job: KubeObject): KubeObject {
  const spec = fieldAt(job, "spec");
  const uid = job.metadata.uid;
  if (!isPlainObject(spec) || uid === undefined || spec.selector !== undefined || !isPlainObject(spec.template)) {
    return job;
  }
  const { name } = job.metadata;
  const own = {
    "batch.kubernetes.io/controller-uid": uid,
    "batch.kubernetes.io/job-name": name,
    "controller-uid": uid,
    "job-name": name,
  };
  const metadata = isPlainObject(spec.template.metadata) ? spec.template.metadata : {};
  const labels = { ...(isPlainObject(metadata.labels) ? metadata.labels : {}), ...own };
  const selector = { matchLabels: { "batch.kubernetes.io/controller-uid": uid } };
  return {
    ...job,
    metadata: { ...job.metadata, labels: job.metadata.labels ?? labels },
    spec: { ...spec, selector, template: { ...spec.template, metadata: { ...metadata, labels } } },
  };
}

function withDefinition(object: KubeObject): KubeObject {
  const spec = fields(object.spec);
  const names = fields(spec.names);
  const kind = String(names.kind ?? "");
  const stored = listAt(spec, "versions").filter((version) => fieldAt(version, "storage") === true);
  const storedVersions = stored.map((version) => fieldAt(version, "name"));
  return {
    ...object,
    spec: {
      conversion: { strategy: "None" },
      ...spec,
      names: { singular: kind.toLowerCase(), listKind: `${kind}List`, ...names },
    },
    status: object.status ?? { acceptedNames: { kind: "", plural: "" }, conditions: null, storedVersions },
  };
}
