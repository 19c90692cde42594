/**
 * What Flux reads of releases, kept on the box: the config bundle and the charts, whole and by digest.
 *
 * An update keeps here what it leaves, so that there is a way back when the registry is gone. An OCI layout of its own: what
 * `release load` brought is the operator's, this is the appliance's, and is cleared as releases go. Images are not in it:
 * containerd keeps those. The registry is untrusted; every byte is checked on its way in, and again on its way out.
 */
import { join } from "node:path/posix";
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { RegistryClient } from "../oci/client.ts";
import { blobPath, isWhole, type Layout, type LayoutWriter, openLayout } from "../oci/layout.ts";
import { removeLeftovers, sweepLayout } from "../oci/layout-sweep.ts";
import { createLayout } from "../oci/layout-writer.ts";
import { type Descriptor, parseDocument } from "../oci/model.ts";
import type { ResolvedRelease } from "./resolved.ts";

/** Bytes of one bundle or chart at most; they are kilobytes. */
const MAX_PART_BYTES = 64 * 1024 * 1024;

export const keptPartSchema = z.object({
  /** "config", "chart sebastian". */
  name: z.string(),
  /** Below the base of the registry: "charts/sebastian". */
  repository: z.string(),
  /** By which bundles of the older form ask; absent where only the digest counts. */
  tag: z.string().optional(),
  digest: z.custom<Digest>(isDigest),
});

/** One thing that Flux reads of a release. */
export type KeptPart = z.infer<typeof keptPartSchema>;

