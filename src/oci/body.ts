/**
 * Reading bodies of untrusted answers: bounded in size, in silence and by the caller's signal.
 *
 * Whatever happens, the body is cancelled at the end, so that no connection stays half read.
 */
import { abortReason } from "../core/deadline.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";

export interface ReadOptions {
  /** What is read, for messages. */
  readonly what: string;
  readonly clock: Pick<Clock, "after">;
  /** Milliseconds without a byte; default 30 s. 0 disables. */
  readonly idleMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const IDLE_MS = 30_000;

/**
 * Yields the chunks of a body.
 *
 * @throws {ApplianceError} oci/stalled after `idleMs` of silence, the signal's reason when it fires, oci/encoding for a
 *   compressed answer, or what the transport says (net/reset, net/tls-truncated).
 */
export async function* chunksOf(response: Response, options: ReadOptions): AsyncGenerator<Uint8Array, void> {
  refuseEncoding(response, options.what);
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await nextChunk(reader, options);
      if (done) return;
      if (value.length > 0) yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;

async function nextChunk(reader: Reader, options: ReadOptions): Promise<ReadableStreamReadResult<Uint8Array>> {
  const idleMs = options.idleMs ?? IDLE_MS;
  let stop = (): void => {};
  const interrupted = new Promise<never>((_resolve, reject) => {
    const abort = (): void => reject(options.signal === undefined ? undefined : abortReason(options.signal));
    if (options.signal?.aborted) abort();
    options.signal?.addEventListener("abort", abort, { once: true });
    const cancel = idleMs === 0 ? () => {} : options.clock.after(idleMs, () => reject(stalled(options.what, idleMs)));
    stop = () => {
      cancel();
      options.signal?.removeEventListener("abort", abort);
    };
  });
  try {
    return await Promise.race([reader.read(), interrupted]);
  } catch (thrown) {
    throw asBodyError(thrown, options);
  } finally {
    stop();
  }
}

function asBodyError(thrown: unknown, options: ReadOptions): ApplianceError {
  if (!(thrown instanceof ApplianceError)) {
    return new ApplianceError("net/reset", `Cannot read ${options.what}: the connection broke`, { cause: thrown });
  }
  return thrown.code === "net/timeout" ? stalled(options.what, options.idleMs ?? IDLE_MS, thrown) : thrown;
}

function stalled(what: string, idleMs: number, cause?: unknown): ApplianceError {
  return new ApplianceError("oci/stalled", `Cannot read ${what}: no byte has come for ${Math.round(idleMs / 1000)} s`, {
    cause,
  });
}

/** We ask for identity; a digest is of the bytes as stored, so an answer in another encoding cannot be checked. */
function refuseEncoding(response: Response, what: string): void {
  const encoding = response.headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding === "" || encoding === "identity") return;
  response.body?.cancel().catch(() => {});
  throw new ApplianceError(
    "oci/encoding",
    `Cannot read ${what}: the answer is encoded as "${encoding.slice(0, 40)}", which was not asked for`,
  );
}

/** The Content-Length of an answer; undefined when it is absent. */
export function announcedBytes(response: Response): number | undefined {
  const header = response.headers.get("content-length");
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

/**
 * Reads a whole body of unknown content into memory.
 *
 * @throws {ApplianceError} oci/too-large beyond `maxBytes`; oci/short-body and oci/long-body when it does not have the
 *   length that it announces; and what `chunksOf` throws.
 */
export async function readBytes(
  response: Response,
  options: ReadOptions & { readonly maxBytes: number },
): Promise<Uint8Array> {
  const announced = announcedBytes(response);
  if (announced !== undefined && announced > options.maxBytes) {
    await response.body?.cancel();
    throw tooLarge(options, `${announced} bytes are announced`);
  }
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of chunksOf(response, options)) {
    sizeBytes += chunk.length;
    if (announced !== undefined && sizeBytes > announced) throw longBody(options.what, announced);
    if (sizeBytes > options.maxBytes) throw tooLarge(options, "it goes on beyond");
    chunks.push(chunk);
  }
  if (announced !== undefined && sizeBytes < announced) throw shortBody(options.what, { sizeBytes, wanted: announced });
  return new Uint8Array(Buffer.concat(chunks));
}

function tooLarge(options: { readonly what: string; readonly maxBytes: number }, is: string): ApplianceError {
  return new ApplianceError(
    "oci/too-large",
    `Cannot read ${options.what}: ${is}, at most ${options.maxBytes} bytes are read`,
  );
}

/** The error for a body that ends before its announced size, by a cut connection or a wrong size. */
export function shortBody(
  what: string,
  sizes: { readonly sizeBytes: number; readonly wanted: number },
): ApplianceError {
  return new ApplianceError(
    "oci/short-body",
    `Cannot use ${what}: it ends after ${sizes.sizeBytes} bytes, ${sizes.wanted} bytes are wanted`,
  );
}

/** The error for a body that goes on beyond its announced size; the rest is never read. */
export function longBody(what: string, wanted: number): ApplianceError {
  return new ApplianceError(
    "oci/long-body",
    `Cannot use ${what}: it goes on after ${wanted} bytes, where it has to end`,
  );
}
