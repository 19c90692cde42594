/**
 * A strict OCI registry as a function from request to answer: pull, push, delete, tags, referrers.
 *
 * It is the registry of the rehearsal and the fake of every test, and it passes the same contract suite as a real one.
 * Strict: names, digests, media types and references are checked as the specification says, so that a client that is
 * wrong fails here and not at a customer. It opens no socket.
 *
 * @see OCI distribution-spec v1.1.1, "Endpoints"
 */
import { digestOf, isDigest } from "../core/digest.ts";
import type { Clock, Fetch, Random } from "../core/ports.ts";
import { bareMediaType, MEDIA } from "./media-types.ts";
import { MAX_MANIFEST_BYTES, type ParsedDocument, parseDocument } from "./model.ts";
import { isRepository, isTag } from "./reference.ts";
import { answer, blobAnswer, manifestAnswer, RegistryError } from "./registry-answers.ts";
import { type AuthGate, createAuthGate, type Needs, type RegistryAuth } from "./registry-auth.ts";
import { bodyOf, createUploads, type Uploads } from "./registry-uploads.ts";
import { createMemoryStore, type RegistryStore } from "./store.ts";

export interface RegistryServerOptions {
  /** Absent: everybody may pull and push. */
  readonly auth?: RegistryAuth;
  /** Absent: an empty store in memory. */
  readonly store?: RegistryStore;
  /** Serves the referrers API; false answers 404 as registries before 1.1 do. Default true. */
  readonly referrers?: boolean;
  /** For the Date header and the life of tokens; absent: no Date header, tokens live on. */
  readonly clock?: Pick<Clock, "now">;
  /** For tokens and upload names; needed with token authentication. */
  readonly random?: Random;
  /** Bytes of one blob; default 1 GiB. */
  readonly maxBlobBytes?: number;
}

export interface RegistryServer {
  readonly fetch: Fetch;
  readonly store: RegistryStore;
}

interface Registry {
  readonly store: RegistryStore;
  readonly gate: AuthGate;
  readonly uploads: Uploads;
  readonly referrers: boolean;
}

interface Call {
  readonly request: Request;
  readonly url: URL;
  readonly repository: string;
  /** Tag, digest or upload: what stands last in the path. */
  readonly name: string;
}

interface Endpoint {
  readonly path: RegExp;
  readonly methods: Readonly<Record<string, (registry: Registry, call: Call) => Response | Promise<Response>>>;
}

/** Order matters: the upload path would also be a blob path. */
const ENDPOINTS: readonly Endpoint[] = [
  {
    path: /^\/v2\/(.+)\/blobs\/uploads\/?()$/,
    methods: { POST: ({ uploads }, c) => uploads.start(c.request, c.repository) },
  },
  {
    path: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/,
    methods: Object.fromEntries(
      ["GET", "PATCH", "PUT", "DELETE"].map((method) => [
        method,
        ({ uploads }: Registry, call: Call) => uploads.handle(call.request, call.repository, call.name),
      ]),
    ),
  },
  { path: /^\/v2\/(.+)\/blobs\/([^/]+)$/, methods: { GET: getBlob, HEAD: getBlob, DELETE: deleteBlob } },
  {
    path: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
    methods: { GET: getManifest, HEAD: getManifest, PUT: putManifest, DELETE: deleteManifest },
  },
  { path: /^\/v2\/(.+)\/tags\/(list)$/, methods: { GET: listTags } },
  { path: /^\/v2\/(.+)\/referrers\/([^/]+)$/, methods: { GET: listReferrers } },
];

const MAX_BLOB_BYTES = 1024 ** 3;

/** Makes a registry. */
export function createRegistryServer(options: RegistryServerOptions = {}): RegistryServer {
  const store = options.store ?? createMemoryStore();
  const clock = options.clock ?? { now: () => 0 };
  let count = 0;
  const newId = (): string => options.random?.uuid() ?? `upload-${++count}`;
  const registry: Registry = {
    store,
    gate: createAuthGate(options.auth ?? { kind: "none" }, { clock, random: options.random }),
    uploads: createUploads(store, { maxBlobBytes: options.maxBlobBytes ?? MAX_BLOB_BYTES, newId }),
    referrers: options.referrers ?? true,
  };
  return {
    store,
    fetch: async (request) => {
      const response = await answerSafely(registry, request);
      if (options.clock !== undefined) response.headers.set("date", new Date(options.clock.now()).toUTCString());
      return response;
    },
  };
}

async function answerSafely(registry: Registry, request: Request): Promise<Response> {
  try {
    return await dispatch(registry, request);
  } catch (thrown) {
    if (thrown instanceof RegistryError) return thrown.answer;
    throw thrown;
  }
}

async function dispatch(registry: Registry, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const token = url.pathname === "/token" && request.method === "GET" ? registry.gate.token(request) : undefined;
  if (token !== undefined) return token;
  if (url.pathname === "/v2/" || url.pathname === "/v2") {
    registry.gate.check(request, { action: "base" });
    return answer(request, { body: new TextEncoder().encode("{}"), headers: { "content-type": "application/json" } });
  }
  for (const endpoint of ENDPOINTS) {
    const match = endpoint.path.exec(url.pathname);
    if (match === null) continue;
    const call = { request, url, repository: match[1] ?? "", name: decodeURIComponent(match[2] ?? "") };
    if (!isRepository(call.repository)) throw new RegistryError("NAME_INVALID", "invalid repository name");
    const handler = endpoint.methods[request.method];
    if (handler === undefined) throw new RegistryError("UNSUPPORTED", "the operation is unsupported");
    registry.gate.check(request, needsOf(request.method, call.repository));
    return handler(registry, call);
  }
  return new Response("404 page not found\n", { status: 404, headers: { "content-type": "text/plain" } });
}

