/**
 * DSSE envelopes: a payload with its type, signed together, so that a signature over one kind of document is worth nothing
 * for another kind.
 *
 * @see DSSE v1.0.2, protocol.md ("Signature Definition") and envelope.md
 */
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import type { PublicKey, SigningKey } from "./keys.ts";

const signatureSchema = z.object({ keyid: z.string().max(255).optional(), sig: z.base64() });

/** Bytes are base64 on the wire. Unknown fields are dropped. */
export const envelopeSchema = z.object({
  payload: z.base64(),
  payloadType: z.string().min(1).max(255),
  signatures: z.array(signatureSchema).min(1).max(16),
});

export type DsseEnvelope = z.infer<typeof envelopeSchema>;

/** What is signed: type and payload with their lengths. @see DSSE v1.0.2, protocol.md, "PAE" */
function preAuthentication(payloadType: string, payload: Uint8Array): Uint8Array {
  const typeBytes = Buffer.byteLength(payloadType);
  return Buffer.concat([Buffer.from(`DSSEv1 ${typeBytes} ${payloadType} ${payload.length} `), payload]);
}

/** Signs a payload under its type. Same key and payload: the same bytes for Ed25519; ECDSA signs anew each time. */
export function signEnvelope(key: SigningKey, payloadType: string, payload: Uint8Array): DsseEnvelope {
  const signature = key.sign(preAuthentication(payloadType, payload));
  return {
    payload: Buffer.from(payload).toString("base64"),
    payloadType,
    signatures: [{ keyid: key.id, sig: Buffer.from(signature).toString("base64") }],
  };
}

/** What an envelope has to be. */
export interface ExpectedEnvelope {
  readonly payloadType: string;
  readonly keys: readonly PublicKey[];
  /** For the message: `release "sha256:..."`. */
  readonly what: string;
}

/**
 * Verifies an envelope and only then gives its payload. The hint `keyid` inside is not believed: every key is tried.
 *
 * @throws {ApplianceError} trust/untrusted-signature when no key signed it, or it is of another type.
 */
export function verifyEnvelope(
  envelope: DsseEnvelope,
  expected: ExpectedEnvelope,
): { readonly payload: Uint8Array; readonly keyId: string } {
  const payload = new Uint8Array(Buffer.from(envelope.payload, "base64"));
  if (envelope.payloadType === expected.payloadType) {
    const signed = preAuthentication(envelope.payloadType, payload);
    for (const { sig } of envelope.signatures) {
      const signature = Buffer.from(sig, "base64");
      const key = expected.keys.find((one) => one.verify(signed, signature));
      if (key !== undefined) return { payload, keyId: key.id };
    }
  }
  throw new ApplianceError(
    "trust/untrusted-signature",
    `Cannot trust ${expected.what}: no signature of its ${envelope.signatures.length} is by a trusted key`,
    { hint: "Compare the publisher's key with the trusted keys of this box" },
  );
}
