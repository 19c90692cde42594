/**
 * Everything that a release refers to in a registry: the release itself, its bundle, Flux, charts, images on all platforms,
 * the control plane, and what is said about each of them (signatures, SBOMs, provenance).
 *
 * Parties: the registry is not trusted. Every manifest is read by a digest that the release or a parent names, so what is
 * listed here cannot change its meaning afterwards; lists of signatures are claims, and what they name is read by digest too.
 * Promoting, mirroring and bundling all begin with this list.
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { inParallel } from "../core/parallel.ts";
import type { RegistryClient } from "../oci/client.ts";
import type { Descriptor, Platform } from "../oci/model.ts";
import { parseReference } from "../oci/reference.ts";
import { type WantedArtifact, wantedArtifacts } from "../release/artifacts.ts";
import { apiHost } from "../release/image-name.ts";
import { locatePinned, mirroredName, placeText, publishedPlace, type RegistryPlace } from "../release/location.ts";
import type { ReleaseManifest } from "../release/model.ts";
import { findRelease, type ResolveOptions } from "../release/resolve.ts";
import type { FoundRelease, MissingArtifact, ReleaseRef } from "../release/resolved.ts";
import { type ClosureBlob, type ClosureManifest, createWalk, type Walk } from "./closure-walk.ts";

/** One thing that the release names, or that is said about one. */
export interface ClosurePart {
  /** "release", "config", "chart sebastian", "image algaCore", "control-plane image"; "signature of ..." for what is said. */
  readonly name: string;
  readonly kind: "release" | "config" | "flux" | "chart" | "image" | "statement";
  /** Relative to the base of the registry: "charts/sebastian". */
  readonly repository: string;
  readonly tag?: string;
  readonly descriptor: Descriptor;
}

export interface ReleaseClosure {
  readonly release: FoundRelease;
  /** In the order in which their tags may be moved: the release is the last one. */
  readonly parts: readonly ClosurePart[];
  /** Every manifest and index below the parts, once for each repository. */
  readonly manifests: readonly ClosureManifest[];
  /** Every blob below them, once for each repository. */
  readonly blobs: readonly ClosureBlob[];
  /** What the release names and the registry does not give. */
  readonly missing: readonly MissingArtifact[];
  /** Bytes of all blobs, each counted once. */
  readonly totalBytes: number;
}

export interface ClosureOptions extends ResolveOptions {
  /** Absent: all platforms of every image. */
  readonly platform?: Platform;
  /** Looks at every blob by HEAD and compares its size. Default true. */
  readonly checkBlobs?: boolean;
  /** Opens another registry that the release names, by its API's host. Absent: what lies there is missing. */
  readonly open?: (registry: string) => Promise<RegistryClient>;
  /**
   * How far to look into other registries. "whole" (default): as into ours. "named": whether the digest is there; for a look that
   * takes nothing away, because public registries count how many manifests somebody reads.
   */
  readonly others?: "whole" | "named";
}

/** Requests at a time. */
const PARALLEL = 6;

/**
 * Lists a release and everything it refers to, each digest checked.
 *
 * @throws {ApplianceError} as `findRelease`; oci/digest-mismatch when something is not what the release pins;
 *   oci/size-mismatch for a blob of another size. What is not there is returned in `missing`.
 */
export async function releaseClosure(
  client: RegistryClient,
  ref: ReleaseRef,
  options: ClosureOptions,
): Promise<ReleaseClosure> {
  const release = await findRelease(client, ref, options);
  const base = baseOf(release, options);
  const walk = createWalk({ platform: options.platform });
  const signal = options.signal ?? new AbortController().signal;
  const gathering: Gathering = { client, base, options, walk, signal, parts: [], missing: [], places: new Map() };
  const wanted = wantedOf(release.manifest, { registry: client.registry, base });
  await inParallel(wanted, { limit: PARALLEL, signal }, (one) => gather(gathering, one));
  await gatherRelease(gathering, release);
  await gatherStatements(gathering);
  if (options.checkBlobs !== false) await checkBlobs(gathering);
  const sizes = new Map(walk.blobs().map(({ descriptor }) => [descriptor.digest, descriptor.size]));
  const order = new Map(wanted.map(({ name }, at) => [name, at]));
  const rank = ({ name, kind }: ClosurePart): number => order.get(name) ?? (kind === "release" ? 1e6 : 1e5);
  return {
    release,
    parts: gathering.parts.sort((a, b) => rank(a) - rank(b)),
    manifests: walk.manifests(),
    blobs: walk.blobs(),
    missing: gathering.missing,
    totalBytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
  };
}

/**
 * Refuses a release of which something is not there.
 *
 * @throws {ApplianceError} release/incomplete naming the first part; all of them are in its details.
 */
