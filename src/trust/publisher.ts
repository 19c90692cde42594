/**
 * The publisher's side of signed metadata: beginning, changing, refreshing, rotating.
 *
 * Parties: several publishers may hold the keys and write to one registry, which has no compare-and-set. So every change starts
 * from what is there (verified from the publisher's own root document), takes version numbers that nobody used, moves the one
 * mutable tag last and only from what it was, waits, and looks again whether its change is still in the chain; if not, it is
 * made anew on top of what is there then. Documents are immutable but for `timestamp`, so a process that dies in between leaves
 * documents that nothing names.
 *
 * @see The Update Framework specification 1.0.33, section 4 (documents), section 6.1 (key management), section 6.2
 */
import { Metadata, MetaFile, type Root, Snapshot, Targets, Timestamp } from "@tufjs/models";
import { digestOf, shortDigest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { RegistryClient } from "../oci/client.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import type { SigningKey } from "./keys.ts";
import { processMemory } from "./memory.ts";
import { hashesOf, type Role, readMetadata, signMetadata, verifyRole, writeMetadata } from "./metadata.ts";
import { putDocument, registrySource, trustRepository } from "./registry-source.ts";
import { expiry, type Lifetimes, lostRace, type RootPlan, SPECIFICATION, signersOf, signRoot } from "./root.ts";
import { refreshTrust, type TrustState } from "./tuf.ts";

/** How the registry is read and written. */
export interface PublisherDeps {
  readonly clock: Clock;
  readonly client: RegistryClient;
  /** Pushes all of a store; a tag that is taken by something else is moved. */
  readonly push: (store: RegistryStore) => Promise<void>;
}

export interface PublisherOptions {
  readonly base: string;
  /** The publisher's own root document: the first one, or any later one. */
  readonly anchor: Uint8Array;
  /** Each signs the roles that it stands for. */
  readonly keys: readonly SigningKey[];
  readonly lifetimes?: Partial<Lifetimes>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Begins signed metadata: root 1, empty targets, snapshot, timestamp.
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
  const root = signRoot(deps, plan, { ...options, version: 1 });
  verifyRole(root, "root", root);
  const bytes = writeMetadata(root);
  const found = await registrySource(deps.client, options.base).read("root", "1.root", signalOf(options));
  if (found !== undefined && Buffer.compare(found, bytes) !== 0) throw rootTaken(options.base);
  const targets = renewed(deps, options, { version: 1 });
  const chain = signChain(deps, { root, targets, versions: { snapshot: 1, timestamp: 1 } }, options);
  const store = createMemoryStore();
  putDocument(store, { base: options.base, role: "root", tag: "1.root" }, bytes);
  putChain(store, options.base, chain);
  putDocument(store, { base: options.base, role: "timestamp", tag: "timestamp" }, chain.timestamp.bytes);
  await deps.push(store);
  return bytes;
}

/** The newest root of a registry, verified from the publisher's own. Throws as `refreshTrust`, but takes expired metadata. */
export async function currentRoot(deps: PublisherDeps, options: PublisherOptions): Promise<Metadata<Root>> {
  return (await readTrust(deps, options, { acceptExpired: true })).root;
}

/**
 * Makes the next root: other keys, another threshold, or only a later date. Signed by the keys of the old and of the new one.
 *
 * Snapshot and timestamp are signed anew, because other keys may stand for them now.
 *
 * @returns The bytes of the new root. Boxes that have an older one follow by themselves.
 * @throws {ApplianceError} trust/threshold when the given keys are too few for the old or the new root; trust/lost-race.
 */
export async function rotateRoot(deps: PublisherDeps, plan: RootPlan, options: PublisherOptions): Promise<Uint8Array> {
  const before = await currentRoot(deps, options);
  const version = before.signed.version + 1;
  const next = signRoot(deps, plan, { ...options, version, before });
  verifyRole(before, "root", next);
  verifyRole(next, "root", next);
  const bytes = writeMetadata(next);
  const tag = `${version}.root`;
  const state = await readTrust(deps, options, { acceptExpired: true });
  if (state.root.signed.version !== before.signed.version) throw lostRace();
  const targetsVersion = await freeVersion(deps, options, { role: "targets", current: state.targets.signed.version });
  const targets = renewed(deps, options, { version: targetsVersion, from: state.targets.signed });
  const chain = signChain(deps, { root: next, targets, versions: await nextVersions(deps, state, options) }, options);
  const store = createMemoryStore();
  putChain(store, options.base, chain);
  putDocument(store, { base: options.base, role: "root", tag }, bytes);
  putDocument(store, { base: options.base, role: "timestamp", tag: "timestamp" }, chain.timestamp.bytes);
  await deps.push(store);
  const found = await registrySource(deps.client, options.base).read("root", tag, signalOf(options));
  if (found === undefined || Buffer.compare(found, bytes) !== 0) throw lostRace();
  return bytes;
}

/** Changes of others that a change is made anew upon. */
const MAX_TRIES = 6;
/** Long enough for a write that was on its way when we looked. */
const SETTLE_MS = 400;

/**
 * Changes targets, and signs snapshot and timestamp over them. Safe to call again.
 *
 * @param change Called with a copy of what is there, possibly several times; answers whether anything is to be written.
 * @param isIn Whether the change is in what is there: asked at the end, so that nothing is lost silently.
 * @throws {ApplianceError} trust/lost-race when others win again and again; trust/threshold when the keys are too few; what
 *   `refreshTrust` throws for what is there. Nothing a box sees has changed then.
 */
export async function changeTargets(
  deps: PublisherDeps,
  edit: { readonly change: (targets: Targets) => void; readonly isIn: (targets: Targets) => boolean },
  options: PublisherOptions,
): Promise<TrustState> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const state = await readTrust(deps, options, { acceptExpired: true });
    if (edit.isIn(state.targets.signed) && state.expired.length === 0) return state;
    const targets = Targets.fromJSON(state.targets.signed.toJSON());
    edit.change(targets);
    await writeTargets(deps, { state, targets }, options).catch(unlessMoved);
    await deps.clock.sleep(SETTLE_MS, options.signal);
  }
  const last = await readTrust(deps, options, { acceptExpired: false });
  if (edit.isIn(last.targets.signed)) return last;
  throw lostRace();
}

