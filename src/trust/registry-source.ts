/**
 * Signed metadata in a registry: one artifact for each document, beside the releases.
 *
 * Repository `<base>/alga-appliance-trust`. A document is the only layer of its artifact. Boxes read roots by `1.root`,
 * `2.root`, ...; the timestamp by `timestamp`, the one tag that moves; snapshot and targets as blobs, by the digest that a
 * signed document names. Tags such as `4.targets-0a1b2c3d4e5f` only keep those blobs, and tell which numbers were used.
 *
 * @see The Update Framework specification 1.0.33, section 6.2, "Consistent snapshots": names that hold what they name
 */
import { isApplianceError } from "../core/errors.ts";
import { pushArtifact } from "../oci/artifact.ts";
import type { RegistryClient } from "../oci/client.ts";
import type { RegistryStore } from "../oci/store.ts";
import { mixed, ROLE_BYTES, type Role, tooLarge } from "./metadata.ts";
import type { TrustSource } from "./tuf.ts";

const REPOSITORY = "alga-appliance-trust";
const ARTIFACT_TYPE = "application/vnd.alga.appliance.trust.v1";
/** A manifest with one layer has some hundred bytes. */
const MAX_MANIFEST_BYTES = 16 * 1024;

/** The repository of signed metadata below a base. */
export function trustRepository(base: string): string {
  return base === "" ? REPOSITORY : `${base}/${REPOSITORY}`;
}

function mediaTypeOf(role: Role): string {
  return `application/vnd.alga.appliance.trust.${role}.v1+json`;
}

/** Reads documents from a registry. Everything it gives is untrusted. */
export function registrySource(client: RegistryClient, base: string): TrustSource {
  const repository = trustRepository(base);
  const bounded = async (role: Role, read: () => Promise<Uint8Array | undefined>): Promise<Uint8Array | undefined> => {
    try {
      return await read();
    } catch (thrown) {
      if (isApplianceError(thrown, "oci/not-found")) return undefined;
      if (isApplianceError(thrown, "oci/too-large", "oci/long-body", "json/too-large")) throw tooLarge(role, thrown);
      if (isApplianceError(thrown, "oci/digest-mismatch", "oci/size-mismatch", "oci/header-digest-mismatch")) {
        throw mixed(role, "the registry gives another document than the signed one", thrown);
      }
      throw thrown;
    }
  };
  return {
    read: (role, tag, signal) =>
      bounded(role, async () => {
        const { document } = await client.document(repository, tag, { signal, maxBytes: MAX_MANIFEST_BYTES });
        const layer = document.kind === "manifest" ? document.manifest.layers[0] : undefined;
        if (layer === undefined || layer.mediaType !== mediaTypeOf(role)) return undefined;
        if (layer.size > ROLE_BYTES[role]) throw tooLarge(role);
        return client.blob(repository, layer, { signal, maxBytes: ROLE_BYTES[role] });
      }),
    readDigest: (role, { digest, sizeBytes }, signal) =>
      bounded(role, async () => {
        if (sizeBytes > ROLE_BYTES[role]) throw tooLarge(role);
        const layer = { mediaType: mediaTypeOf(role), digest, size: sizeBytes };
        return client.blob(repository, layer, { signal, maxBytes: ROLE_BYTES[role] });
      }),
  };
}

/** Puts a document under a tag of a store, ready to be pushed. */
export function putDocument(
  store: RegistryStore,
  place: { readonly base: string; readonly role: Role; readonly tag: string },
  bytes: Uint8Array,
): void {
  pushArtifact(store, trustRepository(place.base), {
    tag: place.tag,
    artifactType: ARTIFACT_TYPE,
    layers: [{ mediaType: mediaTypeOf(place.role), bytes }],
  });
}
