/**
 * An OCI image layout in a tar file, read where it lies: nothing is unpacked.
 *
 * One pass over the headers notes where each blob begins; content is then read from the open file like from a folder. The
 * file is untrusted: only the names of a layout are accepted, each once and as a plain file, and what a header claims is
 * compared with the length of the file before anything is read.
 *
 * @see POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format"; GNU tar manual, "Basic Tar Format"
 */
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Deps, OpenedFile } from "../core/ports.ts";
import { contentReader, type Layout, openLayout } from "./layout.ts";
import { badLayout, checkLayoutMarker, MAX_INDEX_BYTES, MAX_MARKER_BYTES, parseLayoutIndex } from "./layout-index.ts";
import { readPaxRecords } from "./pax.ts";
import { readTarHeader, type TarHeader } from "./tar-reader.ts";

const BLOCK = 512;
/** Headers; a store of a hundred releases has a few thousand blobs. */
const MAX_HEADERS = 100_000;
/** What a pax or GNU header may hold for a name of 77 letters, with times and owners. */
const MAX_EXTENSION_BYTES = 64 * 1024;
/** Zeros after the end: tar fills up to a record of 10 KiB, or whatever blocking factor somebody chose. */
const MAX_TRAILER_BYTES = 16 * 1024 * 1024;

interface Place {
  readonly offset: number;
  readonly sizeBytes: number;
}

/**
 * Opens a layout where it lies: a folder, or a tar file. Close it at the end.
 *
 * @throws {ApplianceError} oci/bad-layout when there is nothing or something else; oci/truncated, saying where, for a tar
 *   that ends early; file/unreadable.
 */
export async function openLayoutAt(deps: Pick<Deps, "files">, place: string): Promise<Layout> {
  const found = await deps.files.stat(place);
  if (found === undefined) throw badLayout(place, "there is nothing of that name");
  return found.kind === "directory" ? openLayout(deps, place) : openLayoutTar(deps, place);
}

/** Opens a layout in a tar file. Throws as `openLayoutAt` does. */
export async function openLayoutTar(deps: Pick<Deps, "files">, path: string): Promise<Layout> {
  const file = await deps.files.openRead(path);
  if (file === undefined) throw badLayout(path, "there is no such file");
  try {
    const places = await findPlaces(file, path);
    const small = async (name: string, maxBytes: number): Promise<Uint8Array | undefined> => {
      const at = places.get(name);
      if (at === undefined) return undefined;
      if (at.sizeBytes > maxBytes) {
        throw badLayout(path, `"${name}" has ${at.sizeBytes} bytes, at most ${maxBytes} are read`);
      }
      return file.readAt(at.offset, at.sizeBytes);
    };
    checkLayoutMarker(await small("oci-layout", MAX_MARKER_BYTES), path);
    const index = parseLayoutIndex(await small("index.json", MAX_INDEX_BYTES), path);
    const placeOf = (digest: Digest): Place | undefined => places.get(blobName(digest));
    const content = contentReader(path, {
      size: async (digest) => placeOf(digest)?.sizeBytes,
      extent: async (digest) => {
        const at = placeOf(digest);
        return at && { ...at, file, close: async () => {} };
      },
    });
    return { ...content, entries: () => index, close: file.close };
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

function blobName(digest: Digest): string {
  return `blobs/sha256/${digest.slice("sha256:".length)}`;
}

/** Name -> place of every file of the layout. */
async function findPlaces(file: OpenedFile, path: string): Promise<ReadonlyMap<string, Place>> {
  const places = new Map<string, Place>();
  for await (const { name, type, place } of entriesOf(file, path)) {
    if (type === "5" && isFolderOfLayout(name)) continue;
    if (type !== "0" && type !== "7") {
      throw badLayout(path, `"${shown(name)}" is a link, a device, sparse or of an unknown type ("${type}")`);
    }
    if (!isNameOfLayout(name)) throw badLayout(path, `it holds "${shown(name)}", which is no part of a layout`);
    if (places.has(name)) throw badLayout(path, `"${name}" stands twice in it`);
    places.set(name, place);
  }
  return places;
}

function shown(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f]/g, "?").slice(0, 200);
}

function isFolderOfLayout(name: string): boolean {
  return ["", "blobs", "blobs/sha256"].includes(name.replace(/\/$/, ""));
}

function isNameOfLayout(name: string): boolean {
  if (name === "oci-layout" || name === "index.json") return true;
  return name.startsWith("blobs/sha256/") && isDigest(`sha256:${name.slice("blobs/sha256/".length)}`);
}

interface TarEntryPlace {
  readonly name: string;
  readonly type: string;
  readonly place: Place;
}

