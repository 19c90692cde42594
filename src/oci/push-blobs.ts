/**
 * The blobs of a push: looked for in every repository that needs them, sent once, mounted into the others, read back.
 *
 * A mount is a promise of the registry; the blob is looked for afterwards, and sent when it is not there.
 *
 * @see OCI distribution-spec v1.1.1, "Mounting a blob from another repository"
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError, isRetryable } from "../core/errors.ts";
import { inParallel } from "../core/parallel.ts";
import { blobChunks } from "./client.ts";
import type { ContentSource } from "./content.ts";
import type { Descriptor } from "./model.ts";
import type { PlannedBlob } from "./push-plan.ts";
import type { ProgressMeter } from "./push-progress.ts";
import { hasBlob, type Session, sessionOf, uploadBlob } from "./push-upload.ts";
import type { PushWire } from "./push-wire.ts";

export interface BlobsOptions {
  readonly source: ContentSource;
  /** Blobs at a time. */
  readonly concurrency: number;
  /** Repositories of the registry that may have a blob, beside those of the push. */
  readonly mountFrom: (digest: Digest) => readonly string[];
  /** Which blobs are read back. */
  readonly verify: Verify;
  readonly meter: ProgressMeter;
}

/** Which blobs are read back whole; the others were looked at by HEAD. */
export type Verify = "sent" | "all" | "sizes";

/** What the registry has of one blob. */
export interface BlobState {
  readonly descriptor: Descriptor;
  /** Repositories that have it, and those that need it and lack it. */
  readonly present: readonly string[];
  readonly lacking: readonly string[];
}

/** How a blob came into a repository in this run. */
export interface BlobArrival {
  readonly repository: string;
  readonly descriptor: Descriptor;
  readonly by: "upload" | "mount";
}

/**
 * Asks for every blob in every repository that needs it, by HEAD. Sends nothing else.
 *
 * @throws {ApplianceError} oci/size-mismatch for damaged storage, and what the wire throws.
 */
export async function surveyBlobs(
  wire: PushWire,
  blobs: readonly PlannedBlob[],
  options: BlobsOptions,
): Promise<readonly BlobState[]> {
  const states = blobs.map(({ descriptor }) => ({ descriptor, present: [] as string[], lacking: [] as string[] }));
  const pairs = blobs.flatMap((blob, at) => blob.repositories.map((repository) => ({ blob, repository, at })));
  await inParallel(
    pairs,
    { limit: options.concurrency, signal: wire.signal },
    async ({ blob, repository, at }, signal) => {
      const own = wire.with(signal);
      const { descriptor } = blob;
      const isThere = await own.attempts(() => hasBlob(own, { repository, descriptor }));
      states[at]?.[isThere ? "present" : "lacking"].push(repository);
    },
  );
  for (const { descriptor, lacking } of states) if (lacking.length === 0) options.meter.skipped(descriptor.size);
  return states;
}

/**
 * Brings every blob to every repository that lacks it, and reads each back as soon as it is there, while others are still on
 * their way. Safe to call again.
 *
 * @throws {ApplianceError} as `uploadBlob`; oci/digest-mismatch, oci/not-found and others of reading.
 */
export async function sendBlobs(
  wire: PushWire,
  states: readonly BlobState[],
  options: BlobsOptions,
): Promise<readonly BlobArrival[]> {
  const arrivals: BlobArrival[] = [];
  const wanted = states.filter(({ lacking }) => lacking.length > 0);
  await inParallel(wanted, { limit: options.concurrency, signal: wire.signal }, async (state, signal) => {
    let from = [...state.present, ...options.mountFrom(state.descriptor.digest)];
    let isSent = false;
    for (const repository of state.lacking) {
      const arrival = await sendBlob(wire.with(signal), { state, repository, from }, options);
      arrivals.push(arrival);
      isSent ||= arrival.by === "upload";
      from = [repository];
    }
    if (!isSent) options.meter.skipped(state.descriptor.size);
    const last = from[0];
    if (options.verify !== "sizes" && last !== undefined)
      await readBack(wire.with(signal), { state, from: last }, options);
  });
  return arrivals;
}

