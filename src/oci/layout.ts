/**
 * An OCI image layout as a folder on disk: `blobs/sha256/<hex>`, `index.json`, `oci-layout`.
 *
 * Parties: whoever wrote the folder is untrusted, as a registry is; whatever is read is checked against a digest that the
 * caller holds. `layout-writer.ts` writes what this file reads.
 *
 * @see OCI image-spec v1.1.1, image-layout.md
 */
import { join } from "node:path/posix";
import type { Digest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps, Files } from "../core/ports.ts";
import { streamOf } from "../core/streams.ts";
import { checkedChunks, type Extent, partChunks, type Wanted } from "./layout-content.ts";
import {
  badLayout,
  checkLayoutMarker,
  type LayoutEntry,
  MAX_INDEX_BYTES,
  MAX_MARKER_BYTES,
  parseLayoutIndex,
} from "./layout-index.ts";
import { MAX_MANIFEST_BYTES } from "./model.ts";

export type { LayoutEntry } from "./layout-index.ts";

/** A layout that is read, from a folder or from a tar file. Many may read at once. */
export interface Layout {
  /** The folder or file, for messages. */
  readonly place: string;
  /** What stands in index.json, in order: every manifest or index that is a root, with its repository and tag. */
  entries(): readonly LayoutEntry[];
  /** Tells whether content stands under its name. Its bytes are checked when they are read. */
  has(digest: Digest): Promise<boolean>;
  /** Bytes of some content; undefined when it is not there. */
  size(digest: Digest): Promise<number | undefined>;
  /**
   * Reads content into memory; returns only checked bytes.
   *
   * @param options.maxBytes Default 4 MiB.
   * @throws {ApplianceError} oci/too-large, oci/not-found, oci/size-mismatch, oci/digest-mismatch, file/unreadable.
   */
  bytes(descriptor: Wanted, options?: { readonly maxBytes?: number }): Promise<Uint8Array>;
  /**
   * Streams content. The chunks are untrusted until the stream ends without an error, which is one of those of `bytes`.
   *
   * @param options.fromByte Bytes before it are checked but not given.
   */
  stream(
    descriptor: Wanted,
    options?: { readonly fromByte?: number; readonly signal?: AbortSignal },
  ): ReadableStream<Uint8Array>;
  /** Streams a part, which nobody can check alone: whoever puts parts together checks the whole. */
  part(digest: Digest, range: { readonly fromByte: number; readonly bytes: number }): ReadableStream<Uint8Array>;
  /** Lets go of what is held open. Nothing is read afterwards. */
  close(): Promise<void>;
}

/** A layout that is written. Everything is safe to call again; two processes may fill one folder. */
export interface LayoutWriter extends Layout {
  putBlob(bytes: Uint8Array): Promise<{ readonly digest: Digest; readonly size: number }>;
  /**
   * Keeps a stream under its digest; does not read it when the content is there.
   *
   * @throws {ApplianceError} oci/digest-mismatch, oci/short-body, oci/long-body, what the stream throws, file/disk-full and
   *   file/unwritable; nothing of it is left then.
   */
  putStream(expected: Wanted, stream: ReadableStream<Uint8Array>): Promise<void>;
  /**
   * Keeps a manifest or index and makes it a root. Its content may come later. A tag moves to what was put last.
   *
   * @throws {ApplianceError} oci/bad-reference for a repository or tag, and what `parseDocument` throws.
   */
  putManifest(input: ManifestInput): Promise<Digest>;
  /** Writes index.json and then oci-layout. Children of an index are no roots of their own unless they have a tag. */
  finish(): Promise<void>;
}

