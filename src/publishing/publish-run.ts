/** What the verbs that publish share: content to a registry by the flags of a run, and a channel to a release of it. */
import type { CommandContext } from "../cli/command.ts";
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { ContentSource } from "../oci/content.ts";
import { isTag } from "../oci/reference.ts";
import { registryWire } from "../release/registry-access.ts";
import { type OpenedRegistry, refOfTag } from "../release/registry-flags.ts";
import type { ReleaseRef } from "../release/resolved.ts";
import { signingKeysOf, trustedKeysOf } from "../trust/key-flags.ts";
import type { PublicKey, SigningKey } from "../trust/keys.ts";
import { signManifest } from "../trust/signatures.ts";
import { type Promoted, promote } from "./promote.ts";
import { type Published, publish } from "./publish.ts";
import { progressLines } from "./push-text.ts";
import { authorOf, PUSH_IDLE_MS, registryWrites, verifyOf } from "./registry-writes.ts";

/** The keys of one run: those that sign, and those that are believed. */
export interface PublishingKeys {
  readonly signing: readonly SigningKey[];
  readonly trusted: readonly PublicKey[];
}

/**
 * Reads the keys of a run; once, because a passphrase may come from standard input.
 *
 * @throws {ApplianceError} trust/bad-key, trust/passphrase.
 */
export async function publishingKeys(context: CommandContext): Promise<PublishingKeys> {
  const signing = context.flags.key === undefined ? [] : await signingKeysOf(context);
  return { signing, trusted: await trustedKeysOf(context) };
}

/** Publishes content by the flags `--dry-run`, `--move-tags` and `--verify`; signs with every key. Throws as `publish`. */
export function publishTo(
  context: CommandContext,
  opened: OpenedRegistry,
  given: { readonly source: ContentSource; readonly keys: PublishingKeys },
): Promise<Published> {
  const { deps, flags, signal, build } = context;
  const { client, access, repository } = opened;
  const wire = registryWire(deps, access, { idleTimeoutMs: PUSH_IDLE_MS });
  const { push } = registryWrites(context, access);
  const sign = async (digest: Digest): Promise<void> => {
    for (const key of given.keys.signing) await signManifest({ client, push }, key, { repository, digest, signal });
  };
  return publish({ log: deps.log, client, wire: wire.deps, sign }, given.source, {
    ...wire.options,
    base: access.place.base,
    running: build.version,
    taken: flags["move-tags"] === true ? "move" : "refuse",
    verify: verifyOf(context),
    onProgress: progressLines(context),
    dryRun: flags["dry-run"] === true,
    signal,
  });
}

/** Moves a channel to a release that is complete. Throws as `promote`. */
export function promoteTo(
  context: CommandContext,
  opened: OpenedRegistry,
  to: { readonly channel: string; readonly ref: ReleaseRef; readonly keys: PublishingKeys },
): Promise<Promoted> {
  const { deps, flags, signal, build } = context;
  const { client, access, repository } = opened;
  const keys = { key: to.keys.signing[0], trustedKeys: to.keys.trusted };
  return promote(
    { ...deps, client, ...registryWrites(context, access), ...keys },
    {
      ref: to.ref,
      channel: to.channel,
      by: authorOf(context),
      allowDowngrade: flags["allow-downgrade"] === true,
      dryRun: flags["dry-run"] === true,
    },
    { base: access.place.base, repository, running: build.version, signal },
  );
}

/** @throws {ApplianceError} cli/usage for a version or anything else that no channel is called. */
export function assertChannelName(name: string): void {
  if (isTag(name) && "channel" in refOfTag(name)) return;
  throw new ApplianceError("cli/usage", `Cannot promote to "${name.slice(0, 200)}": a channel like stable is wanted`);
}
