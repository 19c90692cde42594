/**
 * Locking a source tree: every tag is resolved once, and what a build needs of it is brought beside the source.
 *
 * Charts and Flux's manifests that come from a registry are kept in `vendor/`, an OCI layout, so that a build never asks the
 * network. What is locked already is not asked for again, and stays as it is when its tag moves; `update` asks anew. The lock
 * is written when all is there, and only then is taken away what the old one needed: killed before, the tree has its old one.
 */
import { join } from "node:path/posix";
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { RegistryClient } from "../oci/client.ts";
import type { LayoutWriter } from "../oci/layout.ts";
import { createLayout } from "../oci/layout-writer.ts";
import { MEDIA } from "../oci/media-types.ts";
import { type Descriptor, parseDocument } from "../oci/model.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { type ImageName, readImageName } from "../release/image-name.ts";
import { fluxImages } from "./flux-images.ts";
import { fluxImagePin, formatLock, LOCK_FILE, lockDifferences, type Pin, readLock, wantedPins } from "./lock-file.ts";
import { removeOtherBlobs } from "./other-blobs.ts";
import { type ReleaseSource, readSource } from "./source.ts";

/** Folder of the source tree with what was fetched: an OCI layout. */
export const VENDOR_FOLDER = "vendor";

/** A registry and what it calls something. */
export interface Located {
  readonly client: RegistryClient;
  readonly repository: string;
}

/** What to ask for anew, and how. */
export interface LockOptions {
  /** Names to ask for anew: "algaCore", "temporal", "flux", "control-plane image"; "all" is all of them. */
  readonly update: readonly string[];
  /** Finds the registry of a reference. A publisher's own repositories may be asked for in a mirror. */
  readonly open: (reference: Reference, source: ReleaseSource) => Promise<Located>;
  /** Finds an image of others: in the mirror that is asked, or where it lies. Absent: as `open`. */
  readonly openImage?: (image: ImageName, source: ReleaseSource) => Promise<Located>;
  /** RFC 3339: the time for a lock that is new or has changed. */
  readonly now: string;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  readonly onProgress?: (line: string) => void;
}

export interface LockedPin extends Pin {
  readonly name: string;
  /** "kept": as the lock had it. */
  readonly outcome: "kept" | "new" | "changed";
  /** What the lock had before. */
  readonly before?: Digest;
}

export interface LockReport {
  readonly version: string;
  readonly lockedAt: string;
  readonly pins: readonly LockedPin[];
  /** Images that the release names and cannot pin, because they are baked into boxes: "localhost/fluxcd/source-controller:v1". */
  readonly baked: readonly string[];
  /** The file was written, or would have been. */
  readonly hasChanged: boolean;
}

/**
 * Locks a source tree. Safe to call again: what is locked stays, and nothing is written when nothing changed.
 *
 * @throws {ApplianceError} build/bad-source for a wrong release.yaml, lock or name in `update`; what the registry client throws,
 *   naming the reference.
 */
export async function lockSource(
  deps: Pick<Deps, "files" | "clock">,
  folder: string,
  options: LockOptions,
): Promise<LockReport> {
  const source = await readSource(deps, folder);
  const before = await readLock(deps, folder);
  const wanted = wantedPins(source);
  const known = Object.keys(before?.pins ?? {}).filter((name) => name.startsWith(fluxImagePin("")));
  assertKnown(options.update, [...wanted.keys(), ...known]);
  const pins: LockedPin[] = [];
  const vendored = new Set<Digest>();
  const vendor = await openVendor(deps, join(folder, VENDOR_FOLDER), options.dryRun);
  const lockOne = async (name: string, reference: string): Promise<Pin> => {
    const old = before?.pins[name];
    const isKept = old?.reference === reference && !isAsked(options.update, name);
    const pin = isKept ? old : await resolvePin({ name, reference, source }, options);
    pins.push(outcomeOf(name, pin, old));
    return pin;
  };
  let baked: readonly string[] = [];
  for (const [name, reference] of wanted) {
    const pin = await lockOne(name, reference);
    if (!isVendored(name)) continue;
    for (const digest of await fetchVendored(vendor, { name, pin, source }, options)) vendored.add(digest);
    if (name !== "flux") continue;
    const images = await fluxImages(deps, await fluxLayer(vendor, { pin, source }, options));
    baked = images.baked;
    for (const image of images.pulled) await lockOne(fluxImagePin(image), image);
  }
  await vendor?.finish();
  const same =
    before !== undefined &&
    lockDifferences(source, before).length === 0 &&
    Object.keys(before.pins).length === pins.length &&
    pins.every((pin) => pin.outcome === "kept");
  const lockedAt = same ? before.lockedAt : options.now;
  const lock = {
    version: source.version,
    lockedAt,
    pins: Object.fromEntries(pins.map(({ name, reference, digest }) => [name, { reference, digest }])),
  };
  if (!same && !options.dryRun) await deps.files.write(join(folder, LOCK_FILE), formatLock(lock), { mode: 0o644 });
  if (vendor !== undefined) await removeOtherBlobs(deps, join(folder, VENDOR_FOLDER), vendored);
  return { version: source.version, lockedAt, pins, baked, hasChanged: !same };
}

interface Wanted {
  readonly name: string;
  readonly reference: string;
  readonly source: ReleaseSource;
}

