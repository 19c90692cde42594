/**
 * Reading what is said about a manifest in a registry: which bills of materials and provenance hang on it, and one of them.
 *
 * The list and the documents are untrusted: each is read by its digest, bounded, and checked to speak of the manifest that
 * was asked for, because anybody who may push can hang a foreign document on it.
 */
import { z } from "zod";
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import type { RegistryClient } from "../oci/client.ts";
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
  /** The envelope as it was read, for checking its signatures. */
  readonly envelope?: unknown;
}

/** A bill of materials of an image with thousands of packages has a few megabytes. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** Documents of one kind that are read for a subject; a rebuild of a release may leave some. */
const MAX_DOCUMENTS = 16;

/** @see DSSE v1.0.2, envelope.md */
const envelopeSchema = z.object({
  payloadType: z.literal(STATEMENT_MEDIA_TYPE),
  payload: z.base64(),
  signatures: z
    .array(z.object({ keyid: z.string().max(256).optional(), sig: z.string() }))
    .min(1)
    .max(16),
});

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

type Opened = Pick<FoundAttestation, "document" | "signedBy" | "envelope">;

function openDocument(
  bytes: Uint8Array,
  about: { readonly kind: AttestationKind; readonly digest: Digest; readonly isSealed: boolean },
): Opened {
  const { kind, digest, isSealed } = about;
  const what = `${kind} "${digest}"`;
  const value = parseJson(bytes, { what, maxBytes: MAX_DOCUMENT_BYTES });
  if (!isSealed) return { document: asObject(value, about), signedBy: [] };
  const envelope = envelopeSchema.safeParse(value);
  if (!envelope.success) throw mismatch(kind, digest, "it is no envelope of a statement");
  const { payload, signatures } = envelope.data;
  const document = asObject(parseJson(Buffer.from(payload, "base64"), { what, maxBytes: MAX_DOCUMENT_BYTES }), about);
  return { document, signedBy: signatures.map((one) => one.keyid ?? "unnamed"), envelope: envelope.data };
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
