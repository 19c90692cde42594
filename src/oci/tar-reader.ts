/**
 * Reading a gzip-compressed tar from a registry: bounded in bytes and files, and only plain files.
 *
 * The archive is untrusted even when its digest was right. Links, devices, absolute paths, `..` and a path that stands
 * twice are refused, because each has been used to write outside a folder or to show two readers two trees.
 *
 * @see POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format"
 */
import { gunzipSync } from "node:zlib";
import { ApplianceError } from "../core/errors.ts";

export interface ReadTarOptions {
  /** Files; default 2,000. */
  readonly maxFiles?: number;
  /** Bytes of the tar after decompression; default 64 MiB. */
  readonly maxBytes?: number;
  /** What the archive is, for messages. */
  readonly what?: string;
}

const BLOCK = 512;
const MAX_FILES = 2_000;
const MAX_BYTES = 64 * 1024 * 1024;
/** A path longer than this is no file of ours; pax and GNU headers could carry megabytes. */
const MAX_PATH = 1_024;

/** The header of an entry as it stands in the archive: nothing of it has been checked but its checksum. */
export interface TarHeader {
  readonly path: string;
  readonly sizeBytes: number;
  /** The type flag: "0" file, "1" hard link, "2" symbolic link, "5" folder, "L" and "x" a long path for the next entry. */
  readonly type: string;
  /** Where a link points. */
  readonly target: string;
}

/**
 * Unpacks a gzip-compressed tar into paths and bytes. Folders are left out; `./` in front is removed.
 *
 * @throws {ApplianceError} oci/too-large for a bomb or too many files, oci/bad-archive for what is not a gzip tar,
 *   oci/unsafe-archive for links, devices and paths that leave the folder.
 */
export function readTarGz(bytes: Uint8Array, options: ReadTarOptions = {}): Map<string, Uint8Array> {
  const what = options.what ?? "archive";
  const tar = unzip(bytes, { what, maxBytes: options.maxBytes ?? MAX_BYTES });
  const maxFiles = options.maxFiles ?? MAX_FILES;
  const files = new Map<string, Uint8Array>();
  let longPath: string | undefined;
  for (const { header, content } of tarEntries(tar, what)) {
    if (header.type === "L" || header.type === "x") {
      longPath = extendedNames(header, content).path ?? longPath;
      continue;
    }
    const path = longPath ?? header.path;
    longPath = undefined;
    if (isPlainFile(header.type, { what, path })) keep(files, { path: safePath(path, what), content, what });
    if (files.size > maxFiles) throw tooLarge(what, `it has more than ${maxFiles} files`);
  }
  return files;
}

/**
 * Walks over the headers and contents of a tar up to the first block of zeros. Paths are untrusted: use them as keys only.
 *
 * @throws {ApplianceError} oci/bad-archive for a damaged header or an archive that ends early.
 */
export function* tarEntries(
  tar: Uint8Array,
  what: string,
): Generator<{ readonly header: TarHeader; readonly content: Uint8Array }> {
  for (let at = 0; at + BLOCK <= tar.length; ) {
    const block = tar.subarray(at, at + BLOCK);
    if (block.every((byte) => byte === 0)) return;
    const header = readTarHeader(block, what);
    const content = tar.subarray(at + BLOCK, at + BLOCK + header.sizeBytes);
    if (content.length < header.sizeBytes) throw bad(what, `it ends inside "${header.path}"`);
    yield { header, content };
    at += BLOCK + Math.ceil(header.sizeBytes / BLOCK) * BLOCK;
  }
}

function unzip(bytes: Uint8Array, options: { readonly what: string; readonly maxBytes: number }): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: options.maxBytes });
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE") {
      throw tooLarge(options.what, `it unpacks to more than ${options.maxBytes} bytes`);
    }
    throw new ApplianceError("oci/bad-archive", `Cannot unpack ${options.what}: it is not gzip`, { cause });
  }
}