async function resolvePin({ name, reference, source }: Wanted, options: LockOptions): Promise<Pin> {
  const parsed = parseReference(reference);
  const isOthers = name.endsWith(`image ${reference}`) && options.openImage !== undefined;
  const { client, repository } = isOthers
    ? await options.openImage(readImageName(reference), source)
    : await options.open(parsed, source);
  options.onProgress?.(`Asking ${client.registry} for ${name}`);
  // The digest of the bytes themselves: a HEAD would only be the registry's word.
  const pulled = await client.manifest(repository, parsed.tag ?? parsed.digest ?? "", {
    platform: { os: "linux", architecture: "amd64" },
    signal: options.signal,
  });
  return { reference, digest: pulled.root.digest };
}

/** 8 MiB: the official artifact has 70 KiB. */
const MAX_FLUX_LAYER_BYTES = 8 * 1024 * 1024;

/** The layer of Flux's artifact: from `vendor/`, or in a dry run from its registry. */
async function fluxLayer(
  vendor: LayoutWriter | undefined,
  { pin, source }: { readonly pin: Pin; readonly source: ReleaseSource },
  options: LockOptions,
): Promise<Uint8Array> {
  const limits = { signal: options.signal, maxBytes: MAX_FLUX_LAYER_BYTES };
  if (vendor === undefined) {
    const { client, repository } = await options.open(parseReference(pin.reference), source);
    const { manifest } = await client.manifest(repository, pin.digest, limits);
    return client.blob(repository, layerOf(manifest), limits);
  }
  const size = (await vendor.size(pin.digest)) ?? 0;
  const bytes = await vendor.bytes({ digest: pin.digest, size });
  const document = parseDocument(bytes, { contentType: MEDIA.manifest, what: pin.reference });
  return vendor.bytes(layerOf(document.kind === "manifest" ? document.manifest : { layers: [] }), limits);
}

function layerOf({ layers }: { readonly layers: readonly Descriptor[] }): Descriptor {
  const [layer] = layers;
  if (layer !== undefined) return layer;
  throw new ApplianceError("flux/bad-artifact", "Cannot use the Flux manifests of the release: they have no layer");
}

/** Images stay in their registry; charts and Flux's manifests are parts of what is built. */
function isVendored(name: string): boolean {
  return name === "flux" || name.startsWith("chart ");
}

async function openVendor(
  deps: Pick<Deps, "files">,
  folder: string,
  dryRun: boolean,
): Promise<LayoutWriter | undefined> {
  return dryRun ? undefined : await createLayout(deps, folder);
}

/** Brings an artifact with its blobs, checked by digest, and tells their digests. What is there already is not asked for. */
async function fetchVendored(
  vendor: LayoutWriter | undefined,
  wanted: { readonly name: string; readonly pin: Pin; readonly source: ReleaseSource },
  options: LockOptions,
): Promise<readonly Digest[]> {
  if (vendor === undefined) return [];
  const { name, pin, source } = wanted;
  const parsed = parseReference(pin.reference);
  const { client, repository } = await options.open(parsed, source);
  const known = await vendor.size(pin.digest);
  const bytes =
    known === undefined
      ? (await client.manifest(repository, pin.digest, { signal: options.signal })).bytes
      : await vendor.bytes({ digest: pin.digest, size: known });
  const document = parseDocument(bytes, { contentType: MEDIA.manifest, what: pin.reference });
  if (document.kind === "index") {
    throw new ApplianceError(
      "build/bad-source",
      `Cannot use ${name} "${pin.reference}": it is an index, one artifact is wanted`,
    );
  }
  const parts = [document.manifest.config, ...document.manifest.layers];
  for (const part of parts) {
    if (await vendor.has(part.digest)) continue;
    options.onProgress?.(`Fetching ${name}`);
    await vendor.putStream(part, client.blobStream(repository, part, { signal: options.signal }));
  }
  const { mediaType } = document.manifest;
  await vendor.putManifest({ repository: vendorRepository(name), tag: parsed.tag ?? "", mediaType, bytes });
  return [pin.digest, ...parts.map((part) => part.digest)];
}

/** Where an artifact lies in `vendor/`, and in what is built. */
export function vendorRepository(name: string): string {
  return name === "flux" ? "flux-manifests" : `charts/${name.slice("chart ".length)}`;
}

function outcomeOf(name: string, pin: Pin, old: Pin | undefined): LockedPin {
  if (old === undefined) return { name, ...pin, outcome: "new" };
  if (old.digest === pin.digest && old.reference === pin.reference) return { name, ...pin, outcome: "kept" };
  return { name, ...pin, outcome: "changed", before: old.digest };
}

function isAsked(update: readonly string[], name: string): boolean {
  return update.some((one) => one === "all" || one === name || one === shortName(name));
}

function assertKnown(update: readonly string[], names: readonly string[]): void {
  const unknown = update.find((one) => one !== "all" && !names.some((name) => isAsked([one], name)));
  if (unknown === undefined) return;
  throw new ApplianceError(
    "build/bad-source",
    `Cannot update "${unknown.slice(0, 100)}" of the lock: it is not in release.yaml, one of ${names.map(shortName).join(", ")} or all is wanted`,
  );
}

/** As people type it: without what it is a name of. */
function shortName(name: string): string {
  return name.replace(/^(flux image|image|chart) /, "");
}
