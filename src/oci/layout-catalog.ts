/**
 * What a layout holds, as a registry would show it: repositories with tags, manifests, blobs and referrers, and what is missing.
 *
 * Made by one walk from the roots over all manifests; every manifest is checked by its digest, blobs are only looked for.
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Layout } from "./layout.ts";
import { isIndexType, isManifestType } from "./media-types.ts";
import { type Descriptor, MAX_MANIFEST_BYTES, type ParsedDocument, parseDocument } from "./model.ts";

export interface CatalogRepository {
  readonly tags: ReadonlyMap<string, Digest>;
  readonly manifests: ReadonlyMap<Digest, Descriptor>;
  /** Configs and layers. */
  readonly blobs: ReadonlyMap<Digest, Descriptor>;
  /** Digest of a subject -> what refers to it. */
  readonly referrers: ReadonlyMap<Digest, readonly Descriptor[]>;
}

/** Content that something of the layout names and that is not in it, or not with its size. */
export interface MissingContent {
  readonly repository: string;
  readonly descriptor: Descriptor;
  /** "child": a manifest that an index names, as for a platform that was left out. */
  readonly kind: "root" | "child" | "blob";
}

export interface LayoutCatalog {
  readonly repositories: ReadonlyMap<string, CatalogRepository>;
  readonly missing: readonly MissingContent[];
}

/** More than any bundle or store holds; a hostile index cannot keep the walk going. */
const MAX_MANIFESTS = 20_000;

interface Growing {
  readonly tags: Map<string, Digest>;
  readonly manifests: Map<Digest, Descriptor>;
  readonly blobs: Map<Digest, Descriptor>;
  readonly referrers: Map<Digest, Descriptor[]>;
}

interface Walk {
  readonly layout: Layout;
  readonly repositories: Map<string, Growing>;
  readonly missing: MissingContent[];
  count: number;
}

/**
 * Walks over a layout.
 *
 * @throws {ApplianceError} oci/digest-mismatch and the codes of `parseDocument` for a manifest that is wrong, oci/too-large
 *   beyond 20,000 manifests, file/unreadable. Missing content is returned, not thrown.
 */
export async function readCatalog(layout: Layout): Promise<LayoutCatalog> {
  const walk: Walk = { layout, repositories: new Map(), missing: [], count: 0 };
  for (const { repository, tag, descriptor } of layout.entries()) {
    const growing = repositoryOf(walk, repository);
    if (tag !== undefined) growing.tags.set(tag, descriptor.digest);
    await visit(walk, { repository, descriptor, kind: "root" });
  }
  return walk;
}

function repositoryOf({ repositories }: Walk, name: string): Growing {
  const found = repositories.get(name) ?? {
    tags: new Map(),
    manifests: new Map(),
    blobs: new Map(),
    referrers: new Map(),
  };
  repositories.set(name, found);
  return found;
}

async function visit(walk: Walk, found: MissingContent): Promise<void> {
  const { repository, descriptor } = found;
  const growing = repositoryOf(walk, repository);
  if (growing.manifests.has(descriptor.digest)) return;
  if (!(await isThere(walk, descriptor))) return void walk.missing.push(found);
  walk.count += 1;
  if (walk.count > MAX_MANIFESTS) throw tooMany(walk.layout.place);
  const bytes = await walk.layout.bytes(descriptor, { maxBytes: MAX_MANIFEST_BYTES });
  const what = `${repository}@${descriptor.digest}`;
  const document = parseDocument(bytes, { contentType: descriptor.mediaType, what });
  growing.manifests.set(descriptor.digest, shownAs(document, descriptor));
  note(growing, document, descriptor);
  if (document.kind === "index") {
    for (const child of document.index.manifests) await visitChild(walk, { repository, descriptor: child });
    return;
  }
  for (const blob of [document.manifest.config, ...document.manifest.layers]) {
    if (growing.blobs.has(blob.digest)) continue;
    growing.blobs.set(blob.digest, blob);
    if (!(await isThere(walk, blob))) walk.missing.push({ repository, descriptor: blob, kind: "blob" });
  }
}

/** An index may name what is no manifest; a registry shows that to nobody. */
async function visitChild(walk: Walk, child: Pick<MissingContent, "repository" | "descriptor">): Promise<void> {
  const { mediaType } = child.descriptor;
  if (isManifestType(mediaType) || isIndexType(mediaType)) await visit(walk, { ...child, kind: "child" });
}

async function isThere({ layout }: Walk, descriptor: Descriptor): Promise<boolean> {
  return (await layout.size(descriptor.digest)) === descriptor.size;
}

function tooMany(place: string): ApplianceError {
  return new ApplianceError(
    "oci/too-large",
    `Cannot use OCI layout "${place}": it has over ${MAX_MANIFESTS} manifests`,
  );
}

/** Notes what a manifest refers to, as the referrers API lists it. */
function note(growing: Growing, document: ParsedDocument, descriptor: Descriptor): void {
  const { subject, annotations } = document.kind === "index" ? document.index : document.manifest;
  if (subject === undefined) return;
  const listed = { ...shownAs(document, descriptor), ...(annotations === undefined ? {} : { annotations }) };
  growing.referrers.set(subject.digest, [...(growing.referrers.get(subject.digest) ?? []), listed]);
}

/** @see OCI distribution-spec v1.1.1, "Listing Referrers": artifactType falls back to the config's media type */
function shownAs(document: ParsedDocument, { mediaType, digest, size }: Descriptor): Descriptor {
  const artifactType =
    document.kind === "index"
      ? document.index.artifactType
      : (document.manifest.artifactType ?? document.manifest.config.mediaType);
  return { mediaType, digest, size, ...(artifactType === undefined ? {} : { artifactType }) };
}