function needsOf(method: string, repository: string): Needs {
  if (method === "GET" || method === "HEAD") return { repository, action: "pull" };
  return { repository, action: method === "DELETE" ? "delete" : "push" };
}

function getBlob({ store }: Registry, call: Call): Response {
  if (!isDigest(call.name)) throw new RegistryError("DIGEST_INVALID", "invalid digest");
  const blob = store.blob(call.repository, call.name);
  if (blob === undefined) throw new RegistryError("BLOB_UNKNOWN", "blob unknown to registry");
  return blobAnswer(call.request, call.name, blob);
}

function deleteBlob({ store }: Registry, call: Call): Response {
  if (!store.deleteBlob(call.repository, call.name))
    throw new RegistryError("BLOB_UNKNOWN", "blob unknown to registry");
  return answer(call.request, { status: 202 });
}

function getManifest({ store }: Registry, call: Call): Response {
  checkReference(call.name);
  const stored = store.manifest(call.repository, call.name);
  if (stored === undefined) throw new RegistryError("MANIFEST_UNKNOWN", "manifest unknown");
  if (!accepts(call.request, stored.mediaType)) {
    throw new RegistryError("MANIFEST_UNKNOWN", `manifest is ${stored.mediaType}, which the Accept header leaves out`);
  }
  return manifestAnswer(call.request, stored);
}

/** docker-registry 2.8 answers 404 for an OCI manifest when Accept does not name its type; a client must name it. */
function accepts(request: Request, mediaType: string): boolean {
  const accepted = (request.headers.get("accept") ?? "").split(",").map((part) => bareMediaType(part));
  return accepted.includes(mediaType) || accepted.includes("*/*");
}

async function putManifest({ store }: Registry, call: Call): Promise<Response> {
  checkReference(call.name);
  const bytes = await bodyOf(call.request, MAX_MANIFEST_BYTES);
  const mediaType = bareMediaType(call.request.headers.get("content-type"));
  const document = readManifest(bytes, mediaType);
  if (isDigest(call.name) && digestOf(bytes) !== call.name) {
    throw new RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content");
  }
  const missing = missingParts(store, call.repository, document);
  if (missing !== undefined) throw new RegistryError("MANIFEST_BLOB_UNKNOWN", `blob unknown to registry: ${missing}`);
  const digest = store.putManifest(call.repository, call.name, bytes, mediaType);
  const { subject } = document.kind === "index" ? document.index : document.manifest;
  return answer(call.request, {
    status: 201,
    headers: {
      location: `/v2/${call.repository}/manifests/${digest}`,
      "docker-content-digest": digest,
      ...(subject === undefined ? {} : { "oci-subject": subject.digest }),
    },
  });
}

function readManifest(bytes: Uint8Array, contentType: string): ParsedDocument {
  try {
    return parseDocument(bytes, { contentType, what: "pushed manifest" });
  } catch (cause) {
    throw new RegistryError("MANIFEST_INVALID", cause instanceof Error ? cause.message : "manifest invalid");
  }
}

function missingParts(store: RegistryStore, repository: string, document: ParsedDocument): string | undefined {
  if (document.kind === "index") {
    return document.index.manifests.find((entry) => store.manifest(repository, entry.digest) === undefined)?.digest;
  }
  const { config, layers } = document.manifest;
  return [config, ...layers].find((part) => store.blob(repository, part.digest)?.length !== part.size)?.digest;
}

function deleteManifest({ store }: Registry, call: Call): Response {
  checkReference(call.name);
  if (!store.deleteManifest(call.repository, call.name))
    throw new RegistryError("MANIFEST_UNKNOWN", "manifest unknown");
  return answer(call.request, { status: 202 });
}

function listTags({ store }: Registry, call: Call): Response {
  const tags = store.tags(call.repository);
  if (tags === undefined) throw new RegistryError("NAME_UNKNOWN", "repository name not known to registry");
  const last = call.url.searchParams.get("last") ?? "";
  const asked = call.url.searchParams.get("n");
  const n = asked === null ? tags.length : Number(asked);
  if (!Number.isInteger(n) || n < 0) throw new RegistryError("UNSUPPORTED", "n is not a number", { "x-status": "400" });
  const after = tags.filter((tag) => tag > last);
  const page = after.slice(0, n);
  const next = new URLSearchParams({ n: String(n), last: page.at(-1) ?? "" });
  const link =
    page.length < after.length && n > 0 ? { link: `</v2/${call.repository}/tags/list?${next}>; rel="next"` } : {};
  return Response.json({ name: call.repository, tags: page }, { headers: link });
}

function listReferrers({ store, referrers }: Registry, call: Call): Response {
  if (!referrers)
    return new Response("404 page not found\n", { status: 404, headers: { "content-type": "text/plain" } });
  if (!isDigest(call.name)) throw new RegistryError("DIGEST_INVALID", "invalid digest");
  const wanted = call.url.searchParams.get("artifactType");
  const all = store.referrers(call.repository, call.name);
  const manifests = wanted === null ? all : all.filter((entry) => entry.artifactType === wanted);
  const body = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
  return answer(call.request, {
    body,
    headers: { "content-type": MEDIA.index, ...(wanted === null ? {} : { "oci-filters-applied": "artifactType" }) },
  });
}

function checkReference(reference: string): void {
  if (isDigest(reference) || isTag(reference)) return;
  if (reference.includes(":")) throw new RegistryError("DIGEST_INVALID", "invalid digest");
  throw new RegistryError("MANIFEST_INVALID", "invalid tag");
}
