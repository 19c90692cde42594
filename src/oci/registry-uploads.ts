/**
 * Pushing blobs to our registry: monolithic, in one PUT, in chunks, and by mounting from another repository.
 *
 * @see OCI distribution-spec v1.1.1, "Pushing Blobs"
 */
import { readBody } from "../core/body.ts";
import { digestOf, isDigest } from "../core/digest.ts";
import { answer, RegistryError } from "./registry-answers.ts";
import type { RegistryStore } from "./store.ts";

export interface UploadsOptions {
  /** Bytes of one blob. */
  readonly maxBlobBytes: number;
  /** Every chunk but the last one has at least as many; 0: any. */
  readonly minChunkBytes: number;
  /** Names a new upload. */
  readonly newId: () => string;
}

export interface Uploads {
  /** POST: starts an upload, takes a whole blob, or mounts one. */
  start(request: Request, repository: string): Promise<Response>;
  /** GET, PATCH, PUT and DELETE of a started upload. */
  handle(request: Request, repository: string, id: string): Promise<Response>;
}

/** Uploads that nobody ended are dropped, oldest first, beyond this number. */
const MAX_OPEN = 100;

interface Upload {
  readonly repository: string;
  readonly chunks: Uint8Array[];
  sizeBytes: number;
  /** A chunk below the smallest size has come: nothing may follow it. */
  isAtEnd: boolean;
}

/**
 * The uploads of one registry, kept in memory until they end: whole, in chunks that must come in order, or by mounting.
 *
 * @throws {RegistryError} (its calls) with the code and status that the specification wants.
 * @see OCI distribution-spec v1.1.1, "Pushing blobs"
 */
export function createUploads(store: RegistryStore, options: UploadsOptions): Uploads {
  const open = new Map<string, Upload>();
  const find = (repository: string, id: string): Upload => {
    const upload = open.get(id);
    if (upload?.repository === repository) return upload;
    throw new RegistryError("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  };
  return {
    start: async (request, repository) => {
      const url = new URL(request.url);
      const mounted = mount(store, repository, url.searchParams);
      if (mounted !== undefined) return created(request, repository, mounted);
      const digest = url.searchParams.get("digest");
      if (digest !== null) {
        const bytes = await bodyOf(request, options.maxBlobBytes);
        return created(request, repository, keep(store, repository, { digest, bytes }));
      }
      const id = options.newId();
      open.set(id, { repository, chunks: [], sizeBytes: 0, isAtEnd: false });
      const oldest = open.keys().next().value;
      if (open.size > MAX_OPEN && oldest !== undefined) open.delete(oldest);
      const least = options.minChunkBytes === 0 ? {} : { "oci-chunk-min-length": String(options.minChunkBytes) };
      return progress(request, { repository, id, sizeBytes: 0, status: 202 }, least);
    },
    handle: async (request, repository, id) => {
      const upload = find(repository, id);
      const told = (status: number): Response =>
        progress(request, { repository, id, sizeBytes: upload.sizeBytes, status });
      if (request.method === "GET") return told(204);
      if (request.method === "DELETE") {
        open.delete(id);
        return answer(request, { status: 204 });
      }
      if (request.method !== "PATCH" && request.method !== "PUT")
        throw new RegistryError("UNSUPPORTED", "no such method");
      checkRange(request, { repository, id, sizeBytes: upload.sizeBytes });
      await take(request, upload, options);
      if (request.method === "PATCH") return told(202);
      open.delete(id);
      const digest = new URL(request.url).searchParams.get("digest") ?? "";
      return created(request, repository, keep(store, repository, { digest, bytes: Buffer.concat(upload.chunks) }));
    },
  };
}

/** Adds a body to an upload as it comes: of one that is cut, what has come stays, and the client may go on after it. */
async function take(request: Request, upload: Upload, options: UploadsOptions): Promise<void> {
  const before = upload.sizeBytes;
  for await (const bytes of request.body ?? []) {
    if (upload.isAtEnd) throw new RegistryError("BLOB_UPLOAD_INVALID", "a chunk was smaller than the smallest one");
    if (upload.sizeBytes + bytes.length > options.maxBlobBytes) {
      throw new RegistryError("SIZE_INVALID", `blob is larger than ${options.maxBlobBytes} bytes`);
    }
    upload.chunks.push(bytes);
    upload.sizeBytes += bytes.length;
  }
  upload.isAtEnd = request.method === "PATCH" && upload.sizeBytes - before < options.minChunkBytes;
}

/** Reads a request body and refuses more than `maxBytes` without keeping the rest. */
export function bodyOf(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = (): Error => new RegistryError("SIZE_INVALID", `body is larger than ${maxBytes} bytes`);
  return readBody(request.body, { maxBytes, tooLarge });
}

function mount(store: RegistryStore, repository: string, query: URLSearchParams): string | undefined {
  const digest = query.get("mount");
  const from = query.get("from");
  const blob = digest === null || from === null ? undefined : store.blob(from, digest);
  if (blob === undefined) return undefined;
  return store.putBlob(repository, blob).digest;
}

function keep(
  store: RegistryStore,
  repository: string,
  blob: { readonly digest: string; readonly bytes: Uint8Array },
): string {
  if (!isDigest(blob.digest) || digestOf(blob.bytes) !== blob.digest) {
    throw new RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content");
  }
  return store.putBlob(repository, new Uint8Array(blob.bytes)).digest;
}

/** A chunk that names its place must go on exactly where the last one ended. */
function checkRange(
  request: Request,
  upload: { readonly repository: string; readonly id: string; readonly sizeBytes: number },
): void {
  const header = request.headers.get("content-range");
  if (header === null) return;
  if (Number(/^(\d+)-\d+$/.exec(header)?.[1] ?? Number.NaN) === upload.sizeBytes) return;
  throw new RegistryError("BLOB_UPLOAD_INVALID", "chunk is out of order", {
    "x-status": "416",
    location: `/v2/${upload.repository}/blobs/uploads/${upload.id}`,
    range: `0-${Math.max(0, upload.sizeBytes - 1)}`,
  });
}

function progress(
  request: Request,
  upload: { readonly repository: string; readonly id: string; readonly sizeBytes: number; readonly status: number },
  more: Readonly<Record<string, string>> = {},
): Response {
  return answer(request, {
    status: upload.status,
    headers: {
      ...more,
      location: `/v2/${upload.repository}/blobs/uploads/${upload.id}`,
      range: `0-${Math.max(0, upload.sizeBytes - 1)}`,
      "docker-upload-uuid": upload.id,
    },
  });
}

function created(request: Request, repository: string, digest: string): Response {
  return answer(request, {
    status: 201,
    headers: { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest },
  });
}
