/**
 * Sealing a private key by passphrase: PKCS#8 under PBES2, with PBKDF2-HMAC-SHA-256 and AES-256-CBC.
 *
 * The library's own export takes 2,048 rounds of PBKDF2, which a graphics card tries by the million; these are 600,000.
 * Any OpenSSL reads the result. Opening is the library's matter.
 *
 * @see RFC 8018, sections 6.2, A.2 and A.4; OWASP Password Storage Cheat Sheet (2023): 600,000 rounds for HMAC-SHA-256
 */
import { createCipheriv, pbkdf2Sync } from "node:crypto";

const ROUNDS = 600_000;

const OID = {
  pbes2: "2a864886f70d01050d",
  pbkdf2: "2a864886f70d01050c",
  hmacSha256: "2a864886f70d0209",
  aes256Cbc: "60864801650304012a",
} as const;

const TAG = { sequence: 0x30, octets: 0x04, integer: 0x02, null: 0x05, oid: 0x06 } as const;

/**
 * Seals a PKCS#8 key into PEM.
 *
 * @param options.salt 16 random bytes, as `iv`: both of their own for every key.
 */
export function sealPrivateKey(
  der: Uint8Array,
  options: { readonly passphrase: string; readonly salt: Uint8Array; readonly iv: Uint8Array },
): string {
  const { passphrase, salt, iv } = options;
  const cipher = createCipheriv("aes-256-cbc", pbkdf2Sync(passphrase, salt, ROUNDS, 32, "sha256"), iv);
  const sealed = Buffer.concat([cipher.update(der), cipher.final()]);
  const rounds = Buffer.from(ROUNDS.toString(16).padStart(6, "0"), "hex");
  const prf = tlv(TAG.sequence, oid(OID.hmacSha256), tlv(TAG.null));
  const parameters = tlv(TAG.sequence, tlv(TAG.octets, salt), tlv(TAG.integer, rounds), prf);
  const derivation = tlv(TAG.sequence, oid(OID.pbkdf2), parameters);
  const encryption = tlv(TAG.sequence, oid(OID.aes256Cbc), tlv(TAG.octets, iv));
  const scheme = tlv(TAG.sequence, oid(OID.pbes2), tlv(TAG.sequence, derivation, encryption));
  return pem("ENCRYPTED PRIVATE KEY", tlv(TAG.sequence, scheme, tlv(TAG.octets, sealed)));
}

/** One value of DER; lengths below 64 KiB. @see ITU-T X.690, section 8.1 */
function tlv(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

function oid(hex: string): Buffer {
  return tlv(TAG.oid, Buffer.from(hex, "hex"));
}

/** @see RFC 7468, section 3: 64 characters a line */
function pem(label: string, der: Uint8Array): string {
  const text = Buffer.from(der).toString("base64");
  const lines = text.match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
