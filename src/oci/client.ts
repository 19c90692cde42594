/**
 * The registry client, pull side: a function of `Fetch`.
 *
 * Parties: the caller trusts digests that it holds (from a verified manifest or a person); the registry, its token
 * service, its storage and everything on the way are not trusted. Nothing is returned before its digest was checked,
 * except by `blobStream`, which says so. The order of the wrappers, outermost first: retries, redirects, login, count.
 *
 * @see OCI distribution-spec v1.1.1, "Pull"
 */
import { deadline } from "../core/deadline.ts";
import { type Digest, digestOf, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { retry } from "../core/retry.ts";
import { streamOf } from "../core/streams.ts";
import { failedAnswer } from "./answers.ts";
import { type BlobStart, readBlob } from "./blob.ts";
import { announcedBytes } from "./body.ts";
import {
  type Address,
  address,
  budgeted,
  type Connection,
  checkRepository,
  connect,
  get,
  leaving,
  nameOf,
  type RegistryDeps,
  type RegistryOptions,
} from "./connection.ts";
import { chooseEntry, type ManifestAnswer, readManifest } from "./manifest.ts";
import { ACCEPT_MANIFESTS, bareMediaType, isIndexType, isManifestType } from "./media-types.ts";
import { type Descriptor, MAX_MANIFEST_BYTES, type ManifestDocument, type Platform } from "./model.ts";
import { ping } from "./ping.ts";
import { listReferrers, type Referrers } from "./referrers.ts";
import { listTags } from "./tags.ts";

export type { RegistryDeps, RegistryOptions } from "./connection.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ManifestOptions extends CallOptions {
  /** Default 4 MiB. */
  readonly maxBytes?: number;
  /** Which entry of an index to follow. Without one an index must have exactly one entry. */
  readonly platform?: Platform;
  readonly artifactType?: string;
  /** What an earlier read of the tag gave; another digest is oci/tag-moved. */
  readonly expect?: Digest;
}

export interface DocumentOptions extends CallOptions {
  /** Default 4 MiB. */
  readonly maxBytes?: number;
  /** From a descriptor that named it; another size is oci/size-mismatch. */
  readonly size?: number;
}

export interface ReferrersOptions extends CallOptions {
  /** Absent: all. */
  readonly artifactType?: string;
}

export interface BlobOptions extends CallOptions {
  /** Refuse larger blobs before reading. Default: 4 MiB for `blob`, the descriptor's size for `blobStream`. */
  readonly maxBytes?: number;
  /** Goes on behind these bytes; the whole is checked. Absent: from the first byte. */
  readonly start?: BlobStart | undefined;
}

export interface PulledManifest {
  /** Of the manifest itself. */
  readonly descriptor: Descriptor;
  /** Of what the reference names: the index when one was followed, else the same. */
  readonly root: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: ManifestDocument;
}

/**
 * Reads from one registry. Everything it answers is untrusted until its digest is checked, and the calls that read content check
 * it. Safe to use for many calls at once.
 *
 * @throws {ApplianceError} oci/not-found, oci/unauthorized, oci/forbidden, oci/rate-limited, oci/unavailable, oci/too-large,
 *   oci/digest-mismatch and the `net/` codes, from every call.
 * @see OCI distribution-spec v1.1.1, "Pulling manifests", "Pulling blobs" and "Listing Referrers"
 */
export interface RegistryClient {
  readonly registry: string;
  /**
   * Tells whether a registry answers, by one request and at most one login.
   * @returns `authenticated: false` when it answers but does not let us in.
   */
  ping(signal?: AbortSignal): Promise<{ readonly serverTimeMs?: number; readonly authenticated: boolean }>;
  /** What a tag or digest names now, by one HEAD. The digest is the registry's claim until the content is read. */
  resolve(repository: string, reference: string, options?: CallOptions): Promise<Descriptor>;
  /** Reads a manifest by tag or digest and follows an index. */
  manifest(repository: string, reference: string, options?: ManifestOptions): Promise<PulledManifest>;
  /** Reads one manifest or index by tag or digest and follows nothing. */
  document(repository: string, reference: string, options?: DocumentOptions): Promise<ManifestAnswer>;
  /** Bytes of a blob as the registry announces them, by HEAD; undefined when it has none. */
  blobSize(repository: string, digest: Digest, options?: CallOptions): Promise<number | undefined>;
  /** What refers to a digest, by the API or the fallback tag; a claim until each is read by its digest. */
  referrers(repository: string, digest: Digest, options?: ReferrersOptions): Promise<Referrers>;
  /** Reads a blob into memory; returns only checked bytes. */
  blob(repository: string, descriptor: Descriptor, options?: BlobOptions): Promise<Uint8Array>;
  /** Streams a blob. The bytes are untrusted until the stream ends without an error. */
  blobStream(repository: string, descriptor: Descriptor, options?: BlobOptions): ReadableStream<Uint8Array>;
  /** All tags of a repository, page by page. @throws {ApplianceError} oci/too-large beyond 10,000 of them. */
  tags(repository: string, options?: CallOptions): Promise<readonly string[]>;
  /** Round trips so far, logins, redirects and retries included. */
  requests(): number;
}

