/**
 * A release as one file: an OCI layout in a tar, written in one pass from the registry.
 *
 * Parties: the registry is untrusted; the closure is read by digests, and blobs are checked while they stream into the file.
 * Manifests and configs are always in the bundle, also when a have-list names them: they are small, and with them a bundle
 * can tell by itself what it lacks.
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import { streamOf } from "../core/streams.ts";
import { pushArtifact } from "../oci/artifact.ts";
import type { RegistryClient } from "../oci/client.ts";
import type { LayoutEntry } from "../oci/layout.ts";
import type { Wanted } from "../oci/layout-content.ts";
import { refName } from "../oci/layout-index.ts";
import type { TarLayout } from "../oci/layout-tar-writer.ts";
import { MEDIA } from "../oci/media-types.ts";
import type { Descriptor, Platform } from "../oci/model.ts";
import { createMemoryStore } from "../oci/store.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import type { ReleaseRef } from "../release/resolved.ts";
import { trustRepository } from "../trust/registry-source.ts";
import {
  BUNDLE_ARTIFACT_TYPE,
  BUNDLE_CONFIG_MEDIA_TYPE,
  BUNDLE_REPOSITORY,
  BUNDLE_SCHEMA,
  type BundleDocument,
  formatBundleDocument,
} from "./bundle-document.ts";
import { type ExecutableFile, fileChunks, packExecutables } from "./bundle-executables.ts";
import { type LeftOut, selectContents } from "./bundle-selection.ts";
import { assertComplete, type ReleaseClosure, releaseClosure } from "./closure.ts";
import { createWalk, type Walk } from "./closure-walk.ts";
import type { HaveList } from "./have-list.ts";

/** What goes into a bundle, and what is left out because the box has it. */
export interface BundleOptions {
  /** Path below which the registry keeps our repositories; may be empty. */
  readonly base: string;
  /** Repository of the release artifacts, with its base. */
  readonly repository: string;
  /** Version of this executable. */
  readonly running: string;
  /** Absent: all platforms of every image. */
  readonly platform?: Platform;
  readonly have?: HaveList;
  /** Files that are put in as artifacts: this executable for each platform. */
  readonly executables?: readonly ExecutableFile[];
  readonly open?: (registry: string) => Promise<RegistryClient>;
  readonly signal: AbortSignal;
}

export interface BundlePlan {
  readonly document: BundleDocument;
  readonly tar: TarLayout;
  readonly leftOut: readonly LeftOut[];
  /** How many images the release pins beside those of its components; null: it does not say what else its boxes pull. */
  readonly otherImages: number | null;
}

/** Repositories that tell whether to believe a release: all their tags go along. */
export const TRUST_REPOSITORY = trustRepository("");
export const HISTORY_REPOSITORY = `${RELEASE_REPOSITORY}-history`;
/** Tags of the trust repository: versions of four roles, kept for years. */
const MAX_TRUST_TAGS = 2_000;

/**
 * Reads what belongs into the bundle; blobs are not read yet.
 *
 * @throws {ApplianceError} release/incomplete when something of the release is not in the registry, and what `releaseClosure`
 *   throws; file/unreadable for an executable.
 */
export async function planBundle(
  deps: Pick<Deps, "files">,
  client: RegistryClient,
  wanted: BundleOptions & { readonly ref: ReleaseRef },
): Promise<BundlePlan> {
  const closure = await releaseClosure(client, wanted.ref, { ...wanted, checkBlobs: false });
  assertComplete(closure, "bundle");
  const trust = await readTrust(client, wanted);
  const executables = await packExecutables(deps, closure.release.manifest.version, wanted.executables ?? []);
  const selection = selectContents([...closure.manifests, ...trust.walk.manifests()], wanted);
  const entries = distinct([
    ...partsOf(closure),
    ...channelOf(closure, wanted.ref),
    ...trust.entries,
    ...executables.entries,
  ]);
  const document = documentOf(closure, { wanted, entries, leftOut: selection.leftOut });
  const bundle = packDocument(document);
  const places = new Map([...closure.blobs, ...trust.walk.blobs()].map((one) => [one.descriptor.digest, one]));
  const memory = new Map<Digest, Uint8Array>([
    ...[...closure.manifests, ...trust.walk.manifests()].map((one) => [one.descriptor.digest, one.bytes] as const),
    ...executables.memory,
    ...bundle.memory,
  ]);
  const sizes = [...memory].map(([digest, bytes]): Wanted => ({ digest, size: bytes.length }));
  const open: TarLayout["open"] = (one, { signal, start }) => {
    const bytes = memory.get(one.digest);
    if (bytes !== undefined) return new Blob([new Uint8Array(bytes.subarray(start?.bytes ?? 0))]).stream();
    const path = executables.files.get(one.digest);
    if (path !== undefined) return streamOf(fileChunks(deps, path, { fromByte: start?.bytes }));
    const place = places.get(one.digest);
    if (place === undefined) throw new Error(`Cannot open "${one.digest}": nobody planned it`);
    return place.client.blobStream(place.repository, place.descriptor, { signal, start });
  };
  const contents = uniqueContents([...sizes, ...selection.blobs, ...executables.contents]);
  return {
    document,
    tar: { entries: [...entries, bundle.entry], contents, open },
    leftOut: selection.leftOut,
    otherImages: closure.release.manifest.additionalImages?.length ?? null,
  };
}

