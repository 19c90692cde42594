/**
 * Packing files as a deterministic tar with gzip, the form of Helm charts and Flux artifacts.
 *
 * Sorted by path, owner 0, no times, fixed modes: the same files always give the same bytes, so a digest names content.
 *
 * @see POSIX.1-2017, pax, "ustar Interchange Format"
 */
import { ApplianceError } from "../core/errors.ts";
import { gzipStored } from "./gzip-stored.ts";

export { extendedNames, type ReadTarOptions, readTarGz, tarEntries } from "./tar-reader.ts";

export interface TarFile {
  /** Relative, with `/`, without `..`. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Octal permission bits; default 0o644. */
  readonly mode?: number;
}

/** An entry of any kind, for archives that are more than files of one owner: the layers of an image. */
export interface TarEntry {
  /** Relative, with `/`, without `..`. A folder ends with `/`. */
  readonly path: string;
  readonly type?: "file" | "folder" | "link";
  /** Bytes of the content that follows the header; 0 for folders and links. */
  readonly sizeBytes: number;
  /** Octal permission bits; default 0o644. */
  readonly mode?: number;
  /** Number of the owning user and group; default 0. */
  readonly owner?: number;
  /** Seconds since 1970; default 0. */
  readonly modifiedSeconds?: number;
  /** Where a symbolic link points; at most 100 bytes. */
  readonly target?: string;
}

const TYPE_FLAGS = { file: "0", link: "2", folder: "5" } as const;
const BLOCK = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/**
 * Packs files into a tar inside gzip, stored and not compressed: see `gzipStored` for why.
 *
 * @throws {ApplianceError} oci/bad-archive when a path is too long for ustar or stands twice.
 */
export function packTree(files: readonly TarFile[]): Uint8Array {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const twice = sorted.find((file, index) => file.path === sorted[index + 1]?.path);
  if (twice !== undefined) throw badPath(twice.path, "it stands twice");
  const parts = sorted.flatMap((file) => {
    const entry = {
      path: file.path,
      sizeBytes: file.bytes.length,
      ...(file.mode === undefined ? {} : { mode: file.mode }),
    };
    return [tarHeader(entry), file.bytes, tarPadding(file.bytes.length)];
  });
  return gzipStored(Buffer.concat([...parts, TAR_END]));
}

/** Two blocks of zeros: the end of every archive. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK);

/** The zeros that fill the last block of a content of this size. */
export function tarPadding(sizeBytes: number): Uint8Array {
  return new Uint8Array((BLOCK - (sizeBytes % BLOCK)) % BLOCK);
}

/**
 * The header block of an entry; the content and its padding follow it.
 *
 * @throws {ApplianceError} oci/bad-archive when the path or the target is too long for ustar, or leaves its folder.
 */
export function tarHeader(entry: TarEntry): Uint8Array {
  const target = new TextEncoder().encode(entry.target ?? "");
  if (target.length > NAME_BYTES) throw badPath(entry.path, "the target of the link is too long for a tar header");
  const block = new Uint8Array(BLOCK);
  const put = (offset: number, text: string): void => void block.set(new TextEncoder().encode(text), offset);
  const { prefix, name } = splitPath(entry.path);
  put(0, name);
  put(100, octal(entry.mode ?? 0o644, 7));
  put(108, octal(entry.owner ?? 0, 7));
  put(116, octal(entry.owner ?? 0, 7));
  block.set(sizeField(entry.sizeBytes), 124);
  put(136, octal(entry.modifiedSeconds ?? 0, 11));
  put(148, "        ");
  put(156, TYPE_FLAGS[entry.type ?? "file"]);
  block.set(target, 157);
  put(257, "ustar\u000000");
  put(345, prefix);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${octal(sum, 6)}\u0000 `);
  return block;
}

/** Eleven octal digits reach 8 GiB; beyond, GNU's big-endian form. @see GNU tar manual, "Extensions to the Archive Format" */
function sizeField(sizeBytes: number): Uint8Array {
  if (sizeBytes < 8 ** 11) return new TextEncoder().encode(octal(sizeBytes, 11));
  const field = new Uint8Array(12);
  new DataView(field.buffer).setBigUint64(4, BigInt(sizeBytes));
  field[0] = 0x80;
  return field;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

/** ustar keeps a path in 100 bytes, or in a prefix of 155 and a name of 100 that are joined by a slash. */
function splitPath(path: string): { readonly prefix: string; readonly name: string } {
  const size = (text: string): number => new TextEncoder().encode(text).length;
  if (path === "" || path.startsWith("/") || path.split("/").includes(".."))
    throw badPath(path, "it leaves its folder");
  if (size(path) <= NAME_BYTES) return { prefix: "", name: path };
  for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
    if (size(name) <= NAME_BYTES && name !== "" && size(prefix) <= PREFIX_BYTES) return { prefix, name };
  }
  throw badPath(path, "it is too long for a tar header");
}

function badPath(path: string, is: string): ApplianceError {
  return new ApplianceError("oci/bad-archive", `Cannot pack file "${path.slice(0, 300)}": ${is}`);
}
