/**
 * Writes: create, update, patch, apply, delete, in the order of checks of the real server.
 *
 * Address and body must agree, the namespace must exist, the server's own fields are kept, defaults are filled in, the
 * result is validated, owners are recorded; a write that changes nothing stores nothing.
 */
import { isDeepStrictEqual } from "node:util";
import { isPlainObject } from "../../core/json.ts";
import { fieldAt, type KubeObject, type ObjectMeta, textAt } from "../../kube/model.ts";
import { withDefaults } from "./defaults.ts";
import { applyJsonPatch, applyMergePatch } from "./json-patch.ts";
import { apiVersionOf, collectionOf } from "./kinds.ts";
import { afterStored, settleRemoval } from "./lifecycle.ts";
import { untypedField } from "./openapi.ts";
import { afterUpdate, applyConfiguration, type Writer } from "./ownership.ts";
import {
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  invalid,
  MODIFIED_MEANWHILE,
  notFound,
  plainError,
  Refusal,
  unsupportedMedia,
} from "./refusal.ts";
import { mergeRuleOf } from "./schema.ts";
import { validate } from "./validate.ts";
import { type Call, inVersion, liveObject, NAMESPACES, type World } from "./world.ts";

export interface Written {
  readonly object: KubeObject;
  readonly created: boolean;
}

/**
 * Creates an object, with defaults, owner and validation.
 *
 * @throws {Refusal} 404 without its namespace, 409 when the name is taken, 422 when it is not valid, 500 with a resourceVersion.
 */
export function create(world: World, call: Call, body: unknown): Written {
  const given = bodyObject(call, body, { generate: world });
  requireNamespace(world, call);
  if (given.metadata.resourceVersion !== undefined) {
    throw plainError("resourceVersion should not be set on objects to be created");
  }
  const at = { ...call, name: given.metadata.name };
  if (liveObject(world, at) !== undefined) throw alreadyExists(call.kind, at.name);
  const next = prepare(world, at, { live: undefined, next: given });
  const owned = afterUpdate(mergeRuleOf(call.kind), undefined, next, writerOf(world, call, "Update"));
  return { object: store(world, at, { live: undefined, next: owned }), created: true };
}

/**
 * Replaces an object.
 *
 * @throws {Refusal} 404 when it is not there, 409 when it changed meanwhile, 422 when it is not valid.
 */
export function update(world: World, call: Call, body: unknown): Written {
  const given = bodyObject(call, body);
  const live = liveObject(world, call);
  if (live === undefined) throw notFound(call.kind, call.name);
  if (given.metadata.resourceVersion === undefined && call.kind.schema !== undefined) {
    throw invalid(call.kind, call.name, [
      {
        reason: "FieldValueInvalid",
        field: "metadata.resourceVersion",
        message: "Invalid value: 0: must be specified for an update",
      },
    ]);
  }
  return { object: change(world, call, { live, next: given }), created: false };
}

const MERGE_PATCH = "application/merge-patch+json";
const JSON_PATCH = "application/json-patch+json";

/** RFC 7396 and RFC 6902 patches. @throws {Refusal} 404 when there is nothing to patch. */
export function patch(
  world: World,
  call: Call,
  given: { readonly contentType: string; readonly patch: unknown },
): Written {
  if (![MERGE_PATCH, JSON_PATCH].includes(given.contentType)) throw unsupportedMedia();
  const live = liveObject(world, call);
  if (live === undefined) throw notFound(call.kind, call.name);
  const before = inVersion(call.kind, live);
  const patched = patchedValue(before, given);
  const next = bodyObject(call, patched);
  const version = fieldAt(given.patch, "metadata", "resourceVersion");
  const keepsVersion = isPlainObject(given.patch) && version === undefined;
  return { object: change(world, call, { live, next: keepsVersion ? unversioned(next) : next }), created: false };
}

