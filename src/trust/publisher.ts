/**
 * The publisher's side of signed metadata: changing what it says, and signing it anew before it expires.
 *
 * Parties: several publishers may hold the keys and write to one registry, which has no compare-and-set. So every change starts
 * from what is there (verified from the publisher's own root document), takes version numbers that nobody used, moves the one
 * mutable tag last and only from what it was, waits, and looks again whether its change is still in the chain; if not, it is
 * made anew on top of what is there then. Documents are immutable but for `timestamp`, so a process that dies in between leaves
 * documents that nothing names.
 *
 * @see The Update Framework specification 1.0.33, section 4 (documents), section 6.1 (key management), section 6.2
 */
import { Targets } from "@tufjs/models";
import { isApplianceError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { RegistryClient } from "../oci/client.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { type Chain, putChain, renewed, type Signing, signChain, signOver, type TopVersions } from "./chain.ts";
import { processMemory } from "./memory.ts";
import { type Role, readMetadata, writeMetadata } from "./metadata.ts";
import { putDocument, registrySource, trustRepository } from "./registry-source.ts";
import { lostRace } from "./root.ts";
import { endingAt, refreshTrust, type TrustState } from "./tuf.ts";

/** How the registry is read and written. */
export interface PublisherDeps {
  readonly clock: Clock;
  readonly client: RegistryClient;
  /** Pushes all of a store; a tag that is taken by something else is moved. */
  readonly push: (store: RegistryStore) => Promise<void>;
}

export interface PublisherOptions extends Signing {
  readonly base: string;
  /** The publisher's own root document: the first one, or any later one. */
  readonly anchor: Uint8Array;
  readonly signal?: AbortSignal | undefined;
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
export async function nextVersions(
  deps: PublisherDeps,
  state: TrustState,
  options: PublisherOptions,
): Promise<TopVersions> {
  return {
    snapshot: await freeVersion(deps, options, { role: "snapshot", current: state.snapshot.signed.version }),
    timestamp: await freeVersion(deps, options, { role: "timestamp", current: state.timestamp.signed.version }),
  };
}

/** The next number of a role. */
export async function freeVersion(
  { client }: PublisherDeps,
  { base, signal }: PublisherOptions,
  after: { readonly role: Role; readonly current: number },
): Promise<number> {
  const { role, current } = after;
  const tags = await client.tags(trustRepository(base), { ...(signal === undefined ? {} : { signal }) });
  const used = tags.flatMap((tag) => (tag.includes(`.${role}-`) ? [Number.parseInt(tag, 10)] : []));
  return Math.max(current, ...used.filter(Number.isSafeInteger)) + 1;
}

/** What is there, verified as a box does it; as it was before a later root, where that is said. */
export function readTrust(
  deps: PublisherDeps,
  options: PublisherOptions,
  how: { readonly acceptExpired: boolean; readonly upTo?: number },
): Promise<TrustState> {
  const all = registrySource(deps.client, options.base);
  const source = how.upTo === undefined ? all : endingAt(all, how.upTo);
  return refreshTrust(
    { clock: deps.clock, source, memory: processMemory() },
    {
      anchor: options.anchor,
      signal: options.signal,
      // A publisher is the one who ends an expiry; what is there is verified in every other way.
      ...(how.acceptExpired ? { acceptExpiredUntil: Number.POSITIVE_INFINITY } : {}),
    },
  );
}

/** The signal of a call; one that never fires where none was given. */
export function signalOf({ signal }: Pick<PublisherOptions, "signal">): AbortSignal {
  return signal ?? new AbortController().signal;
}

function unlessMoved(thrown: unknown): void {
  if (!isApplianceError(thrown, "trust/lost-race", "oci/tag-moved", "oci/tag-taken")) throw thrown;
}
