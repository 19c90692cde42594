/**
 * A Kubernetes API server in memory: a function from Request to Response, strict where this product relies on strictness.
 *
 * It stands behind the unit tests, and the rehearsal's cluster is made of it; the contract suite holds it to the real
 * kube-apiserver v1.36. Actors use the ordinary client over its `fetch`. Its whole state is plain JSON.
 */
import type { Deps, Fetch } from "../../core/ports.ts";
import { toInstant } from "../../core/time.ts";
import { type Identity, requireAccess, reviewAccess } from "./access.ts";
import { addressOf } from "./address.ts";
import { discover } from "./discovery.ts";
import { type Answer, requestBody, respond, respondRefusal } from "./exchange.ts";
import { createFaults, type Faults } from "./faults.ts";
import { collectionOf } from "./kinds.ts";
import { afterStored } from "./lifecycle.ts";
import { createPodLogs, type LogPlace, type PodLogs } from "./pod-logs.ts";
import { createPages, list, type Pages, partialList, partialObject, read, wantsMetadataOnly } from "./read.ts";
import { badRequest, methodNotAllowed, Refusal } from "./refusal.ts";
import { createStore, type StoreSnapshot } from "./store.ts";
import { closeQuietly, watch } from "./watch.ts";
import { type Call, DEFINITIONS, kindOf, servedKinds, type World } from "./world.ts";
import { apply, create, patch, remove, update } from "./write.ts";

export type { AccessRule, Identity } from "./access.ts";
export type { Fault, Faults } from "./faults.ts";
export type { PodLogs } from "./pod-logs.ts";

export interface ApiServerOptions {
  /** What the callers of `fetch` may do. Absent: everything. */
  readonly identity?: Identity;
  /** Changes kept for watches to resume from. Absent: 2000. */
  readonly history?: number;
  /** Milliseconds between bookmarks. Absent: 60 s. */
  readonly bookmarkMs?: number;
  readonly state?: ApiServerState;
}

/** Everything the server knows, as JSON. */
export interface ApiServerState {
  readonly store: StoreSnapshot;
  readonly logs: readonly (readonly [string, string])[];
}

/** A Kubernetes API in memory, and the levers that a rehearsal or a test has on it. */
export interface ApiServer {
  /** Speaks as the identity of the options. */
  readonly fetch: Fetch;
  /** Speaks as somebody else: actors of the rehearsal, tests of permissions. */
  as(identity: Identity): Fetch;
  readonly faults: Faults;
  readonly logs: PodLogs;
  /** What was asked for as somebody, whether allowed or not: "patch apps/deployments", "get /pods/log". */
  asked(user: string): readonly string[];
  /** The revision of the last write: grows with every change. */
  revision(): number;
  /** Ends all open watches, as a restart of the server does. */
  cutWatches(): void;
  /** Forgets history: open resumes get 410. */
  compact(): void;
  snapshot(): ApiServerState;
  restore(state: ApiServerState): void;
  /** Ends everything that waits. */
  stop(): void;
}

interface Server {
  readonly deps: Pick<Deps, "clock" | "random">;
  readonly world: World;
  readonly pages: Pages;
  readonly faults: Faults;
  readonly logs: PodLogs;
  readonly open: Set<() => void>;
  /** User -> verbs with their resources. */
  readonly asked: Map<string, Set<string>>;
  readonly bookmarkMs: number;
}

const EVERYTHING: Identity = { user: "rehearsal" };
const FIRST_NAMESPACES = ["default", "kube-node-lease", "kube-public", "kube-system"];

/** Starts a server with the namespaces every cluster has. No socket is opened. */
export function createApiServer(deps: Pick<Deps, "clock" | "random">, options: ApiServerOptions = {}): ApiServer {
  const store = createStore(options.history === undefined ? {} : { history: options.history });
  const world: World = { store, ...identities(deps) };
  const server: Server = {
    deps,
    world,
    pages: createPages(),
    faults: createFaults(deps.clock),
    // The API counts in seconds, the kubelet in nanoseconds.
    logs: createPodLogs(() => toInstant(deps.clock.now()).replace("Z", "000000Z")),
    open: new Set(),
    asked: new Map(),
    bookmarkMs: options.bookmarkMs ?? 60_000,
  };
  if (options.state === undefined) addFirstObjects(world);
  else restore(server, options.state);
  return {
    fetch: (request) => answer(server, options.identity ?? EVERYTHING, request),
    as: (identity) => (request) => answer(server, identity, request),
    faults: server.faults,
    logs: server.logs,
    asked: (user) => [...(server.asked.get(user) ?? [])].sort(),
    revision: () => store.revision(),
    cutWatches: () => cutWatches(server),
    compact: () => {
      store.compact();
      server.pages.clear();
    },
    snapshot: () => ({ store: store.snapshot(), logs: server.logs.snapshot() }),
    restore: (state) => restore(server, state),
    stop: () => cutWatches(server),
  };
}