export interface ManifestInput {
  readonly repository: string;
  readonly tag?: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/**
 * Opens a folder for reading.
 *
 * @throws {ApplianceError} oci/bad-layout when it is none, file/unreadable for links and devices inside it.
 */
export async function openLayout(deps: Pick<Deps, "files">, folder: string): Promise<Layout> {
  checkLayoutMarker(await readSmall(deps.files, join(folder, "oci-layout"), MAX_MARKER_BYTES), folder);
  const index = parseLayoutIndex(await readSmall(deps.files, join(folder, "index.json"), MAX_INDEX_BYTES), folder);
  await refuseLinkedFolders(deps.files, folder);
  return folderReader(deps.files, folder, () => index);
}

/**
 * Tells whether content is there with every byte right, by reading all of it.
 *
 * @throws {ApplianceError} the reason of the signal, file/unreadable.
 */
export async function isWhole(layout: Layout, wanted: Wanted, signal: AbortSignal): Promise<boolean> {
  if ((await layout.size(wanted.digest)) !== wanted.size) return false;
  try {
    for await (const _chunk of layout.stream(wanted, { signal }));
    return true;
  } catch (thrown) {
    if (isApplianceError(thrown, "oci/digest-mismatch", "oci/size-mismatch", "oci/truncated")) return false;
    throw thrown;
  }
}

/** Where content lies in a folder. */
export function blobPath(folder: string, digest: Digest): string {
  return join(folder, "blobs/sha256", digest.slice("sha256:".length));
}

/**
 * Refuses links instead of folders: they would make blobs of files that nobody put there.
 *
 * @throws {ApplianceError} oci/bad-layout.
 */
export async function refuseLinkedFolders(files: Files, folder: string): Promise<void> {
  for (const name of ["blobs", "blobs/sha256"]) {
    const found = await files.stat(join(folder, name), { links: "show" });
    if (found?.kind !== "directory") throw badLayout(folder, `"${name}" is no folder in it`);
  }
}

/**
 * Reads one of the two small files of a layout; undefined when there is none.
 *
 * @throws {ApplianceError} oci/bad-layout when it is larger than `maxBytes`; file/unreadable for a link.
 */
export async function readSmall(files: Files, path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  const file = await files.openRead(path, { links: "refuse" });
  if (file === undefined) return undefined;
  try {
    if (file.sizeBytes > maxBytes) {
      throw badLayout(path, `it has ${file.sizeBytes} bytes, at most ${maxBytes} are read`);
    }
    return await file.readAt(0, file.sizeBytes);
  } finally {
    await file.close();
  }
}

/** The reading half over a folder, with entries that may change meanwhile. */
export function folderReader(files: Files, folder: string, entries: () => readonly LayoutEntry[]): Layout {
  const extent = async (digest: Digest): Promise<Extent | undefined> => {
    const file = await files.openRead(blobPath(folder, digest), { links: "refuse" });
    return file && { file, offset: 0, sizeBytes: file.sizeBytes, close: file.close };
  };
  const size = async (digest: Digest): Promise<number | undefined> => {
    const found = await files.stat(blobPath(folder, digest), { links: "show" });
    return found?.kind === "file" ? found.sizeBytes : undefined;
  };
  return {
    ...contentReader(folder, { extent, size }),
    entries,
    close: async () => {},
  };
}

/** How content is found in a folder or a tar. */
export interface ContentPlaces {
  readonly extent: (digest: Digest) => Promise<Extent | undefined>;
  readonly size: (digest: Digest) => Promise<number | undefined>;
}

/** The reading half of a layout over the places of its content. */
export function contentReader(place: string, places: ContentPlaces): Omit<Layout, "entries" | "close"> {
  type Streaming = { readonly fromByte?: number; readonly signal?: AbortSignal };
  async function* chunks(wanted: Wanted, options: Streaming = {}): AsyncGenerator<Uint8Array, void> {
    yield* checkedChunks(await places.extent(wanted.digest), wanted, { ...options, what: place });
  }
  async function* part(digest: Digest, range: { fromByte: number; bytes: number }): AsyncGenerator<Uint8Array, void> {
    yield* partChunks(await places.extent(digest), { ...range, digest }, { what: place });
  }
  return {
    place,
    has: async (digest) => (await places.size(digest)) !== undefined,
    size: places.size,
    bytes: async (wanted, { maxBytes = MAX_MANIFEST_BYTES } = {}) => {
      if (wanted.size > maxBytes) {
        const is = `it has ${wanted.size} bytes, at most ${maxBytes} are read`;
        throw new ApplianceError("oci/too-large", `Cannot read "${wanted.digest}" of "${place}": ${is}`);
      }
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks(wanted)) parts.push(chunk);
      return new Uint8Array(Buffer.concat(parts));
    },
    stream: (wanted, options) => streamOf(chunks(wanted, options)),
    part: (digest, range) => streamOf(part(digest, range)),
  };
}
