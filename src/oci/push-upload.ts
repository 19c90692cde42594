/**
 * Uploading one blob: in one PUT when it is small, else streamed in one PATCH that goes on where the registry says it is, and
 * in chunks where a stream is refused or nothing of a broken one was kept.
 *
 * Parties: the registry names the place of an upload; it must be its own, or nothing is sent there. It also says how far an
 * upload is; it is believed only between the start of the request that is on its way and its end. In the end it checks the
 * digest, and the push reads back. What is in memory is the last 8 MiB that were read.
 *
 * @see OCI distribution-spec v1.1.1, "Pushing blobs", "Pushing a blob in chunks"
 */
import { ApplianceError, isRetryable } from "../core/errors.ts";
import type { Descriptor } from "./model.ts";
import type { PushWire } from "./push-wire.ts";
import { createReplay, type Replay } from "./replay.ts";
import { bytesAlong } from "./streams.ts";

/** What goes in one PUT at most, and in one chunk where a registry takes no stream: proxies let that much through. */
const CHUNK_BYTES = 4_000_000;
/** A larger smallest chunk is not kept in memory; then the blob goes in one request. */
const MAX_CHUNK_BYTES = 64 * 1024 * 1024;
/** Kept of a stream for going on after a break: more than sockets hold on the way. */
const KEEP_BYTES = 8 * 1024 * 1024;
/** Uploads that are begun anew for one blob, after the registry has lost one. Refusals are not counted. */
const MAX_STARTS = 3;
/** How the bytes go, and what is tried when a registry refuses that: streamed by PATCH, in chunks, in one PUT. */
const WAYS = ["stream", "chunks", "whole"] as const;
type Way = (typeof WAYS)[number];

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
  let way: Way = "stream";
  for (let lostTimes = 0; ; ) {
    const session = begun ?? (await beginUpload(wire, upload));
    begun = undefined;
    const counted = counter(upload.onBytes);
    try {
      return await uploadOnce(wire, { ...upload, onBytes: counted.add }, { session, way });
    } catch (thrown) {
      counted.takeBack();
      const next = wayAfter(way, thrown);
      if (next === way) lostTimes += 1;
      if (next === undefined || lostTimes >= MAX_STARTS || wire.signal.aborted) throw causeOf(thrown);
      way = next;
    }
  }
}

/** The same way for an upload that was lost, the next one for what was refused; undefined: the blob cannot be sent. */
function wayAfter(way: Way, thrown: unknown): Way | undefined {
  if (!(thrown instanceof UploadLost)) return undefined;
  return thrown.isRefused ? WAYS[WAYS.indexOf(way) + 1] : way;
}

