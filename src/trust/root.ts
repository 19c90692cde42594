/**
 * Root documents before they are published: who stands for what, and which signatures are still wanted.
 *
 * A root that is not finished is a root document with fewer signatures than it needs. It goes from machine to machine, each
 * adds the signatures of its keys, and nothing believes it before it has all of them.
 */
import { Metadata, Root } from "@tufjs/models";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import type { PublicKey, SigningKey } from "./keys.ts";
import { metadataKey, type Role, readMetadata, signatoriesOf, signMetadata, writeMetadata } from "./metadata.ts";

/** Milliseconds that documents are good for. */
export type Lifetimes = Readonly<Record<Role, number>>;

const DAY_MS = 86_400_000;

/** Root is changed by hand, the timestamp by a machine every week. */
export const LIFETIMES: Lifetimes = {
  root: 730 * DAY_MS,
  targets: 365 * DAY_MS,
  snapshot: 90 * DAY_MS,
  timestamp: 30 * DAY_MS,
};

/** Which keys stand for which role. */
export interface RoleKeys {
  readonly root: readonly PublicKeyPart[];
  /** Root keys that are needed for a new root. */
  readonly rootThreshold: number;
  readonly targets: readonly PublicKeyPart[];
  readonly targetsThreshold?: number;
  /** Keys of snapshot and timestamp, which a machine may hold. */
  readonly online: readonly PublicKeyPart[];
}

/** What root metadata holds of a key. */
export type PublicKeyPart = Pick<PublicKey, "id" | "kind" | "pem">;

/** Who stands for what in a root to come; or that root itself, with the signatures that were collected. */
export type RootPlan = RoleKeys | Metadata<Root>;

/** Version of the specification, as documents name it. */
export const SPECIFICATION = "1.0.31";

/**
 * Makes a root, or takes the begun one, and adds the signatures of those keys that stand for it or for the one before: enough
 * or not, which `lackingFor` tells.
 *
 * @throws {ApplianceError} trust/lost-race when the begun root has another version: somebody made one in between.
 */
export function signRoot(
  deps: Pick<Deps, "clock">,
  plan: RootPlan,
  options: {
    readonly version: number;
    readonly keys: readonly SigningKey[];
    readonly before?: Metadata<Root> | undefined;
    readonly lifetimes?: Partial<Lifetimes>;
  },
): Metadata<Root> {
  const { version, keys, before, lifetimes } = options;
  const expires = expiry(deps, "root", lifetimes);
  const root = plan instanceof Metadata ? plan : new Metadata(newRoot(plan, { version, expires }));
  if (root.signed.version !== version) throw lostRace();
  const old = before === undefined ? [] : signersOf(before, "root", keys);
  signMetadata(root, [...old, ...signersOf(root, "root", keys)]);
  return root;
}

/** Signatures that a root wants before it can be published. */
export interface LackingSignatures {
  /** Version of the root whose keys are meant: its own, or that of the one before. */
  readonly root: number;
  readonly count: number;
  /** Ids of the keys any of which may give them. */
  readonly keys: readonly string[];
}

/** Which signatures a root lacks, by its own rule and by that of the one before. Only signatures that verify count. */
export function lackingFor(root: Metadata<Root>, before?: Metadata<Root>): readonly LackingSignatures[] {
  return [before, root].flatMap((judge) => {
    if (judge === undefined) return [];
    const { keyIDs = [], threshold = 1 } = judge.signed.roles.root ?? {};
    const signed = signatoriesOf(judge, "root", root);
    const count = threshold - signed.length;
    return count > 0 ? [{ root: judge.signed.version, count, keys: keyIDs.filter((id) => !signed.includes(id)) }] : [];
  });
}

/** Whether two roots say the same: who stands for which role, and how many are needed. */
export function isSameRoot(one: Root, other: Root): boolean {
  const textOf = ({ roles, keys }: Root): string =>
    canonicalJson({
      keys: Object.keys(keys).sort(),
      roles: Object.fromEntries(
        Object.entries(roles).map(([role, { keyIDs, threshold }]) => [role, { keys: [...keyIDs].sort(), threshold }]),
      ),
    });
  return textOf(one) === textOf(other);
}

function newRoot(roles: RoleKeys, fields: { readonly version: number; readonly expires: string }): Root {
  const root = new Root({ ...fields, specVersion: SPECIFICATION, consistentSnapshot: true });
  const give = (role: Role, keys: readonly PublicKeyPart[], threshold: number): void => {
    for (const key of keys) root.addKey(metadataKey(key), role);
    const found = root.roles[role];
    if (found !== undefined) Object.assign(found, { threshold });
  };
  give("root", roles.root, roles.rootThreshold);
  give("targets", roles.targets, roles.targetsThreshold ?? 1);
  give("snapshot", roles.online, 1);
  give("timestamp", roles.online, 1);
  return readMetadata("root", writeMetadata(new Metadata(root))).signed;
}

/** Those of the given keys that stand for a role. */
export function signersOf(root: Metadata<Root>, role: Role, keys: readonly SigningKey[]): readonly SigningKey[] {
  const ids = root.signed.roles[role]?.keyIDs ?? [];
  return keys.filter(({ id }) => ids.includes(id));
}

/**
 * Until when a document of a role is good that is signed now.
 *
 * @see TUF 1.0.33, section 4.2.1: whole seconds, in UTC
 */
export function expiry({ clock }: Pick<Deps, "clock">, role: Role, lifetimes: Partial<Lifetimes> | undefined): string {
  const instant = toInstant(clock.now() + (lifetimes?.[role] ?? LIFETIMES[role]));
  return instant.replace(/\.\d+Z$/, "Z");
}

/** Somebody else was quicker. */
export function lostRace(): ApplianceError {
  return new ApplianceError(
    "trust/lost-race",
    "Cannot publish signed metadata: somebody else changed it at the same time",
    { hint: "Look at what is there, then call again" },
  );
}