function patchedValue(before: KubeObject, given: { readonly contentType: string; readonly patch: unknown }): unknown {
  return given.contentType === JSON_PATCH ? applyJsonPatch(before, given.patch) : applyMergePatch(before, given.patch);
}

/**
 * Server-side apply: creates or merges, and records whose fields are whose. The same configuration again changes nothing.
 *
 * @throws {Refusal} 409 with the owners of fields that others hold (unless forced), 404 for a status of nothing, 422, 400, 500 for
 * a field that the schema does not know.
 */
export function apply(world: World, call: Call, body: unknown): Written {
  if (call.query.get("fieldManager") === null) {
    const options = { kind: "PatchOptions", group: "meta.k8s.io" };
    const message = "Required value: is required for apply patch";
    throw invalid(options, "", [{ reason: "FieldValueRequired", field: "fieldManager", message }]);
  }
  const given = bodyObject(call, body);
  if (given.metadata.managedFields !== undefined) throw badRequest("metadata.managedFields must be nil");
  requireNamespace(world, call);
  const live = liveObject(world, call);
  if (live === undefined && call.subresource !== "") throw notFound(call.kind, call.name);
  requireVersion(call, live, given.metadata);
  const configuration = writable(call, given);
  const untyped = call.kind.schema === undefined ? undefined : untypedField(call.kind.schema, configuration);
  if (untyped !== undefined) throw plainError(typedPatchMessage(call, untyped));
  const { object, changesOwners } = applyConfiguration(mergeRuleOf(call.kind), live, configuration, {
    writer: writerOf(world, call, "Apply"),
    force: call.query.get("force") === "true",
  });
  const next = prepare(world, call, { live, next: object });
  if (live !== undefined && !changesOwners && sameButOwners(live, next)) {
    return { object: inVersion(call.kind, live), created: false };
  }
  return { object: store(world, call, { live, next }), created: live === undefined };
}

function typedPatchMessage(call: Call, why: string): string {
  const place = `${call.namespace}/${call.name}; ${apiVersionOf(call.kind)}, Kind=${call.kind.kind}`;
  return `failed to create typed patch object (${place}): ${why}`;
}

/**
 * Deletes an object, or marks it while finalizers hold it; what it owned follows the propagation policy.
 *
 * @throws {Refusal} 404 when it is not there, 409 when a precondition does not hold.
 */
export function remove(world: World, call: Call, body: unknown): KubeObject {
  const live = liveObject(world, call);
  if (live === undefined) throw notFound(call.kind, call.name);
  const uid = textAt(body, "preconditions", "uid");
  if (uid !== undefined && uid !== live.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata.uid ?? ""}`;
    throw conflict(call.kind, call.name, why);
  }
  const version = textAt(body, "preconditions", "resourceVersion");
  if (version !== undefined && version !== live.metadata.resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${version}, ResourceVersion in object meta: ${live.metadata.resourceVersion ?? ""}`;
    throw conflict(call.kind, call.name, why);
  }
  if (call.dryRun) return inVersion(call.kind, live);
  const propagation = textAt(body, "propagationPolicy") ?? call.query.get("propagationPolicy") ?? "Background";
  return settleRemoval(world, call.kind, { live, propagation });
}

interface Step {
  readonly live: KubeObject | undefined;
  readonly next: KubeObject;
}

function change(world: World, call: Call, step: Step & { readonly live: KubeObject }): KubeObject {
  requireVersion(call, step.live, step.next.metadata);
  const next = prepare(world, call, step);
  if (sameButOwners(step.live, next)) return inVersion(call.kind, step.live);
  const owned = afterUpdate(mergeRuleOf(call.kind), step.live, next, writerOf(world, call, "Update"));
  return store(world, call, { live: step.live, next: owned });
}

