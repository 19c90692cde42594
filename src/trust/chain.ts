/** Documents of signed metadata in the making: targets, the snapshot over them, the timestamp over that. Nothing is published. */
import { Metadata, MetaFile, type Root, Snapshot, Targets, Timestamp } from "@tufjs/models";
import { digestOf, shortDigest } from "../core/digest.ts";
import type { Deps } from "../core/ports.ts";
import type { RegistryStore } from "../oci/store.ts";
import type { SigningKey } from "./keys.ts";
import { hashesOf, type Role, signMetadata, verifyRole, writeMetadata } from "./metadata.ts";
import { putDocument } from "./registry-source.ts";
import { expiry, type Lifetimes, SPECIFICATION, signersOf } from "./root.ts";

/** A document with its number. */
export interface Signed {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** Documents that name one another, from the timestamp down. */
export interface Chain {
  /** Absent: the targets stay as they are. */
  readonly targets?: Signed;
  readonly snapshot: Signed;
  readonly timestamp: Signed;
}

/** Numbers of the two documents that a machine signs. */
export interface TopVersions {
  readonly snapshot: number;
  readonly timestamp: number;
}

/** Under which root a chain is signed; and under which it is to stand too, where the keys allow it. */
interface Under {
  readonly root: Metadata<Root>;
  readonly before?: Metadata<Root>;
}

function signersUnder({ root, before }: Under, role: Role, keys: readonly SigningKey[]): readonly SigningKey[] {
  const signers = [root, ...(before === undefined ? [] : [before])].flatMap((one) => signersOf(one, role, keys));
  return [...new Map(signers.map((key) => [key.id, key])).values()];
}

/** What signing takes: keys, and how long documents are good. */
export interface Signing {
  /** Each signs the roles that it stands for. */
  readonly keys: readonly SigningKey[];
  readonly lifetimes?: Partial<Lifetimes>;
}

type SigningDeps = Pick<Deps, "clock">;

/**
 * Signs targets, and snapshot and timestamp over them.
 *
 * @throws {ApplianceError} trust/threshold when the keys are too few for a role.
 */
export function signChain(
  deps: SigningDeps,
  made: Under & { readonly targets: Targets; readonly versions: TopVersions },
  options: Signing,
): Chain & { readonly targets: Signed } {
  const { root, targets, versions } = made;
  const document = new Metadata(targets);
  signMetadata(document, signersUnder(made, "targets", options.keys));
  verifyRole(root, "targets", document);
  const bytes = writeMetadata(document);
  const top = signOver(deps, { ...made, targets: metaOf({ version: targets.version, bytes }), versions }, options);
  return { targets: { version: targets.version, bytes }, ...top };
}

function metaOf({ version, bytes }: Signed): MetaFile {
  return new MetaFile({ version, ...hashesOf(bytes) });
}

/** Targets under another number, and good from now on. */
export function renewed(
  deps: SigningDeps,
  options: Pick<Signing, "lifetimes">,
  given: { readonly version: number; readonly from?: Targets },
): Targets {
  const from = given.from?.toJSON() ?? { _type: "targets", targets: {} };
  const expires = expiry(deps, "targets", options.lifetimes);
  return Targets.fromJSON({ ...from, spec_version: SPECIFICATION, version: given.version, expires });
}

/** Signs snapshot and timestamp over targets. Throws as `signChain`. */
export function signOver(
  deps: SigningDeps,
  made: Under & { readonly targets: MetaFile; readonly versions: TopVersions },
  options: Signing,
): Omit<Chain, "targets"> {
  const { root, targets, versions } = made;
  const sign = (role: "snapshot" | "timestamp", signed: Snapshot | Timestamp): Signed => {
    const document = new Metadata(signed);
    signMetadata(document, signersUnder(made, role, options.keys));
    verifyRole(root, role, document);
    return { version: signed.version, bytes: writeMetadata(document) };
  };
  const common = (role: "snapshot" | "timestamp") => ({
    spec_version: SPECIFICATION,
    version: versions[role],
    expires: expiry(deps, role, options.lifetimes),
  });
  const snapshot = sign(
    "snapshot",
    Snapshot.fromJSON({ _type: "snapshot", ...common("snapshot"), meta: { "targets.json": targets.toJSON() } }),
  );
  const timestamp = sign(
    "timestamp",
    Timestamp.fromJSON({
      _type: "timestamp",
      ...common("timestamp"),
      meta: { "snapshot.json": metaOf(snapshot).toJSON() },
    }),
  );
  return { snapshot, timestamp };
}

/** Puts the documents of a chain into a store, each under a tag that only keeps it. */
export function putChain(store: RegistryStore, base: string, chain: Chain): void {
  for (const role of ["targets", "snapshot", "timestamp"] as const) {
    const signed = chain[role];
    if (signed !== undefined) putDocument(store, { base, role, tag: keepingTag(role, signed) }, signed.bytes);
  }
}

/** A tag that holds what it names, so that two publishers with one number in mind do not meet. */
function keepingTag(role: Role, { version, bytes }: Signed): string {
  return `${version}.${role}-${shortDigest(digestOf(bytes))}`;
}
