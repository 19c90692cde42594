/**
 * Packing files as a deterministic tar with gzip, the form of Helm charts and Flux artifacts.
 *
 * Sorted by path, owner 0, no times, fixed modes: the same files always give the same bytes, so a digest names content.
 *
 * @see POSIX.1-2017, pax, "ustar Interchange Format"
 */
import { gzipSync } from "node:zlib";
import { ApplianceError } from "../core/errors.ts";

export { type ReadTarOptions, readTarGz } from "./tar-reader.ts";

export interface TarFile {
  /** Relative, with `/`, without `..`. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Octal permission bits; default 0o644. */
  readonly mode?: number;
}

const BLOCK = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/**
 * Packs files into a gzip-compressed tar.
 *
 * @throws {ApplianceError} oci/bad-archive when a path is too long for ustar or stands twice.
 */
export function packTree(files: readonly TarFile[]): Uint8Array {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const twice = sorted.find((file, index) => file.path === sorted[index + 1]?.path);
  if (twice !== undefined) throw badPath(twice.path, "it stands twice");
  const parts = sorted.flatMap((file) => [header(file), file.bytes, new Uint8Array(padding(file.bytes.length))]);
  const zipped = gzipSync(Buffer.concat([...parts, new Uint8Array(2 * BLOCK)]), { level: 9 });
  // RFC 1952 section 2.3.1: byte 9 names the operating system of the compressor; 255 is "unknown" on every platform.
  zipped[9] = 255;
  return new Uint8Array(zipped);
}

function padding(sizeBytes: number): number {
  return (BLOCK - (sizeBytes % BLOCK)) % BLOCK;
}

function header(file: TarFile): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (offset: number, text: string): void => void block.set(new TextEncoder().encode(text), offset);
  const { prefix, name } = splitPath(file.path);
  put(0, name);
  put(100, octal(file.mode ?? 0o644, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(file.bytes.length, 11));
  put(136, octal(0, 11));
  put(148, "        ");
  put(156, "0");
  put(257, "ustar\u000000");
  put(345, prefix);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${octal(sum, 6)}\u0000 `);
  return block;
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
