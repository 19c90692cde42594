/** Validation of what carries a pod template: containers, names, selectors that match their labels. */
import { isPlainObject } from "../../core/json.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../../kube/model.ts";
import type { Cause } from "./refusal.ts";

const SELECTING = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"];
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** What is wrong with a pod, a job, or an object with a pod template, each with its field; empty when nothing is, or for other kinds. */
export function workloadCauses(object: KubeObject): readonly Cause[] {
  if (object.kind === "Pod") return podCauses(fieldAt(object, "spec"), "spec", ["Always", "OnFailure", "Never"]);
  if (object.kind === "Job")
    return podCauses(fieldAt(object, "spec", "template", "spec"), TEMPLATE, ["OnFailure", "Never"]);
  if (!SELECTING.includes(object.kind)) return [];
  return [...selectorCauses(object), ...podCauses(withClaims(object), TEMPLATE, ["Always"])];
}

const TEMPLATE = "spec.template.spec";

/** The pod of a stateful set also has a volume for each claim template. */
function withClaims(object: KubeObject): unknown {
  const pod = fieldAt(object, "spec", "template", "spec");
  const claims = listAt(object, "spec", "volumeClaimTemplates").map((claim) => ({
    name: textAt(claim, "metadata", "name"),
  }));
  return isPlainObject(pod) ? { ...pod, volumes: [...listAt(pod, "volumes"), ...claims] } : pod;
}

function selectorCauses(object: KubeObject): readonly Cause[] {
  const selector = fieldAt(object, "spec", "selector");
  if (!isPlainObject(selector))
    return [{ reason: "FieldValueRequired", field: "spec.selector", message: "Required value" }];
  const labels = fieldAt(object, "spec", "template", "metadata", "labels");
  const wanted = Object.entries(isPlainObject(selector.matchLabels) ? selector.matchLabels : {});
  if (wanted.every(([name, value]) => textAt(labels, name) === value)) return [];
  const message = `Invalid value: ${JSON.stringify(labels ?? {})}: \`selector\` does not match template \`labels\``;
  return [{ reason: "FieldValueInvalid", field: "spec.template.metadata.labels", message }];
}

function podCauses(spec: unknown, field: string, policies: readonly string[]): readonly Cause[] {
  const containers = listAt(spec, "containers");
  const policy = textAt(spec, "restartPolicy") ?? "Always";
  return [
    ...(containers.length === 0
      ? [{ reason: "FieldValueRequired", field: `${field}.containers`, message: "Required value" }]
      : []),
    ...containers.flatMap((container, index) => containerCauses(container, `${field}.containers[${index}]`)),
    ...listAt(spec, "initContainers").flatMap((one, index) =>
      containerCauses(one, `${field}.initContainers[${index}]`),
    ),
    ...(policies.includes(policy) ? [] : [policyCause(policy, policies, `${field}.restartPolicy`)]),
    ...duplicateCauses(containers, `${field}.containers`),
    ...mountCauses(spec, field),
  ];
}

/** A pod's own default does not fit a Job, so the real server says that the field is missing. */
function policyCause(policy: string, policies: readonly string[], field: string): Cause {
  const supported = policies.map((name) => `"${name}"`).join(", ");
  if (policy === "Always") {
    return { reason: "FieldValueRequired", field, message: `Required value: valid values: ${supported}` };
  }
  const message = `Unsupported value: "${policy}": supported values: ${supported}`;
  return { reason: "FieldValueNotSupported", field, message };
}

function containerCauses(container: unknown, field: string): readonly Cause[] {
  const name = textAt(container, "name") ?? "";
  const missing = (part: string): Cause => ({
    reason: "FieldValueRequired",
    field: `${field}.${part}`,
    message: "Required value",
  });
  const form = {
    reason: "FieldValueInvalid",
    field: `${field}.name`,
    message: `Invalid value: "${name}": a lowercase RFC 1123 label is wanted`,
  };
  return [
    ...(name === "" ? [missing("name")] : LABEL.test(name) && name.length <= 63 ? [] : [form]),
    ...((textAt(container, "image") ?? "") === "" ? [missing("image")] : []),
    ...duplicateCauses(listAt(container, "ports"), `${field}.ports`),
  ];
}

/** Names within one list are distinct; absent ones do not count. */
function duplicateCauses(list: readonly unknown[], field: string): readonly Cause[] {
  const names = list.map((item) => textAt(item, "name"));
  return names.flatMap((name, index) =>
    name === undefined || names.indexOf(name) === index
      ? []
      : [{ reason: "FieldValueDuplicate", field: `${field}[${index}].name`, message: `Duplicate value: "${name}"` }],
  );
}

/** A mount names a volume of the pod. */
function mountCauses(spec: unknown, field: string): readonly Cause[] {
  const volumes = new Set(listAt(spec, "volumes").map((volume) => textAt(volume, "name")));
  return listAt(spec, "containers").flatMap((container, at) =>
    listAt(container, "volumeMounts").flatMap((mount, index) => {
      const name = textAt(mount, "name") ?? "";
      if (volumes.has(name)) return [];
      return [
        {
          reason: "FieldValueNotFound",
          field: `${field}.containers[${at}].volumeMounts[${index}].name`,
          message: `Not found: "${name}"`,
        },
      ];
    }),
  );
}