function identities(deps: Pick<Deps, "clock" | "random">): Omit<World, "store"> {
  return {
    now: () => toInstant(deps.clock.now()).replace(/\.\d+Z$/, "Z"),
    uuid: () => deps.random.uuid(),
    suffix: () => [...deps.random.bytes(5)].map((byte) => "bcdfghjklmnpqrstvwxz2456789"[byte % 27]).join(""),
  };
}

function addFirstObjects(world: World): void {
  const kind = servedKinds(world).find((one) => one.kind === "Namespace");
  if (kind === undefined) return;
  for (const name of FIRST_NAMESPACES) {
    const metadata = {
      name,
      uid: world.uuid(),
      creationTimestamp: world.now(),
      labels: { "kubernetes.io/metadata.name": name },
    };
    const spec = { finalizers: ["kubernetes"] };
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata, spec, status: { phase: "Active" } };
    afterStored(world, kind, world.store.put(collectionOf(kind), namespace));
  }
}

function cutWatches(server: Server): void {
  for (const end of [...server.open]) end();
}

function restore(server: Server, state: ApiServerState): void {
  server.world.store.restore(state.store);
  server.logs.restore(state.logs);
  server.pages.clear();
  cutWatches(server);
  // A definition stored just before the snapshot may not be established yet.
  for (const definition of server.world.store.list(DEFINITIONS)) {
    const kind = kindOf(server.world, definition);
    if (kind !== undefined) afterStored(server.world, kind, definition);
  }
}

async function answer(server: Server, identity: Identity, request: Request): Promise<Response> {
  try {
    await server.faults.meet(request);
    return await route(server, identity, request);
  } catch (thrown) {
    if (thrown instanceof Refusal) return respondRefusal(thrown);
    throw thrown;
  }
}

async function route(server: Server, identity: Identity, request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (["/healthz", "/readyz", "/livez"].includes(url.pathname)) return new Response("ok");
  const found = request.method === "GET" ? discover(server.world, url.pathname) : undefined;
  if (found !== undefined) return respond({ status: 200, body: found });
  const agent = (request.headers.get("user-agent") ?? "unknown").split("/")[0] ?? "unknown";
  const call = addressOf(server.world, url, agent);
  if (request.method === "GET") return reading(server, identity, { call, request });
  return respond(await writing(server, identity, { call, request }));
}

interface Asked {
  readonly call: Call;
  readonly request: Request;
}

/** Notes what is asked for, then lets it through. @throws {Refusal} 403 */
function permit(
  server: Server,
  identity: Identity,
  { call, verb }: { readonly call: Call; readonly verb: string },
): void {
  const known = server.asked.get(identity.user) ?? new Set();
  server.asked.set(identity.user, known);
  const { group, plural } = call.kind;
  known.add(`${verb} ${group}/${plural}${call.subresource === "" ? "" : `/${call.subresource}`}`);
  requireAccess(identity, call, verb);
}

function reading(server: Server, identity: Identity, { call, request }: Asked): Response {
  const { world } = server;
  const isWatch = ["true", "1"].includes(call.query.get("watch") ?? "");
  permit(server, identity, { call, verb: call.name !== "" ? "get" : isWatch ? "watch" : "list" });
  const metadataOnly = wantsMetadataOnly(request.headers.get("accept"));
  if (call.kind.virtual === true) throw methodNotAllowed();
  if (call.subresource === "log") return readLog(server, call);
  if (call.name !== "") {
    const object = read(world, call);
    return respond({ status: 200, body: metadataOnly ? partialObject(object) : object });
  }
  if (isWatch) {
    const { bookmarkMs, open } = server;
    return watch(world, call, { clock: server.deps.clock, bookmarkMs, open, metadataOnly });
  }
  const whole = list(world, server.pages, call);
  return respond({ status: 200, body: metadataOnly ? partialList(whole) : whole });
}

