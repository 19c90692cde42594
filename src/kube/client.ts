/**
 * The Kubernetes client: exactly the calls this product makes, as a function of `Fetch`.
 *
 * Parties: the API server, trusted with our token once its certificate is verified by the transport. Every answer is
 * bounded, every failure is an `ApplianceError` of the area `kube/` that names the object and, for a denial, the missing
 * permission. Fakes: `rehearsal/kubernetes`, held to the same contract suite as the real server.
 */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import type {
  AccessQuestion,
  ApplyOptions,
  CallOptions,
  DeleteOptions,
  Kube,
  KubeOptions,
  KubeVersion,
  PatchOptions,
  Target,
  WatchOptions,
} from "./calls.ts";
import { type AccessRule, type Attempt, describeRule } from "./errors.ts";
import { followLog } from "./follow-log.ts";
import { listObjects } from "./list.ts";
import { readLogs } from "./logs.ts";
import {
  asKubeObject,
  describeRef,
  fieldAt,
  isKubeObject,
  type KindRef,
  type KubeObject,
  type ObjectRef,
  refOf,
  textAt,
  type WatchEvent,
  withoutManagedFields,
} from "./model.ts";
import { createResourceLookup, groupPath, type Resource, resourcePath } from "./resources.ts";
import { createTransport, type Exchange, type KubeConnection, type Transport } from "./transport.ts";
import { watchObjects } from "./watch.ts";

export type * from "./calls.ts";
export type { AccessRule } from "./errors.ts";
export type { KubeConnection } from "./transport.ts";

/** Field manager of everything this product applies. */
/** By this name the API server knows what the product wrote. */
export const FIELD_MANAGER = "alga-appliance";

/** Makes a client. No request is made yet. */
export function createKube(
  deps: Pick<Deps, "clock" | "random" | "log">,
  connection: KubeConnection,
  options: KubeOptions = {},
): Kube {
  const transport = createTransport(deps, connection);
  const lookup = createResourceLookup((path, signal) => discover(transport, path, signal));
  const client = { transport, lookup, fieldManager: options.fieldManager ?? FIELD_MANAGER };
  return {
    server: connection.server,
    version: (signal) => readVersion(transport, signal),
    get: (ref, call = {}) => getObject(client, ref, call),
    list: async (kind, call = {}) => listObjects(transport, await target(client, "list", kind, call), call),
    apply: (object, call = {}) => applyObject(client, object, call),
    patch: (ref, patch, call = {}) => patchObject(client, ref, { ...call, patch }),
    replace: (object, call = {}) => replaceObject(client, object, call),
    create: (object, call = {}) => createObject(client, object, call),
    delete: (ref, call = {}) => deleteObject(client, ref, call),
    watch: (kind, call) => watchLate(deps, client, kind, call),
    logs: (ref, call) => readLogs(transport, ref, call),
    follow: (ref, call) => followLog(transport, ref, call),
    canI: (question, call = {}) => askAccess(transport, question, call),
  };
}

interface Client {
  readonly transport: Transport;
  readonly lookup: (kind: KindRef, signal?: AbortSignal) => Promise<Resource>;
  readonly fieldManager: string;
}

const VERBS: Readonly<Record<string, string>> = { read: "get", apply: "patch", replace: "update", change: "patch" };

