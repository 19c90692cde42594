/**
 * Taking releases out of the box's store: roots that no kept bundle names, then content that no root leads to.
 *
 * Only for the holder of the store's lease. What no bundle document names was put there by hand and stays.
 */
import { type Digest, isDigest } from "../core/digest.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { type Layout, type LayoutEntry, openLayout } from "../oci/layout.ts";
import { readCatalog } from "../oci/layout-catalog.ts";
import { sweepLayout } from "../oci/layout-sweep.ts";
import { createLayout } from "../oci/layout-writer.ts";
import { compareVersions } from "../release/version.ts";
import { BUNDLE_REPOSITORY, type BundleDocument, readBundleDocuments } from "./bundle-document.ts";
import type { Completeness } from "./completeness.ts";

type FilesDeps = Pick<Deps, "files">;

/** The document of the installed release is some kilobytes; a manifest inside it at most 1 MiB. */
const MAX_INSTALLED_BYTES = 8 * 1024 * 1024;

export interface KeepOptions {
  readonly paths: StatePaths;
  /** How many releases stay, newest first. */
  readonly keep: number;
  /** What was loaded now; it stays whatever its version. */
  readonly found: Pick<Completeness, "releases">;
}

/**
 * Removes what is beyond the kept releases.
 *
 * Readers of the store see the new index first; a download of a removed release breaks off. A crash leaves content that the
 * next call removes.
 *
 * @returns bytes that were freed.
 */
export async function keepReleases(deps: FilesDeps, options: KeepOptions): Promise<number> {
  const { paths, found } = options;
  const before = await openLayout(deps, paths.store);
  const bundles = await readBundleDocuments(before, await readCatalog(before));
  const needed = new Set([...found.releases.map((one) => one.digest), ...(await installedDigests(deps, paths))]);
  const newest = [...bundles].sort((a, b) => compareVersions(b.release.version, a.release.version) ?? 0);
  const kept = bundles.filter((one) => newest.indexOf(one) < options.keep || needed.has(one.release.digest));
  await writeRoots(deps, before, rootsOf(before, { kept, dropped: bundles.filter((one) => !kept.includes(one)) }));
  return sweepLayout(deps, paths.store);
}

/** Every digest in the document of the installed release: which of them it is needs no knowledge of its form. */
async function installedDigests({ files }: FilesDeps, paths: StatePaths): Promise<readonly Digest[]> {
  const bytes = await files.read(paths.release, { maxBytes: MAX_INSTALLED_BYTES });
  const text = bytes === undefined ? "" : new TextDecoder().decode(bytes);
  return [...text.matchAll(/sha256:[0-9a-f]{64}/g)].map(([one]) => one).filter(isDigest);
}

function rootsOf(
  layout: Layout,
  bundles: { readonly kept: readonly BundleDocument[]; readonly dropped: readonly BundleDocument[] },
): readonly LayoutEntry[] {
  const keyOf = (one: { repository: string; tag?: string | undefined; digest: string }): string =>
    `${one.repository}:${one.tag ?? ""}@${one.digest}`;
  // A root that lost its tag to a later release stays for the one that named it so.
  const untagged = ({ repository, digest }: { repository: string; digest: string }) => keyOf({ repository, digest });
  const keys = (all: readonly BundleDocument[]) =>
    new Set(all.flatMap(({ contents }) => contents.flatMap((one) => [keyOf(one), untagged(one)])));
  const [kept, dropped] = [keys(bundles.kept), keys(bundles.dropped)];
  const versions = new Set(bundles.dropped.map((one) => one.release.version.replaceAll("+", "_")));
  return layout.entries().filter(({ repository, tag, descriptor }) => {
    if (repository === BUNDLE_REPOSITORY && tag !== undefined) return !versions.has(tag);
    const key = keyOf({ repository, tag, digest: descriptor.digest });
    return kept.has(key) || !dropped.has(key);
  });
}

async function writeRoots(deps: FilesDeps, before: Layout, roots: readonly LayoutEntry[]): Promise<void> {
  const after = await createLayout(deps, before.place);
  for (const { repository, tag, descriptor } of roots) {
    const bytes = await before.bytes(descriptor);
    const named = tag === undefined ? {} : { tag };
    await after.putManifest({ repository, mediaType: descriptor.mediaType, bytes, ...named });
  }
  await after.finish();
}
