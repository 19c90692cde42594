/**
 * How values merge under server-side apply: which lists are keyed, which values are replaced whole.
 *
 * Built-in kinds are described by their exceptions (everything else is a granular map or an atomic list), custom kinds by
 * the x-kubernetes extensions of their OpenAPI schema.
 *
 * @see Kubernetes API concepts, "Server-Side Apply", "Merge strategy"
 */
import { isPlainObject } from "../../core/json.ts";
import { fieldAt, listAt } from "../../kube/model.ts";
import { CRD_GROUP, type Kind } from "./kinds.ts";

/** What one place in an object does when two configurations meet. */
export interface MergeRule {
  /** "map": field by field; "keyed": list of maps with identities; "set": list of distinct scalars; "atomic": whole. */
  readonly merges: "map" | "keyed" | "set" | "atomic";
  /** Whether the keys of a map are the user's (labels), so that each key is a member by itself. */
  readonly free: boolean;
  /** Identity fields of a keyed list, with the value an absent one stands for. */
  readonly keys: readonly ListKey[];
  /** What holds below a field name. A field that is not declared is a member by itself. */
  field(name: string): { readonly rule: MergeRule; readonly declared: boolean };
  item(): MergeRule;
}

export interface ListKey {
  readonly name: string;
  readonly absent?: string;
}

/** The rule at the root of a kind. */
export function mergeRuleOf(kind: Kind): MergeRule {
  return kind.schema === undefined ? builtInRule(kind, "") : customRoot(kind.schema);
}

/** Lists with identities, by the end of their path; `[]` stands for a list item. The first match wins. */
const KEYED: readonly (readonly [pattern: RegExp, keys: readonly ListKey[]])[] = [
  [/^metadata\.ownerReferences$/, [{ name: "uid" }]],
  [/status\.conditions$/, [{ name: "type" }]],
  [/\.(containers|initContainers|ephemeralContainers)$/, [{ name: "name" }]],
  [/ontainers\[\]\.ports$/, [{ name: "containerPort" }, { name: "protocol", absent: "TCP" }]],
  [/ontainers\[\]\.env$/, [{ name: "name" }]],
  [/ontainers\[\]\.volumeMounts$/, [{ name: "mountPath" }]],
  [/ontainers\[\]\.volumeDevices$/, [{ name: "devicePath" }]],
  [/(^|\.)spec\.volumes$/, [{ name: "name" }]],
  [/(^|\.)spec\.imagePullSecrets$/, [{ name: "name" }]],
  [/(^|\.)spec\.hostAliases$/, [{ name: "ip" }]],
  [/(^|\.)spec\.topologySpreadConstraints$/, [{ name: "topologyKey" }, { name: "whenUnsatisfiable" }]],
  [/(^|\.)status\.podIPs$/, [{ name: "ip" }]],
  [/(^|\.)status\.addresses$/, [{ name: "type" }]],
];
const SERVICE_PORTS: readonly ListKey[] = [{ name: "port" }, { name: "protocol", absent: "TCP" }];
const SETS = /^metadata\.finalizers$/;
/** Maps that are replaced whole: selectors and references. */
const ATOMIC_MAPS =
  /(^|\.)(selector|nodeSelector|labelSelector|podSelector|namespaceSelector|roleRef|secretKeyRef|configMapKeyRef|fieldRef|resourceFieldRef|dataSource|involvedObject|claimRef|scopeSelector|scaleTargetRef|imagePullSecrets\[\]|secrets\[\])$/;
/** Maps whose keys are the user's: every key is a member by itself. */
export const FREE_MAPS =
  /(^|\.)(labels|annotations|data|stringData|binaryData|limits|requests|parameters|capacity|allocatable)$/;

function builtInRule(kind: Kind, path: string): MergeRule {
  const keys = builtInKeys(kind, path);
  const merges = keys.length > 0 ? "keyed" : SETS.test(path) ? "set" : ATOMIC_MAPS.test(path) ? "atomic" : "map";
  const free = FREE_MAPS.test(path);
  return {
    merges,
    free,
    keys,
    field: (name) => ({ rule: builtInRule(kind, path === "" ? name : `${path}.${name}`), declared: !free }),
    item: () => builtInRule(kind, `${path}[]`),
  };
}

function builtInKeys(kind: Kind, path: string): readonly ListKey[] {
  if (kind.kind === "Service" && path === "spec.ports") return SERVICE_PORTS;
  if (kind.kind === "ServiceAccount" && path === "secrets") return [{ name: "name" }];
  // A definition holds schemas, in which "containers" or "ports" are only field names.
  if (kind.group === CRD_GROUP && path.startsWith("spec.")) return [];
  return KEYED.find(([pattern]) => pattern.test(path))?.[1] ?? [];
}

/** Metadata of custom objects merges as that of built-in ones; their schema says nothing of it. */
function customRoot(schema: Readonly<Record<string, unknown>>): MergeRule {
  const root = customRule(schema);
  const metadata = builtInRule({ ...NO_KIND }, "metadata");
  return { ...root, field: (name) => (name === "metadata" ? { rule: metadata, declared: true } : root.field(name)) };
}

const NO_KIND: Kind = {
  group: "",
  version: "",
  kind: "",
  plural: "",
  singular: "",
  namespaced: false,
  hasStatus: false,
  counts: false,
};

function customRule(schema: unknown): MergeRule {
  const keys = customKeys(schema);
  return {
    merges: customMerge(schema),
    free: fieldAt(schema, "additionalProperties") !== undefined,
    keys,
    field: (name) => {
      const declared = fieldAt(schema, "properties", name);
      const rule = declared ?? fieldAt(schema, "additionalProperties");
      return { rule: customRule(rule), declared: declared !== undefined };
    },
    item: () => customRule(fieldAt(schema, "items")),
  };
}

function customMerge(schema: unknown): MergeRule["merges"] {
  const list = fieldAt(schema, "x-kubernetes-list-type");
  if (list === "map") return "keyed";
  if (list === "set") return "set";
  if (fieldAt(schema, "x-kubernetes-map-type") === "atomic") return "atomic";
  return "map";
}

function customKeys(schema: unknown): readonly ListKey[] {
  return listAt(schema, "x-kubernetes-list-map-keys")
    .filter((name) => typeof name === "string")
    .map((name) => {
      const absent = fieldAt(schema, "items", "properties", name, "default");
      return typeof absent === "string" ? { name, absent } : { name };
    });
}

/** The rule that really holds for a value: a list without keys or set is atomic, and so is any scalar. */
export function effectiveRule(rule: MergeRule, value: unknown): MergeRule["merges"] {
  if (isPlainObject(value)) return rule.merges === "atomic" ? "atomic" : "map";
  if (!Array.isArray(value)) return "atomic";
  if (rule.merges === "keyed" && value.every((item) => isPlainObject(item) && hasKeys(rule, item))) return "keyed";
  return rule.merges === "set" ? "set" : "atomic";
}

function hasKeys(rule: MergeRule, item: Record<string, unknown>): boolean {
  return rule.keys.every(({ name, absent }) => item[name] !== undefined || absent !== undefined);
}

/** The path element of a list item: `k:{"name":"app"}` or `v:"x"`. */
export function elementOf(rule: MergeRule, item: unknown): string {
  if (rule.merges === "set") return `v:${JSON.stringify(item)}`;
  const identity = rule.keys.map(({ name, absent }) => [name, fieldAt(item, name) ?? absent] as const);
  return `k:${JSON.stringify(Object.fromEntries([...identity].sort(([a], [b]) => (a < b ? -1 : 1))))}`;
}
