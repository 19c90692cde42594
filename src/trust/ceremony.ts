/**
 * Roots: beginning signed metadata, and passing it on to other keys.
 *
 * Parties: a person holds the keys of root and may be interrupted anywhere; a registry has no transaction over two tags. So
 * every step may be done again: a root that an earlier try has published is taken on when it says the same and the same keys
 * signed it, and what it lacks is put beside it. Boxes see the root of before or the next one, each with its chain, where the
 * keys of both sign.
 *
 * @see The Update Framework specification 1.0.33, section 6.1, "Key management and migration"
 */
import { Metadata, type Root } from "@tufjs/models";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { type Chain, putChain, renewed, type Signed, signChain } from "./chain.ts";
import { processMemory } from "./memory.ts";
import { readMetadata, signatoriesOf, verifyRole, writeMetadata } from "./metadata.ts";
import {
  freeVersion,
  nextVersions,
  type PublisherDeps,
  type PublisherOptions,
  readTrust,
  signalOf,
} from "./publisher.ts";
import { putDocument, registrySource, trustRepository } from "./registry-source.ts";
import { isSameRoot, lostRace, type RootPlan, signRoot } from "./root.ts";
import { latestRoot } from "./tuf.ts";

/**
 * Begins signed metadata: root 1, empty targets, snapshot, timestamp.
 *
 * Safe to call again, also when an earlier call died anywhere: a root of the registry that says the same and that these keys
 * signed is taken on, and what it lacks is put beside it. Channels that were promoted meanwhile stay.
 *
 * @returns The bytes of root, which go to the boxes.
 * @throws {ApplianceError} trust/threshold when the given keys are too few for a role; oci/tag-taken when the registry has a
 *   root already, and another one.
 */
export async function beginTrust(
  deps: PublisherDeps,
  plan: RootPlan,
  options: Omit<PublisherOptions, "anchor">,
): Promise<Uint8Array> {
  const made = signRoot(deps, plan, { ...options, version: 1 });
  verifyRole(made, "root", made);
  const found = await readRoot(deps, options, 1);
  if (found !== undefined && !isTakenOn(found.root, made, [made])) throw rootTaken(options.base);
  const { root, bytes } = found ?? { root: made, bytes: writeMetadata(made) };
  if (found !== undefined && (await isWhole(deps, { ...options, anchor: bytes }, 1))) return bytes;
  const targets = renewed(deps, options, { version: 1 });
  const chain = signChain(deps, { root, targets, versions: { snapshot: 1, timestamp: 1 } }, options);
  await pushRoot(deps, { version: 1, bytes, chain }, options);
  return bytes;
}

/** The newest root of a registry, verified from the publisher's own. Throws as `latestRoot`. */
export function currentRoot(deps: PublisherDeps, options: PublisherOptions, upTo?: number): Promise<Metadata<Root>> {
  const source = registrySource(deps.client, options.base);
  const reading = { clock: deps.clock, source, memory: processMemory() };
  return latestRoot(reading, { anchor: options.anchor, upTo, signal: signalOf(options) });
}

/**
 * Makes the next root: other keys, another threshold, or only a later date. Signed by the keys of the old and of the new one.
 *
 * Snapshot and timestamp are signed anew, because other keys may stand for them now; by the old keys too where they are
 * given, and then boxes see a whole chain at every moment. Safe to call again, also when an earlier call died anywhere: the
 * root that it published is taken on, and what it lacks is put beside it.
 *
 * @returns The bytes of the new root. Boxes that have an older one follow by themselves.
 * @throws {ApplianceError} trust/threshold when the given keys are too few for the old or the new root; trust/lost-race.
 */
export async function rotateRoot(deps: PublisherDeps, plan: RootPlan, options: PublisherOptions): Promise<Uint8Array> {
  const { before, next, bytes, isPublished } = await nextRoot(deps, plan, options);
  const { version } = next.signed;
  if (isPublished && (await isWhole(deps, options, version))) return bytes;
  const state = await readTrust(deps, options, { acceptExpired: true, upTo: before.signed.version });
  const targetsVersion = await freeVersion(deps, options, { role: "targets", current: state.targets.signed.version });
  const targets = renewed(deps, options, { version: targetsVersion, from: state.targets.signed });
  const versions = await nextVersions(deps, state, options);
  const chain = signChain(deps, { root: next, before, targets, versions }, options);
  await pushRoot(deps, { version, bytes, chain, before }, options);
  const found = await readRoot(deps, options, version);
  if (found === undefined || Buffer.compare(found.bytes, bytes) !== 0) throw lostRace();
  return bytes;
}

interface NextRoot {
  readonly before: Metadata<Root>;
  readonly next: Metadata<Root>;
  readonly bytes: Uint8Array;
  /** An earlier call has published it. */
  readonly isPublished: boolean;
}

/** Dates of two tries of the same rotation differ by less than this. */
const SAME_TRY_MS = 86_400_000;