function uniqueContents(all: readonly Wanted[]): readonly Wanted[] {
  return [...new Map(all.map(({ digest, size }) => [digest, { digest, size }])).values()];
}

function distinct(entries: readonly LayoutEntry[]): readonly LayoutEntry[] {
  return [...new Map(entries.map((entry) => [refName(entry), entry])).values()];
}

function partsOf({ parts }: ReleaseClosure): readonly LayoutEntry[] {
  return parts.map(({ repository, tag, descriptor }) => ({
    repository,
    descriptor,
    ...(tag === undefined ? {} : { tag }),
  }));
}

/** The channel that was asked for goes along, so that `--channel` finds the release in the bundle. */
function channelOf({ parts }: ReleaseClosure, ref: ReleaseRef): readonly LayoutEntry[] {
  const release = parts.find((part) => part.kind === "release");
  if (!("channel" in ref) || release === undefined) return [];
  return [{ repository: release.repository, tag: ref.channel, descriptor: release.descriptor }];
}

/** Reads the trust metadata and the history of the channel, where the publisher has them. Throws what reading throws. */
export async function readTrust(
  client: RegistryClient,
  wanted: Pick<BundleOptions, "base" | "signal"> & { readonly ref: ReleaseRef },
): Promise<{ readonly entries: readonly LayoutEntry[]; readonly walk: Walk }> {
  const { base, ref, signal } = wanted;
  const walk = createWalk({ platform: undefined });
  const entries: LayoutEntry[] = [];
  const add = async (repository: string, tag: string): Promise<void> => {
    const place = base === "" ? repository : `${base}/${repository}`;
    const { descriptor } = await client.document(place, tag, { signal });
    await walk.add({ client, repository: place, descriptor, signal });
    entries.push({ repository, tag, descriptor });
  };
  await orNothing(async () => {
    const tags = await client.tags(trustRepository(base), { signal });
    if (tags.length > MAX_TRUST_TAGS) {
      const is = `it has ${tags.length} tags, at most ${MAX_TRUST_TAGS} are taken`;
      throw new ApplianceError("oci/too-large", `Cannot bundle repository "${TRUST_REPOSITORY}": ${is}`);
    }
    for (const tag of tags) await add(TRUST_REPOSITORY, tag);
  });
  if ("channel" in ref) await orNothing(() => add(HISTORY_REPOSITORY, ref.channel));
  return { entries, walk };
}

/** Publishers of the first releases have neither. */
async function orNothing(read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (thrown) {
    if (!isApplianceError(thrown, "oci/not-found", "oci/unauthorized", "oci/forbidden")) throw thrown;
  }
}

function documentOf(
  { release }: ReleaseClosure,
  given: {
    readonly wanted: BundleOptions & { readonly ref: ReleaseRef };
    readonly entries: readonly LayoutEntry[];
    readonly leftOut: readonly LeftOut[];
  },
): BundleDocument {
  const { ref, platform } = given.wanted;
  const contents = given.entries.map(({ repository, tag, descriptor: { digest } }) => ({
    repository,
    digest,
    ...(tag === undefined ? {} : { tag }),
  }));
  const channel = "channel" in ref ? { channel: ref.channel } : {};
  return {
    schema: BUNDLE_SCHEMA,
    release: { version: release.manifest.version, digest: release.digest, ...channel },
    platforms: platform === undefined ? ["all"] : [`${platform.os}/${platform.architecture}`],
    contents: contents.sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1)),
    leftOut: given.leftOut.map(({ digest, size, why }) => ({ digest, size, why })),
  };
}

/** The bundle document as an artifact, all of it in memory. */
function packDocument(document: BundleDocument): {
  readonly entry: LayoutEntry;
  readonly memory: ReadonlyMap<Digest, Uint8Array>;
} {
  const store = createMemoryStore();
  const tag = document.release.version.replaceAll("+", "_");
  const digest = pushArtifact(store, BUNDLE_REPOSITORY, {
    artifactType: BUNDLE_ARTIFACT_TYPE,
    config: { mediaType: BUNDLE_CONFIG_MEDIA_TYPE, bytes: formatBundleDocument(document) },
  });
  const bytes = store.manifest(BUNDLE_REPOSITORY, digest)?.bytes ?? new Uint8Array();
  const descriptor: Descriptor = {
    mediaType: MEDIA.manifest,
    digest,
    size: bytes.length,
    artifactType: BUNDLE_ARTIFACT_TYPE,
  };
  const blobs = store.blobs(BUNDLE_REPOSITORY).map((blob) => [blob.digest, blob.bytes] as const);
  return { entry: { repository: BUNDLE_REPOSITORY, tag, descriptor }, memory: new Map([...blobs, [digest, bytes]]) };
}