/**
 * Reads the header block of an entry, sizes beyond 8 GiB in GNU's base-256 form too.
 *
 * @throws {ApplianceError} oci/bad-archive when its checksum or its size is wrong.
 */
export function readTarHeader(block: Uint8Array, what: string): TarHeader {
  const stored = octalField(block, 148, 8);
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  if (stored !== sum) throw bad(what, "the checksum of a header is wrong, it is not a tar or it is damaged");
  const sizeBytes = octalField(block, 124, 12) ?? binaryField(block, 124, 12);
  if (sizeBytes === undefined) throw bad(what, "the size of a file is not a number");
  const name = text(block.subarray(0, 100));
  const isPosix = text(block.subarray(257, 263)) === "ustar";
  const prefix = isPosix ? text(block.subarray(345, 500)) : "";
  const type = String.fromCharCode(block[156] ?? 0);
  const target = text(block.subarray(157, 257));
  return { path: prefix === "" ? name : `${prefix}/${name}`, sizeBytes, type: type === "\u0000" ? "0" : type, target };
}

function octalField(block: Uint8Array, offset: number, length: number): number | undefined {
  const digits = text(block.subarray(offset, offset + length)).trim();
  return /^[0-7]{1,11}$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

/** A big-endian number with the highest bit of its first byte set. @see GNU tar manual, "Extensions to the Archive Format" */
function binaryField(block: Uint8Array, offset: number, length: number): number | undefined {
  if (block[offset] !== 0x80) return undefined;
  const value = block.subarray(offset + 1, offset + length).reduce((total, byte) => total * 256 + byte, 0);
  return Number.isSafeInteger(value) ? value : undefined;
}

function text(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** GNU keeps a long path or target as the content of an "L" or "K" entry, pax as records "<length> path=<path>" of an "x" entry. */
export function extendedNames(
  header: TarHeader,
  content: Uint8Array,
): { readonly path?: string | undefined; readonly target?: string | undefined } {
  if (header.type === "L") return { path: text(content.subarray(0, MAX_PATH + 1)) };
  if (header.type === "K") return { target: text(content.subarray(0, MAX_PATH + 1)) };
  const records = new TextDecoder().decode(content.subarray(0, 64 * 1024));
  return {
    path: /(?:^|\n)\d+ path=([^\n]*)\n/.exec(records)?.[1],
    target: /(?:^|\n)\d+ linkpath=([^\n]*)\n/.exec(records)?.[1],
  };
}

function isPlainFile(type: string, entry: { readonly what: string; readonly path: string }): boolean {
  if (type === "0" || type === "7") return true;
  if (type === "5" || type === "g") return false;
  throw unsafe(entry.what, `"${entry.path.slice(0, 200)}" is a link, a device or of an unknown type ("${type}")`);
}

function safePath(path: string, what: string): string {
  const parts = path.split("/").filter((part) => part !== ".");
  const isSafe =
    path.length <= MAX_PATH &&
    !path.startsWith("/") &&
    !/[\u0000-\u001f\\]/.test(path) &&
    parts.length > 0 &&
    parts.every((part) => part !== "" && part !== "..");
  if (!isSafe) throw unsafe(what, `the path "${path.slice(0, 200)}" leaves its folder or is not a plain one`);
  return parts.join("/");
}

function keep(
  files: Map<string, Uint8Array>,
  entry: { readonly path: string; readonly content: Uint8Array; readonly what: string },
): void {
  if (files.has(entry.path)) throw unsafe(entry.what, `the path "${entry.path}" stands twice`);
  files.set(entry.path, new Uint8Array(entry.content));
}

const bad = (what: string, is: string) => new ApplianceError("oci/bad-archive", `Cannot unpack ${what}: ${is}`);
const unsafe = (what: string, is: string) => new ApplianceError("oci/unsafe-archive", `Cannot unpack ${what}: ${is}`);
const tooLarge = (what: string, is: string) => new ApplianceError("oci/too-large", `Cannot unpack ${what}: ${is}`);
