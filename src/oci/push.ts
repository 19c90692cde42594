/**
 * Pushing content to a registry: blobs that it lacks, manifests by digest, all of it read back, and only then tags.
 *
 * Parties: the source gives checked bytes; the registry is not trusted, so what it keeps is read back. Safe to call again,
 * also after an interruption at any point: what has arrived is found by HEAD and not sent again, and no tag moves before
 * everything that it names is there and right.
 *
 * @see OCI distribution-spec v1.1.1, "Push"
 */
import type { Digest } from "../core/digest.ts";
import { address, connect, leaving, type RegistryDeps, type RegistryOptions } from "./connection.ts";
import { type ContentRoot, type ContentSource, storeContent } from "./content.ts";
import type { Descriptor } from "./model.ts";
import {
  type BlobArrival,
  type BlobState,
  expectedArrivals,
  isReadBack,
  readBackPresent,
  sendBlobs,
  surveyBlobs,
  type Verify,
} from "./push-blobs.ts";
import { lackingManifests, putManifests, readBackManifests } from "./push-manifests.ts";
import { type PlannedManifest, type PushPlan, planPush } from "./push-plan.ts";
import { createMeter, type PushProgress } from "./push-progress.ts";
import { listAsReferrers, referrersToList } from "./push-referrers.ts";
import { assertSource } from "./push-source.ts";
import { moveTagFrom, moveTags, surveyTags, type TagOptions, type TagState } from "./push-tags.ts";
import { createPushWire, type PushWire } from "./push-wire.ts";
import type { RegistryStore } from "./store.ts";

export type { Verify } from "./push-blobs.ts";
export type { PushProgress } from "./push-progress.ts";
export type { TagState } from "./push-tags.ts";

/**
 * What to push, where to and how; the rest is how the registry is reached. `onProgress` is called at every change and must
 * return at once.
 */
export interface PushOptions extends RegistryOptions {
  /** Path below which the registry keeps the repositories of the source. Default: none. */
  readonly base?: string;
  /** Absent: all roots of the source. */
  readonly entries?: readonly ContentRoot[];
  /** Blobs at a time. Default 4. */
  readonly concurrency?: number;
  /** Other repositories of the registry that may have a blob, to mount it from. */
  readonly mountFrom?: (digest: Digest) => readonly string[];
  /** Which blobs are read back whole. Default "sent": those that went out in this run, and all small ones. */
  readonly verify?: Verify;
  readonly onProgress?: (progress: PushProgress) => void;
  readonly signal?: AbortSignal;
}

/** What a push of content did, or would do. */
export interface PushReport {
  readonly blobs: { readonly total: number; readonly sent: number; readonly mounted: number };
  readonly manifests: { readonly total: number; readonly sent: number };
  /** Lists of referrers that were written, where the registry has no API for them. */
  readonly referrerLists: number;
  readonly totalBytes: number;
  readonly sentBytes: number;
  readonly skippedBytes: number;
  /** Read back and right. */
  readonly checkedBytes: number;
  readonly bytesPerSecond: number;
}

/** A push that was planned. Its parts are called in their order; each is safe to call again. */
export interface Push {
  readonly plan: PushPlan;
  /** What the tags of the plan name at the registry now. Writes nothing. */
  tagStates(): Promise<readonly TagState[]>;
  /** What `content` would do, byte for byte where the registry mounts what it is asked to. Writes nothing; throws as it. */
  dryRun(): Promise<PushReport>;
  /**
   * Blobs, each read back as it arrives, then manifests by digest, bottom-up, read back too. No tags but lists of referrers.
   *
   * @throws {ApplianceError} oci/not-found when the source lacks a part, before anything is sent; oci/digest-mismatch when
   *   the registry does not give back what was sent; oci/unauthorized, oci/forbidden, oci/unexpected-answer.
   */
  content(): Promise<PushReport>;
  /** The tags, in the order of the roots. Call after `content`. Throws oci/tag-taken and oci/tag-moved. */
  tags(options: TagOptions): Promise<readonly TagState[]>;
  /** Round trips so far. */
  requests(): number;
}

/** Gentle with a registry, and enough to hide its latency. */
const CONCURRENCY = 4;

/**
 * Plans a push: reads the manifests of the source, sends nothing.
 *
 * @throws {ApplianceError} as `planPush`, and oci/bad-reference for the registry.
 */
export async function openPush(source: ContentSource, deps: RegistryDeps, options: PushOptions): Promise<Push> {
  const connection = connect(deps, options, { isPushing: true });
  const signal = options.signal ?? new AbortController().signal;
  const plan = await planPush(source, { base: options.base ?? "", entries: options.entries });
  const concurrency = options.concurrency ?? CONCURRENCY;
  const work: Work = { plan, source, options, wire: createPushWire(connection, signal) };
  const cleanly = <T>(call: Promise<T>): Promise<T> =>
    call.catch((thrown: unknown) => {
      throw leaving(connection, thrown);
    });
  return {
    plan,
    tagStates: () => cleanly(surveyTags(work.wire, plan.tags, concurrency)),
    dryRun: () => cleanly(tryContent(work)),
    content: () => cleanly(pushContent(work)),
    tags: (tagOptions) => cleanly(moveTags(work.wire, plan.tags, { ...tagOptions, concurrency })),
    requests: connection.requests,
  };
}

