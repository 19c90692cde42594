/**
 * Reading content of a layout from an open file: hashed while it streams, never longer than its descriptor says.
 *
 * The disk is as untrusted as a registry: a stick is copied by hand, a disk rots. The chunks are untrusted until the end is
 * reached without an error.
 */
import { abortReason } from "../core/deadline.ts";
import { createDigester, type Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { OpenedFile } from "../core/ports.ts";

/** Where content lies in an open file. Whoever opens it closes it, by `close`. */
export interface Extent {
  readonly file: OpenedFile;
  readonly offset: number;
  readonly sizeBytes: number;
  close(): Promise<void>;
}

export interface Wanted {
  readonly digest: Digest;
  readonly size: number;
}

export interface ReadingOptions {
  /** The layout, for messages. */
  readonly what: string;
  /** Bytes before this one are checked but not given. Default 0. */
  readonly fromByte?: number;
  readonly signal?: AbortSignal;
}

/** 1 MiB: few calls for gigabytes, little memory for many readers. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Yields content in order and checks it as a whole.
 *
 * @throws {ApplianceError} oci/not-found when there is no extent, oci/size-mismatch, oci/digest-mismatch, file/unreadable,
 *   or the reason of the signal.
 */
export async function* checkedChunks(
  extent: Extent | undefined,
  wanted: Wanted,
  options: ReadingOptions,
): AsyncGenerator<Uint8Array, void> {
  if (extent === undefined) throw missingContent(wanted.digest, options.what);
  try {
    if (extent.sizeBytes !== wanted.size) {
      throw new ApplianceError(
        "oci/size-mismatch",
        `Cannot use "${wanted.digest}" of "${options.what}": it has ${extent.sizeBytes} bytes, ${wanted.size} are wanted`,
      );
    }
    const digester = createDigester();
    let skip = options.fromByte ?? 0;
    for await (const chunk of chunksOf(extent, { fromByte: 0, bytes: wanted.size }, options)) {
      digester.update(chunk);
      const fresh = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - fresh.length;
      if (fresh.length > 0) yield fresh;
    }
    const digest = digester.digest();
    if (digest !== wanted.digest) throw wrongContent(wanted.digest, { what: options.what, digest });
  } finally {
    await extent.close();
  }
}

/**
 * Yields a part of content. A part cannot be checked: whoever puts parts together checks the whole.
 *
 * @throws {ApplianceError} oci/not-found, oci/truncated when the file became shorter, file/unreadable, or the reason of the
 *   signal.
 */
export async function* partChunks(
  extent: Extent | undefined,
  part: { readonly digest: Digest; readonly fromByte: number; readonly bytes: number },
  options: Omit<ReadingOptions, "fromByte">,
): AsyncGenerator<Uint8Array, void> {
  if (extent === undefined) throw missingContent(part.digest, options.what);
  try {
    yield* chunksOf(extent, part, options);
  } finally {
    await extent.close();
  }
}

async function* chunksOf(
  extent: Extent,
  part: { readonly fromByte: number; readonly bytes: number },
  options: Omit<ReadingOptions, "fromByte">,
): AsyncGenerator<Uint8Array, void> {
  const end = Math.min(part.fromByte + part.bytes, extent.sizeBytes);
  for (let at = part.fromByte; at < end; ) {
    if (options.signal?.aborted) throw abortReason(options.signal);
    const chunk = await extent.file.readAt(extent.offset + at, Math.min(CHUNK_BYTES, end - at));
    if (chunk.length === 0) {
      throw new ApplianceError(
        "oci/truncated",
        `Cannot read "${options.what}": it ends at byte ${extent.offset + at}, ${end - at} more are wanted`,
      );
    }
    at += chunk.length;
    yield chunk;
  }
}

/** The error for content that is not in a layout. */
export function missingContent(digest: Digest, what: string): ApplianceError {
  return new ApplianceError("oci/not-found", `Cannot read "${digest}" of "${what}": it is not there`);
}

/** The error for content with another digest than its name says. */
export function wrongContent(
  wanted: Digest,
  found: { readonly what: string; readonly digest: Digest },
): ApplianceError {
  return new ApplianceError(
    "oci/digest-mismatch",
    `Cannot use "${wanted}" of "${found.what}": its bytes have the digest ${found.digest}`,
    { hint: "Copy it again from where it came from, and check the disk or the stick" },
  );
}
