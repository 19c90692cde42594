/**
 * Publishing a layout: everything that the registry lacks, read back, then the tags of the parts, then the version of the
 * release.
 *
 * Parties: several publishers may write to one registry, which has no compare-and-set; a version names one thing for ever,
 * so a tag that names something else is refused. A version of a release is tagged last, when the registry has shown that
 * everything that it refers to is there, also what other pipelines have published. Interrupted at any point, the next run
 * goes on. Channels are another step (`promote.ts`).
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { RegistryClient, RegistryDeps } from "../oci/client.ts";
import type { ContentRoot, ContentSource } from "../oci/content.ts";
import { openPush, type Push, type PushOptions, type PushReport, type TagState } from "../oci/push.ts";
import { assertFree, type TagName, type Taken } from "../oci/push-tags.ts";
import { isOfOthers } from "../release/location.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { isStatementTag, refOfTag } from "../release/registry-flags.ts";
import { HISTORY_REPOSITORY, TRUST_REPOSITORY } from "./bundle.ts";
import { BUNDLE_REPOSITORY } from "./bundle-document.ts";
import { assertComplete, type ClosureOptions, releaseClosure } from "./closure.ts";
import { previewClient } from "./preview.ts";

export type PublishDeps = Pick<Deps, "log"> & {
  /** Reads the registry. */
  readonly client: RegistryClient;
  /** Writes to it. */
  readonly wire: RegistryDeps;
  /** Signs a release by its digest, before its version is tagged. */
  readonly sign?: (digest: Digest) => Promise<void>;
};

export interface PublishOptions extends PushOptions, Pick<ClosureOptions, "open"> {
  readonly base: string;
  /** Version of this executable, compared with a release's `minimumControlPlane`. */
  readonly running: string;
  /** Tags that name something else already: refuse, or move them. */
  readonly taken: "refuse" | "move";
  /** Look at everything, write nothing. */
  readonly dryRun: boolean;
  /** Told of the registry as it will be, before anything is sent. */
  readonly onPlan?: (preview: RegistryClient) => void;
}

export interface PublishedRelease {
  readonly version: string;
  readonly digest: Digest;
}

export interface Published {
  readonly outcome: "published" | "already" | "would-publish";
  readonly releases: readonly PublishedRelease[];
  readonly content: PushReport;
  /** Every tag with what it named before; null: it was not there. */
  readonly tags: readonly TagState[];
  readonly requests: number;
}

/**
 * Publishes all that a layout holds. Safe to call again.
 *
 * @param source A layout, or anything like it, with repositories relative to the base.
 * @throws {ApplianceError} oci/not-found when neither the layout nor the registry has a part, oci/tag-taken, and
 *   release/incomplete when the registry will lack what a release refers to: all of them before anything is sent;
 *   oci/digest-mismatch when it does not give back what it was given, before a version of a release is tagged; oci/tag-moved,
 *   and what pushing throws.
 */
export async function publish(deps: PublishDeps, source: ContentSource, options: PublishOptions): Promise<Published> {
  const entries = source.entries().filter(isForEver).map(withoutChannel);
  const releases = releasesOf(entries);
  const push = await openPush(source, deps.wire, { ...options, entries });
  const before = await push.tagStates();
  const taken = (tag: TagName): Taken =>
    isOfOthers(options.base === "" ? tag.repository : tag.repository.slice(options.base.length + 1))
      ? "move"
      : options.taken;
  for (const state of before) assertFree(state, { taken });
  const preview = previewClient(deps.client, push.plan, source);
  options.onPlan?.(preview);
  for (const { digest } of releases) await assertWhole(preview, digest, options);
  if (options.dryRun) {
    return published("would-publish", { releases, content: await push.dryRun(), tags: before, push });
  }
  const content = await push.content();
  const isRelease = ({ repository }: { readonly repository: string }): boolean =>
    repository === releaseRepository(options.base);
  await push.tags({ taken, only: (tag) => !isRelease(tag) });
  for (const { digest } of releases) {
    await assertWhole(deps.client, digest, options);
    await deps.sign?.(digest);
  }
  await push.tags({ taken, only: isRelease });
  const isNew = content.manifests.sent > 0 || before.some(({ was, digest }) => was !== digest);
  deps.log.info("published", {
    registry: deps.client.registry,
    base: options.base,
    releases,
    bytes: content.sentBytes,
  });
  return published(isNew ? "published" : "already", { releases, content, tags: before, push });
}

function published(
  outcome: Published["outcome"],
  done: Pick<Published, "releases" | "content" | "tags"> & { readonly push: Push },
): Published {
  const { push, ...rest } = done;
  return { outcome, ...rest, requests: push.requests() };
}

function releaseRepository(base: string): string {
  return base === "" ? RELEASE_REPOSITORY : `${base}/${RELEASE_REPOSITORY}`;
}

/** What a bundle has of a channel stays behind, with the bundle's own document: `release copy` takes those along. */
const OF_BUNDLES: readonly string[] = [BUNDLE_REPOSITORY, TRUST_REPOSITORY, HISTORY_REPOSITORY];

function isForEver({ repository }: ContentRoot): boolean {
  return !OF_BUNDLES.includes(repository);
}

/** A channel in a layout stays behind: only a promotion moves channels. */
function withoutChannel(root: ContentRoot): ContentRoot {
  const isChannel = root.repository === RELEASE_REPOSITORY && root.tag !== undefined && "channel" in refOfTag(root.tag);
  const { tag: _tag, ...rest } = root;
  return isChannel && !isStatementTag(root.tag ?? "") ? rest : root;
}

function releasesOf(entries: readonly ContentRoot[]): readonly PublishedRelease[] {
  return entries.flatMap(({ repository, tag, descriptor }) =>
    repository === RELEASE_REPOSITORY && tag !== undefined && !isStatementTag(tag)
      ? [{ version: tag, digest: descriptor.digest }]
      : [],
  );
}

async function assertWhole(
  client: RegistryClient,
  digest: Digest,
  { base, running, signal, open }: PublishOptions,
): Promise<void> {
  const closure = await releaseClosure(
    client,
    { digest },
    {
      base,
      repository: releaseRepository(base),
      running,
      others: "named",
      ...(signal === undefined ? {} : { signal }),
      ...(open === undefined ? {} : { open }),
    },
  );
  assertComplete(closure, "publish");
}

/** The release of a layout with exactly one, for what needs one. Throws release/incomplete for none or several. */
export function onlyRelease(releases: readonly PublishedRelease[]): PublishedRelease {
  const [only] = releases;
  if (only !== undefined && releases.length === 1) return only;
  throw new ApplianceError(
    "release/incomplete",
    `Cannot choose a release: the layout holds ${releases.length} of them, exactly one is wanted`,
    { hint: "Publish without --channel, then run alga-appliance release promote" },
  );
}