export function assertComplete(
  { release, missing }: ReleaseClosure,
  verb: "promote" | "publish" | "copy" | "bundle",
): void {
  const first = missing[0];
  if (first === undefined) return;
  throw new ApplianceError(
    "release/incomplete",
    `Cannot ${verb} release "${release.manifest.version}": its ${first.name} "${first.reference}" cannot be had (${first.problem})`,
    { hint: `${remedyFor(first, release)}, then ${verb} again`, details: { missing } },
  );
}

/** Nobody here can publish into somebody else's registry. */
function remedyFor({ reference }: MissingArtifact, { registry }: FoundRelease): string {
  const host = reference.slice(0, reference.indexOf("/"));
  if (host === registry) return "Publish the missing parts";
  return `Look whether ${host} has it and shows it to you (its login in the credentials file, its CA by --other-ca)`;
}

interface Gathering {
  readonly client: RegistryClient;
  readonly base: string;
  readonly options: ClosureOptions;
  readonly walk: Walk;
  readonly signal: AbortSignal;
  readonly parts: ClosurePart[];
  readonly missing: MissingArtifact[];
  /** Repository with its registry -> its name below the base of a mirror. */
  readonly places: Map<string, string>;
}

function baseOf({ repository }: FoundRelease, { base }: ClosureOptions): string {
  if (base !== undefined) return base;
  const slash = repository.lastIndexOf("/");
  return slash < 0 ? "" : repository.slice(0, slash);
}

/** What the release names, with the support agent, which boxes pull only when it is wanted. */
function wantedOf(manifest: ReleaseManifest, place: RegistryPlace): readonly WantedArtifact[] {
  const wanted = wantedArtifacts(manifest, place);
  const agent = manifest.supportAgent;
  if (agent === undefined || agent === null) return wanted;
  const { registry, repository, tag, digest } = parseReference(agent);
  const moved = locatePinned(`${registry}/${repository}`, { published: publishedPlace(manifest), place });
  return [
    ...wanted,
    {
      name: "support agent",
      kind: "image",
      repository: moved,
      ...(tag === undefined ? {} : { tag }),
      ...(digest === undefined ? {} : { digest }),
    },
  ];
}

const ABSENT = ["oci/not-found", "oci/forbidden", "oci/unauthorized", "oci/no-platform"] as const;

/** Reads one thing that the release names, and everything below it. */
async function gather(gathering: Gathering, wanted: WantedArtifact): Promise<void> {
  const { walk, signal, parts, missing } = gathering;
  const reference = textOf(wanted);
  const slash = wanted.repository.indexOf("/");
  const [registry, repository] = [apiHost(wanted.repository.slice(0, slash)), wanted.repository.slice(slash + 1)];
  const client = await clientOf(gathering, registry);
  if (client === undefined) {
    missing.push({ name: wanted.name, reference, problem: "it lies in another registry" });
    return;
  }
  try {
    const named = (wanted.byDigest === true ? wanted.digest : (wanted.tag ?? wanted.digest)) ?? "";
    const isTaken = client === gathering.client || gathering.options.others !== "named";
    const descriptor = isTaken
      ? (await client.document(repository, named, { signal })).descriptor
      : await client.resolve(repository, named, { signal });
    if (wanted.digest !== undefined && descriptor.digest !== wanted.digest) {
      throw notPinned({ ...wanted, digest: wanted.digest }, descriptor.digest);
    }
    if (isTaken) await walk.add({ client, repository, descriptor, signal });
    const { name, kind, tag } = wanted;
    const place = placeBelow(gathering, wanted);
    gathering.places.set(`${registry}/${repository}`, place);
    parts.push({ name, kind, repository: place, descriptor, ...(tag === undefined ? {} : { tag }) });
  } catch (thrown) {
    if (!isApplianceError(thrown, ...ABSENT)) throw thrown;
    missing.push({ name: wanted.name, reference, problem: thrown.message });
  }
}

async function clientOf({ client, options }: Gathering, registry: string): Promise<RegistryClient | undefined> {
  return registry === client.registry ? client : await options.open?.(registry);
}

/** Where a mirror has it below its base: see `locate` and `mirroredName`. */
function placeBelow(
  { client, base }: Gathering,
  { repository, kind }: Pick<WantedArtifact, "repository"> & { readonly kind: ClosurePart["kind"] },
): string {
  const here = placeText({ registry: client.registry, base });
  if (kind === "image") return mirroredName(repository, here);
  const isBelow = repository.startsWith(`${here}/`);
  return isBelow ? repository.slice(here.length + 1) : repository.slice(repository.lastIndexOf("/") + 1);
}

