/** Decompressing parts of packages and layers of base images: gzip, zstd, xz or nothing, known by their first bytes. */
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { ApplianceError } from "../core/errors.ts";

export interface DecompressOptions {
  /** For messages. */
  readonly what: string;
  /** Bytes after decompression at most: a few kilobytes can unpack to terabytes. */
  readonly maxBytes: number;
}

type Format = "gzip" | "zstd" | "xz";

/** @see RFC 1952 section 2.3.1; RFC 8878 section 3.1.1; the .xz file format 1.2.1, section 2.1.1.1 */
const MAGIC: Readonly<Record<Format, readonly number[]>> = {
  gzip: [0x1f, 0x8b],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
};

/**
 * Decompresses whole bytes; bytes of no known format come back as they are.
 *
 * @throws {ApplianceError} oci/too-large over the bound, oci/bad-archive for damaged bytes.
 */
export async function decompress(bytes: Uint8Array, options: DecompressOptions): Promise<Uint8Array> {
  const format = (Object.keys(MAGIC) as Format[]).find((one) => MAGIC[one].every((byte, at) => bytes[at] === byte));
  try {
    if (format === "gzip") return gunzipSync(bytes, { maxOutputLength: options.maxBytes });
    if (format === "zstd") {
      assertWholeZstd(bytes);
      return zstdDecompressSync(bytes, { maxOutputLength: options.maxBytes });
    }
    if (format === "xz") return await unpackXz(bytes, options);
  } catch (cause) {
    if (cause instanceof ApplianceError) throw cause;
    if (cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(options);
    throw new ApplianceError("oci/bad-archive", `Cannot unpack ${options.what}: it is damaged`, { cause });
  }
  if (bytes.length > options.maxBytes) throw tooLarge(options);
  return bytes;
}

/**
 * Walks over the blocks of zstd frames to their end, without decoding them: Bun 1.4.5 gives the beginning of a frame that is
 * cut as if it were all (tried 2026-11-21).
 *
 * @throws {RangeError} when the last block of a frame is not there.
 * @see RFC 8878 section 3.1.1
 */
function assertWholeZstd(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const isSkippable = (view.getUint32(at, true) & 0xfffffff0) >>> 0 === 0x184d2a50;
    at = isSkippable ? at + 8 + view.getUint32(at + 4, true) : frameEnd(view, at + 4);
    if (at > bytes.length) throw new RangeError("a frame is cut");
  }
}

function frameEnd(view: DataView, start: number): number {
  const descriptor = view.getUint8(start);
  const [isSingle, hasChecksum] = [(descriptor & 0x20) !== 0, (descriptor & 0x04) !== 0];
  const contentSize = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  let at = start + 1 + (isSingle ? 0 : 1) + dictionary + contentSize;
  for (;;) {
    const block = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    // A block of type 1 repeats one byte.
    at += 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3);
    if ((block & 1) === 1) return at + (hasChecksum ? 4 : 0);
  }
}

async function unpackXz(bytes: Uint8Array, options: DecompressOptions): Promise<Uint8Array> {
  const { XzReadableStream } = await import("xz-decompress");
  const packed = new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(bytes);
      controller.close();
    },
  });
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of new XzReadableStream(packed)) {
    size += piece.length;
    if (size > options.maxBytes) throw tooLarge(options);
    // The stream hands out views of one buffer that it fills again.
    pieces.push(piece.slice());
  }
  return new Uint8Array(Buffer.concat(pieces));
}

function tooLarge({ what, maxBytes }: DecompressOptions): ApplianceError {
  return new ApplianceError("oci/too-large", `Cannot unpack ${what}: it unpacks to more than ${maxBytes} bytes`);
}