function readLog(server: Server, call: Call): Response {
  const pod = read(server.world, { ...call, subresource: "" });
  const spec = pod.spec as { readonly containers?: readonly { readonly name: string }[] } | undefined;
  const names = (spec?.containers ?? []).map((one) => one.name);
  const container = call.query.get("container") ?? (names.length === 1 ? names[0] : undefined);
  if (container === undefined) {
    throw badRequest(`a container name must be specified for pod ${call.name}, choose one of: [${names.join(" ")}]`);
  }
  if (!names.includes(container)) throw badRequest(`container ${container} is not valid for pod ${call.name}`);
  const place = { namespace: call.namespace, pod: call.name, container };
  const text = server.logs.read(place, call.query);
  const body = call.query.get("follow") === "true" ? followLog(server, place, { call, text }) : text;
  return new Response(body, { headers: { "content-type": "text/plain" } });
}

/** The log and what is appended to it, until the container or its pod ends, or a fault cuts all streams. */
function followLog(
  server: Server,
  place: LogPlace,
  { call, text }: { readonly call: Call; readonly text: string },
): ReadableStream<Uint8Array> {
  let close = (): void => {};
  const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    const send = (more: string): void => {
      if (more !== "") controller.enqueue(new TextEncoder().encode(more));
    };
    const stops = [
      server.logs.follow(place, call.query, (more) => (more === undefined ? close() : send(more))),
      server.world.store.subscribe(({ type, object }) => {
        const { name, namespace } = object.metadata;
        if (type === "DELETED" && object.kind === "Pod" && name === place.pod && namespace === place.namespace) close();
      }),
    ];
    const end = (): void => close();
    close = () => {
      close = () => {};
      server.open.delete(end);
      for (const stop of stops) stop();
      closeQuietly(controller);
    };
    server.open.add(end);
    send(text);
  };
  return new ReadableStream({ start, cancel: () => close() });
}

async function writing(server: Server, identity: Identity, { call, request }: Asked): Promise<Answer> {
  const { world } = server;
  const body = await requestBody(request);
  if (call.kind.virtual === true) {
    if (request.method !== "POST" || call.name !== "") throw methodNotAllowed();
    return { status: 201, body: reviewAccess(identity, body) };
  }
  const verb = verbOf(request, call);
  permit(server, identity, { call, verb });
  if (verb === "create") return { status: 201, body: create(world, call, body).object };
  if (verb === "update") return { status: 200, body: update(world, call, body).object };
  if (verb === "patch") return patching(world, call, { body, contentType: mediaOf(request) });
  return verb === "delete" ? deleting(world, call, body) : deletingAll(world, call, body);
}

/** The verb of RBAC that a writing request needs. @throws {Refusal} 405 */
function verbOf(request: Request, call: Call): "create" | "update" | "patch" | "delete" | "deletecollection" {
  const { method } = request;
  if (call.name === "") {
    if (method === "POST") return "create";
    if (method === "DELETE") return "deletecollection";
    throw methodNotAllowed();
  }
  if (method === "PUT") return "update";
  if (method === "PATCH") return "patch";
  if (method === "DELETE" && call.subresource === "") return "delete";
  throw methodNotAllowed();
}

function mediaOf(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";")[0]?.trim() ?? "";
}

function patching(world: World, call: Call, given: { readonly body: unknown; readonly contentType: string }): Answer {
  const { body, contentType } = given;
  const isApply = contentType === "application/apply-patch+yaml";
  const written = isApply ? apply(world, call, body) : patch(world, call, { contentType, patch: body });
  return { status: written.created ? 201 : 200, body: written.object };
}

function deleting(world: World, call: Call, body: unknown): Answer {
  const object = remove(world, call, body);
  if (object.metadata.deletionTimestamp !== undefined) return { status: 200, body: object };
  const { group, plural } = call.kind;
  const details = { name: call.name, ...(group === "" ? {} : { group }), kind: plural, uid: object.metadata.uid };
  return { status: 200, body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details } };
}

function deletingAll(world: World, call: Call, body: unknown): Answer {
  const whole = list(world, createPages(), call);
  const items = Array.isArray(whole.items) ? whole.items : [];
  for (const { metadata } of items) {
    remove(world, { ...call, namespace: metadata.namespace ?? "", name: metadata.name }, body);
  }
  return { status: 200, body: whole };
}
