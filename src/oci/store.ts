/**
 * What a registry holds: blobs and manifests by digest in a repository, tags that point at manifests.
 *
 * The store knows nothing of HTTP. Blobs are shared between repositories by digest but visible only where they were
 * put or mounted, as in a real registry.
 */
import { type Digest, digestOf, isDigest } from "../core/digest.ts";
import { isPlainObject } from "../core/json.ts";
import { isIndexType } from "./media-types.ts";
import type { Descriptor } from "./model.ts";

export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** The content of a registry, by repository, as a registry stores it: blobs, manifests, tags, referrers. */
export interface RegistryStore {
  /** Keeps bytes in a repository. Safe to call again. */
  putBlob(repository: string, bytes: Uint8Array): { readonly digest: Digest; readonly size: number };
  blob(repository: string, digest: string): Uint8Array | undefined;
  deleteBlob(repository: string, digest: string): boolean;
  /** Keeps a manifest under its digest and, when `reference` is a tag, points the tag at it. */
  putManifest(repository: string, reference: string, bytes: Uint8Array, mediaType: string): Digest;
  /** By tag or digest. */
  manifest(repository: string, reference: string): StoredManifest | undefined;
  /** By tag: only the tag goes. By digest: the manifest and every tag that points at it. */
  deleteManifest(repository: string, reference: string): boolean;
  /** Points a tag at a manifest that is there. */
  tag(repository: string, tag: string, digest: Digest): void;
  /** Tags in lexical order; undefined when there is no such repository. */
  tags(repository: string): readonly string[] | undefined;
  repositories(): readonly string[];
  /** All manifests of a repository, children of an index before the index where they were put so. */
  manifests(repository: string): readonly StoredManifest[];
  blobs(repository: string): readonly { readonly digest: Digest; readonly bytes: Uint8Array }[];
  /** Descriptors of the manifests whose `subject` is this digest. */
  referrers(repository: string, digest: string): readonly Descriptor[];
}

interface Repository {
  readonly blobs: Map<string, Uint8Array>;
  readonly manifests: Map<string, StoredManifest>;
  readonly tags: Map<string, Digest>;
}

/** A store in memory. */
export function createMemoryStore(): RegistryStore {
  const all = new Map<string, Repository>();
  const open = (name: string): Repository => {
    const repository = all.get(name) ?? { blobs: new Map(), manifests: new Map(), tags: new Map() };
    all.set(name, repository);
    return repository;
  };
  const find = (repository: string, reference: string): StoredManifest | undefined => {
    const found = all.get(repository);
    return found?.manifests.get(isDigest(reference) ? reference : (found.tags.get(reference) ?? ""));
  };
  return {
    putBlob: (repository, bytes) => {
      const digest = digestOf(bytes);
      open(repository).blobs.set(digest, bytes);
      return { digest, size: bytes.length };
    },
    blob: (repository, digest) => all.get(repository)?.blobs.get(digest),
    deleteBlob: (repository, digest) => all.get(repository)?.blobs.delete(digest) ?? false,
    putManifest: (repository, reference, bytes, mediaType) => {
      const digest = digestOf(bytes);
      const target = open(repository);
      target.manifests.set(digest, { digest, mediaType, bytes });
      if (!isDigest(reference)) target.tags.set(reference, digest);
      return digest;
    },
    manifest: find,
    deleteManifest: (repository, reference) => deleteManifest(all.get(repository), reference),
    tag: (repository, tag, digest) => void open(repository).tags.set(tag, digest),
    tags: (repository) => {
      const found = all.get(repository);
      return found === undefined ? undefined : [...found.tags.keys()].sort();
    },
    repositories: () => [...all.keys()].sort(),
    manifests: (repository) => [...(all.get(repository)?.manifests.values() ?? [])],
    blobs: (repository) =>
      [...(all.get(repository)?.blobs.entries() ?? [])].map(([digest, bytes]) => ({ digest: digest as Digest, bytes })),
    referrers: (repository, digest) => referrersOf([...(all.get(repository)?.manifests.values() ?? [])], digest),
  };
}

function deleteManifest(repository: Repository | undefined, reference: string): boolean {
  if (repository === undefined) return false;
  if (!isDigest(reference)) return repository.tags.delete(reference);
  for (const [tag, digest] of repository.tags) if (digest === reference) repository.tags.delete(tag);
  return repository.manifests.delete(reference);
}

/** @see OCI distribution-spec v1.1.1, "Listing Referrers": artifactType falls back to the config's media type */
function referrersOf(manifests: readonly StoredManifest[], digest: string): readonly Descriptor[] {
  return manifests.flatMap((stored) => {
    const document: unknown = JSON.parse(new TextDecoder().decode(stored.bytes));
    if (!isPlainObject(document) || !isPlainObject(document.subject) || document.subject.digest !== digest) return [];
    const config = isPlainObject(document.config) ? document.config.mediaType : undefined;
    const artifactType = document.artifactType ?? (isIndexType(stored.mediaType) ? undefined : config);
    return [
      {
        mediaType: stored.mediaType,
        digest: stored.digest,
        size: stored.bytes.length,
        ...(typeof artifactType === "string" ? { artifactType } : {}),
        ...(isPlainObject(document.annotations) ? { annotations: document.annotations as Record<string, string> } : {}),
      },
    ];
  });
}
