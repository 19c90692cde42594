/**
 * The history of a channel: who moved it when, from what to what, as an artifact beside the releases.
 *
 * It tells people what happened and shows a lost race between publishers: an entry whose `from` is not what the entry before
 * it has led to. Entries that a key has signed (`history-signing.ts`) are worth something against whoever may write to the
 * registry; the others are not. The newest entries are kept.
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { canonicalJson, parseJson } from "../core/json.ts";
import { pushArtifact } from "../oci/artifact.ts";
import type { RegistryClient } from "../oci/client.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { envelopeSchema } from "../trust/dsse.ts";

const SCHEMA = "alga.appliance.channel-history/v1";
const ARTIFACT_TYPE = "application/vnd.alga.appliance.channel-history.v1";
const CONFIG_TYPE = "application/vnd.alga.appliance.channel-history.config.v1+json";
/** Years of daily promotions, and far below the 4 MiB of a config blob. */
const MAX_ENTRIES = 2_000;

const releaseSchema = z.object({
  version: z.string().max(128),
  digest: z.custom<Digest>(isDigest, "sha256: and 64 lower-case hex digits are wanted"),
});

const entrySchema = z.object({
  /** RFC 3339, by the clock of the publisher. */
  at: z.string().max(64),
  by: z.string().max(200),
  /** null: the channel did not exist. */
  from: releaseSchema.nullable(),
  to: releaseSchema,
  /** Digest of the entry before it, as it was signed; null: the first one. Absent on entries without a signature. */
  previous: z.custom<Digest>(isDigest, "sha256: and 64 lower-case hex digits are wanted").nullable().optional(),
  /** DSSE envelope over all of the above and the channel. */
  signed: envelopeSchema.optional(),
});

const historySchema = z.object({
  schema: z.literal(SCHEMA),
  channel: z.string().max(128),
  entries: z.array(entrySchema).max(MAX_ENTRIES),
});

export type HistoryEntry = z.infer<typeof entrySchema>;

/** Which history: the repository of the releases, and the channel. */
export interface HistoryPlace {
  readonly repository: string;
  readonly channel: string;
  readonly signal?: AbortSignal;
}

function repositoryOf({ repository }: HistoryPlace): string {
  return `${repository}-history`;
}

/**
 * Reads the history of a channel, oldest entry first; empty when there is none.
 *
 * @throws {ApplianceError} release/invalid-manifest when it has another form: it is never overwritten then.
 */
export async function readHistory(client: RegistryClient, place: HistoryPlace): Promise<readonly HistoryEntry[]> {
  const call = place.signal === undefined ? {} : { signal: place.signal };
  const bytes = await client
    .manifest(repositoryOf(place), place.channel, call)
    .then(({ manifest }) => client.blob(repositoryOf(place), manifest.config, call))
    .catch((thrown: unknown) => {
      if (isApplianceError(thrown, "oci/not-found")) return undefined;
      throw thrown;
    });
  if (bytes === undefined) return [];
  const parsed = historySchema.safeParse(parseJson(bytes, { what: `history of channel "${place.channel}"` }));
  if (parsed.success && parsed.data.channel === place.channel) return parsed.data.entries;
  throw new ApplianceError(
    "release/invalid-manifest",
    `Cannot use history of channel "${place.channel}": it has another form, ${SCHEMA} of this channel is wanted`,
    { hint: `Look at ${repositoryOf(place)}:${place.channel} in the registry` },
  );
}

/** Where the story breaks: the entry began from something else than the entry before it had led to. */
export interface HistoryGap {
  readonly at: string;
  readonly by: string;
  /** What the entry before has led to, and what this one found. */
  readonly expected: Digest;
  readonly found: Digest | null;
}

/**
 * Finds the places where somebody moved the channel without a record, or lost a race against another publisher.
 *
 * An entry that repeats its predecessor's start is one whose move never came: it is no gap.
 */
export function historyGaps(entries: readonly HistoryEntry[]): readonly HistoryGap[] {
  return entries.flatMap((entry, at) => {
    const before = entries[at - 1];
    const found = entry.from?.digest ?? null;
    if (before === undefined || found === before.to.digest || found === (before.from?.digest ?? null)) return [];
    return [{ at: entry.at, by: entry.by, expected: before.to.digest, found }];
  });
}

/** The history as a store with one artifact, ready to be pushed. */
export function historyStore(place: HistoryPlace, entries: readonly HistoryEntry[]): RegistryStore {
  const store = createMemoryStore();
  const document = { schema: SCHEMA, channel: place.channel, entries: entries.slice(-MAX_ENTRIES) };
  const bytes = new TextEncoder().encode(canonicalJson(document));
  pushArtifact(store, repositoryOf(place), {
    tag: place.channel,
    artifactType: ARTIFACT_TYPE,
    config: { mediaType: CONFIG_TYPE, bytes },
  });
  return store;
}
