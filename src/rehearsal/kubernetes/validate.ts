/**
 * Validation of built-in kinds, as strict as this product needs it: names, required fields, immutable fields, values.
 *
 * Reasons and sentences follow the real server (the contract suite compares reason and field).
 *
 * @see Kubernetes v1.36, pkg/apis validation; apimachinery v0.36, pkg/util/validation
 */
import { isDeepStrictEqual } from "node:util";
import { isPlainObject } from "../../core/json.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../../kube/model.ts";
import type { Kind } from "./kinds.ts";
import { schemaCauses } from "./openapi.ts";
import type { Cause } from "./refusal.ts";
import { workloadCauses } from "./validate-workload.ts";

/** Every violation of an object that is about to be stored. */
export function validate(kind: Kind, object: KubeObject, live: KubeObject | undefined): readonly Cause[] {
  return [
    ...metadataCauses(kind, object),
    ...(kind.schema === undefined ? builtInCauses(object) : schemaCauses(kind.schema, object)),
    ...(live === undefined ? [] : [...immutableCauses(kind, object, live), ...finalizerCauses(object, live)]),
  ];
}

function required(field: string, why = ""): Cause {
  return { reason: "FieldValueRequired", field, message: why === "" ? "Required value" : `Required value: ${why}` };
}

function wrong(field: string, value: unknown, why: string): Cause {
  return { reason: "FieldValueInvalid", field, message: `Invalid value: ${JSON.stringify(value)}: ${why}` };
}

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const LABEL_NAMED = ["Namespace", "Service"];
/** RBAC names are only path segments: "system:node" is one. */
const FREE_NAMED = ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

function metadataCauses(kind: Kind, object: KubeObject): readonly Cause[] {
  return [...nameCauses(kind, object.metadata.name), ...labelCauses(object), ...annotationCauses(object)];
}

function nameCauses(kind: Kind, name: string): readonly Cause[] {
  if (FREE_NAMED.includes(kind.kind)) {
    return /[/%]/.test(name) ? [wrong("metadata.name", name, "may not contain '/'")] : [];
  }
  const isLabel = LABEL_NAMED.includes(kind.kind);
  const limit = isLabel ? 63 : 253;
  if (name.length > limit) return [wrong("metadata.name", name, `must be no more than ${limit} bytes`)];
  const form = isLabel ? LABEL : SUBDOMAIN;
  return form.test(name) ? [] : [wrong("metadata.name", name, isLabel ? LABEL_RULE : SUBDOMAIN_RULE)];
}

function labelCauses(object: KubeObject): readonly Cause[] {
  const labels: Readonly<Record<string, unknown>> = object.metadata.labels ?? {};
  return Object.entries(labels).flatMap(([key, value]) => [
    ...(LABEL_KEY.test(key)
      ? []
      : [wrong("metadata.labels", key, "name part must consist of alphanumeric characters, '-', '_' or '.'")]),
    ...(typeof value === "string" && LABEL_VALUE.test(value)
      ? []
      : [
          wrong(
            "metadata.labels",
            value,
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'",
          ),
        ]),
  ]);
}

/** 256 KiB for all annotations together. */
const MAX_ANNOTATIONS = 256 * 1024;

function annotationCauses(object: KubeObject): readonly Cause[] {
  const annotations: Readonly<Record<string, unknown>> = object.metadata.annotations ?? {};
  const size = Object.entries(annotations).reduce((sum, [key, value]) => sum + key.length + String(value).length, 0);
  if (size <= MAX_ANNOTATIONS) return [];
  return [
    {
      reason: "FieldValueTooLong",
      field: "metadata.annotations",
      message: `Too long: may not be more than ${MAX_ANNOTATIONS} bytes`,
    },
  ];
}

function builtInCauses(object: KubeObject): readonly Cause[] {
  return [...(CHECKS[object.kind]?.(object) ?? []), ...workloadCauses(object)];
}

const CHECKS: Readonly<Record<string, (object: KubeObject) => readonly Cause[]>> = {
  ConfigMap: (object) => dataKeyCauses(object, ["data", "binaryData"]),
  Secret: (object) => [...dataKeyCauses(object, ["data"]), ...base64Causes(object)],
  Service: serviceCauses,
  PersistentVolumeClaim: (object) => [
    ...(listAt(object, "spec", "accessModes").length === 0
      ? [required("spec.accessModes", "at least 1 access mode is required")]
      : []),
    ...(fieldAt(object, "spec", "resources", "requests", "storage") === undefined
      ? [required("spec.resources[storage]")]
      : []),
  ],
  StorageClass: (object) => (textAt(object, "provisioner") === undefined ? [required("provisioner")] : []),
  RoleBinding: roleRefCauses,
  ClusterRoleBinding: roleRefCauses,
  CustomResourceDefinition: definitionCauses,
};

function dataKeyCauses(object: KubeObject, fields: readonly string[]): readonly Cause[] {
  return fields.flatMap((field) =>
    Object.keys(isPlainObject(object[field]) ? object[field] : {})
      .filter((key) => !/^[-._a-zA-Z0-9]{1,253}$/.test(key) || key === "." || key === "..")
      .map((key) =>
        wrong(`${field}[${key}]`, key, "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"),
      ),
  );
}

