/** Which blobs go into a bundle, and which are left out because of a platform or of what the box has. Pure. */
import type { Digest } from "../core/digest.ts";
import {
  type Descriptor,
  type IndexDocument,
  type ParsedDocument,
  type Platform,
  parseDocument,
} from "../oci/model.ts";
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

/** 16 KiB: a signature or a document of signed metadata has less. */
const SMALL_BYTES = 16 * 1024;

/**
 * Chooses among everything below the manifests.
 *
 * Small layers go along: signatures and metadata are such, and a bundle is verified by itself. A layer that the store has is left out. The layers of an image that the nodes hold whole are left out where nothing else
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
  const { configs, layers } = blobsOf(documents, held);
  const stored = new Set(options.have?.content ?? []);
  const reasonAgainst = ({ descriptor, needed }: Layer): LeftOut["why"] | undefined => {
    if (descriptor.size < SMALL_BYTES) return undefined;
    if (stored.has(descriptor.digest)) return "store";
    return needed ? undefined : "node";
  };
  const leftOut: LeftOut[] = indexes
    .flatMap(({ index }) => index.manifests)
    .filter((child) => !here.has(child.digest))
    .map(({ digest, size }) => ({ digest, size, why: "platform" }));
  const blobs: Descriptor[] = [...configs.values()];
  for (const layer of layers.values()) {
    const { digest, size } = layer.descriptor;
    const why = reasonAgainst(layer);
    if (why !== undefined && !configs.has(digest)) leftOut.push({ digest, size, why });
    else if (!configs.has(digest)) blobs.push(layer.descriptor);
  }
  return { blobs, leftOut: sorted(leftOut) };
}

interface Layer {
  readonly descriptor: Descriptor;
  /** By a manifest that the nodes do not hold. */
  needed: boolean;
}

function blobsOf(
  documents: readonly { readonly digest: Digest; readonly document: ParsedDocument }[],
  held: ReadonlySet<Digest>,
): { readonly configs: ReadonlyMap<Digest, Descriptor>; readonly layers: ReadonlyMap<Digest, Layer> } {
  const configs = new Map<Digest, Descriptor>();
  const layers = new Map<Digest, Layer>();
  for (const { digest, document } of documents) {
    if (document.kind === "index") continue;
    configs.set(document.manifest.config.digest, document.manifest.config);
    for (const descriptor of document.manifest.layers) {
      const known = layers.get(descriptor.digest) ?? { descriptor, needed: false };
      known.needed ||= !held.has(digest);
      layers.set(descriptor.digest, known);
    }
  }
  return { configs, layers };
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
