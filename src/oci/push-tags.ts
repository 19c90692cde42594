/**
 * The tags of a push: looked at, moved one by one when everything that they name is there, and looked at again.
 *
 * Registries know no compare-and-set. A tag that somebody else moves between our look and our write is overwritten; one that
 * is moved after our write is seen by the look that follows it.
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { inParallel } from "../core/parallel.ts";
import { digestOfReference, putManifest } from "./push-manifests.ts";
import type { PlannedTag } from "./push-plan.ts";
import type { PushWire } from "./push-wire.ts";

export interface TagState {
  /** With its base: "nine-minds/charts/sebastian". */
  readonly repository: string;
  readonly tag: string;
  /** What it shall name. */
  readonly digest: Digest;
  /** What it names now; null: there is no such tag. */
  readonly was: Digest | null;
}

export interface TagOptions {
  /** Tags that name something else already: move them, or refuse; for all of them, or told for each. */
  readonly taken: Taken | ((tag: TagName) => Taken);
  /** Which tags of the plan. Absent: all. */
  readonly only?: (tag: TagName) => boolean;
}

export type Taken = "move" | "refuse";

export type TagName = Pick<TagState, "repository" | "tag">;

/** Looks at all tags, several at a time; answers in their order. Writes nothing. */
export async function surveyTags(
  wire: PushWire,
  tags: readonly PlannedTag[],
  concurrency: number,
): Promise<readonly TagState[]> {
  const found = new Map<PlannedTag, Digest | null>();
  await inParallel(tags, { limit: concurrency, signal: wire.signal }, async (planned, signal) => {
    const own = wire.with(signal);
    const { repository, tag } = planned;
    found.set(planned, (await own.attempts(() => digestOfReference(own, repository, tag))) ?? null);
  });
  return tags.map((planned) => {
    const { repository, tag, manifest } = planned;
    return { repository, tag, digest: manifest.descriptor.digest, was: found.get(planned) ?? null };
  });
}

/**
 * Refuses a tag that names something else already: what a version names never changes.
 *
 * @throws {ApplianceError} oci/tag-taken.
 */
export function assertFree(state: TagState, { taken }: TagOptions): void {
  const { repository, tag, digest, was } = state;
  const mayMove = (typeof taken === "function" ? taken(state) : taken) === "move";
  if (mayMove || was === null || was === digest) return;
  throw new ApplianceError(
    "oci/tag-taken",
    `Cannot push "${repository}:${tag}": it names ${was} already, ${digest} was to be pushed`,
    { hint: "Give what has changed a new version", details: { found: was, wanted: digest } },
  );
}

/**
 * Moves tags in their order, each after a look of its own; those that are right already are left alone. Safe to call again.
 *
 * @throws {ApplianceError} oci/tag-taken; oci/tag-moved when somebody else moves one at the same time.
 */
export async function moveTags(
  wire: PushWire,
  tags: readonly PlannedTag[],
  options: TagOptions & { readonly concurrency: number },
): Promise<readonly TagState[]> {
  const wanted = tags.filter((planned) => options.only?.(planned) !== false);
  const states = await surveyTags(wire, wanted, options.concurrency);
  for (const [at, planned] of wanted.entries()) {
    const { repository, tag, manifest } = planned;
    const { digest } = manifest.descriptor;
    if (states[at]?.was === digest) continue;
    await wire.attempts(async () => {
      const was = (await digestOfReference(wire, repository, tag)) ?? null;
      if (was === digest) return;
      assertFree({ repository, tag, digest, was }, options);
      await putManifest(wire, manifest, tag);
    });
    await assertMoved(wire, planned);
  }
  return states;
}

/**
 * Moves one tag from what the caller has seen it name. Safe to call again.
 *
 * @param was What it names; null: there is no such tag.
 * @throws {ApplianceError} oci/tag-moved when it names something else, before or after.
 */
export async function moveTagFrom(wire: PushWire, planned: PlannedTag, was: Digest | null): Promise<void> {
  const { repository, tag, manifest } = planned;
  await wire.attempts(async () => {
    const is = (await digestOfReference(wire, repository, tag)) ?? null;
    if (is === manifest.descriptor.digest) return;
    if (is === was) return putManifest(wire, manifest, tag);
    throw new ApplianceError(
      "oci/tag-moved",
      `Cannot push "${repository}:${tag}": it is ${is ?? "gone"}, ${was ?? "no such tag"} was wanted`,
      { hint: "Somebody else moved it; look at what is there, then start again" },
    );
  });
  await assertMoved(wire, planned);
}

async function assertMoved(wire: PushWire, { repository, tag, manifest }: PlannedTag): Promise<void> {
  const is = await wire.attempts(() => digestOfReference(wire, repository, tag));
  if (is === manifest.descriptor.digest) return;
  throw new ApplianceError(
    "oci/tag-moved",
    `Cannot push "${repository}:${tag}": it is ${is ?? "gone"} right after it was set to ${manifest.descriptor.digest}`,
    { hint: "Somebody else publishes at the same time; look at what is there, then publish again" },
  );
}