/** Keeps what clients may not write, fills in defaults, validates. */
function prepare(world: World, call: Call, step: Step): KubeObject {
  const { live } = step;
  const base = live === undefined ? asNew(world, call, step.next) : asChanged(call, live, step.next);
  const complete = withDefaults(call.kind, base, live);
  const causes = validate(call.kind, complete, live);
  if (causes.length > 0) throw invalid(call.kind, call.name, causes);
  return complete;
}

function asNew(world: World, call: Call, given: KubeObject): KubeObject {
  const { status: _status, ...rest } = given;
  const kept = call.kind.hasStatus ? rest : given;
  const { deletionTimestamp: _gone, generateName, ...metadata } = given.metadata;
  return {
    ...kept,
    apiVersion: apiVersionOf(call.kind),
    kind: call.kind.kind,
    metadata: {
      ...metadata,
      ...(generateName === undefined ? {} : { generateName }),
      ...(call.kind.namespaced ? { namespace: call.namespace } : {}),
      uid: world.uuid(),
      creationTimestamp: world.now(),
      ...(call.kind.counts ? { generation: 1 } : {}),
    },
  };
}

function asChanged(call: Call, live: KubeObject, next: KubeObject): KubeObject {
  const server = serverFields(live.metadata);
  if (call.subresource === "status") {
    const { status: _old, ...rest } = live;
    const status = next.status === undefined ? {} : { status: next.status };
    return { ...rest, ...status, metadata: { ...live.metadata, ...ownersOnly(next.metadata) } };
  }
  const { status: _given, ...given } = next;
  const kept = !call.kind.hasStatus ? next : live.status === undefined ? given : { ...given, status: live.status };
  const { deletionTimestamp: _d, deletionGracePeriodSeconds: _g, generation: _n, ...metadata } = next.metadata;
  const object = { ...kept, metadata: { ...metadata, ...server } };
  return { ...object, apiVersion: live.apiVersion, metadata: countGeneration(call, live, object) };
}

function ownersOnly(metadata: ObjectMeta): Partial<ObjectMeta> {
  return metadata.managedFields === undefined ? {} : { managedFields: metadata.managedFields };
}

function serverFields(metadata: ObjectMeta): Partial<ObjectMeta> {
  const names = [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "namespace",
    "generateName",
  ] as const;
  return Object.fromEntries(names.filter((name) => metadata[name] !== undefined).map((name) => [name, metadata[name]]));
}

/** The generation counts changes of the wanted state: everything but metadata and status. */
function countGeneration(call: Call, live: KubeObject, next: KubeObject): ObjectMeta {
  if (!call.kind.counts || isDeepStrictEqual(wantedState(live), wantedState(withDefaults(call.kind, next, live))))
    return next.metadata;
  return { ...next.metadata, generation: (live.metadata.generation ?? 0) + 1 };
}

function wantedState(object: KubeObject): Record<string, unknown> {
  const { metadata: _metadata, status: _status, apiVersion: _version, kind: _kind, ...rest } = object;
  return rest;
}

function store(world: World, call: Call, step: Step): KubeObject {
  if (call.dryRun) return inVersion(call.kind, step.next);
  const stored = world.store.put(collectionOf(call.kind), step.next);
  afterStored(world, call.kind, stored);
  return inVersion(call.kind, stored);
}

/** What an apply may name on this path: status on its own path only, everything else not there. */
function writable(call: Call, given: KubeObject): KubeObject {
  if (call.subresource === "status") {
    const { apiVersion, kind, metadata } = given;
    const status = given.status === undefined ? {} : { status: given.status };
    return { apiVersion, kind, metadata: { name: metadata.name }, ...status };
  }
  if (!call.kind.hasStatus) return given;
  const { status: _dropped, ...rest } = given;
  return { ...rest, apiVersion: given.apiVersion, kind: given.kind, metadata: given.metadata };
}

function writerOf(world: World, call: Call, operation: Writer["operation"]): Writer {
  const { manager, subresource } = call;
  return { manager, operation, apiVersion: apiVersionOf(call.kind), subresource, time: world.now() };
}

