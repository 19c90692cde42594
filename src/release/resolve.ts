/**
 * From a channel, a version or a digest to a resolved release.
 *
 * Parties: the registry is not trusted; a channel tag is its only mutable pointer. A tag is read once; from then on
 * everything is read by digest, and what was read before is taken from disk, because a digest never changes its content.
 * An operation resolves once and carries the digest on (`options.expect` guards a later read of the same tag).
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError, isApplianceError, isRetryable, publicError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { parseInstant, toInstant } from "../core/time.ts";
import type { RegistryClient } from "../oci/client.ts";
import type { Platform } from "../oci/model.ts";
import { askForAll } from "./ask.ts";
import { DEFAULT_PLACE } from "./location.ts";
import { MAX_RELEASE_BYTES, parseReleaseManifest, RELEASE_REPOSITORY } from "./model.ts";
import {
  describeReleaseRef,
  type FoundRelease,
  quoteReleaseRef,
  type ReleaseRef,
  type ResolvedRelease,
  referenceOf,
} from "./resolved.ts";
import type { ReleaseBytes, ResolvedStore } from "./resolved-store.ts";
import { type BoxTrust, readableTrust } from "./trust.ts";
import { believe, whatIsMeant } from "./verify.ts";
import { assertControlPlane, assertNotDowngrade } from "./version.ts";

export type { ReleaseRef, ResolvedRelease } from "./resolved.ts";

export type ResolveDeps = Pick<Deps, "clock" | "log">;

export interface ResolveOptions {
  /** Path below which the registry keeps our repositories. Default "nine-minds". */
  readonly base?: string;
  /** Repository of the release artifacts. Default `<base>/alga-appliance-release`. */
  readonly repository?: string;
  /** Version of this executable, compared with the release's `minimumControlPlane`. */
  readonly running: string;
  /** Version that is installed: a lower one is refused unless `ref` names it. */
  readonly installed?: string;
  /** The operator named exactly this release. Default: true unless `ref` is a channel. */
  readonly asked?: boolean;
  /** What an earlier read of the same ref gave; another digest now is oci/tag-moved. */
  readonly expect?: Digest;
  /** What is known from before; without it every resolve is a cold one. */
  readonly store?: ResolvedStore;
  /** What this box believes. Absent: the registry decides, and nothing is verified. */
  readonly trust?: BoxTrust | undefined;
  /** Platform whose bytes are counted. Default linux/amd64. */
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
}

/**
 * Resolves a ref and everything that the release refers to.
 *
 * @throws {ApplianceError} release/unknown-channel, oci/tag-moved, release/downgrade, release/control-plane-too-old,
 *   release/invalid-manifest, release/incomplete when the bundle, Flux or a chart is not there, oci/digest-mismatch when
 *   one is not what the release pins, the trust/ codes when the box believes in keys and the release does not verify, and
 *   what the registry client throws.
 */
export async function resolveRelease(
  deps: ResolveDeps,
  registry: RegistryClient,
  ref: ReleaseRef,
  options: ResolveOptions,
): Promise<ResolvedRelease> {
  const before = registry.requests();
  const found = await findRelease(registry, ref, options);
  const known = await options.store?.artifacts(found.digest);
  const { artifacts, missing } = known ?? (await askForAll(registry, found.manifest, options));
  const resolved: ResolvedRelease = {
    ...found,
    artifacts,
    missing,
    resolvedAt: toInstant(deps.clock.now()),
    roundTrips: registry.requests() - before,
  };
  await options.store?.save(resolved);
  deps.log.info("release resolved", {
    ref: describeReleaseRef(ref),
    version: found.manifest.version,
    digest: found.digest,
    roundTrips: resolved.roundTrips,
  });
  return resolved;
}

/**
 * Resolves, or gives the last good resolve of the same ref when the registry cannot be reached.
 *
 * For showing what a channel is; an operation that changes something uses `resolveRelease`.
 *
 * @throws {ApplianceError} release/offline when there is no earlier resolve; else as `resolveRelease`.
 */
export async function resolveOrLast(
  deps: ResolveDeps,
  registry: RegistryClient,
  ref: ReleaseRef,
  options: ResolveOptions & { readonly store: ResolvedStore },
): Promise<ResolvedRelease> {
  try {
    return await resolveRelease(deps, registry, ref, options);
  } catch (thrown) {
    if (!isRetryable(thrown)) throw thrown;
    const last = await options.store.last({ registry: registry.registry, repository: repositoryOf(options), ref });
    if (last === undefined) throw offline(ref, thrown);
    const ageMs = Math.max(0, deps.clock.now() - (parseInstant(last.resolvedAt) ?? 0));
    return { ...last, ref, roundTrips: 0, stale: { ageMs, problem: publicError(thrown) } };
  }
}

