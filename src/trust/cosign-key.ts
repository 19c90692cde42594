/**
 * The private key files of cosign: JSON in PEM, scrypt for the passphrase, secretbox (XSalsa20-Poly1305) for the key.
 *
 * Only read, so that a publisher who signs with cosign goes on with the same key. The file comes from the publisher's disk;
 * its parameters are bounded all the same, because scrypt takes as much memory as it is told.
 *
 * @see go-securesystemslib v0.9, encrypted/encrypted.go; cosign v3.1, pkg/cosign/keys.go
 */
import { scryptSync } from "node:crypto";
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { z } from "zod";
import { parseJson } from "../core/json.ts";

const SEALED = /-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/;

/** What cosign writes is N = 65,536, r = 8, p = 1: 64 MiB. */
const sealedSchema = z.object({
  kdf: z.object({
    name: z.literal("scrypt"),
    params: z.object({
      N: z.number().int().min(1_024).max(262_144),
      r: z.number().int().min(1).max(8),
      p: z.number().int().min(1).max(4),
    }),
    salt: z.base64(),
  }),
  cipher: z.object({ name: z.literal("nacl/secretbox"), nonce: z.base64() }),
  ciphertext: z.base64(),
});

/** Tells whether a PEM text has a key in cosign's sealed form. */
export function isCosignKey(pem: string): boolean {
  return SEALED.test(pem);
}

/**
 * Opens a sealed key.
 *
 * @returns PKCS#8 in DER; undefined when the passphrase is another one.
 * @throws {Error} when the file has another form.
 */
export function openCosignKey(pem: string, passphrase: string): Uint8Array | undefined {
  const body = Buffer.from(SEALED.exec(pem)?.[1] ?? "", "base64");
  const sealed = sealedSchema.parse(parseJson(body, { what: "sealed key" }));
  const { N, r, p } = sealed.kdf.params;
  const limits = { N, r, p, maxmem: 256 * N * r };
  const key = scryptSync(passphrase, Buffer.from(sealed.kdf.salt, "base64"), 32, limits);
  const nonce = Buffer.from(sealed.cipher.nonce, "base64");
  try {
    return xsalsa20poly1305(key, nonce).decrypt(Buffer.from(sealed.ciphertext, "base64"));
  } catch {
    return undefined;
  }
}
