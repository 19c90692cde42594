/**
 * Loading a bundle into the box's own store: an OCI layout that all releases share, one blob once.
 *
 * Parties: the bundle came on a stick and is untrusted; every byte is checked on its way in. One load at a time holds the
 * lease of the store. A load that dies leaves whole blobs, which the next one finds, and an index that names only what was
 * there before; the new index is written last.
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { inParallel } from "../core/parallel.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { blobPath, isWhole, type Layout, type LayoutEntry, type LayoutWriter } from "../oci/layout.ts";
import { type LayoutCatalog, readCatalog } from "../oci/layout-catalog.ts";
import { removeLeftovers } from "../oci/layout-sweep.ts";
import { unionOf } from "../oci/layout-union.ts";
import { createLayout } from "../oci/layout-writer.ts";
import type { Descriptor } from "../oci/model.ts";
import { createFileStore } from "../operation/file-store.ts";
import { acquireLease } from "../operation/lease.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { compareVersions } from "../release/version.ts";
import type { BundleToTrust, SignedBy } from "./bundle-trust.ts";
import { type Completeness, completenessOf } from "./completeness.ts";
import { keepReleases } from "./store-garbage.ts";

export type LoadDeps = Pick<Deps, "files" | "clock" | "machine" | "random" | "log">;

/** How a bundle comes into the store. `verify` is asked before the first byte is copied, `onProgress` at every blob. */
export interface LoadOptions {
  readonly signal: AbortSignal;
  /** Releases that stay in the store, newest first; the installed one and the loaded one stay beside them. Absent: all. */
  readonly keep?: number;
  /** Lets a channel of the store move to an older release. */
  readonly allowDowngrade?: boolean;
  /** Says who stands for the releases, or refuses them, before anything is copied. */
  readonly verify: (bundle: BundleToTrust) => Promise<readonly SignedBy[]>;
  readonly onProgress?: (progress: { readonly copiedBytes: number; readonly totalBytes: number }) => void;
}

export interface LoadReport {
  readonly releases: Completeness["releases"];
  readonly signed: readonly SignedBy[];
  readonly copiedBytes: number;
  /** Of the bundle, in the store before. */
  readonly presentBytes: number;
  /** Left out of the bundle because of another platform or the images of the node. */
  readonly leftOut: number;
  readonly removedBytes: number;
}

/** Blobs that are copied at a time: a stick is slow at many, a disk is quick at few. */
const PARALLEL = 4;

/**
 * Loads a bundle. Safe to call again; after a crash it goes on with what is there.
 *
 * @throws {ApplianceError} operation/busy while another load runs; release/incomplete when bundle and store together lack
 *   something; release/downgrade; the trust/ codes of `verify`; file/disk-full, before anything is copied when the room is
 *   too small; oci/digest-mismatch.
 */
export function loadBundle(
  deps: LoadDeps,
  bundle: Layout,
  options: LoadOptions & { readonly paths: StatePaths },
): Promise<LoadReport> {
  return withStoreLease(deps, options, async (signal) => {
    const store = await createLayout(deps, options.paths.store, { keepEntries: true });
    await removeLeftovers(deps, options.paths.store);
    const { both, catalog, found } = await look(bundle, store);
    const signed = await options.verify({ layout: both, catalog, releases: found.releases });
    if (options.allowDowngrade !== true) await refuseDowngrade(store, { bundle, found });
    const { lacking, damaged, presentBytes } = await compare(catalog, { bundle, store, signal });
    await needRoom(deps, options.paths.store, lacking);
    for (const one of damaged) await deps.files.remove(blobPath(options.paths.store, one.digest));
    await copy({ bundle, store, lacking }, { ...options, signal });
    await keepDisplaced(store, { bundle, signal });
    for (const entry of bundle.entries()) await putEntry(store, entry, await bundle.bytes(entry.descriptor));
    await store.finish();
    const removedBytes =
      options.keep === undefined ? 0 : await keepReleases(deps, { paths: options.paths, keep: options.keep, found });
    return {
      releases: found.releases,
      signed,
      copiedBytes: bytesOf(lacking),
      presentBytes,
      leftOut: found.leftOut.length,
      removedBytes,
    };
  });
}

/** Runs work as the only writer of the store; the signal fires too when the lease is lost. */
async function withStoreLease<T>(
  deps: LoadDeps,
  options: LoadOptions & { readonly paths: StatePaths },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const store = createFileStore(deps, { ...options.paths, lease: options.paths.storeLease });
  const lease = await acquireLease({ ...deps, store });
  if (lease === undefined) {
    throw new ApplianceError(
      "operation/busy",
      "Cannot load into the store: another load is running, one at a time is wanted",
      {
        hint: "Wait until it is done; a load that died is replaced after 15 s",
      },
    );
  }
  try {
    return await work(AbortSignal.any([options.signal, lease.lost]));
  } finally {
    await lease.release();
  }
}

/** Walks over the bundle with the store behind it, and refuses what both together lack. */
async function look(
  bundle: Layout,
  store: Layout,
): Promise<{ readonly both: Layout; readonly catalog: LayoutCatalog; readonly found: Completeness }> {
  const both: Layout = { ...unionOf([bundle, store]), place: bundle.place, entries: bundle.entries };
  const catalog = await readCatalog(both);
  const found = await completenessOf(both, catalog);
  const expected = new Set(
    found.bundles.flatMap((one) => one.leftOut.filter(({ why }) => why === "store").map(({ digest }) => digest)),
  );
  const lost = found.leftOut.filter((one) => expected.has(one.descriptor.digest));
  const [first] = [...found.lacking.map((one) => one.what), ...lost.map((one) => one.descriptor.digest)];
  if (first === undefined) return { both, catalog, found };
  const count = found.lacking.length + lost.length;
  throw new ApplianceError(
    "release/incomplete",
    `Cannot load bundle "${bundle.place}": ${count} parts are neither in it nor in the store, the first is ${first}`,
    { hint: "Make it without --since, or with the list that alga-appliance release have prints on this box" },
  );
}