function offline(ref: ReleaseRef, cause: unknown): ApplianceError {
  const why = publicError(cause);
  return new ApplianceError(
    "release/offline",
    `Cannot resolve ${quoteReleaseRef(ref)}: the registry cannot be reached and no earlier resolve is kept (${why.message})`,
    { cause, ...(why.hint === undefined ? {} : { hint: why.hint }) },
  );
}

/** Reads the manifest of a release, from the registry or by its digest from disk. Throws as `resolveRelease` does. */
export async function findRelease(
  registry: RegistryClient,
  ref: ReleaseRef,
  options: ResolveOptions,
): Promise<FoundRelease> {
  const repository = repositoryOf(options);
  const judge = { ...options, trust: await readableTrust(options.trust) };
  const target = await whatIsMeant(registry, ref, judge);
  const meant = target === undefined ? ref : { digest: target.digest };
  const { digest, bytes } = await readRelease(registry, { ref: meant, repository }, options);
  const manifest = parseReleaseManifest(bytes.config);
  if ("version" in ref && manifest.version !== ref.version) throw otherVersion(ref.version, manifest.version);
  assertControlPlane(manifest.minimumControlPlane, options.running);
  if (options.installed !== undefined) {
    assertNotDowngrade(options.installed, manifest.version, { asked: options.asked ?? !("channel" in ref) });
  }
  const believed = await believe(registry, { ref, repository, digest, manifest, target }, judge);
  return { ref, manifest, digest, registry: registry.registry, repository, ...believed };
}

function repositoryOf(options: ResolveOptions): string {
  return options.repository ?? `${options.base ?? DEFAULT_PLACE.base}/${RELEASE_REPOSITORY}`;
}

function otherVersion(wanted: string, is: string): ApplianceError {
  return new ApplianceError(
    "release/invalid-manifest",
    `Cannot use release "${wanted}": its manifest says version ${is}, the same version is wanted`,
    { hint: "Tell the publisher of the release" },
  );
}

interface ReleaseAddress {
  readonly ref: ReleaseRef;
  readonly repository: string;
}

/** The two documents of a release: one HEAD when they are known, else one manifest and one blob. */
async function readRelease(
  registry: RegistryClient,
  address: ReleaseAddress,
  options: ResolveOptions,
): Promise<{ readonly digest: Digest; readonly bytes: ReleaseBytes }> {
  const { ref, repository } = address;
  const call = options.signal === undefined ? {} : { signal: options.signal };
  const isKept = (await options.store?.isEmpty()) === false;
  const asked = "digest" in ref ? ref.digest : isKept ? await headOf(registry, address, call) : undefined;
  const kept = asked === undefined ? undefined : await options.store?.bytes(asked);
  if (asked !== undefined && kept !== undefined) {
    assertSame([asked], { ref, expect: options.expect });
    return { digest: asked, bytes: kept };
  }
  try {
    const limits = { ...call, maxBytes: MAX_RELEASE_BYTES };
    const pulled = await registry.manifest(repository, asked ?? referenceOf(ref), limits);
    assertSame([pulled.descriptor.digest, pulled.root.digest], { ref, expect: options.expect });
    const config = await registry.blob(repository, pulled.manifest.config, limits);
    const bytes = { manifest: pulled.bytes, config };
    await options.store?.keep(pulled.descriptor.digest, bytes);
    return { digest: pulled.descriptor.digest, bytes };
  } catch (thrown) {
    throw explainAbsence(thrown, address);
  }
}

async function headOf(
  registry: RegistryClient,
  address: ReleaseAddress,
  call: { readonly signal?: AbortSignal },
): Promise<Digest> {
  try {
    return (await registry.resolve(address.repository, referenceOf(address.ref), call)).digest;
  } catch (thrown) {
    throw explainAbsence(thrown, address);
  }
}

function explainAbsence(thrown: unknown, { ref, repository }: ReleaseAddress): unknown {
  if (!isApplianceError(thrown, "oci/not-found")) return thrown;
  return new ApplianceError(
    "channel" in ref ? "release/unknown-channel" : "oci/not-found",
    `Cannot resolve ${quoteReleaseRef(ref)}: repository "${repository}" does not have it`,
    { cause: thrown, hint: "alga-appliance release list shows what there is" },
  );
}

/** @param digests Of the release, and of the index that led to it where there is one. */
function assertSame(
  digests: readonly Digest[],
  given: { readonly ref: ReleaseRef; readonly expect: Digest | undefined },
): void {
  if (given.expect === undefined || digests.includes(given.expect)) return;
  throw new ApplianceError(
    "oci/tag-moved",
    `Cannot go on with ${quoteReleaseRef(given.ref)}: it was ${given.expect} and is ${digests[0]} now`,
    { hint: "Look at the plan again", details: { expected: given.expect, found: digests[0] } },
  );
}
