/**
 * Asking a registry for everything that a release refers to: its digest now, and the bytes to come.
 *
 * The bundle, Flux and the charts must be there, or the release cannot be installed. An image that cannot be had is
 * only told: it may be on the box already, and a private registry may show it to the node alone.
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { RegistryClient } from "../oci/client.ts";
import type { Platform } from "../oci/model.ts";
import { type WantedArtifact, wantedArtifacts } from "./artifacts.ts";
import { DEFAULT_PLACE, type RegistryPlace } from "./location.ts";
import type { ReleaseManifest } from "./model.ts";
import type { MissingArtifact, ResolvedArtifact } from "./resolved.ts";

export interface AskOptions {
  /** Path below which the registry keeps our repositories. Default "nine-minds". */
  readonly base?: string;
  /** Platform whose bytes are counted. Default linux/amd64. */
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
}

/** Artifacts asked for at a time: quick enough, and gentle with rate limits. */
const PARALLEL = 6;

export interface Answers {
  readonly artifacts: readonly ResolvedArtifact[];
  readonly missing: readonly MissingArtifact[];
}

/**
 * Asks for each part once.
 *
 * @throws {ApplianceError} release/incomplete naming the part that must be there; oci/digest-mismatch when one is not what
 *   the release pins; and what the registry client throws.
 */
export async function askForAll(
  registry: RegistryClient,
  manifest: ReleaseManifest,
  options: AskOptions,
): Promise<Answers> {
  const place: RegistryPlace = { registry: registry.registry, base: options.base ?? DEFAULT_PLACE.base };
  const wanted = wantedArtifacts(manifest, place).filter((one) => isAsked(registry, one));
  const artifacts: ResolvedArtifact[] = [];
  const missing: MissingArtifact[] = [];
  for (let at = 0; at < wanted.length; at += PARALLEL) {
    const answers = await Promise.all(wanted.slice(at, at + PARALLEL).map((one) => ask(registry, one, options)));
    for (const answer of answers) "problem" in answer ? missing.push(answer) : artifacts.push(answer);
  }
  return { artifacts, missing };
}

/** Nodes pull what lies in somebody else's registry; this box's login is for its own, and it asks no other. */
function isAsked(registry: RegistryClient, wanted: WantedArtifact): boolean {
  return wanted.byDigest !== true || repositoryWithin(registry, wanted) !== undefined;
}

/** Reads the manifest of one artifact: it tells the digest and the bytes to come. */
async function ask(
  registry: RegistryClient,
  wanted: WantedArtifact,
  options: AskOptions,
): Promise<ResolvedArtifact | MissingArtifact> {
  const reference = textOf(wanted);
  const inside = repositoryWithin(registry, wanted);
  if (inside === undefined) return { name: wanted.name, reference, problem: "it lies in another registry" };
  try {
    const named = wanted.byDigest === true ? wanted.digest : (wanted.tag ?? wanted.digest);
    const pulled = await registry.manifest(inside, named ?? "", {
      platform: options.platform ?? { os: "linux", architecture: "amd64" },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (wanted.digest !== undefined && pulled.root.digest !== wanted.digest)
      throw notPinned(wanted, pulled.root.digest);
    const { config, layers } = pulled.manifest;
    const sizeBytes = layers.reduce((sum, layer) => sum + layer.size, config.size);
    return { name: wanted.name, kind: wanted.kind, reference, digest: pulled.root.digest, sizeBytes };
  } catch (thrown) {
    if (!isApplianceError(thrown, "oci/not-found", "oci/forbidden", "oci/unauthorized", "oci/no-platform"))
      throw thrown;
    if (wanted.kind === "image") return { name: wanted.name, reference, problem: thrown.message };
    throw incomplete(wanted, thrown);
  }
}

/** `host/repository[:tag][@digest]`. */
function textOf({ repository, tag, digest }: WantedArtifact): string {
  return `${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

function repositoryWithin(registry: RegistryClient, { repository }: WantedArtifact): string | undefined {
  const prefix = `${registry.registry}/`;
  return repository.startsWith(prefix) ? repository.slice(prefix.length) : undefined;
}

function notPinned(wanted: WantedArtifact, is: Digest): ApplianceError {
  return new ApplianceError(
    "oci/digest-mismatch",
    `Cannot use ${wanted.name} "${wanted.repository}:${wanted.tag}": the registry has ${is}, the release pins ${wanted.digest}`,
    { hint: "Tell the publisher of the release; somebody moved a tag", details: { wanted: wanted.digest, found: is } },
  );
}

function incomplete(wanted: WantedArtifact, cause: ApplianceError): ApplianceError {
  return new ApplianceError(
    "release/incomplete",
    `Cannot use the release: its ${wanted.name} "${textOf(wanted)}" cannot be had (${cause.message})`,
    { cause, hint: "Choose another version of the release, and tell its publisher" },
  );
}
