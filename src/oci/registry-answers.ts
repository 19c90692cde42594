/**
 * Answers of the registry as a server: the error JSON of the specification, and blobs with ranges.
 *
 * @see OCI distribution-spec v1.1.1, "Error Codes"
 */
import type { StoredManifest } from "./store.ts";

/** Error codes of the specification and the status that our registry gives with each. */
const ERRORS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 413,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
} as const;

export type RegistryErrorCode = keyof typeof ERRORS;

/** Thrown inside the registry; `createRegistryServer` turns it into an answer. */
export class RegistryError extends Error {
  readonly answer: Response;

  constructor(code: RegistryErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    const status = headers["x-status"] === undefined ? ERRORS[code] : Number(headers["x-status"]);
    const { "x-status": _status, ...rest } = headers;
    this.answer = Response.json(
      { errors: [{ code, message, detail: null }] },
      { status, headers: { "docker-distribution-api-version": "registry/2.0", ...rest } },
    );
  }
}

/** An answer with headers and maybe a body; the body is left out for HEAD, its length stays announced. */
export function answer(
  request: Request,
  init: {
    readonly status?: number;
    readonly body?: Uint8Array<ArrayBuffer>;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Response {
  const headers = {
    "docker-distribution-api-version": "registry/2.0",
    "content-length": String(init.body?.length ?? 0),
    ...init.headers,
  };
  const empty = init.body === undefined || request.method === "HEAD";
  return new Response(empty ? null : init.body, { status: init.status ?? 200, headers });
}

/** A blob that is read when it is asked for. */
export interface BlobContent {
  readonly sizeBytes: number;
  /** The bytes of a range that lies within the blob; without one all of them. */
  open(range?: {
    readonly fromByte: number;
    readonly bytes: number;
  }): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
}

/** A blob, whole or the one range that was asked for. HEAD opens nothing. @see RFC 9110 section 14 */
export function blobAnswer(request: Request, digest: string, blob: BlobContent): Response {
  const { sizeBytes } = blob;
  const headers = {
    "docker-distribution-api-version": "registry/2.0",
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    "accept-ranges": "bytes",
    etag: `"${digest}"`,
  };
  const range = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(request.headers.get("range") ?? "");
  if (range === null) {
    const body = request.method === "HEAD" ? null : blob.open();
    return new Response(body, { status: 200, headers: { ...headers, "content-length": String(sizeBytes) } });
  }
  const first = Number(range[1]);
  const last = Math.min(range[2] === "" ? sizeBytes - 1 : Number(range[2]), sizeBytes - 1);
  if (first > last) {
    return answer(request, { status: 416, headers: { ...headers, "content-range": `bytes */${sizeBytes}` } });
  }
  const bytes = last + 1 - first;
  const part = { "content-length": String(bytes), "content-range": `bytes ${first}-${last}/${sizeBytes}` };
  const body = request.method === "HEAD" ? null : blob.open({ fromByte: first, bytes });
  return new Response(body, { status: 206, headers: { ...headers, ...part } });
}

/** A stored manifest as the answer to GET or HEAD, with the media type and digest it was stored under. */
export function manifestAnswer(request: Request, stored: StoredManifest): Response {
  return answer(request, {
    body: new Uint8Array(stored.bytes),
    headers: {
      "content-type": stored.mediaType,
      "docker-content-digest": stored.digest,
      etag: `"${stored.digest}"`,
    },
  });
}
