/**
 * Where content to be pushed comes from: a layout on disk, a store in memory, or another registry.
 *
 * Content is named by descriptors whose digests the caller trusts; a source gives checked bytes only.
 */
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Descriptor } from "./model.ts";
import type { RegistryStore } from "./store.ts";

/** What content is read by; a whole descriptor will do. */
export type ContentWanted = Pick<Descriptor, "digest" | "size">;

/** A manifest or index that a push begins with, and the tag that it will have. */
export interface ContentRoot {
  /** Relative to the base of the registry that it goes to. */
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly descriptor: Descriptor;
}

/** The part of a layout that a push reads. */
export interface ContentSource {
  entries(): readonly ContentRoot[];
  /** Tells whether content is there. Asked of every blob that is to be sent, before the first one goes out. */
  has(digest: Digest): Promise<boolean>;
  /** Checked bytes of a manifest. Throws oci/not-found, oci/digest-mismatch, oci/too-large. */
  bytes(wanted: ContentWanted, options?: { readonly maxBytes?: number }): Promise<Uint8Array>;
  /** Streams a blob; the stream ends with an error when its bytes are wrong. */
  stream(wanted: ContentWanted, options?: { readonly signal?: AbortSignal }): ReadableStream<Uint8Array>;
}

/**
 * Reads a store in memory as content: every manifest of its repositories is a root, once by digest and once for each tag.
 *
 * Blobs that no manifest names are no content.
 *
 * @param repositories Absent: all of the store.
 */
export function storeContent(store: RegistryStore, repositories = store.repositories()): ContentSource {
  const found = (digest: string): Uint8Array | undefined => {
    for (const repository of repositories) {
      const bytes = store.blob(repository, digest) ?? store.manifest(repository, digest)?.bytes;
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  };
  const read = ({ digest }: ContentWanted): Uint8Array<ArrayBuffer> => {
    const bytes = found(digest);
    if (bytes !== undefined) return new Uint8Array(bytes);
    throw new ApplianceError("oci/not-found", `Cannot read "${digest}" of the store: it is not in it`);
  };
  return {
    entries: () => repositories.flatMap((repository) => rootsOf(store, repository)),
    has: async (digest) => found(digest) !== undefined,
    bytes: async (wanted) => read(wanted),
    stream: (wanted) => new Blob([read(wanted)]).stream(),
  };
}

function rootsOf(store: RegistryStore, repository: string): readonly ContentRoot[] {
  const roots = store.manifests(repository).map(
    ({ mediaType, digest, bytes }): ContentRoot => ({
      repository,
      descriptor: { mediaType, digest, size: bytes.length },
    }),
  );
  const tagged = (store.tags(repository) ?? []).flatMap((tag) => {
    const named = store.manifest(repository, tag);
    const root = roots.find(({ descriptor }) => descriptor.digest === named?.digest);
    return root === undefined || isDigest(tag) ? [] : [{ ...root, tag }];
  });
  return [...roots, ...tagged];
}