/** Signs snapshot and timestamp anew over the same targets, so that they expire later. Safe to call again. */
export async function refreshDates(deps: PublisherDeps, options: PublisherOptions): Promise<TrustState> {
  const state = await readTrust(deps, options, { acceptExpired: true });
  const { root, snapshot } = state;
  const targets = snapshot.signed.meta["targets.json"];
  if (targets === undefined) throw lostRace();
  const chain = signOver(deps, { root, targets, versions: await nextVersions(deps, state, options) }, options);
  await publishChain(deps, { state, chain }, options);
  return readTrust(deps, options, { acceptExpired: false });
}

async function writeTargets(
  deps: PublisherDeps,
  made: { readonly state: TrustState; readonly targets: Targets },
  options: PublisherOptions,
): Promise<void> {
  const { state, targets } = made;
  const version = await freeVersion(deps, options, { role: "targets", current: state.targets.signed.version });
  const fresh = renewed(deps, options, { version, from: targets });
  const versions = await nextVersions(deps, state, options);
  const chain = signChain(deps, { root: state.root, targets: fresh, versions }, options);
  await publishChain(deps, { state, chain }, options);
}

interface Signed {
  readonly version: number;
  readonly bytes: Uint8Array;
}

interface Chain {
  /** Absent: the targets stay as they are. */
  readonly targets?: Signed;
  readonly snapshot: Signed;
  readonly timestamp: Signed;
}

interface TopVersions {
  readonly snapshot: number;
  readonly timestamp: number;
}

function signChain(
  deps: PublisherDeps,
  made: { readonly root: Metadata<Root>; readonly targets: Targets; readonly versions: TopVersions },
  options: Pick<PublisherOptions, "keys" | "lifetimes">,
): Chain & { readonly targets: Signed } {
  const { root, targets, versions } = made;
  const document = new Metadata(targets);
  signMetadata(document, signersOf(root, "targets", options.keys));
  verifyRole(root, "targets", document);
  const bytes = writeMetadata(document);
  const top = signOver(deps, { root, targets: metaOf({ version: targets.version, bytes }), versions }, options);
  return { targets: { version: targets.version, bytes }, ...top };
}

function metaOf({ version, bytes }: Signed): MetaFile {
  return new MetaFile({ version, ...hashesOf(bytes) });
}