const BLOB_TOTAL_MS = 30 * 60_000;
/** An index may point at an index once. */
const MAX_INDEX_DEPTH = 2;

/**
 * Makes a client of one registry. Nothing is sent yet.
 *
 * @throws {ApplianceError} oci/bad-reference when the registry is not `host[:port]`.
 */
export function createRegistryClient(deps: RegistryDeps, options: RegistryOptions): RegistryClient {
  const connection = connect(deps, options);
  return {
    registry: connection.base.host,
    ping: (signal) => ping(connection, signal),
    resolve: (repository, reference, call = {}) => resolve(connection, address(repository, reference), call),
    manifest: (repository, reference, call = {}) => pullManifest(connection, address(repository, reference), call),
    document: (repository, reference, call = {}) => document(connection, address(repository, reference), call),
    blobSize: (repository, digest, call = {}) => blobSize(connection, address(repository, digest), call),
    referrers: (repository, digest, call = {}) => referrers(connection, { repository, digest }, call),
    blob: (repository, descriptor, call = {}) => blob(connection, { repository, descriptor, call }),
    blobStream: (repository, descriptor, call = {}) =>
      streamOf(blobChunks(connection, { repository: checkRepository(repository), descriptor, call })),
    tags: (repository, call = {}) => tags(connection, checkRepository(repository), call),
    requests: () => connection.requests(),
  };
}

function resolve(connection: Connection, wanted: Address, call: CallOptions): Promise<Descriptor> {
  const what = nameOf(connection, wanted);
  return budgeted(connection, { what, signal: call.signal }, async (signal) => {
    const response = await connection.fetch(
      get(connection, manifestPath(wanted), { method: "HEAD", headers: { accept: ACCEPT_MANIFESTS }, signal }),
    );
    if (response.status !== 200) throw await failedAnswer(response, { what, clock: connection.deps.clock });
    await response.body?.cancel();
    const mediaType = bareMediaType(response.headers.get("content-type"));
    const digest = response.headers.get("docker-content-digest");
    const size = announcedBytes(response);
    const isUsable = isDigest(digest) && size !== undefined && (isManifestType(mediaType) || isIndexType(mediaType));
    // The headers of a HEAD are optional in the specification; then the content itself has to tell.
    if (!isUsable) return (await fetchManifest(connection, wanted, { signal })).descriptor;
    if (isDigest(wanted.reference) && digest !== wanted.reference) {
      throw new ApplianceError("oci/header-digest-mismatch", `Cannot use "${what}": the registry calls it ${digest}`);
    }
    return { mediaType, digest, size };
  });
}

function document(connection: Connection, wanted: Address, call: DocumentOptions): Promise<ManifestAnswer> {
  const { size, ...rest } = call;
  return budgeted(connection, { what: nameOf(connection, wanted), signal: call.signal }, (signal) =>
    fetchManifest(connection, { ...wanted, ...(size === undefined ? {} : { size }) }, { ...rest, signal }),
  );
}

function blobSize(connection: Connection, wanted: Address, call: CallOptions): Promise<number | undefined> {
  const what = nameOf(connection, wanted);
  return budgeted(connection, { what, signal: call.signal }, async (signal) => {
    const path = `/v2/${wanted.repository}/blobs/${wanted.reference}`;
    const response = await connection.fetch(get(connection, path, { method: "HEAD", signal }));
    await response.body?.cancel();
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw await failedAnswer(response, { what, clock: connection.deps.clock });
    const size = announcedBytes(response);
    if (size !== undefined) return size;
    throw new ApplianceError("oci/unexpected-answer", `Cannot use blob "${what}": the registry does not tell its size`);
  });
}

function referrers(
  connection: Connection,
  wanted: { readonly repository: string; readonly digest: Digest },
  call: ReferrersOptions,
): Promise<Referrers> {
  const { repository, digest } = { repository: checkRepository(wanted.repository), digest: wanted.digest };
  const what = nameOf(connection, { repository, reference: digest });
  return budgeted(connection, { what, signal: call.signal }, (signal) => {
    const ask = (url: URL, headers: Readonly<Record<string, string>>): Promise<Response> =>
      connection.fetch(get(connection, url.href, { headers, signal }));
    const { deps, options, base } = connection;
    const source = { get: ask, base, repository, clock: deps.clock, idleMs: options.idleMs, signal };
    return listReferrers(source, digest, call.artifactType);
  });
}

function manifestPath({ repository, reference }: Address): string {
  return `/v2/${repository}/manifests/${reference}`;
}