/** The root to publish: the one of the plan, or the one that an earlier call with this plan has left in the registry. */
async function nextRoot(deps: PublisherDeps, plan: RootPlan, options: PublisherOptions): Promise<NextRoot> {
  const newest = await currentRoot(deps, options);
  const isBegun = plan instanceof Metadata;
  const anchored = readMetadata("root", options.anchor).signed.version;
  // A person who signs the same again at once does not mean one root more, but the one that was not finished.
  const again = isBegun ? plan.signed.version : newest.signed.version;
  if (again > anchored && again <= newest.signed.version) {
    const earlier = await takenOn(deps, plan, { options, version: again });
    if (earlier !== undefined) return earlier;
  }
  if (isBegun && plan.signed.version !== newest.signed.version + 1) throw lostRace();
  const version = newest.signed.version + 1;
  const next = signRoot(deps, plan, { ...options, version, before: newest });
  verifyRole(newest, "root", next);
  verifyRole(next, "root", next);
  return { before: newest, next, bytes: writeMetadata(next), isPublished: false };
}

async function takenOn(
  deps: PublisherDeps,
  plan: RootPlan,
  at: { readonly options: PublisherOptions; readonly version: number },
): Promise<NextRoot | undefined> {
  const { options, version } = at;
  const before = await currentRoot(deps, options, version - 1);
  const found = await readRoot(deps, options, version);
  if (found === undefined) return undefined;
  const made = signRoot(deps, plan, { ...options, version, before });
  const isNear = Math.abs(Date.parse(made.signed.expires) - Date.parse(found.root.signed.expires)) < SAME_TRY_MS;
  if (!isNear || !isTakenOn(found.root, made, [before, made])) return undefined;
  return { before, next: found.root, bytes: found.bytes, isPublished: true };
}

/** Whether a root of the registry says what ours says, under signatures that count by these roots. */
function isTakenOn(found: Metadata<Root>, made: Metadata<Root>, judges: readonly Metadata<Root>[]): boolean {
  if (found.signed.version !== made.signed.version || !isSameRoot(found.signed, made.signed)) return false;
  return judges.every((judge) => {
    const { threshold = 1 } = judge.signed.roles.root ?? {};
    return signatoriesOf(judge, "root", found).length >= threshold;
  });
}

async function readRoot(
  deps: PublisherDeps,
  options: Pick<PublisherOptions, "base" | "signal">,
  version: number,
): Promise<{ readonly root: Metadata<Root>; readonly bytes: Uint8Array } | undefined> {
  const source = registrySource(deps.client, options.base);
  const bytes = await source.read("root", `${version}.root`, signalOf(options));
  return bytes === undefined ? undefined : { root: readMetadata("root", bytes), bytes };
}

/** What tells that documents are missing, or signed for another root: then they are put there once more. */
const UNFINISHED = ["trust/unsigned", "trust/threshold", "trust/withheld"] as const;

/** Whether boxes find a whole chain under the root of this version; a later root tells that they did. */
async function isWhole(deps: PublisherDeps, options: PublisherOptions, version: number): Promise<boolean> {
  if ((await currentRoot(deps, options)).signed.version > version) return true;
  try {
    await readTrust(deps, options, { acceptExpired: true });
    return true;
  } catch (thrown) {
    if (isApplianceError(thrown, ...UNFINISHED)) return false;
    throw thrown;
  }
}

interface RootPush {
  readonly version: number;
  readonly bytes: Uint8Array;
  readonly chain: Chain & { readonly targets: Signed };
  readonly before?: Metadata<Root>;
}

/**
 * Publishes a root with its chain. Where the keys of the root before stand for the chain too, the chain goes first, and boxes
 * see one that is whole at every moment. Where they do not, root goes first: boxes refuse what there is until the next write.
 */
async function pushRoot(deps: PublisherDeps, made: RootPush, { base }: Pick<PublisherOptions, "base">): Promise<void> {
  const { version, bytes, chain, before } = made;
  const documents = createMemoryStore();
  putChain(documents, base, chain);
  await deps.push(documents);
  const root = (store: RegistryStore): void =>
    putDocument(store, { base, role: "root", tag: `${version}.root` }, bytes);
  const timestamp = (store: RegistryStore): void =>
    putDocument(store, { base, role: "timestamp", tag: "timestamp" }, chain.timestamp.bytes);
  const isBridge = before !== undefined && standsUnder(before, chain);
  for (const put of isBridge ? [timestamp, root] : [root, timestamp]) {
    const store = createMemoryStore();
    put(store);
    await deps.push(store);
  }
}

function standsUnder(root: Metadata<Root>, chain: Chain & { readonly targets: Signed }): boolean {
  return (["targets", "snapshot", "timestamp"] as const).every((role) => {
    const { threshold = 1 } = root.signed.roles[role] ?? {};
    return signatoriesOf(root, role, readMetadata(role, chain[role].bytes)).length >= threshold;
  });
}

function rootTaken(base: string): ApplianceError {
  return new ApplianceError(
    "oci/tag-taken",
    `Cannot begin signed metadata in "${trustRepository(base)}": it has a root already, and another one`,
    { hint: "alga-appliance release trust rotate makes the next root" },
  );
}
