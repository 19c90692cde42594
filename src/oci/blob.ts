/**
 * Reading one blob: hashed while it streams, gone on with by Range after an interruption, never longer than promised.
 *
 * The chunks are untrusted until the end is reached without an error: write them to a temporary place and use them only
 * then.
 *
 * @see OCI distribution-spec v1.1.1, "Pulling blobs"; RFC 9110 section 14
 */
import { createDigester, type Digester } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Clock, Random } from "../core/ports.ts";
import { backoffMs, type RetryPolicy } from "../core/retry.ts";
import { failedAnswer } from "./answers.ts";
import { announcedBytes, chunksOf, longBody, shortBody } from "./body.ts";
import { bareMediaType } from "./media-types.ts";
import type { Descriptor } from "./model.ts";

/** The beginning of a blob that the caller has from an earlier time; it is checked with the rest. */
export interface BlobStart {
  readonly bytes: number;
  /** Has taken those bytes. It is used up. */
  readonly digester: Digester;
}

export interface BlobSource {
  /** Asks for the blob from a byte on; 0 means the whole of it. */
  readonly open: (fromByte: number) => Promise<Response>;
  /** Reference, for messages. */
  readonly what: string;
  /** Absent: from the first byte. */
  readonly start?: BlobStart | undefined;
  readonly policy: RetryPolicy;
  readonly idleMs?: number | undefined;
  readonly signal: AbortSignal;
}

interface Progress {
  receivedBytes: number;
  /** Interruptions in all; a registry that drips a byte and breaks must come to an end too. */
  interruptions: number;
}

const MAX_INTERRUPTIONS = 10;

/**
 * Yields the bytes of a blob in order.
 *
 * @throws {ApplianceError} oci/digest-mismatch, oci/size-mismatch, oci/short-body, oci/long-body,
 *   oci/header-digest-mismatch, oci/unexpected-answer; oci/stalled, net/reset or net/tls-truncated when it breaks
 *   again and again.
 */
export async function* readBlob(
  deps: { readonly clock: Clock; readonly random: Random },
  descriptor: Descriptor,
  source: BlobSource,
): AsyncGenerator<Uint8Array, void> {
  const digester = source.start?.digester ?? createDigester();
  const progress: Progress = { receivedBytes: source.start?.bytes ?? 0, interruptions: 0 };
  for (;;) {
    const response = await source.open(progress.receivedBytes);
    try {
      for await (const chunk of newBytes(response, { descriptor, source, progress, clock: deps.clock })) {
        digester.update(chunk);
        yield chunk;
      }
      break;
    } catch (thrown) {
      await waitAfterInterruption(thrown, deps, { source, progress });
    }
  }
  if (progress.receivedBytes < descriptor.size) {
    throw shortBody(`blob "${source.what}"`, { sizeBytes: progress.receivedBytes, wanted: descriptor.size });
  }
  const digest = digester.digest();
  if (digest === descriptor.digest) return;
  throw new ApplianceError(
    "oci/digest-mismatch",
    `Cannot use blob "${source.what}": its bytes have the digest ${digest}`,
    {
      hint: "Do not use this registry before somebody has looked at it",
    },
  );
}

async function waitAfterInterruption(
  thrown: unknown,
  deps: { readonly clock: Clock; readonly random: Random },
  state: { readonly source: BlobSource; readonly progress: Progress },
): Promise<void> {
  const { source, progress } = state;
  const canGoOn = isApplianceError(thrown, "net/reset", "net/tls-truncated", "oci/stalled");
  progress.interruptions += 1;
  const most = Math.min(MAX_INTERRUPTIONS, source.policy.attempts * 2);
  if (!canGoOn || source.signal.aborted || progress.interruptions >= most) throw thrown;
  const attempt = Math.min(progress.interruptions + 1, source.policy.attempts);
  await deps.clock.sleep(backoffMs(source.policy, attempt, deps.random.fraction()), source.signal);
}

interface Reading {
  readonly descriptor: Descriptor;
  readonly source: BlobSource;
  readonly progress: Progress;
  readonly clock: Clock;
}

/** The bytes of one answer that were not received before; counts them. */
async function* newBytes(response: Response, reading: Reading): AsyncGenerator<Uint8Array, void> {
  const { descriptor, source, progress } = reading;
  let skip = await checkHead(response, reading);
  const options = { what: `blob "${source.what}"`, clock: reading.clock, idleMs: source.idleMs, signal: source.signal };
  for await (const chunk of chunksOf(response, options)) {
    const fresh = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - fresh.length;
    if (progress.receivedBytes + fresh.length > descriptor.size) throw longBody(options.what, descriptor.size);
    progress.receivedBytes += fresh.length;
    if (fresh.length > 0) yield fresh;
  }
}

/**
 * Checks status and headers, and returns how many bytes of the body are already there: a registry that ignores Range
 * starts again from the first byte.
 */
async function checkHead(response: Response, reading: Reading): Promise<number> {
  const { descriptor, source, progress } = reading;
  const from = progress.receivedBytes;
  const isPart = response.status === 206;
  if (response.status !== 200 && !(isPart && from > 0)) {
    throw await failedAnswer(response, { what: source.what, clock: reading.clock });
  }
  const problem = headProblem(response, { descriptor, what: source.what, from: isPart ? from : 0 });
  if (problem !== undefined) {
    await response.body?.cancel();
    throw problem;
  }
  return isPart ? 0 : from;
}

function headProblem(
  response: Response,
  wanted: { readonly descriptor: Descriptor; readonly what: string; readonly from: number },
): ApplianceError | undefined {
  const { descriptor, what, from } = wanted;
  const header = response.headers.get("docker-content-digest");
  if (header !== null && header !== descriptor.digest) return headerDigestMismatch(what, header);
  const type = bareMediaType(response.headers.get("content-type"));
  if (type === "text/html" && descriptor.mediaType !== "text/html") return htmlAnswer(what);
  const range = response.headers.get("content-range");
  if (from > 0 && range !== `bytes ${from}-${descriptor.size - 1}/${descriptor.size}`) {
    return new ApplianceError("oci/unexpected-answer", `Cannot go on with blob "${what}": the answer is another range`);
  }
  const announced = announcedBytes(response);
  if (announced === undefined || announced === descriptor.size - from) return undefined;
  return new ApplianceError(
    "oci/size-mismatch",
    `Cannot use blob "${what}": the registry announces ${announced} bytes, ${descriptor.size - from} are wanted`,
  );
}

/** Docker-Content-Digest is a claim; where it is there it must be the truth. */
export function headerDigestMismatch(what: string, header: string): ApplianceError {
  return new ApplianceError(
    "oci/header-digest-mismatch",
    `Cannot use "${what}": the registry calls it ${header.slice(0, 100)}, which is another digest`,
  );
}

/** The error for a web page where content was asked for: a proxy or a login page answered, not a registry. */
export function htmlAnswer(what: string): ApplianceError {
  return new ApplianceError(
    "oci/unexpected-answer",
    `Cannot use "${what}": the answer is a web page, so this is not a registry or a login page stands before it`,
    { hint: "Check the registry name, the proxy and the network's login page" },
  );
}