/** Walks over the headers; contents are skipped, extensions are applied to the header that follows them. */
async function* entriesOf(file: OpenedFile, path: string): AsyncGenerator<TarEntryPlace, void> {
  let extension: Extension = {};
  let at = 0;
  for (let count = 0; ; count += 1) {
    if (count >= MAX_HEADERS) throw badLayout(path, `it has more than ${MAX_HEADERS} headers`);
    const block = await blockAt(file, { path, at });
    if (block.every((byte) => byte === 0)) return checkTrailer(file, { path, at });
    const header = headerAt(block, { path, at });
    const isExtension = ["x", "g", "L"].includes(header.type);
    const sizeBytes = isExtension ? header.sizeBytes : (extension.sizeBytes ?? header.sizeBytes);
    const place = { offset: at + BLOCK, sizeBytes };
    const name = isExtension ? "a header" : withoutDots(extension.path ?? header.path);
    refuseTruncation(file, { path, name, place });
    if (isExtension) extension = await readExtension(file, { path, header, place, before: extension });
    else {
      yield { name, type: header.type, place };
      extension = {};
    }
    at = place.offset + Math.ceil(sizeBytes / BLOCK) * BLOCK;
  }
}

async function blockAt(file: OpenedFile, where: { readonly path: string; readonly at: number }): Promise<Uint8Array> {
  const block = await file.readAt(where.at, BLOCK);
  if (block.length === BLOCK) return block;
  throw truncated(where.path, { at: file.sizeBytes, is: "before its end mark" });
}

/** `tar -C folder .` writes "./" before every name. */
function withoutDots(name: string): string {
  return name.replace(/^(?:\.\/+)+/, "").replace(/^\.$/, "");
}

function headerAt(block: Uint8Array, where: { readonly path: string; readonly at: number }): TarHeader {
  try {
    return readTarHeader(block, `"${where.path}"`);
  } catch (cause) {
    if (where.at > 0) throw badLayout(where.path, `the header at byte ${where.at} is damaged`, cause);
    const isGzip = block[0] === 0x1f && block[1] === 0x8b;
    const isZstd = block[0] === 0x28 && block[1] === 0xb5 && block[2] === 0x2f && block[3] === 0xfd;
    const is = isGzip || isZstd ? `it is compressed with ${isGzip ? "gzip" : "zstd"}` : "it is no tar file";
    throw badLayout(where.path, `${is}, a plain tar or a folder is wanted`, cause);
  }
}

function refuseTruncation(
  file: OpenedFile,
  entry: { readonly path: string; readonly name: string; readonly place: Place },
): void {
  const { place, name, path } = entry;
  const there = file.sizeBytes - place.offset;
  if (place.sizeBytes <= there) return;
  const is = `inside "${shown(name)}", of which ${Math.max(there, 0)} of ${place.sizeBytes} bytes are there`;
  throw truncated(path, { at: file.sizeBytes, is });
}

function truncated(path: string, found: { readonly at: number; readonly is: string }): ApplianceError {
  return new ApplianceError("oci/truncated", `Cannot use "${path}": it ends at byte ${found.at}, ${found.is}`, {
    hint: "Copy the file again, and compare its size with the one that was written",
    details: { endsAtByte: found.at },
  });
}

/** After the end mark stand zeros only: whatever else were there would be seen by other readers. */
async function checkTrailer(file: OpenedFile, end: { readonly path: string; readonly at: number }): Promise<void> {
  const rest = file.sizeBytes - end.at;
  if (rest < 2 * BLOCK) throw truncated(end.path, { at: file.sizeBytes, is: "inside its end mark" });
  const bytes = await file.readAt(end.at, Math.min(rest, MAX_TRAILER_BYTES + 1));
  if (bytes.length > MAX_TRAILER_BYTES || bytes.some((byte) => byte !== 0)) {
    throw badLayout(end.path, `something follows its end mark at byte ${end.at}`);
  }
}

/** What an extension says of the entry that follows it. */
interface Extension {
  readonly path?: string;
  readonly sizeBytes?: number;
}

async function readExtension(
  file: OpenedFile,
  found: { readonly path: string; readonly header: TarHeader; readonly place: Place; readonly before: Extension },
): Promise<Extension> {
  const { path, header, place, before } = found;
  if (place.sizeBytes > MAX_EXTENSION_BYTES) {
    throw badLayout(path, `a header at byte ${place.offset} has ${place.sizeBytes} bytes, which is too large`);
  }
  const bytes = await file.readAt(place.offset, place.sizeBytes);
  if (header.type === "L") return { ...before, path: new TextDecoder().decode(bytes).replace(/\u0000[\s\S]*$/, "") };
  const records = readPaxRecords(bytes);
  if (records === undefined) throw badLayout(path, `the pax header at byte ${place.offset} is damaged`);
  const sparse = [...records.keys()].find((key) => key.startsWith("GNU.sparse."));
  if (sparse !== undefined) throw badLayout(path, `it holds a sparse file at byte ${place.offset}`);
  const [name, size] = [records.get("path"), records.get("size")];
  if (header.type === "g") {
    if (name !== undefined || size !== undefined) throw badLayout(path, "a global pax header names a path or a size");
    return before;
  }
  if (size !== undefined && !/^\d{1,15}$/.test(size))
    throw badLayout(path, "a pax header has a size that is no number");
  return {
    ...before,
    ...(name === undefined ? {} : { path: name }),
    ...(size === undefined ? {} : { sizeBytes: Number(size) }),
  };
}
