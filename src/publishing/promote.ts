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
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { findRelease, type ResolveOptions, resolveRelease } from "../release/resolve.ts";
import type { FoundRelease, ReleaseRef, ResolvedRelease } from "../release/resolved.ts";
import { assertNotDowngrade } from "../release/version.ts";
import { type HistoryEntry, type HistoryPlace, historyStore, readHistory } from "./history.ts";

export type PromoteDeps = Pick<Deps, "clock" | "log"> & {
  readonly client: RegistryClient;
  /** Pushes all of a store to the registry of `client`. */
  readonly push: (store: RegistryStore) => Promise<void>;
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

export type PromoteOptions = Pick<ResolveOptions, "base" | "running" | "signal"> & { readonly repository: string };

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
}

/**
 * Promotes a release. Safe to call again.
 *
 * @throws {ApplianceError} release/incomplete when a part is missing, oci/digest-mismatch when one is not what the release
 *   pins, release/downgrade, oci/tag-moved when somebody else moved the channel meanwhile: look at it, then call again.
 *   Before the first of these checks has passed nothing is written.
 */
export async function promote(deps: PromoteDeps, wanted: Promotion, options: PromoteOptions): Promise<Promoted> {
  const release = await resolveRelease(deps, deps.client, wanted.ref, options);
  assertComplete(release);
  const current = await currentRelease(deps, wanted.channel, options);
  const from = current === undefined ? null : named(current);
  const to = named(release);
  const outcome = (of: Promoted["outcome"]): Promoted => ({ channel: wanted.channel, from, to, outcome: of });
  if (from?.digest === to.digest) return outcome("already");
  if (from !== null) assertNotDowngrade(from.version, to.version, { asked: wanted.allowDowngrade });
  if (wanted.dryRun) return outcome("would-move");
  await record(
    deps,
    { at: toInstant(deps.clock.now()), by: wanted.by.slice(0, 200), from, to },
    place(wanted, options),
  );
  await assertChannel(deps, { channel: wanted.channel, digest: from?.digest }, options);
  await moveChannel(deps, { channel: wanted.channel, digest: to.digest }, options);
  await assertChannel(deps, { channel: wanted.channel, digest: to.digest }, options);
  deps.log.info("channel promoted", { channel: wanted.channel, from: from?.digest, to: to.digest });
  return outcome("moved");
}

function named({ manifest, digest }: FoundRelease): Named {
  return { version: manifest.version, digest };
}

function place({ channel }: Promotion, { repository, signal }: PromoteOptions): HistoryPlace {
  return { repository, channel, ...(signal === undefined ? {} : { signal }) };
}

/** A box may have an image already; a channel is for boxes that have nothing. */
function assertComplete({ manifest, missing }: ResolvedRelease): void {
  const first = missing[0];
  if (first === undefined) return;
  throw new ApplianceError(
    "release/incomplete",
    `Cannot promote release "${manifest.version}": its ${first.name} "${first.reference}" cannot be had (${first.problem})`,
    { hint: "Publish the missing parts, then promote again", details: { missing } },
  );
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

/** Records before the move: a move without a record would be worse than a record whose move a next run completes. */
async function record(deps: PromoteDeps, entry: HistoryEntry, at: HistoryPlace): Promise<void> {
  const entries = await readHistory(deps.client, at);
  const last = entries.at(-1);
  const isRecorded = last?.to.digest === entry.to.digest && last.from?.digest === entry.from?.digest;
  if (!isRecorded) await deps.push(historyStore(at, [...entries, entry]));
}

interface Pointer {
  readonly channel: string;
  /** Absent: there is no such channel. */
  readonly digest: Digest | undefined;
}

async function assertChannel({ client }: PromoteDeps, wanted: Pointer, options: PromoteOptions): Promise<void> {
  const call = options.signal === undefined ? {} : { signal: options.signal };
  const is = await client.resolve(options.repository, wanted.channel, call).then(
    ({ digest }) => digest,
    (thrown: unknown) => {
      if (isApplianceError(thrown, "oci/not-found")) return undefined;
      throw thrown;
    },
  );
  if (is === wanted.digest) return;
  throw new ApplianceError(
    "oci/tag-moved",
    `Cannot promote to channel "${wanted.channel}": it is ${is ?? "gone"}, ${wanted.digest ?? "no such channel"} was wanted`,
    { hint: "Somebody else moved it; look at it with release resolve, then promote again" },
  );
}

/** One PUT of the release's own bytes under the channel's tag. */
async function moveChannel(
  deps: PromoteDeps,
  target: { readonly channel: string; readonly digest: Digest },
  options: PromoteOptions,
): Promise<void> {
  const call = options.signal === undefined ? {} : { signal: options.signal };
  const { bytes, descriptor } = await deps.client.manifest(options.repository, target.digest, call);
  const store = createMemoryStore();
  store.putManifest(options.repository, target.channel, bytes, descriptor.mediaType);
  await deps.push(store);
}
