/**
 * One layer of an image: files, folders and links as a deterministic tar, compressed while it is made.
 *
 * The content is sorted, the owner, modes and times are given and nothing else of this machine gets in, so the same content
 * has the same digests (of the tar and of the compressed layer) on every run. The compressed bytes depend on the deflate
 * of the runtime too: one version of the executable gives one digest.
 *
 * @see OCI image-spec v1.1.1, layer.md
 */
import { createGzip } from "node:zlib";
import { createDigester, type Digest, digestOf } from "../core/digest.ts";
import { TAR_END, tarHeader, tarPadding } from "../oci/tar.ts";

/** What stands at a path of the image; a folder ends with `/`. */
export interface LayerEntry {
  /** Relative, with `/`. */
  readonly path: string;
  /** Content of a file. */
  readonly bytes?: Uint8Array;
  /** Where a symbolic link points; then there is no content. */
  readonly target?: string;
  /** Octal permission bits; default 0o755 for folders, 0o644 for files. */
  readonly mode?: number;
  /** Number of the owning user and group; default 0. */
  readonly owner?: number;
}

export interface Layer {
  /** Compressed. */
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  /** Digest of the tar before compression; it stands in the config of the image. */
  readonly diffId: Digest;
}

/** Bytes handed to the compressor at a time, so that the program can answer a signal in between. */
const PIECE_BYTES = 1024 * 1024;
/** 9 makes the executable 2 % smaller in two and a half times the time (measured 2026-11-21). */
const LEVEL = 6;

/**
 * Packs a layer. Safe to call again: the same entries give the same bytes.
 *
 * @param options.modifiedSeconds Time of every entry, seconds since 1970.
 * @throws {ApplianceError} oci/bad-archive when a path or a target is too long for ustar, or leaves the root.
 */
export async function packLayer(
  entries: readonly LayerEntry[],
  options: { readonly modifiedSeconds: number },
): Promise<Layer> {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const tarDigest = createDigester();
  const gzip = createGzip({ level: LEVEL });
  const pieces: Uint8Array[] = [];
  gzip.on("data", (piece: Uint8Array) => pieces.push(piece));
  const ended = new Promise<void>((resolve, reject) => void gzip.on("end", resolve).on("error", reject));
  for (const piece of tarPieces(sorted, options.modifiedSeconds)) {
    tarDigest.update(piece);
    await new Promise<void>((resolve) => void gzip.write(piece, () => resolve()));
  }
  gzip.end();
  await ended;
  const bytes = Buffer.concat(pieces);
  // RFC 1952 section 2.3.1: byte 9 names the operating system of the compressor; 255 is "unknown" on every platform.
  bytes[9] = 255;
  pieces.length = 0;
  return { bytes, digest: digestOf(bytes), diffId: tarDigest.digest() };
}

function* tarPieces(entries: readonly LayerEntry[], modifiedSeconds: number): Generator<Uint8Array> {
  for (const entry of entries) {
    const { bytes = new Uint8Array() } = entry;
    yield header(entry, modifiedSeconds);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
    yield tarPadding(bytes.length);
  }
  yield TAR_END;
}

const MODES = { folder: 0o755, file: 0o644, link: 0o777 } as const;

function header({ path, bytes, target, mode, owner = 0 }: LayerEntry, modifiedSeconds: number): Uint8Array {
  const type = path.endsWith("/") ? "folder" : target === undefined ? "file" : "link";
  const link = target === undefined ? {} : { target };
  return tarHeader({
    path,
    type,
    sizeBytes: bytes?.length ?? 0,
    mode: mode ?? MODES[type],
    owner,
    modifiedSeconds,
    ...link,
  });
}
