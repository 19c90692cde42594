/**
 * Uploading one blob: in one PUT when it is small, else in chunks that go on where the registry says it is.
 *
 * Parties: the registry names the place of an upload; it must be its own, or nothing is sent there. It also says how far an
 * upload is; it is believed only between the start of the chunk that is on its way and its end. In the end it checks the
 * digest, and the push reads back. What is in memory is one chunk.
 *
 * @see OCI distribution-spec v1.1.1, "Pushing blobs", "Pushing a blob in chunks"
 */
import { ApplianceError, isRetryable } from "../core/errors.ts";
import type { Descriptor } from "./model.ts";
import type { PushWire } from "./push-wire.ts";
import { bytesAlong, piecesOf } from "./streams.ts";

/** GitHub's registry refuses chunks of more than 4 MiB; who wants larger ones says so. */
const CHUNK_BYTES = 4_000_000;
/** A larger smallest chunk is not kept in memory; then the blob goes in one request. */
const MAX_CHUNK_BYTES = 64 * 1024 * 1024;
/** Uploads that are begun anew for one blob, after the registry has lost or refused one. */
const MAX_STARTS = 3;

export interface Upload {
  readonly repository: string;
  readonly descriptor: Descriptor;
  /** The blob from its first byte; called again when the upload begins anew. */
  readonly stream: (signal: AbortSignal) => ReadableStream<Uint8Array>;
  /** The place of an upload that the registry has begun by itself, instead of a mount. */
  readonly begun?: Session | undefined;
  /** Told of bytes that have arrived; negative when an upload begins anew. */
  readonly onBytes: (bytes: number) => void;
}

/** An upload that a registry has begun. */
export interface Session {
  readonly location: URL;
  /** Bytes of every chunk but the last one; 0: the registry does not care. */
  readonly minChunkBytes: number;
}

/**
 * Uploads a blob. Safe to call again.
 *
 * @throws {ApplianceError} oci/bad-redirect when the upload is sent to another place, oci/digest-mismatch and others of the
 *   source through its stream, oci/unexpected-answer and what the wire throws.
 */
export async function uploadBlob(wire: PushWire, upload: Upload): Promise<void> {
  let { begun } = upload;
  let isWhole = false;
  for (let start = 1; ; start += 1) {
    const session = begun ?? (await beginUpload(wire, upload));
    begun = undefined;
    const counted = counter(upload.onBytes);
    try {
      return await uploadOnce(wire, { ...upload, onBytes: counted.add }, { session, isWhole });
    } catch (thrown) {
      counted.takeBack();
      if (start >= MAX_STARTS || wire.signal.aborted || !(thrown instanceof UploadLost)) throw causeOf(thrown);
      isWhole ||= thrown.isRefused;
    }
  }
}

/** The upload cannot go on, but the blob may be sent anew. */
class UploadLost extends Error {
  readonly problem: ApplianceError;
  /** The registry refuses chunks as such, so the next upload is one request. */
  readonly isRefused: boolean;

  constructor(problem: ApplianceError, isRefused: boolean) {
    super(problem.message);
    this.problem = problem;
    this.isRefused = isRefused;
  }
}

function causeOf(thrown: unknown): unknown {
  return thrown instanceof UploadLost ? thrown.problem : thrown;
}

function counter(tell: (bytes: number) => void): {
  readonly add: (bytes: number) => void;
  readonly takeBack: () => void;
} {
  let sum = 0;
  const add = (bytes: number): void => {
    sum += bytes;
    tell(bytes);
  };
  return { add, takeBack: () => add(-sum) };
}

function nameOf({ connection }: PushWire, { repository, descriptor }: Upload): string {
  return `${connection.base.host}/${repository}@${descriptor.digest}`;
}

async function beginUpload(wire: PushWire, upload: Upload): Promise<Session> {
  const what = nameOf(wire, upload);
  return wire.attempts(async () => {
    const response = await wire.send({
      method: "POST",
      url: wire.url(`/v2/${upload.repository}/blobs/uploads/`),
      what,
    });
    if (response.status !== 202) throw await wire.refusal(response, what);
    return sessionOf(wire, response, what);
  });
}

/**
 * Reads where an upload has begun.
 *
 * @throws {ApplianceError} oci/bad-redirect when it is not at the registry itself.
 */
export async function sessionOf(wire: PushWire, response: Response, what: string): Promise<Session> {
  await response.body?.cancel();
  const least = response.headers.get("oci-chunk-min-length") ?? "";
  return {
    location: locationOf(wire, { response, from: wire.connection.base, what }),
    minChunkBytes: /^\d{1,12}$/.test(least) ? Number(least) : 0,
  };
}

