/**
 * What is said about a manifest and hangs on it by `subject`: its bill of materials and its provenance.
 *
 * Parties: whoever built the release says it; the registry lists it and may leave out what it likes. An unsigned document
 * is a claim that anybody who may push could have made; a signed one is worth the key.
 *
 * @see OCI image-spec v1.1.1, manifest.md, "Guidelines for Artifact Usage"; DSSE v1.0.2, envelope.md
 */
import { type Digest, digestOf } from "../core/digest.ts";
import { canonicalJson } from "../core/json.ts";
import { type ArtifactInput, pushArtifact } from "../oci/artifact.ts";
import { MEDIA } from "../oci/media-types.ts";
import type { Descriptor } from "../oci/model.ts";
import type { RegistryStore } from "../oci/store.ts";
import { PROVENANCE_PREDICATE, STATEMENT_MEDIA_TYPE } from "./provenance.ts";
import { SPDX_MEDIA_TYPE } from "./sbom.ts";

export type AttestationKind = "sbom" | "provenance";

/** Artifact type of each kind, by which registries filter. */
export const ATTESTATION_TYPES: Readonly<Record<AttestationKind, string>> = {
  sbom: SPDX_MEDIA_TYPE,
  provenance: STATEMENT_MEDIA_TYPE,
};

/** Media type of a signed statement. */
export const ENVELOPE_MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json";
/** What the predicate of a statement is, for readers of manifests alone. */
const PREDICATE_ANNOTATION = "in-toto.io/predicate-type";

export interface AttestationInput {
  readonly kind: AttestationKind;
  /** The SPDX document, or the statement. */
  readonly document: Readonly<Record<string, unknown>>;
  /** RFC 3339. */
  readonly created: string;
  /** Puts a statement into an envelope with a signature; absent: it goes as it is. */
  readonly seal?: ((payloadType: string, payload: Uint8Array) => Uint8Array) | undefined;
}

/**
 * Hangs a document on a manifest of the same repository of a store. Safe to call again: the same document, the same digest.
 *
 * @returns The digest of the artifact around it.
 * @throws {Error} when the store has no such manifest: a defect of the caller.
 */
export function attach(
  store: RegistryStore,
  to: { readonly repository: string; readonly digest: Digest },
  input: AttestationInput,
): Digest {
  const { repository, digest } = to;
  const { kind, document, created, seal } = input;
  const payload = documentBytes(document);
  const isSealed = seal !== undefined && kind === "provenance";
  const layer = isSealed
    ? { mediaType: ENVELOPE_MEDIA_TYPE, bytes: seal(STATEMENT_MEDIA_TYPE, payload) }
    : { mediaType: ATTESTATION_TYPES[kind], bytes: payload };
  const predicate = kind === "provenance" ? { [PREDICATE_ANNOTATION]: PROVENANCE_PREDICATE } : {};
  if (isSealed) pushArtifact(store, repository, taggedEnvelope(digest, layer.bytes));
  return pushArtifact(store, repository, {
    artifactType: ATTESTATION_TYPES[kind],
    layers: [{ ...layer, annotations: predicate }],
    subject: subjectOf(store, repository, digest),
    annotations: { "org.opencontainers.image.created": created, ...predicate },
  });
}

/**
 * A signed statement as cosign keeps it, under a tag made of the digest; so that its `verify-attestation` finds ours.
 *
 * @see cosign v3.1, specs/ATTESTATION_SPEC.md, "Storage"
 */
function taggedEnvelope(digest: Digest, envelope: Uint8Array): ArtifactInput {
  const config = { architecture: "", os: "", config: {}, rootfs: { type: "layers", diff_ids: [digestOf(envelope)] } };
  const annotations = { "dev.cosignproject.cosign/signature": "", predicateType: PROVENANCE_PREDICATE };
  return {
    tag: `${digest.replace(":", "-")}.att`,
    config: { mediaType: MEDIA.config, bytes: documentBytes(config) },
    layers: [{ mediaType: ENVELOPE_MEDIA_TYPE, bytes: envelope, annotations }],
  };
}

/** A document as it is stored: its digest is over these bytes. */
export function documentBytes(document: Readonly<Record<string, unknown>>): Uint8Array {
  return new TextEncoder().encode(canonicalJson(document));
}

function subjectOf(store: RegistryStore, repository: string, digest: Digest): Descriptor {
  const manifest = store.manifest(repository, digest);
  if (manifest === undefined) throw new Error(`Cannot attach to "${digest}": it is not in "${repository}"`);
  return { mediaType: manifest.mediaType, digest: digestOf(manifest.bytes), size: manifest.bytes.length };
}