/** The upload cannot go on, but the blob may be sent anew. */
class UploadLost extends Error {
  readonly problem: ApplianceError;
  /** The registry refuses this way of sending, so the next upload goes another one. */
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

async function uploadOnce(
  wire: PushWire,
  upload: Upload,
  { session, way }: { readonly session: Session; readonly way: Way },
): Promise<void> {
  const { size } = upload.descriptor;
  const chunkBytes = Math.max(CHUNK_BYTES, session.minChunkBytes);
  const isTooLarge = way === "chunks" && chunkBytes > MAX_CHUNK_BYTES && size > MAX_CHUNK_BYTES;
  if (isTooLarge || (way === "whole" && size > CHUNK_BYTES)) return putWhole(wire, upload, session.location);
  const replay = createReplay(() => upload.stream(wire.signal), {
    sizeBytes: size,
    keepBytes: Math.max(KEEP_BYTES, chunkBytes),
  });
  const sending: Sending = {
    wire,
    upload,
    replay,
    chunkBytes,
    location: session.location,
    isInChunks: way === "chunks",
    arrivedBytes: 0,
    toldBytes: 0,
  };
  try {
    if (size <= CHUNK_BYTES) return await close(sending, new Uint8Array(await readWhole(replay.part(0, size), size)));
    while (sending.arrivedBytes < size) await sendOn(sending);
    await close(sending, undefined);
  } finally {
    replay.end();
  }
}

/** A small blob, in memory as a whole. A source that ends early is found by the registry, which has the digest. */
async function readWhole(stream: ReadableStream<Uint8Array>, size: number): Promise<Uint8Array> {
  const whole = new Uint8Array(size);
  let at = 0;
  for await (const bytes of stream) {
    whole.set(bytes, at);
    at += bytes.length;
  }
  return whole.subarray(0, at);
}

interface Sending {
  readonly wire: PushWire;
  readonly upload: Upload;
  readonly replay: Replay;
  readonly chunkBytes: number;
  location: URL;
  /** In requests of `chunkBytes`; else all that is left goes in one. */
  isInChunks: boolean;
  /** Bytes that the registry has acknowledged, and those that were told as arrived: on the way they are told when they go. */
  arrivedBytes: number;
  toldBytes: number;
}

/** One request with what has not arrived, again and again until some of it has. Whoever calls sends the rest. */
async function sendOn(sending: Sending): Promise<void> {
  const { wire, chunkBytes, upload } = sending;
  const from = sending.arrivedBytes;
  const end = (): number => Math.min(upload.descriptor.size, sending.isInChunks ? from + chunkBytes : Infinity);
  await wire.attempts(async (attempt) => {
    if (attempt > 1) {
      const goneBytes = sending.toldBytes - from;
      await askHowFar(sending, { from, to: end() });
      // What has arrived is progress: the rest is a request of its own, with attempts of its own.
      if (sending.arrivedBytes > from) return;
      // Something before the registry keeps nothing of a request that breaks, so a break must not cost much.
      if (goneBytes > chunkBytes) sending.isInChunks = true;
    }
    await patch(sending, end());
  });
  // A registry that takes a request and counts nothing would be asked for ever.
  if (sending.arrivedBytes === from) throw lost(sending, "it takes bytes and counts none", true);
}

/** Tells that so many bytes have arrived: more than before, or fewer after a break. */
function tell(sending: Sending, bytes: number): void {
  sending.upload.onBytes(bytes - sending.toldBytes);
  sending.toldBytes = bytes;
}

async function patch(sending: Sending, end: number): Promise<void> {
  const { wire, location, arrivedBytes, upload } = sending;
  const what = nameOf(wire, upload);
  const isAll = arrivedBytes === 0 && end === upload.descriptor.size;
  const response = await wire.send({
    method: "PATCH",
    url: location,
    body: sending.replay
      .part(arrivedBytes, end)
      .pipeThrough(bytesAlong((bytes) => tell(sending, sending.toldBytes + bytes))),
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(end - arrivedBytes),
      // As everybody sends a blob that goes in one request; registries limit what they take as a chunk.
      ...(isAll ? {} : { "content-range": `${arrivedBytes}-${end - 1}` }),
    },
    what,
    totalMs: sending.isInChunks ? undefined : 0,
  });
  if (response.status === 202 || response.status === 204) {
    await response.body?.cancel();
    sending.location = locationOf(wire, { response, from: location, what });
    const arrived = rangeOf(response);
    // Without a Range all has arrived; with one it counts, between what was there and what was sent.
    const isOdd = arrived !== undefined && arrived !== 0 && (arrived < arrivedBytes || arrived > end);
    if (isOdd) throw lost(sending, "it counts other bytes than were sent", true);
    sending.arrivedBytes = arrived === undefined || end === 1 ? end : Math.max(arrived, arrivedBytes);
    tell(sending, sending.arrivedBytes);
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

/** After a broken request: what has arrived of it? */
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
  tell(sending, arrived);
}

/** Ends the upload, with the whole blob when it is small. A broken end is looked at before it is tried again. */
async function close({ wire, upload, location }: Sending, whole: Uint8Array<ArrayBuffer> | undefined): Promise<void> {
  const what = nameOf(wire, upload);
  await wire.attempts(async (attempt) => {
    if (attempt > 1 && (await hasBlob(wire, upload))) return;
    const response = await wire.send({
      method: "PUT",
      url: withDigest(location, upload.descriptor),
      ...(whole === undefined ? {} : { body: whole }),
      headers: { "content-type": "application/octet-stream" },
      what,
    });
    // An upload of which a part came before the break is refused for its digest, and begun anew.
    await acceptEnd(wire, response, what);
  });
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
