/**
 * The four documents of signed metadata: read from untrusted bytes, bounded and strict; written canonically; verified by role.
 *
 * The models are those of `@tufjs/models`. Beyond them: sizes are bounded before parsing, JSON is strict (no key twice), a key
 * is named by the SHA-256 of its public part and nothing else, so that no key counts twice towards a threshold.
 *
 * @see The Update Framework specification 1.0.33, section 4, "Document formats"
 */
import { createHash } from "node:crypto";
import {
  Key,
  Metadata,
  MetadataKind,
  Root,
  Signature,
  type Snapshot,
  type Targets,
  type Timestamp,
} from "@tufjs/models";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { canonicalJson, parseJson } from "../core/json.ts";
import { type PublicKey, readPublicKey, type SigningKey } from "./keys.ts";

export type Role = "root" | "targets" | "snapshot" | "timestamp";

interface Documents {
  readonly root: Metadata<Root>;
  readonly targets: Metadata<Targets>;
  readonly snapshot: Metadata<Snapshot>;
  readonly timestamp: Metadata<Timestamp>;
}

/** Bytes of a document at most. Targets hold about 250 bytes for a release: 8,000 releases. */
export const ROLE_BYTES: Readonly<Record<Role, number>> = {
  root: 256 * 1024,
  targets: 2 * 1024 * 1024,
  snapshot: 64 * 1024,
  timestamp: 16 * 1024,
};

/**
 * Reads a document. Its signatures are not verified yet.
 *
 * @throws {ApplianceError} trust/too-large beyond the bound of the role; trust/bad-metadata for another form.
 */
export function readMetadata<R extends Role>(role: R, bytes: Uint8Array): Documents[R] {
  if (bytes.length > ROLE_BYTES[role]) throw tooLarge(role);
  try {
    const data = parseJson(bytes, { what: `${role} metadata`, maxBytes: ROLE_BYTES[role] });
    // One cast: the library's overloads do not follow a type parameter; it checks `_type` against the kind itself.
    const read = Metadata.fromJSON(role as MetadataKind.Root, data as Parameters<typeof Root.fromJSON>[0]);
    const document = read as Metadata<Root | Targets | Snapshot | Timestamp> as Documents[R];
    assertVersion(role, document.signed.version);
    if (document.signed instanceof Root) assertKeys(document.signed);
    return document;
  } catch (thrown) {
    if (isApplianceError(thrown) && thrown.code.startsWith("trust/")) throw thrown;
    const why = thrown instanceof Error ? thrown.message.slice(0, 120) : "another form";
    throw badMetadata(role, why, thrown);
  }
}

function assertVersion(role: Role, version: number): void {
  if (Number.isSafeInteger(version) && version > 0) return;
  throw badMetadata(role, "its version is not a whole number above 0");
}

/** @see TUF 1.0.33, section 4.2: clients must ensure that a key id stands for one key only */
function assertKeys(root: Root): void {
  for (const [id, key] of Object.entries(root.keys)) {
    const pem = key.keyVal.public ?? "";
    const is = readPublicKey(pem);
    if (is.id !== id || key.keyType !== TYPES[is.kind].keytype)
      throw badMetadata("root", `its key ${id} is another one`);
  }
  for (const role of Object.values(MetadataKind)) {
    const { keyIDs, threshold } = root.roles[role] ?? { keyIDs: [], threshold: 0 };
    const isPossible = Number.isSafeInteger(threshold) && threshold > 0 && new Set(keyIDs).size >= threshold;
    if (!isPossible) throw badMetadata("root", `its role ${role} cannot reach its threshold`);
  }
}

const TYPES = {
  ed25519: { keytype: "ed25519", scheme: "ed25519" },
  "ecdsa-p256": { keytype: "ecdsa", scheme: "ecdsa-sha2-nistp256" },
} as const;

/** A public key as root metadata holds it. */
export function metadataKey(key: Pick<PublicKey, "id" | "kind" | "pem">): Key {
  const { keytype, scheme } = TYPES[key.kind];
  return new Key({ keyID: key.id, keyType: keytype, scheme, keyVal: { public: key.pem } });
}

/** Signs a document with each key, beside the signatures that it has. */
export function signMetadata(
  document: Metadata<Root | Targets | Snapshot | Timestamp>,
  keys: readonly SigningKey[],
): void {
  for (const key of keys) {
    const sign = (bytes: Buffer): Signature =>
      new Signature({ keyID: key.id, sig: Buffer.from(key.sign(bytes)).toString("hex") });
    document.sign(sign);
  }
}

/** The bytes of a document: canonical, so that the same document has the same digest. */
export function writeMetadata(document: Metadata<Root | Targets | Snapshot | Timestamp>): Uint8Array {
  return new TextEncoder().encode(canonicalJson(document.toJSON()));
}

/** Ids of the keys of a role, in the order of root, whose signature of a document verifies. */
export function signatoriesOf(
  root: Metadata<Root>,
  role: Role,
  document: Metadata<Root | Targets | Snapshot | Timestamp>,
): readonly string[] {
  const { keyIDs = [] } = root.signed.roles[role] ?? {};
  return [...new Set(keyIDs)].filter((id) => hasSigned(root.signed.keys[id], document));
}

/**
 * Verifies that as many keys of a role as root wants have signed a document.
 *
 * @returns Ids of the keys of the role that signed it, in the order of root.
 * @throws {ApplianceError} trust/threshold.
 */
export function verifyRole(
  root: Metadata<Root>,
  role: Role,
  document: Metadata<Root | Targets | Snapshot | Timestamp>,
): readonly string[] {
  const { keyIDs = [], threshold = 1 } = root.signed.roles[role] ?? {};
  const signers = signatoriesOf(root, role, document);
  if (signers.length >= threshold) return signers;
  throw new ApplianceError(
    "trust/threshold",
    `Cannot trust ${role} metadata: ${signers.length} of its keys signed it, ${threshold} are wanted by root ${root.signed.version}`,
    {
      hint: "Tell the publisher: a key may be in other hands, or the root of this box may be too old",
      details: { role, signers, threshold, keys: keyIDs },
    },
  );
}

function hasSigned(key: Key | undefined, document: Metadata<Root | Targets | Snapshot | Timestamp>): boolean {
  if (key === undefined) return false;
  try {
    key.verifySignature(document);
    return true;
  } catch {
    return false;
  }
}

/** Length and digest of bytes, as a document that names them holds it. */
export function hashesOf(bytes: Uint8Array): { readonly length: number; readonly hashes: { readonly sha256: string } } {
  return { length: bytes.length, hashes: { sha256: createHash("sha256").update(bytes).digest("hex") } };
}

/** More was sent than a document may have. */
export function tooLarge(role: Role, cause?: unknown): ApplianceError {
  return new ApplianceError(
    "trust/too-large",
    `Cannot trust ${role} metadata: the registry sends more than the ${ROLE_BYTES[role]} bytes that it may have`,
    { cause, hint: "Tell the publisher, or use another mirror of the registry" },
  );
}

/** A document is not the one that a signed document names. */
export function mixed(role: Role, what: string, cause?: unknown): ApplianceError {
  return new ApplianceError("trust/mixed", `Cannot trust ${role} metadata: ${what}`, {
    cause,
    hint: "Try again when the publisher has finished; then use another mirror of the registry",
  });
}

function badMetadata(role: Role, what: string, cause?: unknown): ApplianceError {
  return new ApplianceError("trust/bad-metadata", `Cannot trust ${role} metadata: ${what}`, {
    cause,
    hint: "Tell the publisher, or use another mirror of the registry",
  });
}
