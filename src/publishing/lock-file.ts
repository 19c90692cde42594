/**
 * `release.lock.yaml`: which digest every tag of a `release.yaml` had when it was locked (`alga.appliance.release-lock/v1`).
 *
 * It is made by `release lock`, committed beside the source, and is all that a build knows of registries. A lock belongs to one
 * `release.yaml`: what it pins is compared with what the source asks for now, name by name.
 */
import { join } from "node:path/posix";
import { stringify } from "yaml";
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { parseInstant } from "../core/time.ts";
import { readYaml } from "../flux/yaml.ts";
import { fieldProblems } from "../release/field-problems.ts";
import { imageText, readImageName } from "../release/image-name.ts";
import { CONTROL_PLANE_REPOSITORY } from "./image.ts";
import { imageRepositories, type Referenced, type ReleaseSource } from "./source.ts";

export const LOCK_FILE = "release.lock.yaml";
const LOCK_SCHEMA = "alga.appliance.release-lock/v1";
const MAX_LOCK_BYTES = 1024 * 1024;
const HEADER = "# Written by alga-appliance release lock. Commit it with release.yaml; do not edit it.\n";

const pinSchema = z.strictObject({
  /** With registry and tag, as the source asks for it: "ghcr.io/nine-minds/alga-psa-ee:62cdce38". */
  reference: z.string().min(1).max(500),
  /** Of the manifest, or of the index where there is one. */
  digest: z.custom<Digest>(isDigest, "sha256: and 64 lower-case hex digits are wanted"),
});

const lockSchema = z.strictObject({
  schema: z.literal(LOCK_SCHEMA),
  /** Of the release that it was made for. */
  version: z.string().min(1).max(128),
  /** When this version was locked, RFC 3339 in UTC; the time that stands in what is built. */
  lockedAt: z.string().refine((text) => parseInstant(text) !== undefined, "an instant of RFC 3339 is wanted"),
  /** "image algaCore", "image docker.io/library/postgres:16", "chart temporal", "flux", "flux image ...", "control-plane image". */
  pins: z.record(z.string().min(1).max(500), pinSchema),
});

export type ReleaseLock = z.output<typeof lockSchema>;
export type Pin = z.output<typeof pinSchema>;

/** What a source wants to be pinned: name -> reference with its tag. */
export function wantedPins(source: ReleaseSource): ReadonlyMap<string, string> {
  const { registry, images, additionalImages, controlPlane, charts, flux } = source;
  const repositories = imageRepositories(source);
  const wanted = new Map<string, string>();
  for (const [key, { tag }] of Object.entries(images)) {
    wanted.set(`image ${key}`, `${registry}/${repositories.get(key)}:${tag}`);
  }
  if (controlPlane !== "build")
    wanted.set("control-plane image", `${registry}/${CONTROL_PLANE_REPOSITORY}:${controlPlane.tag}`);
  for (const [name, chart] of Object.entries(charts)) {
    if ("reference" in chart) wanted.set(`chart ${name}`, referenceText(chart));
  }
  for (const text of additionalImages) {
    const image = imageText(readImageName(text));
    wanted.set(`image ${image}`, image);
  }
  if (flux !== undefined) wanted.set("flux", referenceText(flux));
  return wanted;
}

/** Before the name of an image that Flux's manifests name: which these are stands in what the pin of Flux names. */
const FLUX_IMAGE = "flux image ";

/** Name of the pin of an image of Flux's controllers. */
export function fluxImagePin(image: string): string {
  return `${FLUX_IMAGE}${image}`;
}

/** Images that a lock pins beside those of components: what the source lists, and Flux's; each once, sorted by name. */
export function additionalPins(lock: Pick<ReleaseLock, "pins">): readonly Pin[] {
  const pins = Object.entries(lock.pins)
    .filter(([name, { reference }]) => name === `image ${reference}` || name === fluxImagePin(reference))
    .map(([, pin]) => [pin.reference, pin] as const);
  return [...new Map(pins).values()].sort((a, b) => (a.reference < b.reference ? -1 : 1));
}

