/**
 * Content digests: parsed once into a type that cannot be wrong, computed over bytes or while they stream.
 *
 * Only sha256 is accepted: registries, Flux and containerd all write it, and a second algorithm would only give an
 * attacker a choice.
 *
 * @see OCI image-spec v1.1.1, descriptor.md, "Digests"
 */
import { createHash } from "node:crypto";
import { ApplianceError } from "./errors.ts";
import { canonicalJson } from "./json.ts";

/** `sha256:` and 64 lower-case hex digits. Made only by the functions of this file. */
export type Digest = `sha256:${string}` & { readonly __digest: true };

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Tells whether a value has the form of a sha256 digest. It says nothing about any bytes. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && DIGEST.test(text);
}

/**
 * Parses a digest.
 *
 * @throws {ApplianceError} oci/bad-digest when the algorithm is not sha256 or the form is another.
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new ApplianceError(
    "oci/bad-digest",
    `Cannot use digest "${text.slice(0, 100)}": sha256: and 64 lower-case hex digits are wanted`,
  );
}

/** Digest of whole bytes. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return parseDigest(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
}

/** Digest of a value by its canonical JSON, so that key order does not matter. */
export function digestOfValue(value: unknown): Digest {
  return digestOf(canonicalJson(value));
}

/** A running digest, for bytes that stream. */
export interface Digester {
  update(chunk: Uint8Array): void;
  /** Ends the digest; call once. */
  digest(): Digest;
}

/** Begins a digest of bytes that come in parts, for content too large to hold. */
export function createDigester(): Digester {
  const hash = createHash("sha256");
  return {
    update: (chunk) => void hash.update(chunk),
    digest: () => parseDigest(`sha256:${hash.digest("hex")}`),
  };
}

/** The first twelve hex digits, for screens. */
export function shortDigest(digest: Digest): string {
  return digest.slice("sha256:".length, "sha256:".length + 12);
}
