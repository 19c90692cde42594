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
    if (format === "zstd") return zstdDecompressSync(bytes, { maxOutputLength: options.maxBytes });
    if (format === "xz") return await unpackXz(bytes, options);
  } catch (cause) {
    if (cause instanceof ApplianceError) throw cause;
    if (cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(options);
    throw new ApplianceError("oci/bad-archive", `Cannot unpack ${options.what}: it is damaged`, { cause });
  }
  if (bytes.length > options.maxBytes) throw tooLarge(options);
  return bytes;
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
