/**
 * What a layout lacks: parts that its releases name and that are not in it, as far as nobody left them out on purpose.
 *
 * Reads manifests, configs of releases and bundle documents; blobs are only looked for. Nothing is thrown for what is
 * missing: the callers decide what that means.
 */
import type { Digest } from "../core/digest.ts";
import type { Layout } from "../oci/layout.ts";
import type { LayoutCatalog, MissingContent } from "../oci/layout-catalog.ts";
import { parseDocument } from "../oci/model.ts";
import { type WantedArtifact, wantedArtifacts } from "../release/artifacts.ts";
import type { RegistryPlace } from "../release/location.ts";
import {
  MAX_RELEASE_BYTES,
  parseReleaseManifest,
  RELEASE_CONFIG_MEDIA_TYPE,
  RELEASE_REPOSITORY,
} from "../release/model.ts";
import { type BundleDocument, readBundleDocuments } from "./bundle-document.ts";

export interface HeldRelease {
  readonly version: string;
  readonly digest: Digest;
  /** Channels and versions that point at it. */
  readonly tags: readonly string[];
  /** How many images it pins beside those of its components; null: it does not say what else its boxes pull. */
  readonly otherImages: number | null;
}

/** One thing that is wrong. */
export interface Lack {
  /** "image algaCore", "layer of image algaCore". */
  readonly what: string;
  readonly repository: string;
  readonly reference: string;
  /** 0 when it is not known. */
  readonly sizeBytes: number;
}

export interface Completeness {
  readonly releases: readonly HeldRelease[];
  readonly bundles: readonly BundleDocument[];
  readonly lacking: readonly Lack[];
  /** Left out on purpose: by a bundle document, or as another platform of an index. */
  readonly leftOut: readonly MissingContent[];
}

/** A base for names that are only taken apart again. */
const HERE: RegistryPlace = { registry: "layout.invalid", base: "" };

/**
 * Looks at a layout.
 *
 * @throws {ApplianceError} release/invalid-manifest and the codes of reading for a release or bundle document that cannot be
 *   used.
 */
export async function completenessOf(layout: Layout, catalog: LayoutCatalog): Promise<Completeness> {
  const bundles = await readBundleDocuments(layout, catalog);
  const intended = new Set(bundles.flatMap((bundle) => bundle.leftOut.map((one) => one.digest)));
  const isIntended = (one: MissingContent): boolean => one.kind === "child" || intended.has(one.descriptor.digest);
  const releases: HeldRelease[] = [];
  const lacking: Lack[] = catalog.missing.filter((one) => !isIntended(one)).map(lackOf);
  for (const descriptor of catalog.repositories.get(RELEASE_REPOSITORY)?.manifests.values() ?? []) {
    const what = `${RELEASE_REPOSITORY}@${descriptor.digest}`;
    const document = parseDocument(await layout.bytes(descriptor), { contentType: descriptor.mediaType, what });
    if (document.kind !== "manifest" || document.manifest.config.mediaType !== RELEASE_CONFIG_MEDIA_TYPE) continue;
    if (!(await layout.has(document.manifest.config.digest))) continue;
    const bytes = await layout.bytes(document.manifest.config, { maxBytes: MAX_RELEASE_BYTES });
    const manifest = parseReleaseManifest(bytes);
    const { version, additionalImages } = manifest;
    const tags = tagsOf(catalog, descriptor.digest);
    releases.push({ version, digest: descriptor.digest, tags, otherImages: additionalImages?.length ?? null });
    for (const wanted of wantedArtifacts(manifest, HERE)) {
      const problem = problemOf(wanted, catalog);
      if (problem !== undefined) lacking.push({ ...problem, what: `${wanted.name} of release ${manifest.version}` });
    }
  }
  return { releases, bundles, lacking, leftOut: catalog.missing.filter(isIntended) };
}

function lackOf({ repository, descriptor, kind }: MissingContent): Lack {
  const what = kind === "blob" ? "a layer or config" : "a manifest";
  return { what, repository, reference: descriptor.digest, sizeBytes: descriptor.size };
}

function tagsOf(catalog: LayoutCatalog, digest: Digest): readonly string[] {
  const tags = catalog.repositories.get(RELEASE_REPOSITORY)?.tags ?? new Map<string, Digest>();
  return [...tags].filter(([, one]) => one === digest).map(([tag]) => tag);
}

/** By digest where the release pins one; then a tag beside it must not point elsewhere. */
function problemOf(wanted: WantedArtifact, catalog: LayoutCatalog): Omit<Lack, "what"> | undefined {
  const repository = wanted.repository.slice(HERE.registry.length + 1);
  const found = catalog.repositories.get(repository);
  const reference = wanted.digest ?? wanted.tag ?? "";
  const isThere = wanted.digest === undefined ? found?.tags.has(wanted.tag ?? "") : found?.manifests.has(wanted.digest);
  return isThere === true ? undefined : { repository, reference, sizeBytes: 0 };
}

/** For people, above all where no network is: whether a release knows what its boxes pull beside its own images. */
export function otherImagesLine({
  version,
  otherImages,
}: Pick<HeldRelease, "version" | "otherImages">): readonly string[] {
  if (otherImages !== null) return [];
  return [
    `release ${version} does not say which images Flux and its charts need: a box that is cut off must have them already`,
  ];
}
