/**
 * Reading what is said about a manifest in a registry: which bills of materials and provenance hang on it, and one of them.
 *
 * The list and the documents are untrusted: each is read by its digest, bounded, and checked to speak of the manifest that
 * was asked for, because anybody who may push can hang a foreign document on it.
 */
import { z } from "zod";
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import type { RegistryClient } from "../oci/client.ts";
import { type DsseEnvelope, envelopeSchema, verifyEnvelope } from "../trust/dsse.ts";
import type { PublicKey } from "../trust/keys.ts";
import { ATTESTATION_TYPES, type AttestationKind, ENVELOPE_MEDIA_TYPE } from "./attestations.ts";
import { STATEMENT_MEDIA_TYPE } from "./provenance.ts";

/** What is looked at: a manifest of a repository. */
export interface AttestedSubject {
  /** "release" or "control-plane image". */
  readonly name: string;
  readonly repository: string;
  readonly digest: Digest;
}

export interface FoundAttestation {
  readonly kind: AttestationKind;
  /** Of the artifact. */
  readonly digest: Digest;
  readonly subject: AttestedSubject;
  /** Ids of the keys that an envelope names, unchecked; empty when the document is not signed. */
  readonly signedBy: readonly string[];
  /** The SPDX document, or the statement. */
  readonly document: Readonly<Record<string, unknown>>;
  /** Of the document's bytes. */
  readonly documentDigest: Digest;
  /** The envelope around it, for checking its signatures. */
  readonly envelope?: DsseEnvelope;
}

/** A bill of materials of an image with thousands of packages has a few megabytes. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** Documents of one kind that are read for a subject; a rebuild of a release may leave some. */
const MAX_DOCUMENTS = 16;

/**
 * Reads all documents of one kind that are about a subject.
 *
 * @throws {ApplianceError} release/attestation-mismatch when one is about something else, or has another form; what reading
 *   throws.
 */
export async function readAttestations(
  client: RegistryClient,
  subject: AttestedSubject,
  options: { readonly kind: AttestationKind; readonly signal: AbortSignal },
): Promise<readonly FoundAttestation[]> {
  const { kind, signal } = options;
  const { repository } = subject;
  const type = ATTESTATION_TYPES[kind];
  const { manifests } = await client.referrers(repository, subject.digest, { artifactType: type, signal });
  const found: FoundAttestation[] = [];
  for (const { digest } of manifests.slice(0, MAX_DOCUMENTS)) {
    const { manifest } = await client.manifest(repository, digest, { signal });
    if (manifest.subject?.digest !== subject.digest)
      throw mismatch(kind, digest, `it hangs on another manifest than the ${subject.name}`);
    const layer = manifest.layers.find((one) => [type, ENVELOPE_MEDIA_TYPE].includes(one.mediaType));
    if (layer === undefined) throw mismatch(kind, digest, "it holds no document");
    const bytes = await client.blob(repository, layer, { maxBytes: MAX_DOCUMENT_BYTES, signal });
    const opened = openDocument(bytes, { kind, digest, isSealed: layer.mediaType === ENVELOPE_MEDIA_TYPE });
    assertAbout(opened.document, { kind, digest, subject });
    found.push({ kind, digest, subject, ...opened });
  }
  return found;
}

type Opened = Pick<FoundAttestation, "document" | "documentDigest" | "signedBy" | "envelope">;

function openDocument(
  bytes: Uint8Array,
  about: { readonly kind: AttestationKind; readonly digest: Digest; readonly isSealed: boolean },
): Opened {
  const { kind, digest, isSealed } = about;
  const what = `${kind} "${digest}"`;
  const value = parseJson(bytes, { what, maxBytes: MAX_DOCUMENT_BYTES });
  if (!isSealed) return { document: asObject(value, about), documentDigest: digestOf(bytes), signedBy: [] };
  const envelope = envelopeSchema.safeParse(value);
  if (!envelope.success || envelope.data.payloadType !== STATEMENT_MEDIA_TYPE)
    throw mismatch(kind, digest, "it is no envelope of a statement");
  const payload = Buffer.from(envelope.data.payload, "base64");
  return {
    document: asObject(parseJson(payload, { what, maxBytes: MAX_DOCUMENT_BYTES }), about),
    documentDigest: digestOf(payload),
    signedBy: envelope.data.signatures.map((one) => one.keyid ?? "unnamed"),
    envelope: envelope.data,
  };
}