/** Targets under another number, and good from now on. */
function renewed(
  deps: PublisherDeps,
  options: Pick<PublisherOptions, "lifetimes">,
  given: { readonly version: number; readonly from?: Targets },
): Targets {
  const from = given.from?.toJSON() ?? { _type: "targets", targets: {} };
  const expires = expiry(deps, "targets", options.lifetimes);
  return Targets.fromJSON({ ...from, spec_version: SPECIFICATION, version: given.version, expires });
}

function signOver(
  deps: PublisherDeps,
  made: { readonly root: Metadata<Root>; readonly targets: MetaFile; readonly versions: TopVersions },
  options: Pick<PublisherOptions, "keys" | "lifetimes">,
): Omit<Chain, "targets"> {
  const { root, targets, versions } = made;
  const sign = (role: "snapshot" | "timestamp", signed: Snapshot | Timestamp): Signed => {
    const document = new Metadata(signed);
    signMetadata(document, signersOf(root, role, options.keys));
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

function putChain(store: RegistryStore, base: string, chain: Chain): void {
  for (const role of ["targets", "snapshot", "timestamp"] as const) {
    const signed = chain[role];
    if (signed !== undefined) putDocument(store, { base, role, tag: keepingTag(role, signed) }, signed.bytes);
  }
}

/** A tag that holds what it names, so that two publishers with one number in mind do not meet. */
function keepingTag(role: Role, { version, bytes }: Signed): string {
  return `${version}.${role}-${shortDigest(digestOf(bytes))}`;
}

/** Immutable documents first; then `timestamp`, if it is still what this change was made upon. */
async function publishChain(
  deps: PublisherDeps,
  made: { readonly state: TrustState; readonly chain: Chain },
  options: PublisherOptions,
): Promise<void> {
  const { base } = options;
  const store = createMemoryStore();
  putChain(store, base, made.chain);
  await deps.push(store);
  const now = await registrySource(deps.client, base).read("timestamp", "timestamp", signalOf(options));
  const was = writeMetadata(made.state.timestamp);
  const is = now === undefined ? undefined : writeMetadata(readMetadata("timestamp", now));
  if (is === undefined || Buffer.compare(is, was) !== 0) throw lostRace();
  const last = createMemoryStore();
  putDocument(last, { base, role: "timestamp", tag: "timestamp" }, made.chain.timestamp.bytes);
  await deps.push(last);
}

/** Numbers that no document has, also none that a dead process left. */
async function nextVersions(deps: PublisherDeps, state: TrustState, options: PublisherOptions): Promise<TopVersions> {
  return {
    snapshot: await freeVersion(deps, options, { role: "snapshot", current: state.snapshot.signed.version }),
    timestamp: await freeVersion(deps, options, { role: "timestamp", current: state.timestamp.signed.version }),
  };
}

async function freeVersion(
  { client }: PublisherDeps,
  { base, signal }: PublisherOptions,
  after: { readonly role: Role; readonly current: number },
): Promise<number> {
  const { role, current } = after;
  const tags = await client.tags(trustRepository(base), { ...(signal === undefined ? {} : { signal }) });
  const used = tags.flatMap((tag) => (tag.includes(`.${role}-`) ? [Number.parseInt(tag, 10)] : []));
  return Math.max(current, ...used.filter(Number.isSafeInteger)) + 1;
}

/** What is there, verified as a box does it. */
function readTrust(
  deps: PublisherDeps,
  options: PublisherOptions,
  how: { readonly acceptExpired: boolean },
): Promise<TrustState> {
  return refreshTrust(
    { clock: deps.clock, source: registrySource(deps.client, options.base), memory: processMemory() },
    {
      anchor: options.anchor,
      signal: options.signal,
      // A publisher is the one who ends an expiry; what is there is verified in every other way.
      ...(how.acceptExpired ? { acceptExpiredUntil: Number.POSITIVE_INFINITY } : {}),
    },
  );
}

function signalOf({ signal }: Pick<PublisherOptions, "signal">): AbortSignal {
  return signal ?? new AbortController().signal;
}

function unlessMoved(thrown: unknown): void {
  if (!isApplianceError(thrown, "trust/lost-race", "oci/tag-moved", "oci/tag-taken")) throw thrown;
}

function rootTaken(base: string): ApplianceError {
  return new ApplianceError(
    "oci/tag-taken",
    `Cannot begin signed metadata in "${trustRepository(base)}": it has a root already, and another one`,
    { hint: "alga-appliance release trust rotate makes the next root" },
  );
}