/**
 * The place that an answer names: at the registry itself and nowhere else, because the login and the bytes go there. A
 * registry behind a proxy that ends TLS may name itself with http; it is spoken to as before.
 */
function locationOf(
  { connection }: PushWire,
  given: { readonly response: Response; readonly from: URL; readonly what: string },
): URL {
  const { base } = connection;
  const named = given.response.headers.get("location") ?? "";
  const target = URL.canParse(named, given.from.href) ? new URL(named, given.from.href) : undefined;
  const isWeb = target?.protocol === "http:" || target?.protocol === "https:";
  const isOurs = isWeb && target.host === base.host && target.username === "" && target.password === "";
  if (named === "" || target === undefined || !isOurs) {
    throw new ApplianceError(
      "oci/bad-redirect",
      `Cannot push to "${given.what}": the upload is sent to another place`,
      {
        hint: "Check that the registry knows its own name behind its proxy",
      },
    );
  }
  target.protocol = base.protocol;
  target.hash = "";
  return target;
}

interface Way {
  readonly session: Session;
  /** In one request, whatever its size. */
  readonly isWhole: boolean;
}

async function uploadOnce(wire: PushWire, upload: Upload, { session, isWhole }: Way): Promise<void> {
  const chunkBytes = Math.max(CHUNK_BYTES, session.minChunkBytes);
  if (isWhole || (chunkBytes > MAX_CHUNK_BYTES && upload.descriptor.size > MAX_CHUNK_BYTES)) {
    return putWhole(wire, upload, session.location);
  }
  const sending: Sending = { wire, upload, location: session.location, arrivedBytes: 0 };
  for await (const chunk of piecesOf(upload.stream(wire.signal), { bytes: chunkBytes })) {
    if (chunk.length === upload.descriptor.size) return close(sending, chunk);
    await sendChunk(sending, chunk);
  }
  return close(sending, undefined);
}

interface Sending {
  readonly wire: PushWire;
  readonly upload: Upload;
  location: URL;
  /** Bytes that the registry has acknowledged. */
  arrivedBytes: number;
}

/** Sends the part of a chunk that has not arrived, again and again until all of it has. */
async function sendChunk(sending: Sending, chunk: Uint8Array<ArrayBuffer>): Promise<void> {
  const { wire } = sending;
  const chunkStart = sending.arrivedBytes;
  const end = chunkStart + chunk.length;
  let isUnsure = false;
  while (sending.arrivedBytes < end) {
    const before = sending.arrivedBytes;
    await wire.attempts(async () => {
      if (isUnsure) await askHowFar(sending, { from: chunkStart, to: end });
      isUnsure = true;
      if (sending.arrivedBytes < end) await patch(sending, chunk.subarray(sending.arrivedBytes - chunkStart));
      isUnsure = false;
    });
    // A registry that takes a chunk and counts nothing would be asked for ever.
    if (sending.arrivedBytes === before) throw lost(sending, "it takes chunks and counts no bytes", true);
    sending.upload.onBytes(sending.arrivedBytes - before);
  }
}

async function patch(sending: Sending, rest: Uint8Array<ArrayBuffer>): Promise<void> {
  const { wire, location, arrivedBytes } = sending;
  const what = nameOf(wire, sending.upload);
  const last = arrivedBytes + rest.length - 1;
  const response = await wire.send({
    method: "PATCH",
    url: location,
    body: rest,
    headers: { "content-type": "application/octet-stream", "content-range": `${arrivedBytes}-${last}` },
    what,
  });
  if (response.status === 202 || response.status === 204) {
    await response.body?.cancel();
    sending.location = locationOf(wire, { response, from: location, what });
    const arrived = rangeOf(response);
    // Without a Range all has arrived; with one it counts, between what was there and what was sent.
    const isOdd = arrived !== undefined && arrived !== 0 && (arrived < arrivedBytes || arrived > last + 1);
    if (isOdd) throw lost(sending, "it counts other bytes than were sent", true);
    sending.arrivedBytes = arrived === undefined || last === 0 ? last + 1 : Math.max(arrived, arrivedBytes);
    return;
  }
  const problem = await wire.refusal(response, what);
  const isRefused = [400, 404, 405, 411, 413, 416, 501].includes(response.status);
  throw isRefused ? new UploadLost(problem, response.status !== 404) : problem;
}