interface Target {
  readonly state: BlobState;
  readonly repository: string;
  /** Repositories that have it, or may. */
  readonly from: readonly string[];
}

async function sendBlob(wire: PushWire, target: Target, { source, meter }: BlobsOptions): Promise<BlobArrival> {
  const { repository, from } = target;
  const { descriptor } = target.state;
  let begun: Session | undefined;
  for (const place of from.filter((one) => one !== repository)) {
    const mounted = await mountBlob(wire, { repository, descriptor, from: place });
    if (mounted === "mounted") return { repository, descriptor, by: "mount" };
    if (mounted === "refused") continue;
    begun = mounted;
    break;
  }
  await uploadBlob(wire, {
    repository,
    descriptor,
    begun,
    stream: (signal) => source.stream(descriptor, { signal }),
    onBytes: meter.sent,
  });
  return { repository, descriptor, by: "upload" };
}

/** Asks for a mount. The registry may begin an upload instead; any other answer only means that it does not mount. */
async function mountBlob(
  wire: PushWire,
  wanted: { readonly repository: string; readonly descriptor: Descriptor; readonly from: string },
): Promise<"mounted" | "refused" | Session> {
  const { repository, descriptor, from } = wanted;
  const what = `${wire.connection.base.host}/${repository}@${descriptor.digest}`;
  const url = wire.url(`/v2/${repository}/blobs/uploads/`);
  url.searchParams.set("mount", descriptor.digest);
  url.searchParams.set("from", from);
  try {
    const response = await wire.attempts(() => wire.send({ method: "POST", url, what }));
    if (response.status === 202) return await sessionOf(wire, response, what);
    await response.body?.cancel();
    if (response.status !== 201) return "refused";
  } catch (thrown) {
    const isDenied = thrown instanceof ApplianceError && thrown.code === "oci/unauthorized";
    if (isDenied && !isRetryable(thrown)) return "refused";
    throw thrown;
  }
  return (await wire.attempts(() => hasBlob(wire, { repository, descriptor }))) ? "mounted" : "refused";
}

/** Blobs up to this size are read back whatever way they came: they are configs and charts, and cost nothing. */
const SMALL_BYTES = 1024 * 1024;

/** What `sendBlobs` will do where every mount succeeds: a blob is sent once, if the registry has it nowhere that we know of. */
export function expectedArrivals(states: readonly BlobState[], options: BlobsOptions): readonly BlobArrival[] {
  return states.flatMap(({ descriptor, present, lacking }) =>
    lacking.map((repository, index): BlobArrival => {
      const places = [...present, ...options.mountFrom(descriptor.digest)].filter((one) => one !== repository);
      return { repository, descriptor, by: index > 0 || places.length > 0 ? "mount" : "upload" };
    }),
  );
}

/** Tells whether a blob is read back whole in this run. */
export function isReadBack({ descriptor, lacking }: BlobState, { verify }: BlobsOptions): boolean {
  return verify === "all" || (verify === "sent" && (lacking.length > 0 || descriptor.size <= SMALL_BYTES));
}

/**
 * Reads back what needed no sending: everything, or the small ones, as `verify` wants it.
 *
 * @throws {ApplianceError} oci/digest-mismatch, oci/not-found and others of reading: nothing may be tagged then.
 */
export async function readBackPresent(
  wire: PushWire,
  states: readonly BlobState[],
  options: BlobsOptions,
): Promise<void> {
  const wanted = states.filter((state) => state.lacking.length === 0 && isReadBack(state, options));
  await inParallel(wanted, { limit: options.concurrency, signal: wire.signal }, (state, signal) =>
    readBack(wire.with(signal), { state, from: state.present[0] ?? "" }, options),
  );
}

async function readBack(
  wire: PushWire,
  { state: { descriptor }, from }: { readonly state: BlobState; readonly from: string },
  { meter }: BlobsOptions,
): Promise<void> {
  const call = { signal: wire.signal };
  for await (const chunk of blobChunks(wire.connection, { repository: from, descriptor, call })) {
    meter.checked(chunk.length);
  }
}