async function target(
  client: Client,
  doing: string,
  ref: KindRef & { readonly name?: string },
  options: CallOptions & { readonly subresource?: string | undefined } = {},
): Promise<Target> {
  const resource = await client.lookup(ref, options.signal);
  const namespace = resource.namespaced ? ref.namespace : undefined;
  if (resource.namespaced && namespace === undefined && (ref.name !== undefined || doing === "create")) {
    throw new ApplianceError(
      "kube/bad-object",
      `Cannot ${doing} ${describeRef(ref)}: it names no namespace, a kind within namespaces wants one`,
    );
  }
  const { name } = ref;
  const { subresource } = options;
  const plural = subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`;
  const rule = { verb: VERBS[doing] ?? doing, group: resource.group, resource: plural, namespace, name };
  return {
    kind: ref,
    resource,
    path: resourcePath(resource, { namespace, name, subresource }),
    attempt: { doing, what: describeRef({ ...ref, namespace }), rule },
  };
}

async function discover(transport: Transport, path: string, signal?: AbortSignal): Promise<unknown> {
  try {
    return await transport.json({ attempt: { doing: "discover", what: path }, method: "GET", path, signal });
  } catch (thrown) {
    if (isApplianceError(thrown, "kube/not-found")) return undefined;
    throw thrown;
  }
}

async function readVersion(transport: Transport, signal?: AbortSignal): Promise<KubeVersion> {
  const attempt = { doing: "read", what: "the version of the Kubernetes API" };
  const answer = await transport.json({ attempt, method: "GET", path: "/version", signal, maxBytes: 64 * 1024 });
  const gitVersion = textAt(answer, "gitVersion");
  if (gitVersion === undefined) throw notOfTheProtocol(attempt);
  // Some builds write "36+" for the minor number.
  const number = (name: string): number => Number.parseInt(textAt(answer, name) ?? "", 10) || 0;
  return { gitVersion, major: number("major"), minor: number("minor") };
}

async function getObject(client: Client, ref: ObjectRef, options: CallOptions): Promise<KubeObject | undefined> {
  try {
    const { path, attempt } = await target(client, "read", ref, options);
    return await objectFrom(client, { attempt, method: "GET", path, signal: options.signal });
  } catch (thrown) {
    if (isApplianceError(thrown, "kube/not-found")) return undefined;
    throw thrown;
  }
}

async function applyObject(client: Client, object: KubeObject, options: ApplyOptions): Promise<KubeObject> {
  const { path, attempt } = await target(client, "apply", refOf(checked(object)), options);
  return await objectFrom(client, {
    attempt,
    method: "PATCH",
    path,
    query: { fieldManager: client.fieldManager, force: options.force === true, ...dryRunOf(options) },
    // JSON is YAML; the content type alone says that this is an apply.
    contentType: "application/apply-patch+yaml",
    body: withoutManagedFields(object),
    safeToRepeat: true,
    signal: options.signal,
  });
}

async function patchObject(
  client: Client,
  ref: ObjectRef,
  options: PatchOptions & { readonly patch: object },
): Promise<KubeObject> {
  const { path, attempt } = await target(client, "change", ref, options);
  const type = options.type ?? "merge";
  return await objectFrom(client, {
    attempt,
    method: "PATCH",
    path,
    query: { fieldManager: client.fieldManager, ...dryRunOf(options) },
    contentType: type === "merge" ? "application/merge-patch+json" : "application/json-patch+json",
    body: options.patch,
    // A merge patch twice is a merge patch; a JSON patch may add twice.
    safeToRepeat: type === "merge",
    signal: options.signal,
  });
}

async function replaceObject(
  client: Client,
  object: KubeObject,
  options: CallOptions & { readonly subresource?: "status"; readonly dryRun?: boolean },
): Promise<KubeObject> {
  const { path, attempt } = await target(client, "replace", refOf(checked(object)), options);
  const query = { fieldManager: client.fieldManager, ...dryRunOf(options) };
  return await objectFrom(client, { attempt, method: "PUT", path, query, body: object, signal: options.signal });
}

async function createObject(
  client: Client,
  object: KubeObject,
  options: CallOptions & { readonly dryRun?: boolean },
): Promise<KubeObject> {
  const ref = refOf(checked(object));
  const { path: objectPath, attempt, resource } = await target(client, "create", ref, options);
  const path = resourcePath(resource, { namespace: ref.namespace });
  const query = { fieldManager: client.fieldManager, ...dryRunOf(options) };
  return await objectFrom(client, {
    attempt: objectPath === path ? attempt : { ...attempt, rule: withoutName(attempt.rule) },
    method: "POST",
    path,
    query,
    body: object,
    signal: options.signal,
  });
}

/** RBAC cannot limit create to a name: the name is not known to the authorizer. */
function withoutName(rule: AccessRule | undefined): AccessRule | undefined {
  return rule === undefined ? undefined : { ...rule, name: undefined };
}

async function deleteObject(client: Client, ref: ObjectRef, options: DeleteOptions): Promise<boolean> {
  try {
    const { path, attempt } = await target(client, "delete", ref, options);
    const { preconditions, gracePeriodSeconds } = options;
    await client.transport.json({
      attempt,
      method: "DELETE",
      path,
      body: {
        apiVersion: "v1",
        kind: "DeleteOptions",
        propagationPolicy: options.propagation ?? "Background",
        ...(preconditions === undefined ? {} : { preconditions }),
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      },
      safeToRepeat: true,
      signal: options.signal,
    });
    return true;
  } catch (thrown) {
    if (isApplianceError(thrown, "kube/not-found")) return false;
    throw thrown;
  }
}

async function* watchLate(
  deps: Pick<Deps, "clock">,
  client: Client,
  kind: KindRef,
  options: WatchOptions,
): AsyncGenerator<WatchEvent> {
  yield* watchObjects(deps, client.transport, await target(client, "watch", kind, options), options);
}

async function askAccess(
  transport: Transport,
  question: AccessQuestion,
  options: CallOptions,
): Promise<{ readonly allowed: boolean; readonly reason: string }> {
  const apiVersion = "authorization.k8s.io/v1";
  const attempt = { doing: "ask", what: `whether we may ${describeRule(question)}` };
  const answer = await transport.json({
    attempt,
    method: "POST",
    path: `${groupPath(apiVersion)}/selfsubjectaccessreviews`,
    body: { apiVersion, kind: "SelfSubjectAccessReview", spec: { resourceAttributes: { ...question } } },
    // The review is never stored.
    safeToRepeat: true,
    signal: options.signal,
  });
  const allowed = fieldAt(answer, "status", "allowed");
  if (typeof allowed !== "boolean") throw notOfTheProtocol(attempt);
  return { allowed, reason: textAt(answer, "status", "reason") ?? "" };
}

function checked(object: KubeObject): KubeObject {
  return asKubeObject(object, `${isPlainObject(object) ? String(object.kind ?? "object") : "value"} to write`);
}

function dryRunOf(options: { readonly dryRun?: boolean }): { readonly dryRun?: string } {
  return options.dryRun === true ? { dryRun: "All" } : {};
}

async function objectFrom(client: Client, exchange: Exchange): Promise<KubeObject> {
  const answer = await client.transport.json(exchange);
  if (isKubeObject(answer)) return answer;
  throw notOfTheProtocol(exchange.attempt);
}

/** The error for an answer whose JSON has another shape than the API promises. */
function notOfTheProtocol(attempt: Attempt): ApplianceError {
  return new ApplianceError(
    "kube/unexpected-answer",
    `Cannot ${attempt.doing} ${attempt.what}: the answer has another shape, an answer of a Kubernetes API is wanted`,
  );
}
