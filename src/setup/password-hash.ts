/**
 * The administrator's password as the initial-tenant Secret carries it: PBKDF2 with HMAC-SHA-512, parameters beside it.
 *
 * The form is `<salt hex>:<hash hex>`, and the salt that enters the derivation is the hex text itself, as the
 * application does it. The password is never logged, and is gone from the box once the cluster has the hash.
 *
 * @see RFC 8018 section 5.2; OWASP Password Storage Cheat Sheet (2023): 210,000 iterations for HMAC-SHA-512
 */
import { pbkdf2, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import type { Random } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";

const derive = promisify(pbkdf2);

export const PASSWORD_ALGORITHM = "pbkdf2-sha512";
const PASSWORD_ITERATIONS = 210_000;
const KEY_BYTES = 64;
const SALT_BYTES = 16;

export interface PasswordHash {
  /** `<salt hex>:<hash hex>`. */
  readonly text: string;
  readonly iterations: number;
  readonly keyBytes: number;
}

/** Hashes on a thread of its own, so that requests are served meanwhile (about a tenth of a second). */
export async function hashPassword(
  random: Pick<Random, "bytes">,
  password: Secret,
  iterations = PASSWORD_ITERATIONS,
): Promise<PasswordHash> {
  const salt = Buffer.from(random.bytes(SALT_BYTES)).toString("hex");
  const hash = await derive(password.reveal(), salt, iterations, KEY_BYTES, "sha512");
  return { text: `${salt}:${hash.toString("hex")}`, iterations, keyBytes: KEY_BYTES };
}

/** Tells whether a hash is of this password. */
export async function isHashOf(hash: PasswordHash, password: Secret): Promise<boolean> {
  const [salt, hex] = hash.text.split(":");
  if (salt === undefined || hex === undefined || hash.keyBytes < 1 || hash.iterations < 1) return false;
  const wanted = Buffer.from(hex, "hex");
  const found = await derive(password.reveal(), salt, hash.iterations, hash.keyBytes, "sha512");
  return wanted.length === found.length && timingSafeEqual(wanted, found);
}
