/**
 * Signatures of manifests with key pairs, in both forms of cosign: a bundle that refers to the manifest (what version 3
 * writes), and a layer under the tag `sha256-<hex>.sig` (what every version reads).
 *
 * Parties: the publisher's key is trusted, the registry is not. It may hide a signature, which refuses the release, and it may
 * show others, which are bounded in number and size and tried one by one. A signature binds a digest, not a name: which digest
 * a channel means is the matter of the signed metadata (`tuf.ts`). No transparency log is asked: boxes have no internet.
 *
 * @see cosign v3.1, specs/SIGNATURE_SPEC.md and specs/BUNDLE_SPEC.md; Sigstore protobuf-specs v0.5, sigstore_bundle.proto
 */
import { z } from "zod";
import type { Digest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { canonicalJson, parseJson } from "../core/json.ts";
import { type ArtifactInput, type ArtifactPart, EMPTY_CONFIG, pushArtifact } from "../oci/artifact.ts";
import type { RegistryClient } from "../oci/client.ts";
import { MEDIA } from "../oci/media-types.ts";
import type { Descriptor } from "../oci/model.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { envelopeSchema, signEnvelope, verifyEnvelope } from "./dsse.ts";
import { type PublicKey, readPublicKey, type SigningKey } from "./keys.ts";

const BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIMPLE_SIGNING_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature";
const SIMPLE_SIGNING = "cosign container image signature";
const STATEMENT_TYPE = "application/vnd.in-toto+json";
const STATEMENT = "https://in-toto.io/Statement/v1";
const PREDICATE = "https://sigstore.dev/cosign/sign/v1";

/** A payload is some hundred bytes. */
const MAX_PAYLOAD_BYTES = 64 * 1024;
/** Signatures that are tried, of each form. */
const MAX_TRIED = 32;

const simpleSigningSchema = z.object({
  critical: z.object({
    image: z.object({ "docker-manifest-digest": z.string() }),
    type: z.literal(SIMPLE_SIGNING),
  }),
});

const bundleSchema = z.object({ mediaType: z.string(), dsseEnvelope: envelopeSchema });

const statementSchema = z.object({
  _type: z.literal(STATEMENT),
  subject: z.array(z.object({ digest: z.record(z.string(), z.string()) })).max(64),
  predicateType: z.literal(PREDICATE),
});

/** What is signed or verified. */
export interface SignedThing {
  readonly repository: string;
  readonly digest: Digest;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes both forms of a signature as artifacts of a store, ready to be pushed.
 *
 * @param wanted.reference Without tag and digest, as cosign writes it: "ghcr.io/nine-minds/alga-appliance-release".
 * @param wanted.others Layers of the tag that others have signed before; they are kept.
 */
export function putSignature(
  store: RegistryStore,
  key: SigningKey,
  wanted: {
    readonly reference: string;
    readonly repository: string;
    readonly subject: Descriptor;
    readonly others?: readonly ArtifactPart[];
  },
): void {
  const { repository, subject, reference, others = [] } = wanted;
  pushArtifact(store, repository, taggedArtifact(subject.digest, [...others, simpleSigning(key, subject, reference)]));
  pushArtifact(store, repository, bundleArtifact(key, subject));
}

function simpleSigning(key: SigningKey, { digest }: Descriptor, reference: string): ArtifactPart {
  const critical = {
    identity: { "docker-reference": reference },
    image: { "docker-manifest-digest": digest },
    type: SIMPLE_SIGNING,
  };
  const bytes = bytesOf({ critical, optional: null });
  return { mediaType: SIMPLE_SIGNING_TYPE, bytes, annotations: { [SIGNATURE_ANNOTATION]: base64(key.sign(bytes)) } };
}

function taggedArtifact(digest: Digest, layers: readonly ArtifactPart[]): ArtifactInput {
  // cosign writes a configuration of an image without anything in it, and older versions expect one.
  const config = { architecture: "", os: "", config: {}, rootfs: { type: "layers", diff_ids: [] } };
  return { tag: signatureTag(digest), config: { mediaType: MEDIA.config, bytes: bytesOf(config) }, layers };
}

function bundleArtifact(key: SigningKey, subject: Descriptor): ArtifactInput {
  const hex = subject.digest.slice("sha256:".length);
  const statement = {
    _type: STATEMENT,
    subject: [{ digest: { sha256: hex } }],
    predicateType: PREDICATE,
    predicate: {},
  };
  const { payload, payloadType, signatures } = signEnvelope(key, STATEMENT_TYPE, bytesOf(statement));
  const bundle = {
    mediaType: BUNDLE_TYPE,
    // The hint of cosign is the id of the key, in base64.
    verificationMaterial: { publicKey: { hint: Buffer.from(key.id, "hex").toString("base64") } },
    dsseEnvelope: { payload, payloadType, signatures: signatures.map(({ sig }) => ({ sig })) },
  };
  const { mediaType, digest, size } = subject;
  return {
    artifactType: BUNDLE_TYPE,
    config: EMPTY_CONFIG,
    layers: [{ mediaType: BUNDLE_TYPE, bytes: bytesOf(bundle) }],
    subject: { mediaType, digest, size },
    annotations: { "dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": PREDICATE },
  };
}

/** The tag under which cosign keeps signatures of a digest. @see cosign v3.1, specs/SIGNATURE_SPEC.md, "Discovery" */
function signatureTag(digest: Digest): string {
  return `${digest.replace(":", "-")}.sig`;
}

/** What signing needs: reading what is there, and pushing a store. */
export interface SigningDeps {
  readonly client: RegistryClient;
  readonly push: (store: RegistryStore) => Promise<void>;
}

/**
 * Signs a manifest of the registry and leaves signatures of others beside it. Safe to call again: a key signs once.
 *
 * @returns Whether something was written.
 * @throws {ApplianceError} oci/not-found when there is no such manifest, and what pushing throws.
 */
export async function signManifest(deps: SigningDeps, key: SigningKey, thing: SignedThing): Promise<boolean> {
  const { client } = deps;
  const { descriptor } = await client.document(thing.repository, thing.digest, callOf(thing));
  const keys = [readPublicKey(key.publicPem)];
  const [tagged, bundled] = [await taggedSignatures(client, thing), await bundledSignatures(client, thing)];
  const isWhole = tagged.some((one) => keyOf(one, thing, keys)) && bundled.some((one) => keyOf(one, thing, keys));
  if (isWhole) return false;
  const others = tagged.filter((one) => keyOf(one, thing, keys) === undefined).map(({ layer }) => layer);
  const store = createMemoryStore();
  const reference = `${client.registry}/${thing.repository}`;
  putSignature(store, key, { reference, repository: thing.repository, subject: descriptor, others });
  await deps.push(store);
  return true;
}

/**
 * Verifies that one of the keys signed a manifest.
 *
 * @returns The id of the key.
 * @throws {ApplianceError} trust/unsigned when the registry shows no signature; trust/untrusted-signature when it shows some,
 *   none of which is by one of the keys over this digest; and what reading throws.
 */
export async function verifySignatures(
  client: RegistryClient,
  thing: SignedThing & { readonly keys: readonly PublicKey[] },
): Promise<{ readonly keyId: string }> {
  const tagged = await taggedSignatures(client, thing);
  const first = tagged.map((one) => keyOf(one, thing, thing.keys)).find((id) => id !== undefined);
  if (first !== undefined) return { keyId: first };
  const others = await bundledSignatures(client, thing);
  const second = others.map((one) => keyOf(one, thing, thing.keys)).find((id) => id !== undefined);
  if (second !== undefined) return { keyId: second };
  const count = tagged.length + others.length;
  const name = `${thing.repository}@${thing.digest}`;
  if (count === 0) {
    throw new ApplianceError("trust/unsigned", `Cannot trust "${name}": the registry shows no signature of it`, {
      hint: "Ask the publisher to sign it, or allow unsigned releases with the setting trust.allowUnsigned",
    });
  }
  throw new ApplianceError(
    "trust/untrusted-signature",
    `Cannot trust "${name}": it is signed, but not by a trusted key over this digest`,
    {
      hint: "Compare the publisher's key with the trusted keys of this box",
      details: { trustedKeys: thing.keys.map(({ id }) => id) },
    },
  );
}

type Found =
  | { readonly form: "tag"; readonly layer: ArtifactPart; readonly signature: Uint8Array }
  | { readonly form: "bundle"; readonly bytes: Uint8Array };

/** The key that made a signature over the digest; undefined when none of these did. Bytes are untrusted. */
function keyOf(found: Found, { digest }: SignedThing, keys: readonly PublicKey[]): string | undefined {
  try {
    return found.form === "tag" ? keyOfTagged(found, digest, keys) : keyOfBundle(found.bytes, digest, keys);
  } catch (thrown) {
    if (thrown instanceof ApplianceError || thrown instanceof z.ZodError) return undefined;
    throw thrown;
  }
}

function keyOfTagged(
  { layer, signature }: Extract<Found, { form: "tag" }>,
  digest: Digest,
  keys: readonly PublicKey[],
): string | undefined {
  const key = keys.find((one) => one.verify(layer.bytes, signature));
  if (key === undefined) return undefined;
  const { critical } = simpleSigningSchema.parse(parseJson(layer.bytes, { what: "signature" }));
  return critical.image["docker-manifest-digest"] === digest ? key.id : undefined;
}

function keyOfBundle(bytes: Uint8Array, digest: Digest, keys: readonly PublicKey[]): string | undefined {
  const { mediaType, dsseEnvelope } = bundleSchema.parse(parseJson(bytes, { what: "signature bundle" }));
  if (mediaType !== BUNDLE_TYPE) return undefined;
  const expected = { payloadType: STATEMENT_TYPE, keys, what: `"${digest}"` };
  const { payload, keyId } = verifyEnvelope(dsseEnvelope, expected);
  const { subject } = statementSchema.parse(parseJson(payload, { what: "signed statement" }));
  return subject.some((one) => `sha256:${one.digest.sha256}` === digest) ? keyId : undefined;
}

async function taggedSignatures(
  client: RegistryClient,
  thing: SignedThing,
): Promise<Extract<Found, { form: "tag" }>[]> {
  const { repository } = thing;
  const pulled = await client
    .document(repository, signatureTag(thing.digest), callOf(thing))
    .catch((thrown: unknown) => orAbsent(thrown));
  if (pulled === undefined || pulled.document.kind !== "manifest") return [];
  const found: Extract<Found, { form: "tag" }>[] = [];
  for (const layer of pulled.document.manifest.layers.slice(0, MAX_TRIED)) {
    const signature = layer.annotations?.[SIGNATURE_ANNOTATION];
    if (layer.mediaType !== SIMPLE_SIGNING_TYPE || signature === undefined) continue;
    const bytes = await client.blob(repository, layer, { ...callOf(thing), maxBytes: MAX_PAYLOAD_BYTES });
    const part = { mediaType: layer.mediaType, bytes, annotations: layer.annotations ?? {} };
    found.push({ form: "tag", layer: part, signature: Buffer.from(signature, "base64") });
  }
  return found;
}

async function bundledSignatures(client: RegistryClient, thing: SignedThing): Promise<Found[]> {
  const { repository, digest } = thing;
  const { manifests } = await client.referrers(repository, digest, { ...callOf(thing), artifactType: BUNDLE_TYPE });
  const found: Found[] = [];
  for (const referrer of manifests.slice(0, MAX_TRIED)) {
    const pulled = await client
      .document(repository, referrer.digest, callOf(thing))
      .catch((thrown: unknown) => orAbsent(thrown));
    if (pulled === undefined || pulled.document.kind !== "manifest") continue;
    const layer = pulled.document.manifest.layers.find(({ mediaType }) => mediaType === BUNDLE_TYPE);
    if (layer === undefined) continue;
    const bytes = await client.blob(repository, layer, { ...callOf(thing), maxBytes: MAX_PAYLOAD_BYTES });
    found.push({ form: "bundle", bytes });
  }
  return found;
}

function orAbsent(thrown: unknown): undefined {
  if (isApplianceError(thrown, "oci/not-found")) return undefined;
  throw thrown;
}

function callOf({ signal }: SignedThing): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function bytesOf(document: unknown): Uint8Array {
  return new TextEncoder().encode(canonicalJson(document));
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