function requireVersion(call: Call, live: KubeObject | undefined, given: ObjectMeta): void {
  if (given.uid !== undefined && live !== undefined && given.uid !== live.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${given.uid}, UID in object meta: ${live.metadata.uid ?? ""}`;
    throw conflict(call.kind, call.name, why);
  }
  const wanted = given.resourceVersion;
  if (wanted === undefined || wanted === "" || wanted === live?.metadata.resourceVersion) return;
  if (live === undefined) throw notFound(call.kind, call.name);
  throw conflict(call.kind, call.name, MODIFIED_MEANWHILE);
}

function requireNamespace(world: World, call: Call): void {
  if (!call.kind.namespaced) return;
  const namespace = world.store.get(NAMESPACES, "", call.namespace);
  if (namespace === undefined) throw notFound({ group: "", plural: "namespaces" }, call.namespace);
  if (namespace.metadata.deletionTimestamp === undefined || liveObject(world, call) !== undefined) return;
  const why = `unable to create new content in namespace ${call.namespace} because it is being terminated`;
  const refusal = forbidden(call.kind, call.name, why);
  const cause = {
    reason: "NamespaceTerminating",
    message: `namespace ${call.namespace} is being terminated`,
    field: "metadata.namespace",
  };
  throw new Refusal(403, "Forbidden", refusal.message, { ...refusal.details, causes: [cause] });
}

/** Takes a body for an object of this address. @throws {Refusal} 400 when they disagree. */
function bodyObject(call: Call, body: unknown, options: { readonly generate?: World } = {}): KubeObject {
  if (!isPlainObject(body)) throw badRequest("the object provided is unrecognized (must be of type Object)");
  const metadata = isPlainObject(body.metadata) ? body.metadata : {};
  requireSameKind(call, body);
  const name = nameOf(metadata, options.generate) ?? call.name;
  if (call.name !== "" && name !== call.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${call.name})`);
  }
  const { namespace } = metadata;
  if (call.kind.namespaced && typeof namespace === "string" && namespace !== "" && namespace !== call.namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (name === "") {
    throw invalid(call.kind, "", [
      {
        reason: "FieldValueRequired",
        field: "metadata.name",
        message: "Required value: name or generateName is required",
      },
    ]);
  }
  const { namespace: _given, ...rest } = metadata;
  const place = call.kind.namespaced ? { namespace: call.namespace } : {};
  return {
    ...body,
    apiVersion: apiVersionOf(call.kind),
    kind: call.kind.kind,
    metadata: { ...rest, ...place, name },
  };
}

function requireSameKind(call: Call, body: Readonly<Record<string, unknown>>): void {
  const wanted = apiVersionOf(call.kind);
  if (body.apiVersion === wanted && body.kind === call.kind.kind) return;
  const given = `${String(body.apiVersion ?? "")}, Kind=${String(body.kind ?? "")}`;
  throw badRequest(`${call.kind.kind} in version "${wanted}" cannot be handled as a ${given}: the kinds do not match`);
}

function nameOf(metadata: Readonly<Record<string, unknown>>, generate: World | undefined): string | undefined {
  if (typeof metadata.name === "string" && metadata.name !== "") return metadata.name;
  if (generate === undefined || typeof metadata.generateName !== "string") return undefined;
  return `${metadata.generateName}${generate.suffix()}`;
}

function unversioned(object: KubeObject): KubeObject {
  const { resourceVersion: _dropped, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function sameButOwners(live: KubeObject, next: KubeObject): boolean {
  return isDeepStrictEqual(comparable(live), comparable(next));
}

function comparable(object: KubeObject): unknown {
  const { managedFields: _owners, resourceVersion: _version, ...metadata } = object.metadata;
  // A round trip drops fields that are undefined, which the wire cannot carry either.
  return JSON.parse(JSON.stringify({ ...object, metadata }));
}