/** What is said about something lies beside it. */
function placeBeside({ places, client, base }: Gathering, about: ClosureManifest): string {
  const whole = `${about.client.registry}/${about.repository}`;
  const here = placeText({ registry: client.registry, base });
  return places.get(whole) ?? (whole.startsWith(`${here}/`) ? whole.slice(here.length + 1) : about.repository);
}

function textOf({ repository, tag, digest }: WantedArtifact): string {
  return `${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

function notPinned(wanted: WantedArtifact & { readonly digest: Digest }, is: Digest): ApplianceError {
  return new ApplianceError(
    "oci/digest-mismatch",
    `Cannot use ${wanted.name} "${textOf(wanted)}": the registry has ${is}, which is another digest`,
    { hint: "Tell the publisher of the release; somebody moved a tag", details: { wanted: wanted.digest, found: is } },
  );
}

async function gatherRelease(gathering: Gathering, release: FoundRelease): Promise<void> {
  const { client, walk, signal, parts } = gathering;
  const { repository, digest, manifest } = release;
  const { descriptor } = await client.document(repository, digest, { signal });
  await walk.add({ client, repository, descriptor, signal });
  const place = placeBelow(gathering, { repository: `${client.registry}/${repository}`, kind: "config" });
  const tag = manifest.version.replaceAll("+", "_");
  parts.push({ name: "release", kind: "release", repository: place, tag, descriptor });
}

/** Tags under which cosign keeps what it says about a digest. @see cosign, "Signature spec", "Storage" */
const COSIGN_TAGS: readonly (readonly [suffix: string, name: string])[] = [
  ["sig", "signature"],
  ["att", "attestation"],
  ["sbom", "SBOM"],
];

/** Asks for what is said about every manifest, and about that again until nothing new is said. */
async function gatherStatements(gathering: Gathering): Promise<void> {
  const { walk, signal } = gathering;
  const asked = new Set<ClosureManifest>();
  for (;;) {
    const fresh = walk.manifests().filter((manifest) => !asked.has(manifest));
    if (fresh.length === 0) return;
    for (const manifest of fresh) asked.add(manifest);
    await inParallel(fresh, { limit: PARALLEL, signal }, (manifest) => gatherAbout(gathering, manifest));
  }
}

async function gatherAbout(gathering: Gathering, about: ClosureManifest): Promise<void> {
  const { walk, signal, parts } = gathering;
  const { client, repository, descriptor } = about;
  const place = placeBeside(gathering, about);
  // What is said in somebody else's registry is taken along where it can be had, and nothing depends on it.
  const isForeign = client !== gathering.client;
  const unsaid = isForeign ? ABSENT : (["oci/not-found"] as const);
  const orNothing = (thrown: unknown): undefined => {
    if (isApplianceError(thrown, ...unsaid)) return undefined;
    throw thrown;
  };
  const referrers = await client.referrers(repository, descriptor.digest, { signal }).catch(orNothing);
  const add = async (name: string, found: Descriptor, tag?: string): Promise<void> => {
    try {
      await walk.add({ client, repository, descriptor: found, signal });
      parts.push({
        name,
        kind: "statement",
        repository: place,
        descriptor: found,
        ...(tag === undefined ? {} : { tag }),
      });
    } catch (thrown) {
      if (!isApplianceError(thrown, ...ABSENT)) throw thrown;
      if (isForeign) return;
      const reference = `${client.registry}/${repository}@${found.digest}`;
      gathering.missing.push({ name, reference, problem: thrown.message });
    }
  };
  for (const referrer of referrers?.manifests ?? []) {
    await add(`${referrer.artifactType ?? "statement"} of ${descriptor.digest}`, referrer);
  }
  for (const [suffix, what] of COSIGN_TAGS) {
    const tag = `${descriptor.digest.replace(":", "-")}.${suffix}`;
    const found = await client.resolve(repository, tag, { signal }).catch(orNothing);
    if (found !== undefined) await add(`${what} of ${descriptor.digest}`, found, tag);
  }
}

/** A manifest may outlive its blobs in a registry whose storage was cleaned or damaged. */
async function checkBlobs({ walk, signal, missing }: Gathering): Promise<void> {
  await inParallel(walk.blobs(), { limit: PARALLEL, signal }, async ({ client, repository, descriptor }) => {
    const size = await client.blobSize(repository, descriptor.digest, { signal });
    const reference = `${client.registry}/${repository}@${descriptor.digest}`;
    if (size === undefined) {
      missing.push({ name: "blob", reference, problem: "the registry has its manifest and not the blob" });
      return;
    }
    if (size === descriptor.size) return;
    throw new ApplianceError(
      "oci/size-mismatch",
      `Cannot use blob "${reference}": the registry announces ${size} bytes, ${descriptor.size} are wanted`,
    );
  });
}
