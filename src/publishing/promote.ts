/**
 * Moving a channel to a release.
 *
 * Parties: several publishers may write to one registry, which has no compare-and-set. A channel is one tag and moves by
 * one request, after everything else is there and recorded; so an interruption leaves it at the old or at the new
 * release, and the next run goes on. A race that was lost is told where it can still be seen.
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import type { RegistryClient } from "../oci/client.ts";
import type { TagMove } from "../oci/push.ts";
import type { RegistryStore } from "../oci/store.ts";
import { findRelease } from "../release/resolve.ts";
import type { FoundRelease, ReleaseRef } from "../release/resolved.ts";
import { assertNotDowngrade } from "../release/version.ts";
import type { PublicKey, SigningKey } from "../trust/keys.ts";
import { assertComplete, type ClosureOptions, type ReleaseClosure, releaseClosure } from "./closure.ts";
import {
  type HistoryEntry,
  type HistoryGap,
  type HistoryPlace,
  historyGaps,
  historyStore,
  readHistory,
} from "./history.ts";
import { signEntry, verifyHistory } from "./history-signing.ts";
import type { ChannelMove } from "./trust-hook.ts";

export type PromoteDeps = Pick<Deps, "clock" | "log"> & {
  readonly client: RegistryClient;
  /** Pushes all of a store to the registry of `client`. */
  readonly push: (store: RegistryStore) => Promise<void>;
  /** Says by signed metadata what the channel means, before its tag moves. Absent: there is no such metadata. */
  readonly signChannel?: ((move: ChannelMove) => Promise<unknown>) | undefined;
  /** Signs the entry of the history. Absent: it is not signed. */
  readonly key?: SigningKey | undefined;
  /** The history that is there must be signed by one of them. Absent or empty: it is taken as it is. */
  readonly trustedKeys?: readonly PublicKey[] | undefined;
  /** Moves a tag of that registry from what it names now; throws oci/tag-moved. */
  readonly moveTag: (move: TagMove) => Promise<void>;
};

export interface Promotion {
  readonly ref: ReleaseRef;
  /** Channel to move. */
  readonly channel: string;
  /** Who does it, for the history; cut at 200 characters. */
  readonly by: string;
  readonly allowDowngrade: boolean;
  /** Check everything, write nothing. */
  readonly dryRun: boolean;
}

export type PromoteOptions = Pick<ClosureOptions, "base" | "running" | "signal" | "open"> & {
  readonly repository: string;
};

interface Named {
  readonly version: string;
  readonly digest: Digest;
}

export interface Promoted {
  readonly channel: string;
  /** What the channel was before; null: it did not exist. */
  readonly from: Named | null;
  readonly to: Named;
  readonly outcome: "moved" | "already" | "would-move";
  /** Id of the key that signed the entry of the history; null: nobody did. */
  readonly signedBy: string | null;
  /** Where the history does not tell how the channel came to be what it is: a race that somebody lost, or a move by hand. */
  readonly gaps: readonly HistoryGap[];
}

/**
 * Promotes a release. Safe to call again.
 *
 * @throws {ApplianceError} release/incomplete when a part is missing, oci/digest-mismatch when one is not what the release
 *   pins, release/downgrade, oci/tag-moved when somebody else moved the channel meanwhile: look at it, then call again.
 *   Before the first of these checks has passed nothing is written.
 */