/** A channel is somebody's word for "the newest that is good": an old stick must not move it back unasked. */
async function refuseDowngrade(
  store: Layout,
  given: { readonly bundle: Layout; readonly found: Completeness },
): Promise<void> {
  const before = await completenessOf(store, await readCatalog(store));
  const versions = new Map([...before.releases, ...given.found.releases].map((one) => [one.digest, one.version]));
  const channels = (layout: Layout) => layout.entries().filter((one) => one.repository === RELEASE_REPOSITORY);
  for (const entry of channels(given.bundle)) {
    const old = channels(store).find((one) => one.tag !== undefined && one.tag === entry.tag);
    const [from, to] = [old, entry].map((one) => versions.get(one?.descriptor.digest ?? ("" as Digest)));
    if (from === undefined || to === undefined || (compareVersions(to, from) ?? 0) >= 0) continue;
    throw new ApplianceError(
      "release/downgrade",
      `Cannot load bundle "${given.bundle.place}": ${entry.tag} is release ${from} in the store and ${to} in the bundle`,
      { hint: "alga-appliance release load --allow-downgrade moves it back" },
    );
  }
}

interface Comparison {
  /** In the bundle and not whole in the store. */
  readonly lacking: readonly Descriptor[];
  /** Of those, what has its name in the store with other bytes: a disk has lost some. */
  readonly damaged: readonly Descriptor[];
  readonly presentBytes: number;
}

/** What is there is read before it is believed: a load mends what a disk has lost. */
async function compare(
  catalog: LayoutCatalog,
  given: { readonly bundle: Layout; readonly store: Layout; readonly signal: AbortSignal },
): Promise<Comparison> {
  const { bundle, store, signal } = given;
  const all = new Map<Digest, Descriptor>();
  for (const { manifests, blobs } of catalog.repositories.values()) {
    for (const one of [...manifests.values(), ...blobs.values()]) all.set(one.digest, one);
  }
  const lacking: Descriptor[] = [];
  const damaged: Descriptor[] = [];
  let presentBytes = 0;
  for (const one of all.values()) {
    if (await isWhole(store, one, signal)) {
      presentBytes += one.size;
      continue;
    }
    const [isDamaged, isBrought] = [await store.has(one.digest), (await bundle.size(one.digest)) === one.size];
    if (isDamaged && !isBrought) throw beyondRepair(bundle, one);
    if (isDamaged) damaged.push(one);
    if (isBrought) lacking.push(one);
  }
  return { lacking, damaged, presentBytes };
}

function beyondRepair({ place }: Layout, { digest }: Descriptor): ApplianceError {
  return new ApplianceError(
    "release/incomplete",
    `Cannot load bundle "${place}": the store's ${digest} is damaged, and the bundle does not have it`,
    { hint: "Make it with a new list: alga-appliance release have leaves out what is damaged" },
  );
}

function bytesOf(contents: readonly Descriptor[]): number {
  return contents.reduce((sum, one) => sum + one.size, 0);
}

async function needRoom({ files }: Pick<Deps, "files">, path: string, contents: readonly Descriptor[]): Promise<void> {
  const neededBytes = bytesOf(contents);
  const { freeBytes } = await files.space(path);
  if (freeBytes >= neededBytes) return;
  throw new ApplianceError(
    "file/disk-full",
    `Cannot load into the store "${path}": it needs ${neededBytes} bytes, the disk has ${freeBytes} free`,
    {
      hint: "Free space, or load with --keep 1 to give up older releases afterwards",
      details: { path, neededBytes, freeBytes },
    },
  );
}

async function copy(
  work: { readonly bundle: Layout; readonly store: LayoutWriter; readonly lacking: readonly Descriptor[] },
  options: LoadOptions,
): Promise<void> {
  const totalBytes = bytesOf(work.lacking);
  let copiedBytes = 0;
  await inParallel(work.lacking, { limit: PARALLEL, signal: options.signal }, async (one, signal) => {
    await work.store.putStream(one, work.bundle.stream(one, { signal }));
    copiedBytes += one.size;
    options.onProgress?.({ copiedBytes, totalBytes });
  });
}

/** A tag that means something else from now on: what it meant belongs to an older release, which stays whole without it. */
async function keepDisplaced(
  store: LayoutWriter,
  { bundle, signal }: { readonly bundle: Layout; readonly signal: AbortSignal },
): Promise<void> {
  const nameOf = ({ repository, tag }: LayoutEntry): string => `${repository}:${tag}`;
  const coming = new Map(bundle.entries().map((entry) => [nameOf(entry), entry.descriptor.digest]));
  for (const entry of store.entries()) {
    const digest = entry.tag === undefined ? undefined : coming.get(nameOf(entry));
    if (digest === undefined || digest === entry.descriptor.digest) continue;
    if (!(await isWhole(store, entry.descriptor, signal))) continue;
    const { repository, descriptor } = entry;
    await putEntry(store, { repository, descriptor }, await store.bytes(descriptor));
  }
}

async function putEntry(store: LayoutWriter, entry: LayoutEntry, bytes: Uint8Array): Promise<void> {
  const { repository, tag, descriptor } = entry;
  await store.putManifest({
    repository,
    mediaType: descriptor.mediaType,
    bytes,
    ...(tag === undefined ? {} : { tag }),
  });
}