/**
 * Checks the signature of a provenance; its payload is the document that was read.
 *
 * @returns Id of the key that signed it.
 * @throws {ApplianceError} trust/unsigned when it is not signed; trust/untrusted-signature when no such key signed it.
 */
export function verifyProvenance(found: FoundAttestation, keys: readonly PublicKey[]): string {
  const what = `${found.kind} "${found.digest}"`;
  if (found.envelope === undefined) {
    throw new ApplianceError("trust/unsigned", `Cannot trust ${what}: it is not signed, a signature is wanted`, {
      hint: "Ask the publisher to build the release with a key: alga-appliance release build --key",
    });
  }
  return verifyEnvelope(found.envelope, { payloadType: STATEMENT_MEDIA_TYPE, keys, what }).keyId;
}

const byproductsSchema = z.object({
  predicate: z.object({
    runDetails: z.object({ byproducts: z.array(z.object({ digest: z.record(z.string(), z.string()) })).optional() }),
  }),
});

/** Tells whether a provenance names a bill of materials as written by its build: the signature of one then covers the other. */
export function coversBill(provenance: FoundAttestation, bill: FoundAttestation): boolean {
  const parsed = byproductsSchema.safeParse(provenance.document);
  const wanted = bill.documentDigest.slice("sha256:".length);
  const byproducts = parsed.success ? (parsed.data.predicate.runDetails.byproducts ?? []) : [];
  return byproducts.some((one) => one.digest.sha256 === wanted);
}

function asObject(
  value: unknown,
  { kind, digest }: { readonly kind: AttestationKind; readonly digest: Digest },
): Readonly<Record<string, unknown>> {
  if (isPlainObject(value)) return value;
  throw mismatch(kind, digest, "it is no JSON object");
}

/** A statement names its subjects; a bill of materials has the digest as the checksum of a package. */
function assertAbout(
  document: Readonly<Record<string, unknown>>,
  about: { readonly kind: AttestationKind; readonly digest: Digest; readonly subject: AttestedSubject },
): void {
  const { kind, digest, subject } = about;
  const hex = subject.digest.slice("sha256:".length);
  const isAbout = kind === "sbom" ? isBillOf(document, hex) : isStatementOn(document, hex);
  if (!isAbout) throw mismatch(kind, digest, `it does not speak of the ${subject.name} "${subject.digest}"`);
}

const checksumsSchema = z.object({
  packages: z.array(
    z.object({ checksums: z.array(z.object({ algorithm: z.string(), checksumValue: z.string() })).optional() }),
  ),
});

function isBillOf(document: unknown, hex: string): boolean {
  const parsed = checksumsSchema.safeParse(document);
  return parsed.success && parsed.data.packages.some((one) => one.checksums?.some((sum) => sum.checksumValue === hex));
}

const subjectsSchema = z.object({ subject: z.array(z.object({ digest: z.record(z.string(), z.string()) })) });

function isStatementOn(document: unknown, hex: string): boolean {
  const parsed = subjectsSchema.safeParse(document);
  return parsed.success && parsed.data.subject.some((one) => one.digest.sha256 === hex);
}

function mismatch(kind: AttestationKind, digest: Digest, is: string): ApplianceError {
  return new ApplianceError("release/attestation-mismatch", `Cannot use ${kind} "${digest}": ${is}`, {
    hint: "Somebody may have pushed it beside the release; tell the publisher",
  });
}
