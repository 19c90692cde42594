/**
 * Kubernetes objects as this house sees them: identity, metadata, and everything else as plain data.
 *
 * An object is typed only where all kinds agree (TypeMeta and ObjectMeta); a reader of one kind narrows what it needs.
 * Knows nothing of HTTP. Imported by every room that names a Kubernetes object.
 */
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";

/** Names one kind, optionally within one namespace (absent: all namespaces, or a kind without namespaces). */
export interface KindRef {
  /** "v1", "apps/v1", "helm.toolkit.fluxcd.io/v2". */
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string | undefined;
}

/** Names one object. */
export interface ObjectRef extends KindRef {
  readonly name: string;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** One manager's share of an object. @see Kubernetes API reference, "ManagedFieldsEntry v1 meta" */
export interface ManagedFieldsEntry {
  readonly manager?: string;
  readonly operation?: string;
  readonly apiVersion?: string;
  readonly time?: string;
  readonly fieldsType?: string;
  readonly fieldsV1?: Readonly<Record<string, unknown>>;
  readonly subresource?: string;
}

export interface ObjectMeta {
  readonly name: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** Counts changes of the wanted state; `status.observedGeneration` follows it. */
  readonly generation?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  readonly creationTimestamp?: string | null;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly managedFields?: readonly ManagedFieldsEntry[];
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export interface KubeList {
  readonly items: readonly KubeObject[];
  /** Where a watch goes on from this list. */
  readonly resourceVersion: string;
}

/** A change of one object. A bookmark carries only a resourceVersion to go on from. */
export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: KubeObject;
}

/** A condition of a status, as nearly all kinds write it. */
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number | undefined;
  readonly lastTransitionTime: string | undefined;
}

/** The identity of an object. */
export function refOf(object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata;
  return { apiVersion: object.apiVersion, kind: object.kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

/** `Deployment "msp/alga-core"`: kind, then namespace and name as people say them. */
export function describeRef(ref: KindRef & { readonly name?: string | undefined }): string {
  const name = ref.name === undefined ? "" : ref.name;
  const place = ref.namespace === undefined ? name : `${ref.namespace}/${name}`;
  return place === "" ? ref.kind : `${ref.kind} "${place}"`;
}

/** The API group of an apiVersion; "" for the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

/** The version within the group of an apiVersion. */
export function versionOf(apiVersion: string): string {
  return apiVersion.slice(apiVersion.indexOf("/") + 1);
}

/**
 * Takes a value for a Kubernetes object when it has apiVersion, kind and a name.
 *
 * @param what Where the value came from, for the message.
 * @throws {ApplianceError} kube/bad-object otherwise.
 */
export function asKubeObject(value: unknown, what: string): KubeObject {
  if (isKubeObject(value)) return value;
  throw new ApplianceError(
    "kube/bad-object",
    `Cannot use ${what}: it has no apiVersion, kind or metadata.name, a Kubernetes object is wanted`,
  );
}

/** Tells whether untrusted data has what every object has: apiVersion, kind, and a name or generateName. */
export function isKubeObject(value: unknown): value is KubeObject {
  return (
    isPlainObject(value) &&
    isText(value.apiVersion) &&
    isText(value.kind) &&
    isPlainObject(value.metadata) &&
    (isText(value.metadata.name) || isText(value.metadata.generateName))
  );
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/** Follows field names into plain data; undefined where the way ends. */
export function fieldAt(value: unknown, ...path: readonly string[]): unknown {
  let at = value;
  for (const name of path) {
    if (!isPlainObject(at) || !Object.hasOwn(at, name)) return undefined;
    at = at[name];
  }
  return at;
}

/** The text at a path of field names; undefined when there is none or something else stands there. */
export function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const found = fieldAt(value, ...path);
  return typeof found === "string" ? found : undefined;
}

/** The number at a path of field names; undefined when there is none or something else stands there. */
export function numberAt(value: unknown, ...path: readonly string[]): number | undefined {
  const found = fieldAt(value, ...path);
  return typeof found === "number" ? found : undefined;
}

/** The list at a path of field names; empty when there is none or something else stands there. Its items are unchecked. */
export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = fieldAt(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** The conditions of an object's status, with absent texts as "". */
export function conditionsOf(object: KubeObject): readonly Condition[] {
  return listAt(object, "status", "conditions")
    .filter(isPlainObject)
    .map((raw) => ({
      type: textAt(raw, "type") ?? "",
      status: textAt(raw, "status") ?? "",
      reason: textAt(raw, "reason") ?? "",
      message: textAt(raw, "message") ?? "",
      observedGeneration: numberAt(raw, "observedGeneration"),
      lastTransitionTime: textAt(raw, "lastTransitionTime"),
    }));
}

/** The first condition of this type in an object's status; undefined when its controller has not set one. */
export function conditionOf(object: KubeObject, type: string): Condition | undefined {
  return conditionsOf(object).find((condition) => condition.type === type);
}

/** A copy without the parts that only the API server needs: managedFields, and kubectl's copy of the object. */
export function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _dropped, ...metadata } = object.metadata;
  return { ...object, metadata };
}
