/**
 * Making artifacts in a store: config and layers as blobs, one manifest that names them, a tag.
 *
 * The manifest is canonical JSON, so the same content always has the same digest.
 *
 * @see OCI image-spec v1.1.1, manifest.md, "Guidelines for Artifact Usage"
 */
import { type Digest, digestOf } from "../core/digest.ts";
import { canonicalJson } from "../core/json.ts";
import { MEDIA } from "./media-types.ts";
import type { Descriptor, Platform } from "./model.ts";
import type { RegistryStore } from "./store.ts";

export interface ArtifactPart {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ArtifactInput {
  /** Absent: the manifest is reachable by digest only. */
  readonly tag?: string;
  readonly artifactType?: string;
  /** Absent: the empty JSON of the specification. */
  readonly config?: ArtifactPart;
  readonly layers?: readonly ArtifactPart[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** "{}": the config of an artifact that needs none. @see OCI image-spec v1.1.1, manifest.md, "Guidance for an Empty Descriptor" */
export const EMPTY_CONFIG: ArtifactPart = { mediaType: MEDIA.empty, bytes: new TextEncoder().encode("{}") };

/** Puts an artifact into a store and returns the digest of its manifest. Safe to call again: same input, same digest. */
export function pushArtifact(store: RegistryStore, repository: string, input: ArtifactInput): Digest {
  const put = (part: ArtifactPart): Descriptor => ({
    mediaType: part.mediaType,
    ...store.putBlob(repository, part.bytes),
    ...(part.annotations === undefined ? {} : { annotations: { ...part.annotations } }),
  });
  const layers = input.layers ?? [];
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    ...(input.artifactType === undefined ? {} : { artifactType: input.artifactType }),
    config: put(input.config ?? EMPTY_CONFIG),
    layers: layers.map(put),
    ...(input.subject === undefined ? {} : { subject: input.subject }),
    ...(input.annotations === undefined ? {} : { annotations: input.annotations }),
  };
  return putJson(store, repository, { tag: input.tag, mediaType: MEDIA.manifest, document: manifest });
}

/** An entry of an index: a manifest that is already in the store. */
export interface IndexEntry {
  readonly digest: Digest;
  readonly platform?: Platform;
  readonly artifactType?: string;
}

/**
 * Puts an index over manifests of the same repository and returns its digest.
 *
 * @throws {Error} when an entry is not in the store: a defect of the caller.
 */
export function pushIndex(
  store: RegistryStore,
  repository: string,
  input: {
    readonly tag?: string;
    readonly entries: readonly IndexEntry[];
    readonly annotations?: Readonly<Record<string, string>>;
  },
): Digest {
  const manifests = input.entries.map(({ digest, platform, artifactType }) => {
    const stored = store.manifest(repository, digest);
    if (stored === undefined) throw new Error(`Cannot index manifest "${digest}": it is not in "${repository}"`);
    return {
      mediaType: stored.mediaType,
      digest,
      size: stored.bytes.length,
      ...(platform === undefined ? {} : { platform }),
      ...(artifactType === undefined ? {} : { artifactType }),
    };
  });
  const { annotations } = input;
  const document = { schemaVersion: 2, mediaType: MEDIA.index, manifests, ...(annotations && { annotations }) };
  return putJson(store, repository, { tag: input.tag, mediaType: MEDIA.index, document });
}

function putJson(
  store: RegistryStore,
  repository: string,
  input: { readonly tag: string | undefined; readonly mediaType: string; readonly document: unknown },
): Digest {
  const bytes = new TextEncoder().encode(canonicalJson(input.document));
  return store.putManifest(repository, input.tag ?? digestOf(bytes), bytes, input.mediaType);
}
