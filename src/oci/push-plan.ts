/**
 * What a push consists of: every manifest below the roots, children before their parents and roots before what refers to
 * them, every blob once with the repositories that need it, and the tags.
 *
 * Reads manifests from the source only; nothing is sent. A manifest is read once, whatever number of roots lead to it.
 */
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { checkRepository } from "./connection.ts";
import type { ContentRoot, ContentSource } from "./content.ts";
import { isIndexType, isManifestType } from "./media-types.ts";
import { type Descriptor, MAX_MANIFEST_BYTES, type ParsedDocument, parseDocument } from "./model.ts";
import { isTag } from "./reference.ts";

export interface PlannedManifest {
  /** With its base: as the registry knows it. */
  readonly repository: string;
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** 0, or one more than everything that has to be there before it. */
  readonly level: number;
  /** Set on what refers to another manifest: a signature, an SBOM. */
  readonly subject: Descriptor | undefined;
  /** What a list of referrers says of it. */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

export interface PlannedBlob {
  readonly descriptor: Descriptor;
  /** Every repository that needs it, the first to be sent to first. */
  readonly repositories: readonly string[];
}

export interface PlannedTag {
  readonly repository: string;
  readonly tag: string;
  readonly manifest: Pick<PlannedManifest, "repository" | "descriptor" | "bytes">;
}

/** An entry of an index that the source does not hold, as when a platform was left out. */
export interface AbsentManifest {
  readonly repository: string;
  readonly descriptor: Descriptor;
}

export interface PushPlan {
  readonly manifests: readonly PlannedManifest[];
  /** The registry must have them. */
  readonly absent: readonly AbsentManifest[];
  readonly blobs: readonly PlannedBlob[];
  /** In the order of the roots. */
  readonly tags: readonly PlannedTag[];
}

export interface PlanOptions {
  /** Path below which the registry keeps the repositories; empty for none. */
  readonly base: string;
  /** Absent: all roots of the source. */
  readonly entries?: readonly ContentRoot[] | undefined;
}

/** More than any release, bundle or mirror of one holds. */
const MAX_MANIFESTS = 10_000;
/** All manifests of a push are kept in memory; 64 MiB of them are thousands. */
const MAX_MANIFESTS_BYTES = 64 * 1024 * 1024;

/** The tag that lists referrers where a registry has no API: it is made new at the other end, not copied. */
const FALLBACK_TAG = /^sha256-[0-9a-f]{64}$/;

interface Planning {
  readonly source: ContentSource;
  readonly planned: Map<string, PlannedManifest>;
  readonly absent: Map<string, AbsentManifest>;
  readonly blobs: Map<Digest, { readonly descriptor: Descriptor; readonly repositories: string[] }>;
  /** Roots by repository and digest, so that a subject goes before what refers to it. */
  readonly roots: ReadonlyMap<string, ContentRoot>;
  /** On the way down: an index that leads to itself is refused. */
  readonly trail: Set<string>;
  sizeBytes: number;
}

/**
 * Reads all manifests and makes the plan.
 *
 * @throws {ApplianceError} oci/bad-reference for a repository or tag, oci/not-found for a manifest that the source lacks,
 *   oci/media-type for a root or child that is no manifest, oci/bad-manifest, oci/too-large, and what the source throws.
 */
export async function planPush(source: ContentSource, options: PlanOptions): Promise<PushPlan> {
  const roots = (options.entries ?? source.entries()).map((root) => placed(root, options.base));
  const byKey = new Map(roots.map((root) => [keyOf(root.repository, root.descriptor.digest), root]));
  const planning: Planning = {
    source,
    planned: new Map(),
    absent: new Map(),
    blobs: new Map(),
    roots: byKey,
    trail: new Set(),
    sizeBytes: 0,
  };
  const tags: PlannedTag[] = [];
  for (const root of roots) {
    if (root.tag !== undefined && FALLBACK_TAG.test(root.tag)) {
      await planReferrersOf(planning, root);
      continue;
    }
    const manifest = await planManifest(planning, root);
    if (root.tag !== undefined) tags.push({ repository: root.repository, tag: root.tag, manifest });
  }
  const { planned, absent, blobs } = planning;
  return { manifests: [...planned.values()], absent: [...absent.values()], blobs: [...blobs.values()], tags };
}

function placed(root: ContentRoot, base: string): ContentRoot {
  if (root.tag !== undefined && (!isTag(root.tag) || isDigest(root.tag))) {
    throw new ApplianceError("oci/bad-reference", `Cannot push tag "${root.tag.slice(0, 200)}": it is no tag`);
  }
  return { ...root, repository: checkRepository(base === "" ? root.repository : `${base}/${root.repository}`) };
}

function keyOf(repository: string, digest: Digest): string {
  return `${repository}@${digest}`;
}

/** What the list of a fallback tag names goes along; the list itself is made new at the registry. */
async function planReferrersOf(planning: Planning, root: ContentRoot): Promise<void> {
  const { document } = await readDocument(planning, root);
  const { index } = document.kind === "index" ? document : { index: undefined };
  for (const descriptor of index?.manifests ?? []) {
    await planManifest(planning, { repository: root.repository, descriptor });
  }
}

async function readDocument(planning: Planning, { repository, descriptor }: ContentRoot) {
  const what = `${repository}@${descriptor.digest}`;
  if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType)) {
    throw new ApplianceError("oci/media-type", `Cannot push "${what}": it is "${descriptor.mediaType}", no manifest`);
  }
  const bytes = await planning.source.bytes(descriptor, { maxBytes: MAX_MANIFEST_BYTES });
  planning.sizeBytes += bytes.length;
  if (planning.planned.size >= MAX_MANIFESTS || planning.sizeBytes > MAX_MANIFESTS_BYTES) {
    throw new ApplianceError(
      "oci/too-large",
      `Cannot push "${what}": there are more than ${MAX_MANIFESTS} manifests or ${MAX_MANIFESTS_BYTES} bytes of them`,
    );
  }
  return { bytes, document: parseDocument(bytes, { contentType: descriptor.mediaType, what }) };
}

