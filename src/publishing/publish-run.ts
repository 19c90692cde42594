/** What the verbs that publish share: content to a registry by the flags of a run, and a channel to a release of it. */
import type { CommandContext } from "../cli/command.ts";
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { ContentSource } from "../oci/content.ts";
import { isTag } from "../oci/reference.ts";
import { registryWire } from "../release/registry-access.ts";
import { type OpenedRegistry, refOfTag } from "../release/registry-flags.ts";
import { findRelease } from "../release/resolve.ts";
import type { ReleaseRef } from "../release/resolved.ts";
import { signingKeysOf, trustedKeysOf } from "../trust/key-flags.ts";
import type { PublicKey, SigningKey } from "../trust/keys.ts";
import { readMetadata } from "../trust/metadata.ts";
import { signManifest } from "../trust/signatures.ts";
import { otherRegistries } from "./other-registries.ts";
import { type Promoted, promote } from "./promote.ts";
import { type Published, publish } from "./publish.ts";
import { authorOf, isDryRun, mayDowngrade, takenOf, verifyOf } from "./publishing-flags.ts";
import { progressLines } from "./push-text.ts";
import { PUSH_IDLE_MS, registryWrites } from "./registry-writes.ts";
import { ROOT_FLAG, readRootFile } from "./trust-context.ts";
import { addTarget, type ChannelMove, moveChannel } from "./trust-hook.ts";

/** The keys of one run: those that sign, and those that are believed. */
export interface PublishingKeys {
  readonly signing: readonly SigningKey[];
  readonly trusted: readonly PublicKey[];
  /** Root document of the publisher: channels have signed metadata, which is to say what they mean. */
  readonly root?: Uint8Array;
}

/**
 * Reads the keys of a run; once, because a passphrase may come from standard input.
 *
 * @throws {ApplianceError} trust/bad-key, trust/passphrase.
 */
export async function publishingKeys(context: CommandContext): Promise<PublishingKeys> {
  const signing = context.flags.key === undefined ? [] : await signingKeysOf(context);
  const root = context.flags[ROOT_FLAG.name] === undefined ? undefined : await readRootFile(context);
  return { signing, trusted: await trustedKeysOf(context), ...(root === undefined ? {} : { root }) };
}

/** Of the keys that were given, those that stand for releases: the online key of signed metadata does not. */
function releaseKeys({ signing, root }: PublishingKeys): readonly SigningKey[] {
  if (root === undefined) return signing;
  const ids = readMetadata("root", root).signed.roles.targets?.keyIDs ?? [];
  const found = signing.filter(({ id }) => ids.includes(id));
  return found.length > 0 ? found : signing;
}

/**
 * Publishes content by the flags `--dry-run`, `--move-tags` and `--verify`; signs with every key. Throws as `publish`.
 *
 * @returns with `after`, the registry as it is then; after a dry run as it would be, for a promotion that is tried too.
 */
export async function publishTo(
  context: CommandContext,
  opened: OpenedRegistry,
  given: { readonly source: ContentSource; readonly keys: PublishingKeys },
): Promise<{ readonly published: Published; readonly after: OpenedRegistry }> {
  const { deps, signal, build } = context;
  let after = opened;
  const { client, access, repository } = opened;
  const wire = registryWire(deps, access, { idleTimeoutMs: PUSH_IDLE_MS });
  const { push } = registryWrites(context, access);
  const trust = metadataOf(context, opened, given.keys);
  const sign = async (digest: Digest): Promise<void> => {
    for (const key of releaseKeys(given.keys))
      await signManifest({ client, push }, key, { repository, digest, signal });
    if (trust === undefined) return;
    const { manifest } = await findRelease(client, { digest }, { repository, running: build.version, signal });
    const { bytes } = await client.document(repository, digest, { signal });
    await addTarget(trust.deps, { version: manifest.version, digest, sizeBytes: bytes.length }, trust.options);
  };
  const published = await publish({ log: deps.log, client, wire: wire.deps, sign }, given.source, {
    ...wire.options,
    base: access.place.base,
    running: build.version,
    taken: takenOf(context),
    verify: verifyOf(context),
    onProgress: progressLines(context),
    dryRun: isDryRun(context),
    onPlan: (preview) => {
      if (isDryRun(context)) after = { ...opened, client: preview };
    },
    open: otherRegistries(context),
    signal,
  });
  return { published, after };
}

/** What changes signed metadata, where the run names the publisher's root. */
function metadataOf(context: CommandContext, { client, access }: OpenedRegistry, { root, signing }: PublishingKeys) {
  if (root === undefined) return undefined;
  const { push } = registryWrites(context, access);
  const options = { base: access.place.base, keys: signing, anchor: root, signal: context.signal };
  return { deps: { clock: context.deps.clock, client, push }, options };
}

/** Moves a channel to a release that is complete. Throws as `promote`. */
export function promoteTo(
  context: CommandContext,
  opened: OpenedRegistry,
  to: { readonly channel: string; readonly ref: ReleaseRef; readonly keys: PublishingKeys },
): Promise<Promoted> {
  const { deps, signal, build } = context;
  const { client, access, repository } = opened;
  const trust = metadataOf(context, opened, to.keys);
  const keys = {
    key: releaseKeys(to.keys)[0],
    trustedKeys: to.keys.trusted,
    signChannel: trust === undefined ? undefined : (move: ChannelMove) => moveChannel(trust.deps, move, trust.options),
  };
  return promote(
    { ...deps, client, ...registryWrites(context, access), ...keys },
    {
      ref: to.ref,
      channel: to.channel,
      by: authorOf(context),
      allowDowngrade: mayDowngrade(context),
      dryRun: isDryRun(context),
    },
    { base: access.place.base, repository, running: build.version, open: otherRegistries(context), signal },
  );
}

/** @throws {ApplianceError} cli/usage for a version or anything else that no channel is called. */
export function assertChannelName(name: string): void {
  if (isTag(name) && "channel" in refOfTag(name)) return;
  throw new ApplianceError("cli/usage", `Cannot promote to "${name.slice(0, 200)}": a channel like stable is wanted`);
}
