/**
 * Who stands for the releases of a bundle: keys that were given, or what this box trusts.
 *
 * The bundle is read as the registry that it would be served as, so signatures and metadata are found and judged as they are
 * online.
 */
import type { CommandContext } from "../cli/command.ts";
import { ApplianceError } from "../core/errors.ts";
import { createRegistryClient, type RegistryClient } from "../oci/client.ts";
import type { Layout } from "../oci/layout.ts";
import type { LayoutCatalog } from "../oci/layout-catalog.ts";
import { createLayoutRegistry } from "../oci/layout-registry.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { openTrust, type ReleaseTrust, readableTrust, signerOf, targetOf } from "../release/trust.ts";
import { trustedKeysOf } from "../trust/key-flags.ts";
import { verifySignatures } from "../trust/signatures.ts";
import type { HeldRelease } from "./completeness.ts";

export interface SignedBy {
  readonly version: string;
  /** Id of the key; "none" when nothing had to be verified. */
  readonly verifiedBy: string;
}

export interface BundleToTrust {
  readonly layout: Layout;
  readonly catalog: LayoutCatalog;
  readonly releases: readonly HeldRelease[];
}

type TrustContext = Pick<CommandContext, "flags" | "env" | "deps" | "readStdin" | "settings" | "signal">;

/** A name for messages; nothing is asked of it. */
const HERE = "bundle.localhost";

/**
 * Verifies every release of a layout: by `--trusted-key` where it is given, else by the keys and the root of this box.
 *
 * @throws {ApplianceError} trust/unsigned and trust/untrusted-signature when nobody who is trusted signed a release;
 *   trust/wrong-release when signed metadata names another digest; the other trust/ codes of metadata and keys.
 */
export async function verifyReleases(context: TrustContext, bundle: BundleToTrust): Promise<readonly SignedBy[]> {
  const { deps, settings, signal } = context;
  const fetch = createLayoutRegistry(bundle.layout, bundle.catalog);
  const client = createRegistryClient({ ...deps, fetch }, { registry: HERE, plainHttp: true });
  const keys = await trustedKeysOf(context);
  const trust = keys.length > 0 ? undefined : await readableTrust(openTrust(deps, settings));
  const judge = async (release: HeldRelease): Promise<string> => {
    const thing = { repository: RELEASE_REPOSITORY, digest: release.digest, signal };
    if (keys.length > 0) return (await verifySignatures(client, { ...thing, keys })).keyId;
    return trust === undefined ? "none" : await believed(trust, client, { release, signal });
  };
  const signed: SignedBy[] = [];
  for (const release of bundle.releases) signed.push({ version: release.version, verifiedBy: await judge(release) });
  return signed;
}

async function believed(
  trust: ReleaseTrust,
  client: RegistryClient,
  asked: { readonly release: HeldRelease; readonly signal: AbortSignal },
): Promise<string> {
  const { release, signal } = asked;
  const target = await targetOf(trust, client, { ref: { version: release.version }, base: "", signal });
  if (target !== undefined && target.digest !== release.digest) {
    throw new ApplianceError(
      "trust/wrong-release",
      `Cannot trust release "${release.version}": the bundle has ${release.digest}, signed metadata names ${target.digest}`,
      { hint: "Do not use this bundle before its maker has looked at it" },
    );
  }
  const signer = await signerOf(trust, client, { repository: RELEASE_REPOSITORY, digest: release.digest, signal });
  return signer ?? target?.keyId ?? "none";
}

/** What people read of it, a line for each release. */
export function signedLines(signed: readonly SignedBy[]): readonly string[] {
  return signed.map(({ version, verifiedBy }) =>
    verifiedBy === "none"
      ? `Release ${version} is unverified: no key is trusted here`
      : `Release ${version} is signed by key ${verifiedBy.slice(0, 12)}`,
  );
}