async function planManifest(planning: Planning, root: ContentRoot): Promise<PlannedManifest> {
  const { repository, descriptor } = root;
  const key = keyOf(repository, descriptor.digest);
  const known = planning.planned.get(key);
  if (known !== undefined) return known;
  if (planning.trail.has(key)) throw new ApplianceError("oci/bad-manifest", `Cannot push "${key}": it leads to itself`);
  planning.trail.add(key);
  const { bytes, document } = await readDocument(planning, root);
  const parsed = document.kind === "index" ? document.index : document.manifest;
  const before = await planBelow(planning, repository, document);
  const subject = parsed.subject === undefined ? undefined : keyOf(repository, parsed.subject.digest);
  const subjectRoot = subject === undefined ? undefined : planning.roots.get(subject);
  if (subjectRoot !== undefined) before.push(await planManifest(planning, subjectRoot));
  const config = document.kind === "manifest" ? document.manifest.config.mediaType : undefined;
  const manifest: PlannedManifest = {
    repository,
    descriptor: { mediaType: parsed.mediaType, digest: descriptor.digest, size: bytes.length },
    bytes,
    level: Math.max(-1, ...before.map(({ level }) => level)) + 1,
    subject: parsed.subject,
    artifactType: parsed.artifactType ?? config,
    annotations: parsed.annotations,
  };
  planning.trail.delete(key);
  planning.planned.set(key, manifest);
  return manifest;
}

/** What a document names: entries of an index are planned, or noted as absent; blobs are needed. */
async function planBelow(planning: Planning, repository: string, document: ParsedDocument): Promise<PlannedManifest[]> {
  if (document.kind === "manifest") {
    for (const blob of [document.manifest.config, ...document.manifest.layers]) need(planning, repository, blob);
    return [];
  }
  const planned: PlannedManifest[] = [];
  for (const descriptor of document.index.manifests) {
    const isHeld = await planning.source.has(descriptor.digest);
    if (isHeld) planned.push(await planManifest(planning, { repository, descriptor }));
    else planning.absent.set(keyOf(repository, descriptor.digest), { repository, descriptor });
  }
  return planned;
}

function need({ blobs }: Planning, repository: string, descriptor: Descriptor): void {
  const { digest, size, mediaType } = descriptor;
  const known = blobs.get(digest);
  if (known === undefined) {
    blobs.set(digest, { descriptor: { mediaType, digest, size }, repositories: [repository] });
    return;
  }
  if (known.descriptor.size !== size) {
    throw new ApplianceError(
      "oci/size-mismatch",
      `Cannot push "${repository}@${digest}": one manifest gives it ${known.descriptor.size} bytes, another one ${size}`,
    );
  }
  if (!known.repositories.includes(repository)) known.repositories.push(repository);
}
