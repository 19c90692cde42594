/**
 * Keys: Ed25519 and ECDSA P-256, in PEM, each known by the SHA-256 of its public part.
 *
 * Parties: a private key is a secret of the publisher; it lives in memory only, appears in no message and no log, and gives
 * nothing but signatures. A public key is trusted because a person put it where it lies; its id is computed, never read.
 *
 * @see RFC 8410 (Ed25519), RFC 5480 (ECDSA), RFC 5958 (PKCS#8), RFC 7468 (PEM)
 */
import { createECDH, createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { isCosignKey, openCosignKey } from "./cosign-key.ts";
import { sealPrivateKey } from "./sealed-key.ts";

export type KeyKind = "ed25519" | "ecdsa-p256";

/** Verifies. What it says is as true as the place that the key came from. */
export interface PublicKey {
  /** SHA-256 of the key as SubjectPublicKeyInfo, 64 hex digits. */
  readonly id: string;
  readonly kind: KeyKind;
  readonly pem: string;
  /** Tells whether a signature over these bytes is by this key. A signature of any form is safe to ask about. */
  verify(bytes: Uint8Array, signature: Uint8Array): boolean;
}

/** Signs. Holds the private key; only signatures and the public key come out. */
export interface SigningKey {
  /** As of its public key. */
  readonly id: string;
  readonly kind: KeyKind;
  readonly publicPem: string;
  /** Ed25519: 64 bytes over the bytes themselves; ECDSA: ASN.1 over their SHA-256. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** A new pair as its two files hold it. */
export interface KeyFiles {
  readonly id: string;
  readonly privatePem: string;
  readonly publicPem: string;
}

/** PKCS#8 of Ed25519 up to the 32 bytes of the key. @see RFC 8410, section 7 */
const ED25519_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * Makes a key pair.
 *
 * @param options.passphrase Seals the private key; undefined: it lies open in its file.
 */
export function generateKey(
  { random }: Pick<Deps, "random">,
  options: { readonly kind: KeyKind; readonly passphrase: string | undefined },
): KeyFiles {
  const key = options.kind === "ed25519" ? newEd25519(random.bytes(32)) : newP256(random);
  const { id, pem } = publicKeyOf(createPublicKey(key));
  const { passphrase } = options;
  const privatePem =
    passphrase === undefined
      ? key.export({ type: "pkcs8", format: "pem" }).toString()
      : sealPrivateKey(key.export({ type: "pkcs8", format: "der" }), {
          passphrase,
          salt: random.bytes(16),
          iv: random.bytes(16),
        });
  return { id, publicPem: pem, privatePem };
}

function newEd25519(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([ED25519_PREFIX, seed]), format: "der", type: "pkcs8" });
}

function newP256(random: Deps["random"]): KeyObject {
  const curve = createECDH("prime256v1");
  const d = Buffer.from(random.bytes(32));
  curve.setPrivateKey(d);
  const point = curve.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)];
  const text = (bytes: Buffer): string => bytes.toString("base64url");
  return createPrivateKey({ key: { kty: "EC", crv: "P-256", d: text(d), x: text(x), y: text(y) }, format: "jwk" });
}

/**
 * Opens a private key: PKCS#8, open or sealed by passphrase, or cosign's own sealed form.
 *
 * @throws {ApplianceError} trust/bad-key when it is no such key; trust/passphrase when its passphrase is missing or wrong.
 */
export function openSigningKey(pem: string, passphrase: string | undefined): SigningKey {
  const key = openPrivateKey(pem, passphrase);
  const { id, kind, pem: publicPem } = publicKeyOf(createPublicKey(key));
  return { id, kind, publicPem, sign: (bytes) => new Uint8Array(sign(hashOf(kind), bytes, key)) };
}

/** Tells whether a private key wants a passphrase. */
export function isSealedKey(pem: string): boolean {
  return pem.includes("ENCRYPTED");
}

function openPrivateKey(pem: string, passphrase: string | undefined): KeyObject {
  if (!/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/.test(pem)) throw badKey("it holds no private key in PEM");
  const isSealed = isSealedKey(pem);
  if (isSealed && passphrase === undefined) throw wrongPassphrase("no passphrase is given");
  try {
    if (isCosignKey(pem)) {
      const der = openCosignKey(pem, passphrase ?? "");
      if (der === undefined) throw wrongPassphrase("the passphrase is another one");
      return createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
    }
    return createPrivateKey({ key: pem, ...(isSealed ? { passphrase: passphrase ?? "" } : {}) });
  } catch (thrown) {
    if (thrown instanceof ApplianceError) throw thrown;
    // Libraries tell a wrong passphrase from a damaged file in different words, or not at all.
    throw isSealed ? wrongPassphrase("the passphrase is another one, or the file is damaged") : badKey("it is damaged");
  }
}

/**
 * Reads a public key in PEM. A file with a private key is refused: it is nothing to hand out.
 *
 * @throws {ApplianceError} trust/bad-key when it is no Ed25519 or P-256 key.
 */
export function readPublicKey(pem: string): PublicKey {
  if (pem.includes("PRIVATE KEY-----")) throw badKey("it holds a private key, a public one is wanted");
  const first = /-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----/.exec(pem)?.[0];
  if (first === undefined) throw badKey("it holds no public key in PEM");
  let key: KeyObject;
  try {
    key = createPublicKey(first);
  } catch {
    throw badKey("it is damaged");
  }
  return publicKeyOf(key);
}

function publicKeyOf(key: KeyObject): PublicKey {
  const kind = kindOf(key);
  const der = key.export({ type: "spki", format: "der" });
  return {
    id: createHash("sha256").update(der).digest("hex"),
    kind,
    pem: key.export({ type: "spki", format: "pem" }).toString(),
    verify: (bytes, signature) => {
      try {
        return verify(hashOf(kind), bytes, key, signature);
      } catch {
        // A signature that is not even of the right form is one that does not verify.
        return false;
      }
    },
  };
}

function kindOf(key: KeyObject): KeyKind {
  if (key.asymmetricKeyType === "ed25519") return "ed25519";
  if (key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1") return "ecdsa-p256";
  throw badKey(`it is of type ${key.asymmetricKeyType ?? "unknown"}, Ed25519 or ECDSA P-256 is wanted`);
}

function hashOf(kind: KeyKind): "sha256" | null {
  return kind === "ed25519" ? null : "sha256";
}

function badKey(what: string): ApplianceError {
  return new ApplianceError("trust/bad-key", `Cannot use key: ${what}`, {
    hint: "alga-appliance release keygen makes a pair of keys",
  });
}

function wrongPassphrase(what: string): ApplianceError {
  return new ApplianceError("trust/passphrase", `Cannot open private key: it is sealed and ${what}`, {
    hint: "Give the passphrase in ALGA_APPLIANCE_KEY_PASSPHRASE or with --passphrase-stdin",
  });
}
