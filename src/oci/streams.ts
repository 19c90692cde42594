/** Byte streams for uploads: cut into pieces of one size, and counted as they pass. */

/**
 * Cuts a stream into pieces of exactly `bytes`, the last one shorter. There is one buffer for all of them: a piece is whole
 * until the next one is asked for. The last piece is given when the stream has ended well, so a stream that checks its bytes
 * at its end never gives all of them when they are wrong. Ends the stream when the receiver stops early. An empty stream
 * gives nothing.
 */
export async function* piecesOf(
  stream: ReadableStream<Uint8Array>,
  size: { readonly bytes: number },
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const reader = stream.getReader();
  let isOver = false;
  const piece = new Uint8Array(size.bytes);
  let filled = 0;
  try {
    while (!isOver) {
      const { done, value } = await reader.read();
      isOver = done;
      for (let rest = value ?? new Uint8Array(); rest.length > 0; ) {
        if (filled === size.bytes) {
          yield piece;
          filled = 0;
        }
        const part = rest.subarray(0, size.bytes - filled);
        piece.set(part, filled);
        filled += part.length;
        rest = rest.subarray(part.length);
      }
    }
    if (filled > 0) yield piece.subarray(0, filled);
  } finally {
    if (!isOver) reader.cancel().catch(() => {});
  }
}

/** Lets bytes pass and tells how many did. */
export function bytesAlong(tell: (bytes: number) => void): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      tell(chunk.length);
      controller.enqueue(chunk);
    },
  });
}
