/**
 * Images that a way back, the next boot or the next volume needs although no container uses them now: nobody may clear them away.
 *
 * What the state folder says of releases is the control plane's word, which may be wrong: it can only make more stay.
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { createFileStore } from "../operation/file-store.ts";
import { additionalImages } from "../release/additional-images.ts";
import { STORAGE_IMAGES } from "../release/appliance-images.ts";
import { wantedArtifacts } from "../release/artifacts.ts";
import { publishedPlace, type RegistryPlace } from "../release/location.ts";
import {
  parseReleaseManifest,
  RELEASE_REPOSITORY,
  type ReleaseManifest,
  readReleaseManifest,
} from "../release/model.ts";
import { createResolvedStore } from "../release/resolved-store.ts";
import { type Installed, installedSchema, readInstalled } from "../status/installed.ts";
import { bakedNames } from "./baked-images.ts";
import { bakedImage } from "./control-plane-facts.ts";
import { readRecord } from "./control-plane-record.ts";

type KeptDeps = Pick<Deps, "files" | "clock" | "random" | "log" | "machine">;

const releaseSchema = z.object({ installed: installedSchema, manifest: z.unknown() });
/** As updates write it; only what names images. @see src/update/previous.ts */
const previousSchema = releaseSchema.extend({ earlier: releaseSchema.nullable() });

/**
 * Names them all, with tag, digest or both: the installed release and the two before it, the last healthy control plane, what the
 * payload brought, and what the storage starts for a new volume. Reads files only.
 *
 * @throws {ApplianceError} file/corrupt, release/invalid-manifest, file/unreadable: who does not know what is needed removes nothing.
 */
export async function keptImages(deps: KeptDeps, paths: StatePaths): Promise<ReadonlySet<string>> {
  const { healthy } = await readRecord(deps, paths);
  const baked = await bakedImage(deps, paths);
  return new Set([
    ...(await releaseImages(deps, paths)),
    ...(healthy === null ? [] : [healthy.image]),
    ...(baked === null ? [] : [baked.image]),
    ...(await bakedNames(deps, paths)),
    ...Object.values(STORAGE_IMAGES),
  ]);
}

/**
 * Images of the installed release and of those that can be gone back to, under every name that a node may know them by. Reads only.
 * @throws {ApplianceError} file/corrupt, release/invalid-manifest for a document that cannot be used.
 */
export async function releaseImages(deps: KeptDeps, paths: StatePaths): Promise<ReadonlySet<string>> {
  const store = createFileStore(deps, paths, { leaveDamaged: true });
  const installed = await readInstalled({ store, log: deps.log });
  const previous = await store.readDocument("previous-release", previousSchema);
  const manifest = installed === undefined ? undefined : await manifestOnDisk(deps, paths, installed.digest);
  const kept = [previous, previous?.earlier].filter((one) => one !== undefined && one !== null);
  return new Set([
    ...(installed === undefined || manifest === undefined ? [] : namesOf(manifest, installed)),
    ...kept.flatMap((one) => namesOf(readReleaseManifest(one.manifest), one.installed)),
  ]);
}

/** Place of the images of an installed release; undefined where the record names another repository than releases have. Pure. */
export function placeOfInstalled({
  registry,
  repository,
}: Pick<Installed, "registry" | "repository">): RegistryPlace | undefined {
  if (repository === RELEASE_REPOSITORY) return { registry, base: "" };
  const base = repository.endsWith(`/${RELEASE_REPOSITORY}`) ? repository.slice(0, -RELEASE_REPOSITORY.length - 1) : "";
  return base === "" ? undefined : { registry, base };
}

/** undefined where nobody has read it on this box: what of it runs is in use anyway. */
async function manifestOnDisk(deps: KeptDeps, paths: StatePaths, digest: Digest): Promise<ReleaseManifest | undefined> {
  const bytes = isDigest(digest) ? await createResolvedStore(deps, paths.resolvedReleases).bytes(digest) : undefined;
  return bytes === undefined ? undefined : parseReleaseManifest(bytes.config);
}

/** As published and as this box pulls them; charts may write either, and a mirror of containerd keeps the first. */
function namesOf(manifest: ReleaseManifest, installed: Installed): readonly string[] {
  const [registry = "", ...rest] = publishedPlace(manifest).split("/");
  const places = [{ registry, base: rest.join("/") }, placeOfInstalled(installed)].filter((one) => one !== undefined);
  const own = places.flatMap((place) => wantedArtifacts(manifest, place).filter(({ kind }) => kind === "image"));
  const others = places.flatMap((place) => additionalImages(manifest, place));
  return [
    ...own.flatMap(({ repository, tag, digest }) => spelled(repository, { tag, digest })),
    ...others.flatMap(({ name, tag, digest }) => spelled(name, { tag, digest })),
  ];
}

function spelled(
  repository: string,
  { tag, digest }: { readonly tag: string | undefined; readonly digest: string | undefined },
): readonly string[] {
  return [
    ...(tag === undefined ? [] : [`${repository}:${tag}`]),
    ...(digest === undefined ? [] : [`${repository}@${digest}`]),
  ];
}
