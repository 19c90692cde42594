/**
 * Reading a body into memory with a bound: of a request, or of an answer whose content has no digest to check.
 *
 * Bodies are untrusted; nothing longer than the bound is kept, whatever its Content-Length claims.
 */

export interface BodyLimit {
  readonly maxBytes: number;
  /** What is thrown for a longer body. */
  readonly tooLarge: () => Error;
  /** Ends the reading when it fires; the body is then cut, so the caller looks at the signal. */
  readonly signal?: AbortSignal;
}

/** Reads a body to its end. A longer one is cancelled, so that the connection does not stay half read, and refused. */
export async function readBody(body: ReadableStream<Uint8Array> | null, limit: BodyLimit): Promise<Uint8Array> {
  if (body === null) return new Uint8Array();
  const reader = body.getReader();
  const cancel = (): void => void reader.cancel().catch(() => {});
  if (limit.signal?.aborted) cancel();
  limit.signal?.addEventListener("abort", cancel, { once: true });
  const chunks: Uint8Array[] = [];
  try {
    for (let sizeBytes = 0; ; ) {
      const { done, value } = await reader.read();
      if (done) return new Uint8Array(Buffer.concat(chunks));
      sizeBytes += value.length;
      if (sizeBytes > limit.maxBytes) throw limit.tooLarge();
      chunks.push(value);
    }
  } catch (thrown) {
    cancel();
    throw thrown;
  } finally {
    limit.signal?.removeEventListener("abort", cancel);
  }
}
