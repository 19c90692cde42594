/**
 * From a ref to what is meant by it, and from a release to who stands for it. The rules of a box with keys.
 *
 * What was verified once stays verified while its key is trusted: an operation carries a release by its digest, and goes on
 * from the disk when the registry is away or metadata has expired meanwhile.
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { RegistryClient } from "../oci/client.ts";
import { readMetadata } from "../trust/metadata.ts";
import { wantedArtifacts } from "./artifacts.ts";
import { DEFAULT_PLACE } from "./location.ts";
import type { ReleaseManifest } from "./model.ts";
import type { ResolveOptions } from "./resolve.ts";
import type { FoundRelease, ReleaseRef } from "./resolved.ts";
import { type ReleaseTrust, signerOf, type TrustedTarget, targetOf } from "./trust.ts";

/** With what the box trusts already read: `readableTrust` has thrown where it cannot be. */
type JudgeOptions = Omit<ResolveOptions, "trust"> & { readonly trust: ReleaseTrust | undefined };

/**
 * What signed metadata says that a ref means; undefined when the box has no root, or knows this digest from before.
 *
 * @throws {ApplianceError} the trust/ codes.
 */
export async function whatIsMeant(
  registry: RegistryClient,
  ref: ReleaseRef,
  options: JudgeOptions,
): Promise<TrustedTarget | undefined> {
  const { trust, signal } = options;
  if (trust?.root === undefined || (await knownFrom(ref, trust, options)) !== undefined) return undefined;
  return targetOf(trust, registry, { ref, base: baseOf(options), signal });
}

/** Where the trust repository lies: beside the repository of the releases. */
function baseOf({ base, repository }: JudgeOptions): string {
  if (repository === undefined) return base ?? DEFAULT_PLACE.base;
  const slash = repository.lastIndexOf("/");
  return slash < 0 ? "" : repository.slice(0, slash);
}

/** The key that stood for a digest when it was resolved before, if it is trusted still. */
async function knownFrom(ref: ReleaseRef, trust: ReleaseTrust, options: JudgeOptions): Promise<Believed | undefined> {
  if (!("digest" in ref)) return undefined;
  const before = await options.store?.believed(ref.digest);
  if (before === undefined || before.verifiedBy === "none") return undefined;
  // A root that came later has not been asked: what a signature alone stood for is judged anew.
  if (trust.root !== undefined && before.goodUntil === undefined) return undefined;
  if (trust.keys.some(({ id }) => id === before.verifiedBy)) return before;
  const keys = trust.root === undefined ? [] : targetKeys(trust.root);
  return trust.keys.length === 0 && keys.includes(before.verifiedBy) ? before : undefined;
}

/** Keys that the box's own root lets stand for releases. Later roots may take some away: the next resolve by name follows them. */
function targetKeys(root: Uint8Array): readonly string[] {
  return readMetadata("root", root).signed.roles.targets?.keyIDs ?? [];
}

type Believed = Pick<FoundRelease, "verifiedBy" | "accepted" | "goodUntil">;

interface Candidate {
  readonly ref: ReleaseRef;
  readonly repository: string;
  readonly digest: Digest;
  readonly manifest: ReleaseManifest;
  readonly target: TrustedTarget | undefined;
}

/**
 * Says who stands for a release.
 *
 * @returns "none" when nobody has to.
 * @throws {ApplianceError} trust/wrong-release when it is another version than the one that was signed; trust/extraneous when it
 *   takes something in that it does not pin; trust/unsigned, trust/untrusted-signature.
 */
export async function believe(
  registry: RegistryClient,
  candidate: Candidate,
  options: JudgeOptions,
): Promise<Believed> {
  const { trust, signal } = options;
  if (trust === undefined) return { verifiedBy: "none" };
  const { ref, repository, digest, manifest, target } = candidate;
  const known = await knownFrom(ref, trust, options);
  if (known !== undefined) return known;
  if (target !== undefined) {
    assertSame(target, manifest);
    assertPinned(manifest);
  }
  const signer = await signerOf(trust, registry, { repository, digest, signal });
  const accepted = target?.accepted;
  return {
    verifiedBy: signer ?? target?.keyId ?? "none",
    ...(target === undefined ? {} : { goodUntil: target.goodUntil }),
    ...(accepted === undefined ? {} : { accepted }),
  };
}

function assertSame(target: TrustedTarget, manifest: ReleaseManifest): void {
  if (target.version === manifest.version) return;
  throw new ApplianceError(
    "trust/wrong-release",
    `Cannot trust release "${target.version}": its manifest says version ${manifest.version}, the signed one is wanted`,
    { hint: "Tell the publisher" },
  );
}

/** Whatever a release takes in is as trustworthy as the digest by which it names it. */
function assertPinned(manifest: ReleaseManifest): void {
  const loose = wantedArtifacts(manifest, DEFAULT_PLACE).filter(({ digest }) => digest === undefined);
  if (loose.length === 0) return;
  const names = loose.map(({ name }) => name);
  throw new ApplianceError(
    "trust/extraneous",
    `Cannot trust release "${manifest.version}": it takes ${names[0]} by its tag alone, a digest is wanted`,
    { hint: "Ask the publisher for a release that pins everything", details: { unpinned: names } },
  );
}
