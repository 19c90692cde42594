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
import { bareMediaType } from "./media-types.ts";
import { MAX_MANIFEST_BYTES, type ParsedDocument, parseDocument } from "./model.ts";
import { isRepository } from "./reference.ts";
import { answer, type BlobContent, RegistryError } from "./registry-answers.ts";
import { type AuthGate, createAuthGate, type Needs, type RegistryAuth } from "./registry-auth.ts";
import {
  checkReference,
  getBlob,
  getManifest,
  listReferrers,
  listTags,
  nameIn,
  pageNotFound,
  type ReadCall,
  type RegistryReads,
} from "./registry-reads.ts";
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
  /** Smallest chunk of an upload but the last one; told as OCI-Chunk-Min-Length. Absent: any. */
  readonly minChunkBytes?: number;
}

export interface RegistryServer {
  readonly fetch: Fetch;
  readonly store: RegistryStore;
}

interface Registry {
  readonly store: RegistryStore;
  readonly gate: AuthGate;
  readonly uploads: Uploads;
  readonly reads: RegistryReads;
}

type Handler = (registry: Registry, call: ReadCall) => Response | Promise<Response>;

interface Endpoint {
  readonly path: RegExp;
  readonly methods: Readonly<Record<string, Handler>>;
}

/** GET and HEAD of what a registry reads. */
function reading(
  handler: (reads: RegistryReads, call: ReadCall) => Promise<Response>,
): Record<"GET" | "HEAD", Handler> {
  const read: Handler = ({ reads }, call) => handler(reads, call);
  return { GET: read, HEAD: read };
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
        ({ uploads }: Registry, call: ReadCall) => uploads.handle(call.request, call.repository, call.name),
      ]),
    ),
  },
  { path: /^\/v2\/(.+)\/blobs\/([^/]+)$/, methods: { ...reading(getBlob), DELETE: deleteBlob } },
  {
    path: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
    methods: { ...reading(getManifest), PUT: putManifest, DELETE: deleteManifest },
  },
  { path: /^\/v2\/(.+)\/tags\/(list)$/, methods: { GET: reading(listTags).GET } },
  { path: /^\/v2\/(.+)\/referrers\/([^/]+)$/, methods: { GET: reading(listReferrers).GET } },
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
    uploads: createUploads(store, {
      maxBlobBytes: options.maxBlobBytes ?? MAX_BLOB_BYTES,
      minChunkBytes: options.minChunkBytes ?? 0,
      newId,
    }),
    reads: storeReads(store, { referrers: options.referrers ?? true }),
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
    const call = { request, url, repository: match[1] ?? "", name: nameIn(match[2] ?? "") };
    if (!isRepository(call.repository)) throw new RegistryError("NAME_INVALID", "invalid repository name");
    const handler = endpoint.methods[request.method];
    if (handler === undefined) throw new RegistryError("UNSUPPORTED", "the operation is unsupported");
    registry.gate.check(request, needsOf(request.method, call));
    return handler(registry, call);
  }
  return pageNotFound();
}

/** A store in memory, read as a registry reads. */
function storeReads(store: RegistryStore, options: { readonly referrers: boolean }): RegistryReads {
  return {
    manifest: async (repository, reference) => store.manifest(repository, reference),
    blob: async (repository, digest) => {
      const bytes = store.blob(repository, digest);
      return bytes && blobOf(bytes);
    },
    tags: async (repository) => store.tags(repository),
    referrers: async (repository, digest) => (options.referrers ? store.referrers(repository, digest) : undefined),
  };
}

function blobOf(bytes: Uint8Array): BlobContent {
  const sizeBytes = bytes.length;
  const open = ({ fromByte, bytes: count } = { fromByte: 0, bytes: sizeBytes }): Uint8Array<ArrayBuffer> =>
    new Uint8Array(bytes.subarray(fromByte, fromByte + count));
  return { sizeBytes, open };
}

function needsOf(method: string, { repository, url }: ReadCall): Needs {
  if (method === "GET" || method === "HEAD") return { repository, action: "pull" };
  const from = method === "POST" && url.searchParams.has("mount") ? url.searchParams.get("from") : null;
  return { repository, action: method === "DELETE" ? "delete" : "push", ...(from === null ? {} : { from }) };
}

function deleteBlob({ store }: Registry, call: ReadCall): Response {
  if (!store.deleteBlob(call.repository, call.name))
    throw new RegistryError("BLOB_UNKNOWN", "blob unknown to registry");
  return answer(call.request, { status: 202 });
}

async function putManifest({ store }: Registry, call: ReadCall): Promise<Response> {
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

function deleteManifest({ store }: Registry, call: ReadCall): Response {
  checkReference(call.name);
  if (!store.deleteManifest(call.repository, call.name))
    throw new RegistryError("MANIFEST_UNKNOWN", "manifest unknown");
  return answer(call.request, { status: 202 });
}