function base64Causes(secret: KubeObject): readonly Cause[] {
  const data = isPlainObject(secret.data) ? secret.data : {};
  return Object.entries(data)
    .filter(([, value]) => typeof value !== "string" || Buffer.from(value, "base64").toString("base64") !== value)
    .map(([key]) => wrong(`data[${key}]`, "", "illegal base64 data"));
}

function serviceCauses(service: KubeObject): readonly Cause[] {
  const ports = listAt(service, "spec", "ports");
  const headless = textAt(service, "spec", "clusterIP") === "None";
  const external = textAt(service, "spec", "type") === "ExternalName";
  return [
    ...(ports.length === 0 && !headless && !external ? [required("spec.ports")] : []),
    ...ports.flatMap((port, index) => portCauses(port, `spec.ports[${index}]`, ports.length)),
  ];
}

function portCauses(port: unknown, field: string, count: number): readonly Cause[] {
  const number = fieldAt(port, "port");
  const inRange = Number.isInteger(number) && Number(number) >= 1 && Number(number) <= 65_535;
  return [
    ...(inRange ? [] : [wrong(`${field}.port`, number ?? 0, "must be between 1 and 65535, inclusive")]),
    ...(count > 1 && textAt(port, "name") === undefined ? [required(`${field}.name`)] : []),
  ];
}

function roleRefCauses(binding: KubeObject): readonly Cause[] {
  const kind = textAt(binding, "roleRef", "kind") ?? "";
  return [
    ...(["Role", "ClusterRole"].includes(kind)
      ? []
      : [
          {
            reason: "FieldValueNotSupported",
            field: "roleRef.kind",
            message: `Unsupported value: "${kind}": supported values: "Role", "ClusterRole"`,
          },
        ]),
    ...(textAt(binding, "roleRef", "name") === undefined ? [required("roleRef.name")] : []),
  ];
}

function definitionCauses(definition: KubeObject): readonly Cause[] {
  const group = textAt(definition, "spec", "group") ?? "";
  const plural = textAt(definition, "spec", "names", "plural") ?? "";
  const versions = listAt(definition, "spec", "versions");
  return [
    ...(definition.metadata.name === `${plural}.${group}`
      ? []
      : [wrong("metadata.name", definition.metadata.name, `must be spec.names.plural+"."+spec.group`)]),
    ...(versions.filter((version) => fieldAt(version, "storage") === true).length === 1
      ? []
      : [wrong("spec.versions", versions.length, "must have exactly one version marked as storage version")]),
    ...versions.flatMap((version, index) =>
      fieldAt(version, "schema", "openAPIV3Schema") === undefined
        ? [required(`spec.versions[${index}].schema.openAPIV3Schema`, "schemas are required")]
        : [],
    ),
    ...(textAt(definition, "spec", "names", "kind") === undefined ? [required("spec.names.kind")] : []),
    ...(["Namespaced", "Cluster"].includes(textAt(definition, "spec", "scope") ?? "") ? [] : [required("spec.scope")]),
  ];
}

/** An object that is being deleted takes no more finalizers. */
function finalizerCauses(object: KubeObject, live: KubeObject): readonly Cause[] {
  if (live.metadata.deletionTimestamp === undefined) return [];
  const added = (object.metadata.finalizers ?? []).filter((name) => !live.metadata.finalizers?.includes(name));
  if (added.length === 0) return [];
  const message = `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`;
  return [{ reason: "FieldValueForbidden", field: "metadata.finalizers", message }];
}

/** Fields that never change after creation, by kind. */
const IMMUTABLE: Readonly<Record<string, readonly string[]>> = {
  Deployment: ["spec.selector"],
  DaemonSet: ["spec.selector"],
  ReplicaSet: ["spec.selector"],
  Job: ["spec.selector", "spec.template", "spec.completions", "spec.completionMode"],
  Secret: ["type"],
  StorageClass: ["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"],
  RoleBinding: ["roleRef"],
  ClusterRoleBinding: ["roleRef"],
};
const STATEFUL_SET_MAY_CHANGE = [
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
];

function immutableCauses(kind: Kind, object: KubeObject, live: KubeObject): readonly Cause[] {
  const frozen = (live.immutable === true ? ["data"] : []).concat(IMMUTABLE[kind.kind] ?? []);
  const changed = frozen.filter((field) => {
    const path = field.split(".");
    return !isDeepStrictEqual(fieldAt(object, ...path), fieldAt(live, ...path));
  });
  const causes = changed.map((field) => wrong(field, fieldAt(object, ...field.split(".")), "field is immutable"));
  return kind.kind === "StatefulSet" ? [...causes, ...statefulSetCauses(object, live)] : causes;
}

function statefulSetCauses(object: KubeObject, live: KubeObject): readonly Cause[] {
  const fixed = (set: KubeObject): unknown =>
    Object.fromEntries(
      Object.entries(isPlainObject(set.spec) ? set.spec : {}).filter(
        ([name]) => !STATEFUL_SET_MAY_CHANGE.includes(name),
      ),
    );
  if (isDeepStrictEqual(fixed(object), fixed(live))) return [];
  const names =
    "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'";
  const message = `Forbidden: updates to statefulset spec for fields other than ${names} are forbidden`;
  return [{ reason: "FieldValueForbidden", field: "spec", message }];
}