/** The parts of releases on this disk. One process writes at a time: the holder of the box's lease. */
export interface PartsShelf {
  /**
   * Reads parts whole from the registry, each by its digest, and keeps them. What is there is not read again. Safe to call again.
   *
   * @returns bytes that came.
   * @throws {ApplianceError} file/disk-full, oci/digest-mismatch, oci/too-large, and what the registry client throws.
   */
  keep(registry: RegistryClient, parts: readonly KeptPart[], options: ShelfOptions): Promise<number>;
  /** Names of parts that are not whole here, by reading every byte. */
  lacking(parts: readonly KeptPart[], signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Gives kept parts the tags by which bundles of the older form ask for charts. Safe to call again.
   * @throws {ApplianceError} oci/digest-mismatch for a manifest that the disk has lost; file/disk-full.
   */
  name(parts: readonly KeptPart[]): Promise<void>;
  /** Clears away all but these. A crash leaves content that the next call removes. */
  keepOnly(parts: readonly KeptPart[]): Promise<void>;
}

/** How parts come: from where in the registry, and who is told. */
export interface ShelfOptions {
  /** Path before all repositories of the registry: "nine-minds". */
  readonly base: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (name: string, done: number) => void;
}

/** What Flux reads of a resolved release: its bundle and its charts, as this appliance's registry has them. Pure. */
export function partsOf({ artifacts, registry }: Pick<ResolvedRelease, "artifacts" | "registry">, base: string) {
  const prefix = base === "" ? `${registry}/` : `${registry}/${base}/`;
  return artifacts.flatMap(({ kind, name, reference, digest }): KeptPart[] => {
    if ((kind !== "config" && kind !== "chart") || !reference.startsWith(prefix)) return [];
    const named = reference.slice(prefix.length).replace(/@sha256:[0-9a-f]{64}$/, "");
    const [repository = "", tag] = named.split(":");
    return [{ name, repository, ...(tag === undefined ? {} : { tag }), digest }];
  });
}

/** Opens the shelf in a folder, which is made when something is kept. */
export function createPartsShelf(deps: Pick<Deps, "files">, folder: string): PartsShelf {
  const open = async (): Promise<Layout | undefined> => {
    const marker = await deps.files.stat(join(folder, "oci-layout"));
    return marker === undefined ? undefined : openLayout(deps, folder);
  };
  return {
    keep: (registry, parts, options) => keepParts(deps, { folder, registry, parts }, options),
    lacking: async (parts, signal) => {
      const layout = await open();
      const found = await Promise.all(
        parts.map(async (part) => layout !== undefined && (await isPartWhole(layout, part, signal))),
      );
      return parts.flatMap(({ name }, index) => (found[index] === true ? [] : [name]));
    },
    keepOnly: async (parts) => {
      const before = await open();
      if (before === undefined) return;
      await removeLeftovers(deps, folder);
      await writeRoots(deps, before, parts);
      await sweepLayout(deps, folder);
    },
    name: async (parts) => {
      const layout = await createLayout(deps, folder, { keepEntries: true });
      // A tag that moves leaves what it meant: that belongs to another release.
      for (const { repository, descriptor } of layout.entries()) await putRoot(layout, { repository, descriptor });
      for (const part of parts) {
        const descriptor = rootOf(layout, part);
        if (descriptor !== undefined) await putRoot(layout, { ...part, descriptor });
      }
      await layout.finish();
    },
  };
}

async function keepParts(
  deps: Pick<Deps, "files">,
  work: { readonly folder: string; readonly registry: RegistryClient; readonly parts: readonly KeptPart[] },
  options: ShelfOptions,
): Promise<number> {
  const layout = await createLayout(deps, work.folder, { keepEntries: true });
  let bytes = 0;
  for (const [index, part] of work.parts.entries()) {
    options.onProgress?.(part.name, index);
    if (!(await isPartWhole(layout, part, options.signal))) {
      bytes += await keepPart(
        { layout, folder: work.folder, files: deps.files, registry: work.registry },
        part,
        options,
      );
    }
  }
  await layout.finish();
  return bytes;
}

interface Shelf {
  readonly layout: LayoutWriter;
  readonly folder: string;
  readonly files: Deps["files"];
  readonly registry: RegistryClient;
}

/** Content first, its manifest as a root last: what is listed is whole. */
async function keepPart(shelf: Shelf, part: KeptPart, { base, signal }: ShelfOptions): Promise<number> {
  const { layout, registry } = shelf;
  const repository = base === "" ? part.repository : `${base}/${part.repository}`;
  const { bytes, descriptor, manifest } = await registry.manifest(repository, part.digest, { signal });
  for (const one of [manifest.config, ...manifest.layers]) {
    if (await isWhole(layout, one, signal)) continue;
    // What has its name with other bytes: a disk has lost some.
    if (await layout.has(one.digest)) await shelf.files.remove(blobPath(shelf.folder, one.digest));
    await layout.putBlob(await registry.blob(repository, one, { maxBytes: MAX_PART_BYTES, signal }));
  }
  if (!(await isWhole(layout, descriptor, signal)) && (await layout.has(descriptor.digest))) {
    await shelf.files.remove(blobPath(shelf.folder, descriptor.digest));
  }
  await layout.putManifest({ repository: part.repository, mediaType: descriptor.mediaType, bytes });
  return manifest.layers.reduce((sum, { size }) => sum + size, bytes.length + manifest.config.size);
}

async function isPartWhole(layout: Layout, part: KeptPart, signal: AbortSignal): Promise<boolean> {
  const root = rootOf(layout, part);
  if (root === undefined || !(await isWhole(layout, root, signal))) return false;
  const document = parseDocument(await layout.bytes(root), { contentType: root.mediaType, what: part.name });
  if (document.kind !== "manifest") return false;
  const { config, layers } = document.manifest;
  for (const one of [config, ...layers]) if (!(await isWhole(layout, one, signal))) return false;
  return true;
}

function rootOf(layout: Layout, { repository, digest }: KeptPart): Descriptor | undefined {
  const entry = layout.entries().find((one) => one.repository === repository && one.descriptor.digest === digest);
  return entry?.descriptor;
}

async function putRoot(
  layout: LayoutWriter,
  root: { readonly repository: string; readonly tag?: string | undefined; readonly descriptor: Descriptor },
): Promise<void> {
  const { repository, tag, descriptor } = root;
  const bytes = await layout.bytes(descriptor);
  await layout.putManifest({
    repository,
    mediaType: descriptor.mediaType,
    bytes,
    ...(tag === undefined ? {} : { tag }),
  });
}

/** Readers see the new index first. Roots stand in the order of the parts, without tags, whoever brought them when. */
async function writeRoots(deps: Pick<Deps, "files">, before: Layout, parts: readonly KeptPart[]): Promise<void> {
  const after = await createLayout(deps, before.place);
  for (const { repository, ...part } of parts) {
    const descriptor = rootOf(before, { repository, ...part });
    const bytes = descriptor === undefined ? undefined : await before.bytes(descriptor).catch(passOverDamage);
    if (descriptor === undefined || bytes === undefined) continue;
    await after.putManifest({ repository, mediaType: descriptor.mediaType, bytes });
  }
  await after.finish();
}

/** What the disk has lost is kept no more; the next update brings it again. */
function passOverDamage(thrown: unknown): undefined {
  if (isApplianceError(thrown, "oci/digest-mismatch", "oci/size-mismatch", "oci/not-found")) return undefined;
  throw thrown;
}