/** Reads one document; a body that breaks on the way is read again from its start. */
function fetchManifest(
  connection: Connection,
  wanted: Address & { readonly size?: number },
  call: ManifestOptions & { readonly signal: AbortSignal },
): Promise<ManifestAnswer> {
  const { deps, policy } = connection;
  const what = nameOf(connection, wanted);
  const attempt = async (): Promise<ManifestAnswer> => {
    const headers = { accept: ACCEPT_MANIFESTS };
    const response = await connection.once(get(connection, manifestPath(wanted), { headers, signal: call.signal }));
    return readManifest(response, {
      ...call,
      reference: wanted.reference,
      size: wanted.size,
      what,
      clock: deps.clock,
      idleMs: connection.options.idleMs,
    });
  };
  return retry(attempt, deps, { policy, signal: call.signal });
}

function pullManifest(connection: Connection, wanted: Address, call: ManifestOptions): Promise<PulledManifest> {
  const what = nameOf(connection, wanted);
  return budgeted(connection, { what, signal: call.signal }, async (signal) => {
    const { expect, ...inner } = call;
    let answer = await fetchManifest(connection, wanted, { ...call, signal });
    const root = answer.descriptor;
    for (let depth = 0; answer.document.kind === "index"; depth += 1) {
      if (depth >= MAX_INDEX_DEPTH) {
        throw new ApplianceError("oci/bad-manifest", `Cannot use index "${what}": it points at indexes without end`);
      }
      const entry = chooseEntry(answer.document.index, call, what);
      const next = { repository: wanted.repository, reference: entry.digest, size: entry.size };
      answer = await fetchManifest(connection, next, { ...inner, signal });
    }
    return { descriptor: answer.descriptor, root, bytes: answer.bytes, manifest: answer.document.manifest };
  });
}

interface BlobCall {
  readonly repository: string;
  readonly descriptor: Descriptor;
  readonly call: BlobOptions;
}

async function blob(connection: Connection, wanted: BlobCall): Promise<Uint8Array> {
  const call = { ...wanted.call, maxBytes: wanted.call.maxBytes ?? MAX_MANIFEST_BYTES };
  const chunks: Uint8Array[] = [];
  for await (const chunk of blobChunks(connection, {
    ...wanted,
    repository: checkRepository(wanted.repository),
    call,
  })) {
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/**
 * Yields the bytes of a blob in order; untrusted until the end is reached without an error. Throws as `readBlob` does.
 */
export async function* blobChunks(connection: Connection, wanted: BlobCall): AsyncGenerator<Uint8Array, void> {
  const { repository, descriptor, call } = wanted;
  const { deps, options } = connection;
  const what = `${connection.base.host}/${repository}@${descriptor.digest}`;
  refuseLarge(descriptor, { what, maxBytes: call.maxBytes ?? descriptor.size });
  const inline = inlineData(descriptor);
  if (inline !== undefined) {
    yield inline.subarray(call.start?.bytes ?? 0);
    return;
  }
  const limit = deadline(deps.clock, options.blobTotalMs ?? BLOB_TOTAL_MS, {
    what: `"${what}"`,
    ...(call.signal === undefined ? {} : { parent: call.signal }),
  });
  const open = (fromByte: number): Promise<Response> => {
    const headers: Record<string, string> = fromByte === 0 ? {} : { range: `bytes=${fromByte}-` };
    return connection.fetch(
      get(connection, `/v2/${repository}/blobs/${descriptor.digest}`, { headers, signal: limit.signal }),
    );
  };
  try {
    yield* readBlob(deps, descriptor, {
      open,
      what,
      start: call.start,
      policy: connection.policy,
      idleMs: options.idleMs,
      signal: limit.signal,
    });
  } catch (thrown) {
    throw leaving(connection, thrown);
  } finally {
    limit.cancel();
  }
}

function refuseLarge(descriptor: Descriptor, bound: { readonly what: string; readonly maxBytes: number }): void {
  if (descriptor.size <= bound.maxBytes) return;
  throw new ApplianceError(
    "oci/too-large",
    `Cannot read blob "${bound.what}": it has ${descriptor.size} bytes, at most ${bound.maxBytes} are read`,
  );
}

/** Content inside the descriptor saves a round trip; wrong content is passed over and the blob is read. @see OCI image-spec v1.1.1, descriptor.md, "Embedded Content" */
function inlineData(descriptor: Descriptor): Uint8Array | undefined {
  if (descriptor.data === undefined || descriptor.data.length > MAX_MANIFEST_BYTES) return undefined;
  const bytes = new Uint8Array(Buffer.from(descriptor.data, "base64"));
  return bytes.length === descriptor.size && digestOf(bytes) === descriptor.digest ? bytes : undefined;
}

function tags(connection: Connection, repository: string, call: CallOptions): Promise<readonly string[]> {
  const what = `${connection.base.host}/${repository}`;
  return budgeted(connection, { what, signal: call.signal }, (signal) =>
    listTags({
      get: (url) => connection.fetch(get(connection, url.href, { signal })),
      url: new URL(`/v2/${repository}/tags/list`, connection.base),
      what,
      clock: connection.deps.clock,
      idleMs: connection.options.idleMs,
      signal,
    }),
  );
}
