/**
 * Making what refers to another manifest findable: a registry with the API does it by itself, in the others a list under a
 * tag is read, written and read again.
 *
 * Registries know no compare-and-set: of two publishers who read the same list and write one after the other, the second takes
 * the first one's entries away. So everybody reads again after a while that is longer than such a write takes, and puts back what
 * is missing, own entries and those of others that were seen before. Lost without notice is only what a writer overwrites who
 * needs longer for its write than the other one waits; publishing the same content again puts it back, and a dry run tells.
 *
 * @see OCI distribution-spec v1.1.1, "Pushing Manifests with Subject", "Referrers Tag Schema"
 */
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { MEDIA } from "./media-types.ts";
import type { Descriptor } from "./model.ts";
import { digestOfReference, putManifest } from "./push-manifests.ts";
import type { PlannedManifest } from "./push-plan.ts";
import type { PushWire } from "./push-wire.ts";
import { fallbackTag, listReferrers, type Referrers } from "./referrers.ts";

/** Rounds of writing and looking again; another one is needed only when somebody else wrote meanwhile. */
const MAX_ROUNDS = 8;
/** Least time before the lists are looked at again, and how much longer than our slowest request it is. */
const SETTLE_MS = 250;
const SETTLE_FACTOR = 4;

/** One list, and what has to be on it. */
interface List {
  readonly repository: string;
  readonly subject: Digest;
  /** Ours, and what others had put there when we looked. */
  readonly wanted: Map<Digest, Descriptor>;
  readonly own: ReadonlySet<Digest>;
}

/**
 * Puts referrers on the lists of their subjects where the registry does not do it, and stays until they are still there after a
 * while. Safe to call again.
 *
 * @returns How many lists were written.
 * @throws {ApplianceError} oci/tag-moved when others overwrite a list again and again, and what `listReferrers` throws.
 */
export async function listAsReferrers(wire: PushWire, manifests: readonly PlannedManifest[]): Promise<number> {
  const { clock, random } = wire.connection.deps;
  const written = new Set<List>();
  let pending: readonly List[] = listsOf(manifests);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const again: List[] = [];
    let slowestMs = 0;
    for (const list of pending) {
      const startedMs = clock.monotonic();
      if (await writeLacking(wire, list)) again.push(list);
      slowestMs = Math.max(slowestMs, clock.monotonic() - startedMs);
    }
    for (const list of again) written.add(list);
    if (again.length === 0) return written.size;
    pending = again;
    await clock.sleep(Math.max(SETTLE_MS, slowestMs * SETTLE_FACTOR) * (1 + random.fraction()), wire.signal);
  }
  const [{ repository, subject } = { repository: "", subject: "" as Digest }] = pending;
  throw new ApplianceError(
    "oci/tag-moved",
    `Cannot push "${repository}:${fallbackTag(subject)}": others overwrite this list again and again`,
    { hint: "Publish again when nobody else does" },
  );
}

/** How many lists `listAsReferrers` would write. Writes nothing. Throws what `listReferrers` throws. */
export async function referrersToList(wire: PushWire, manifests: readonly PlannedManifest[]): Promise<number> {
  let count = 0;
  for (const list of listsOf(manifests)) {
    const { by, manifests: listed } = await readReferrers(wire, list.repository, list.subject);
    const there = new Set(listed.map(({ digest }) => digest));
    if (by === "tag" && [...list.own].some((digest) => !there.has(digest))) count += 1;
  }
  return count;
}

function listsOf(manifests: readonly PlannedManifest[]): readonly List[] {
  const referring = manifests.filter(({ subject }) => subject !== undefined);
  const groups = Map.groupBy(referring, ({ repository, subject }) => `${repository}@${subject?.digest}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first?.subject === undefined) return [];
    const wanted = new Map(group.map((one) => [one.descriptor.digest, referrerOf(one)]));
    return [{ repository: first.repository, subject: first.subject.digest, wanted, own: new Set(wanted.keys()) }];
  });
}

/** Reads a list and writes it with what it lacks. Returns whether it was written. */
async function writeLacking(wire: PushWire, list: List): Promise<boolean> {
  const { repository, subject, wanted, own } = list;
  const { by, manifests } = await readReferrers(wire, repository, subject);
  if (by === "api") return false;
  const there = new Set(manifests.map(({ digest }) => digest));
  for (const digest of wanted.keys()) {
    if (there.has(digest) || own.has(digest)) continue;
    // What others had put there is put back, unless it was taken away on purpose with its manifest.
    const isThere = await wire.attempts(() => digestOfReference(wire, repository, digest));
    if (isThere === undefined) wanted.delete(digest);
  }
  for (const one of manifests) wanted.set(one.digest, one);
  if ([...wanted.keys()].every((digest) => there.has(digest))) return false;
  const index = listOf(repository, [...wanted.values()]);
  await wire.attempts(() => putManifest(wire, index, fallbackTag(subject)));
  return true;
}

function readReferrers(wire: PushWire, repository: string, subject: Digest): Promise<Referrers> {
  const { deps, options, base } = wire.connection;
  const what = `${base.host}/${repository}@${subject}`;
  return listReferrers(
    {
      get: (url, headers) => wire.attempts(() => wire.send({ method: "GET", url, headers, what })),
      base,
      repository,
      clock: deps.clock,
      idleMs: options.idleMs,
      signal: wire.signal,
    },
    subject,
  );
}

/** What a list of referrers says of a manifest. */
export function referrerOf({ descriptor, artifactType, annotations }: PlannedManifest): Descriptor {
  return {
    ...descriptor,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
  };
}

/** In the order of their digests, so that two publishers who know the same referrers write the same list. */
function listOf(
  repository: string,
  entries: readonly Descriptor[],
): Pick<PlannedManifest, "repository" | "descriptor" | "bytes"> {
  const manifests = [...entries].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const bytes = new TextEncoder().encode(canonicalJson({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
  return { repository, bytes, descriptor: { mediaType: MEDIA.index, digest: digestOf(bytes), size: bytes.length } };
}