interface Work {
  readonly plan: PushPlan;
  readonly source: ContentSource;
  readonly options: PushOptions;
  readonly wire: PushWire;
}

function blobsOf({ plan, source, options, wire }: Work) {
  const totalBytes = plan.blobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  return {
    source,
    concurrency: options.concurrency ?? CONCURRENCY,
    mountFrom: options.mountFrom ?? (() => []),
    verify: options.verify ?? ("sent" as const),
    meter: createMeter(wire.connection.deps.clock, totalBytes, options.onProgress),
  };
}

async function tryContent(work: Work): Promise<PushReport> {
  const { wire, plan } = work;
  const blobs = blobsOf(work);
  const states = await surveyBlobs(wire, plan.blobs, blobs);
  await assertSource(wire, { plan, states, concurrency: blobs.concurrency }, work.source);
  const arrivals = expectedArrivals(states, blobs);
  for (const state of states) {
    if (arrivals.some(({ descriptor, by }) => descriptor === state.descriptor && by === "upload")) {
      blobs.meter.sent(state.descriptor.size);
    } else if (state.lacking.length > 0) blobs.meter.skipped(state.descriptor.size);
    if (isReadBack(state, blobs)) blobs.meter.checked(state.descriptor.size);
  }
  const manifests = await lackingManifests(wire, plan.manifests, blobs.concurrency);
  const lists = await referrersToList(wire, plan.manifests);
  return reportOf(work, { states, arrivals, manifests, lists }, { ...blobs.meter.now(), bytesPerSecond: 0 });
}

async function pushContent(work: Work): Promise<PushReport> {
  const { wire, plan } = work;
  const blobs = blobsOf(work);
  const { meter, concurrency } = blobs;
  meter.phase("looking");
  const states = await surveyBlobs(wire, plan.blobs, blobs);
  await assertSource(work.wire, { plan: work.plan, states, concurrency: blobs.concurrency }, work.source);
  meter.phase("sending");
  const arrivals = await sendBlobs(wire, states, blobs);
  const manifests = await lackingManifests(wire, plan.manifests, concurrency);
  await putManifests(wire, manifests, concurrency);
  meter.phase("reading back");
  await readBackManifests(wire, plan.manifests, concurrency);
  await readBackPresent(wire, states, blobs);
  const lists = await listAsReferrers(wire, plan.manifests);
  return reportOf(work, { states, arrivals, manifests, lists }, meter.now());
}

function reportOf(
  { plan }: Work,
  done: {
    readonly states: readonly BlobState[];
    readonly arrivals: readonly BlobArrival[];
    readonly manifests: readonly PlannedManifest[];
    readonly lists: number;
  },
  progress: PushProgress,
): PushReport {
  const { phase: _phase, ...bytes } = progress;
  const by = (way: BlobArrival["by"]): number => done.arrivals.filter((arrival) => arrival.by === way).length;
  return {
    blobs: { total: done.states.length, sent: by("upload"), mounted: by("mount") },
    manifests: { total: plan.manifests.length, sent: done.manifests.length },
    referrerLists: done.lists,
    ...bytes,
  };
}

/** A tag to be moved to a manifest that the registry has. */
export interface TagMove {
  readonly repository: string;
  readonly tag: string;
  readonly manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  /** What the tag names now; null: there is no such tag. */
  readonly was: Digest | null;
}

/**
 * Moves one tag: looks, writes the manifest's own bytes under it, looks again. Safe to call again.
 *
 * @throws {ApplianceError} oci/tag-moved when it is not what the caller has seen, or not what was written.
 */
export async function moveTag(deps: RegistryDeps, move: TagMove, options: PushOptions): Promise<void> {
  const connection = connect(deps, options, { isPushing: true });
  const { tag, was } = move;
  const { repository } = address(move.repository, tag);
  const wire = createPushWire(connection, options.signal ?? new AbortController().signal);
  try {
    await moveTagFrom(wire, { repository, tag, manifest: { repository, ...move.manifest } }, was);
  } catch (thrown) {
    throw leaving(connection, thrown);
  }
}

/** What a push of a store did. */
export interface Pushed {
  /** Blobs that were sent or mounted; those that were there are not counted. */
  readonly blobs: number;
  /** Manifests that were sent. */
  readonly manifests: number;
  /** Tags that were moved. */
  readonly tags: number;
}

/**
 * Pushes repositories of a store in memory with all their tags, which move when they are taken. Safe to call again.
 *
 * @param options.repositories Absent: all of the store.
 * @throws {ApplianceError} as `Push.content` and `Push.tags`.
 */
export async function pushStore(
  store: RegistryStore,
  deps: RegistryDeps,
  options: PushOptions & { readonly repositories?: readonly string[] },
): Promise<Pushed> {
  const push = await openPush(storeContent(store, options.repositories), deps, options);
  const { blobs, manifests } = await push.content();
  const tags = await push.tags({ taken: "move" });
  const moved = tags.filter(({ was, digest }) => was !== digest).length;
  return { blobs: blobs.sent + blobs.mounted, manifests: manifests.sent, tags: moved };
}