export async function promote(deps: PromoteDeps, wanted: Promotion, options: PromoteOptions): Promise<Promoted> {
  const closure = await releaseClosure(deps.client, wanted.ref, { ...options, others: "named" });
  assertComplete(closure, "promote");
  const { release } = closure;
  const current = await currentRelease(deps, wanted.channel, options);
  const from = current === undefined ? null : named(current);
  const to = named(release);
  const entries = await trustedHistory(deps, wanted, options);
  const told = { signedBy: deps.key?.id ?? null, gaps: gapsWith(entries, from) };
  const outcome = (of: Promoted["outcome"]): Promoted => ({ channel: wanted.channel, from, to, outcome: of, ...told });
  const manifest = manifestOf(closure);
  const signed = { channel: wanted.channel, ...to, sizeBytes: manifest.bytes.length };
  if (from?.digest === to.digest) {
    if (!wanted.dryRun) await deps.signChannel?.(signed);
    return outcome("already");
  }
  if (from !== null) assertNotDowngrade(from.version, to.version, { asked: wanted.allowDowngrade });
  if (wanted.dryRun) return outcome("would-move");
  const entry = { at: toInstant(deps.clock.now()), by: wanted.by.slice(0, 200), from, to };
  await record(deps, entry, place(wanted, options));
  const { repository } = options;
  await deps.signChannel?.(signed);
  await deps.moveTag({ repository, tag: wanted.channel, manifest, was: from?.digest ?? null });
  await assertRecorded(deps, entry, place(wanted, options));
  deps.log.info("channel promoted", { channel: wanted.channel, from: from?.digest, to: to.digest });
  return outcome("moved");
}

function named({ manifest, digest }: FoundRelease): Named {
  return { version: manifest.version, digest };
}

function place({ channel }: Promotion, { repository, signal }: PromoteOptions): HistoryPlace {
  return { repository, channel, ...(signal === undefined ? {} : { signal }) };
}

/** The release's own bytes, as they were checked. */
function manifestOf({ release, manifests }: ReleaseClosure): TagMove["manifest"] {
  const own = manifests.find(({ descriptor }) => descriptor.digest === release.digest);
  if (own !== undefined) return own;
  throw new ApplianceError("internal/defect", `Cannot promote release "${release.digest}": its manifest was not read`);
}

async function currentRelease(
  { client }: PromoteDeps,
  channel: string,
  options: PromoteOptions,
): Promise<FoundRelease | undefined> {
  try {
    return await findRelease(client, { channel }, options);
  } catch (thrown) {
    if (isApplianceError(thrown, "release/unknown-channel")) return undefined;
    throw thrown;
  }
}

/** Reads the history and, with keys, verifies it: a history that was tampered with stops a promotion. */
async function trustedHistory(
  { client, trustedKeys = [] }: PromoteDeps,
  wanted: Promotion,
  options: PromoteOptions,
): Promise<readonly HistoryEntry[]> {
  const entries = await readHistory(client, place(wanted, options));
  if (trustedKeys.length > 0) verifyHistory(entries, { channel: wanted.channel, keys: trustedKeys });
  return entries;
}

/** The gaps inside, and the one between the newest entry and what the channel is now. */
function gapsWith(entries: readonly HistoryEntry[], now: Named | null): readonly HistoryGap[] {
  const last = entries.at(-1);
  if (now === null || last === undefined) return historyGaps(entries);
  return historyGaps([...entries, { at: last.at, by: "nobody", from: now, to: now }]);
}

/** Records before the move: a move without a record would be worse than a record whose move a next run completes. */
async function record(deps: PromoteDeps, entry: HistoryEntry, at: HistoryPlace): Promise<void> {
  const entries = await readHistory(deps.client, at);
  const last = entries.at(-1);
  if (last !== undefined && isSameMove(last, entry) && (deps.key === undefined || last.signed !== undefined)) return;
  const { key } = deps;
  const added = key === undefined ? entry : signEntry(key, entry, { channel: at.channel, before: last });
  await deps.push(historyStore(at, [...entries, added]));
}

function isSameMove(a: HistoryEntry, b: HistoryEntry): boolean {
  return a.to.digest === b.to.digest && a.from?.digest === b.from?.digest;
}

/** Two publishers may write the history at once; whoever finds its own entry overwritten adds it again, so both are seen. */
async function assertRecorded(deps: PromoteDeps, entry: HistoryEntry, at: HistoryPlace): Promise<void> {
  const entries = await readHistory(deps.client, at);
  if (entries.some((one) => one.by === entry.by && isSameMove(one, entry))) return;
  await record(deps, entry, at);
}
