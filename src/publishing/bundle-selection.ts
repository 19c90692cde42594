/** Which blobs go into a bundle, and which are left out because of a platform or of what the box has. Pure. */
import type { Digest } from "../core/digest.ts";
import { type Descriptor, type IndexDocument, type Platform, parseDocument } from "../oci/model.ts";
import type { BundleDocument } from "./bundle-document.ts";
import type { HaveList } from "./have-list.ts";

export type LeftOut = BundleDocument["leftOut"][number];

export interface Selection {
  /** Configs and layers that go along, each once. */
  readonly blobs: readonly Descriptor[];
  readonly leftOut: readonly LeftOut[];
}

export interface SelectionOptions {
  readonly platform?: Platform;
  readonly have?: HaveList;
}

/** A manifest that goes along, with its checked bytes. */
export interface SelectedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/**
 * Chooses among everything below the manifests.
 *
 * A layer that the store has is left out. The layers of an image that the nodes hold whole are left out where nothing else
 * needs them. Configs always go along: a release manifest is one.
 */
export function selectContents(manifests: readonly SelectedManifest[], options: SelectionOptions): Selection {
  const documents = manifests.map(({ descriptor, bytes }) => ({
    digest: descriptor.digest,
    document: parseDocument(bytes, { contentType: descriptor.mediaType, what: descriptor.digest }),
  }));
  const here = new Set(documents.map((one) => one.digest));
  const indexes = documents.flatMap(({ digest, document }) =>
    document.kind === "index" ? [{ digest, index: document.index }] : [],
  );
  const held = heldManifests(indexes, options.have);
  const configs = new Map<Digest, Descriptor>();
  const layers = new Map<Digest, { readonly descriptor: Descriptor; needed: boolean }>();
  for (const { digest, document } of documents) {
    if (document.kind === "index") continue;
    configs.set(document.manifest.config.digest, document.manifest.config);
    for (const layer of document.manifest.layers) {
      const known = layers.get(layer.digest) ?? { descriptor: layer, needed: false };
      known.needed ||= !held.has(digest);
      layers.set(layer.digest, known);
    }
  }
  const stored = new Set(options.have?.content ?? []);
  const leftOut: LeftOut[] = indexes
    .flatMap(({ index }) => index.manifests)
    .filter((child) => !here.has(child.digest))
    .map(({ digest, size }) => ({ digest, size, why: "platform" }));
  const blobs: Descriptor[] = [...configs.values()];
  for (const { descriptor, needed } of layers.values()) {
    const { digest, size } = descriptor;
    if (configs.has(digest)) continue;
    if (stored.has(digest)) leftOut.push({ digest, size, why: "store" });
    else if (needed) blobs.push(descriptor);
    else leftOut.push({ digest, size, why: "node" });
  }
  return { blobs, leftOut: sorted(leftOut) };
}

/** Manifests of images that the nodes hold: named themselves, or the entry of their platform in an index that is named. */
function heldManifests(
  indexes: readonly { readonly digest: Digest; readonly index: IndexDocument }[],
  have: HaveList | undefined,
): ReadonlySet<Digest> {
  const named = new Set(have?.images ?? []);
  const children = indexes
    .filter(({ digest }) => named.has(digest))
    .flatMap(({ index }) => index.manifests)
    .filter(({ platform }) => platform !== undefined && `${platform.os}/${platform.architecture}` === have?.platform);
  return new Set([...named, ...children.map((child) => child.digest)]);
}

function sorted(leftOut: readonly LeftOut[]): readonly LeftOut[] {
  const once = new Map(leftOut.map((one) => [one.digest, one]));
  return [...once.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
}