function lost({ wire, upload }: Sending, is: string, isRefused: boolean): UploadLost {
  const message = `Cannot push "${nameOf(wire, upload)}": the registry has lost the upload, ${is}`;
  return new UploadLost(new ApplianceError("oci/unexpected-answer", message), isRefused);
}

/** `0-<last byte>` as a count of bytes; undefined when there is none. Registries write `0-0` for one byte and for none. */
function rangeOf(response: Response): number | undefined {
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.headers.get("range") ?? "")?.[1];
  if (last === undefined) return undefined;
  return last === "0" ? 0 : Number(last) + 1;
}

/** After a broken request: what has arrived of the chunk? */
async function askHowFar(sending: Sending, chunk: { readonly from: number; readonly to: number }): Promise<void> {
  const { wire, location, upload } = sending;
  const what = nameOf(wire, upload);
  const response = await wire.send({ method: "GET", url: location, what });
  await response.body?.cancel();
  const arrived = response.status === 204 || response.status === 200 ? rangeOf(response) : undefined;
  if (arrived === undefined || arrived < chunk.from || arrived > chunk.to) {
    throw lost(sending, `it answers ${response.status} when it is asked how far it is`, false);
  }
  if (response.headers.has("location")) sending.location = locationOf(wire, { response, from: location, what });
  sending.arrivedBytes = arrived;
}

/** Ends the upload, with the whole blob when it is small. A broken end is looked at before it is tried again. */
async function close({ wire, upload, location }: Sending, whole: Uint8Array<ArrayBuffer> | undefined): Promise<void> {
  const what = nameOf(wire, upload);
  try {
    const response = await wire.send({
      method: "PUT",
      url: withDigest(location, upload.descriptor),
      ...(whole === undefined ? {} : { body: whole }),
      headers: { "content-type": "application/octet-stream" },
      what,
    });
    await acceptEnd(wire, response, what);
  } catch (thrown) {
    await lookAtEnd(wire, upload, thrown);
  }
  if (whole !== undefined) upload.onBytes(whole.length);
}

/** The whole blob in one request that streams. */
async function putWhole(wire: PushWire, upload: Upload, location: URL): Promise<void> {
  const what = nameOf(wire, upload);
  const body = upload.stream(wire.signal).pipeThrough(bytesAlong(upload.onBytes));
  try {
    const response = await wire.send({
      method: "PUT",
      url: withDigest(location, upload.descriptor),
      body,
      headers: { "content-type": "application/octet-stream", "content-length": String(upload.descriptor.size) },
      what,
      totalMs: 0,
    });
    await acceptEnd(wire, response, what);
  } catch (thrown) {
    await lookAtEnd(wire, upload, thrown);
  }
}

function withDigest(location: URL, { digest }: Descriptor): URL {
  const target = new URL(location);
  target.searchParams.set("digest", digest);
  return target;
}

async function acceptEnd(wire: PushWire, response: Response, what: string): Promise<void> {
  if (response.status === 201 || response.status === 204) {
    await response.body?.cancel();
    return;
  }
  const problem = await wire.refusal(response, what);
  throw [400, 404, 416].includes(response.status) ? new UploadLost(problem, false) : problem;
}

/** The answer of an end may be lost after the registry has kept the blob. */
async function lookAtEnd(wire: PushWire, upload: Upload, thrown: unknown): Promise<void> {
  if (!isRetryable(thrown)) throw thrown;
  const isThere = await wire.attempts(() => hasBlob(wire, upload));
  if (!isThere) throw new UploadLost(thrown as ApplianceError, false);
}

/**
 * Tells whether a registry has a blob of the right size.
 *
 * @throws {ApplianceError} oci/size-mismatch when it has one of another size under the digest.
 */
export async function hasBlob(
  wire: PushWire,
  { repository, descriptor }: Pick<Upload, "repository" | "descriptor">,
): Promise<boolean> {
  const what = `${wire.connection.base.host}/${repository}@${descriptor.digest}`;
  const url = wire.url(`/v2/${repository}/blobs/${descriptor.digest}`);
  const response = await wire.send({ method: "HEAD", url, what });
  await response.body?.cancel();
  if (response.status === 404) return false;
  if (response.status !== 200) throw await wire.refusal(response, what);
  const size = response.headers.get("content-length");
  if (size !== null && Number(size) !== descriptor.size) {
    throw new ApplianceError(
      "oci/size-mismatch",
      `Cannot push "${what}": the registry has ${size.slice(0, 20)} bytes under this digest, ${descriptor.size} are wanted`,
      { hint: "Its storage is damaged: delete the blob there, then publish again" },
    );
  }
  return true;
}