/** "ghcr.io/nine-minds/charts/temporal:0.1.0". @see Helm, "Use OCI-based registries": '+' of a version is '_' in a tag */
function referenceText({ reference, version }: Referenced): string {
  return `${reference.replace(/^oci:\/\//, "")}:${version.replaceAll("+", "_")}`;
}

/**
 * Reads the lock of a source tree; undefined when there is none.
 *
 * @throws {ApplianceError} build/bad-source when it is not what `release lock` writes.
 */
export async function readLock({ files }: Pick<Deps, "files">, folder: string): Promise<ReleaseLock | undefined> {
  const bytes = await files.read(join(folder, LOCK_FILE), { maxBytes: MAX_LOCK_BYTES });
  if (bytes === undefined) return undefined;
  const [document] = readYaml(new TextDecoder().decode(bytes), { what: LOCK_FILE, code: "build/bad-source" });
  const parsed = lockSchema.safeParse(document ?? {});
  if (parsed.success) return parsed.data;
  const [problem] = fieldProblems(parsed.error, document);
  throw new ApplianceError("build/bad-source", `Cannot use ${LOCK_FILE}: ${problem?.field} ${problem?.detail}`, {
    hint: "Take it from the commit, or write it again: alga-appliance release lock",
  });
}

/** The lock as text: the same pins are always the same bytes. */
export function formatLock(lock: Omit<ReleaseLock, "schema">): string {
  return HEADER + stringify({ schema: LOCK_SCHEMA, ...lock }, { sortMapEntries: true, lineWidth: 0 });
}

/**
 * Refuses a lock that was made for another `release.yaml`.
 *
 * @throws {ApplianceError} build/stale-lock saying what differs, all of it in `details.differences`.
 */
export function assertLocked(source: ReleaseSource, lock: ReleaseLock | undefined): ReleaseLock {
  if (lock === undefined) throw stale(["there is no lock"]);
  const differences = lockDifferences(source, lock);
  if (differences.length > 0) throw stale(differences);
  return lock;
}

/**
 * Refuses a lock that was made without the images of its Flux manifests, or for others.
 *
 * @param images As the manifests name them, whole and normal.
 * @throws {ApplianceError} build/stale-lock naming the first one.
 */
export function assertFluxLocked(images: readonly string[], lock: ReleaseLock): void {
  const locked = Object.keys(lock.pins).filter((name) => name.startsWith(FLUX_IMAGE));
  const wanted = images.map(fluxImagePin);
  const missing = wanted.filter((name) => !locked.includes(name)).map((name) => `${name} is new`);
  const gone = locked.filter((name) => !wanted.includes(name)).map((name) => `${name} is not in Flux's manifests`);
  if (missing.length + gone.length > 0) throw stale([...missing, ...gone]);
}

/** What a lock has otherwise than its source wants it; empty when they belong together. */
export function lockDifferences(source: ReleaseSource, lock: ReleaseLock): readonly string[] {
  const wanted = wantedPins(source);
  const version =
    source.version === lock.version ? [] : [`version is ${source.version}, the lock is of ${lock.version}`];
  const changed = [...wanted].flatMap(([name, reference]) => {
    const pin = lock.pins[name];
    if (pin === undefined) return [`${name} is new`];
    return pin.reference === reference ? [] : [`${name} is ${reference}, the lock has ${pin.reference}`];
  });
  const isOfFlux = (name: string): boolean => source.flux !== undefined && name.startsWith(FLUX_IMAGE);
  const gone = Object.keys(lock.pins).filter((name) => !wanted.has(name) && !isOfFlux(name));
  return [...version, ...changed, ...gone.map((name) => `${name} is not in release.yaml any more`)];
}

function stale(differences: readonly string[]): ApplianceError {
  const more = differences.length > 1 ? ` (and ${differences.length - 1} more)` : "";
  return new ApplianceError(
    "build/stale-lock",
    `Cannot build from ${LOCK_FILE}: ${differences[0]}${more}, a lock of this release.yaml is wanted`,
    { hint: "alga-appliance release lock <dir> resolves what has changed", details: { differences } },
  );
}
