/**
 * Kinds kept in memory: listed once, then followed by a watch that is resumed, and listed again when it cannot be.
 *
 * Reads are answered from memory and say how good they are: a cache that lost its server keeps the last objects and calls
 * itself stale. A kind whose definition is missing is absent, which is no fault, and is asked for again. Each kind has its
 * own loop, so one forbidden kind does not stop the others.
 */
import { isApplianceError, publicError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { backoffMs } from "../core/retry.ts";
import type { Kube } from "./calls.ts";
import {
  type CacheState,
  type CacheView,
  createShelf,
  MAX_OBJECTS,
  reduced,
  type Shelf,
  type WatchedKind,
} from "./watch-shelf.ts";

export type { CacheState, CacheView, WatchedKind } from "./watch-shelf.ts";

export interface WatchCache {
  /** What is known of a kind now. The array is the same object until something changes. */
  list(key: string): CacheView;
  /** Calls back some milliseconds after changes, with the keys that changed. */
  onChange(call: (keys: ReadonlySet<string>) => void): () => void;
  /** Resolves when no kind is starting any more. @throws {ApplianceError} internal/aborted. */
  settled(signal?: AbortSignal): Promise<void>;
  /** Asks at once for kinds that are absent, forbidden or out of reach, instead of at the end of their wait. */
  retry(): void;
  /** Ends all open streams and goes on where they were, over connections of their own: for who knows that they hang. */
  reopen(): void;
  /** Ends all watches. The last known objects stay readable. */
  stop(): void;
}

export interface WatchCacheOptions {
  /** Milliseconds in which changes are gathered into one notification. Absent: 50. */
  readonly batchMs?: number;
}

/** Waits between attempts: 0.5 s to 30 s while the server is away. */
const AWAY = { attempts: 0, baseMs: 500, maxMs: 30_000 } as const;
/** A missing definition or permission may come with the next step of a setup: 0.5 s to 5 s. */
const MISSING = { attempts: 0, baseMs: 500, maxMs: 5_000 } as const;
/** A stream that ends at once is not opened again at once. */
const SHORT_STREAM_MS = 1_000;
/** A stream that lived this long was a good one, even without an event. */
const LONG_STREAM_MS = 60_000;
const BATCH_MS = 50;

type CacheDeps = Pick<Deps, "clock" | "random" | "log">;

/** Starts the loops. Works until `stop()`. */
export function createWatchCache(
  kube: Kube,
  kinds: readonly WatchedKind[],
  deps: CacheDeps,
  options: WatchCacheOptions = {},
): WatchCache {
  const end = new AbortController();
  const shelf = createShelf(deps.clock, kinds, options.batchMs ?? BATCH_MS);
  const waits = new Set<AbortController>();
  const streams = new Set<AbortController>();
  for (const kind of kinds) void follow({ kube, kind, deps, shelf, waits, streams, signal: end.signal });
  return {
    list: (key) => shelf.view(key),
    onChange: (call) => shelf.onChange(call),
    settled: (signal) => shelf.settled(signal),
    retry: () => {
      for (const wait of waits) wait.abort();
    },
    reopen: () => {
      for (const stream of streams) stream.abort();
    },
    stop: () => {
      end.abort();
      shelf.stop();
    },
  };
}

interface Follow {
  readonly kube: Kube;
  readonly kind: WatchedKind;
  readonly deps: CacheDeps;
  readonly shelf: Shelf;
  /** Waits for the next attempt that may be cut short. */
  readonly waits: Set<AbortController>;
  /** Open streams. */
  readonly streams: Set<AbortController>;
  readonly signal: AbortSignal;
}

/** What a loop remembers between two attempts. */
interface Progress {
  /** Where the next watch goes on; undefined: list first. */
  version: string | undefined;
  /** Attempts in a row that failed soon and without an event. */
  failures: number;
}

/** Lists and watches one kind until the cache is stopped. Never rejects. */
async function follow(work: Follow): Promise<void> {
  const progress: Progress = { version: undefined, failures: 0 };
  while (!work.signal.aborted) {
    const startedAt = work.deps.clock.monotonic();
    try {
      await followOnce(work, progress);
    } catch (thrown) {
      if (work.deps.clock.monotonic() - startedAt > LONG_STREAM_MS) progress.failures = 0;
      if (!work.signal.aborted) await recover(work, progress, thrown);
    }
  }
}

async function followOnce(work: Follow, progress: Progress): Promise<void> {
  const { clock } = work.deps;
  const startedAt = clock.monotonic();
  progress.version ??= await listInto(work);
  await watchInto(work, progress);
  if (clock.monotonic() - startedAt < SHORT_STREAM_MS) await wait(work, SHORT_STREAM_MS);
}

async function recover(work: Follow, progress: Progress, thrown: unknown): Promise<void> {
  if (mustListAgain(thrown)) progress.version = undefined;
  progress.failures += 1;
  // The first 410 is answered by listing at once; if that does not help, it is a failure like others.
  if (isApplianceError(thrown, "kube/gone") && progress.failures === 1) return;
  await giveWay(work, thrown, progress.failures);
}

async function listInto(work: Follow): Promise<string> {
  const { kube, kind, shelf, signal } = work;
  const found = await kube.list(kind, {
    ...selection(kind),
    limit: kind.maxObjects ?? MAX_OBJECTS,
    keep: (object) => reduced(kind, object),
    ...(kind.timeOf === undefined ? {} : { timeOf: kind.timeOf }),
    signal,
  });
  shelf.replace(kind.key, found.items);
  shelf.setState(kind.key, "synced");
  return found.resourceVersion;
}

async function watchInto(work: Follow, progress: Progress): Promise<void> {
  const stream = new AbortController();
  work.streams.add(stream);
  try {
    await readStream(work, progress, AbortSignal.any([work.signal, stream.signal]));
  } catch (thrown) {
    if (!stream.signal.aborted) throw thrown;
  } finally {
    work.streams.delete(stream);
  }
}

async function readStream({ kube, kind, shelf }: Follow, progress: Progress, signal: AbortSignal): Promise<void> {
  // An open watch may still be answered with 410, so only an event proves that it works.
  const onOpen = (): void => shelf.setState(kind.key, "synced");
  const resourceVersion = progress.version ?? "";
  for await (const event of kube.watch(kind, { ...selection(kind), resourceVersion, onOpen, signal })) {
    progress.failures = 0;
    onOpen();
    if (event.type === "DELETED") shelf.remove(kind.key, event.object);
    else if (event.type !== "BOOKMARK") shelf.put(kind.key, event.object);
    progress.version = event.object.metadata.resourceVersion || progress.version;
  }
}

function selection(kind: WatchedKind): Pick<WatchedKind, "metadataOnly" | "labelSelector" | "fieldSelector"> {
  return {
    ...(kind.metadataOnly === undefined ? {} : { metadataOnly: kind.metadataOnly }),
    ...(kind.labelSelector === undefined ? {} : { labelSelector: kind.labelSelector }),
    ...(kind.fieldSelector === undefined ? {} : { fieldSelector: kind.fieldSelector }),
  };
}

/** After these, the version we hold means nothing. A lost connection does not belong to them: it is resumed. */
function mustListAgain(thrown: unknown): boolean {
  return !isApplianceError(thrown, "kube/unreachable", "kube/throttled");
}

async function giveWay(work: Follow, thrown: unknown, failures: number): Promise<void> {
  const { deps, kind, shelf } = work;
  const state = stateAfter(thrown);
  if (state === "absent") shelf.replace(kind.key, []);
  shelf.setState(kind.key, state, publicError(thrown));
  deps.log.debug("watch interrupted", { kind: kind.kind, state, failures, error: thrown });
  const policy = state === "stale" ? AWAY : MISSING;
  await waitForAttempt(work, backoffMs(policy, failures + 1, deps.random.fraction()));
}

async function waitForAttempt(work: Follow, ms: number): Promise<void> {
  const short = new AbortController();
  work.waits.add(short);
  await work.deps.clock.sleep(ms, AbortSignal.any([work.signal, short.signal])).catch(() => {});
  work.waits.delete(short);
}

function stateAfter(thrown: unknown): CacheState {
  if (isApplianceError(thrown, "kube/forbidden")) return "forbidden";
  if (isApplianceError(thrown, "kube/not-found")) return "absent";
  return "stale";
}

async function wait(work: Follow, ms: number): Promise<void> {
  await work.deps.clock.sleep(ms, work.signal).catch(() => {});
}
