/** Byte streams for uploads, counted as they pass. */

/** Lets bytes pass and tells how many did. */
export function bytesAlong(tell: (bytes: number) => void): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      tell(chunk.length);
      controller.enqueue(chunk);
    },
  });
}
