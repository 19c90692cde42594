/** The channels that a registry offers, for the wizard's first page: asked briefly, remembered for half a minute. */
import type { Digest } from "../core/digest.ts";
import { isApplianceError, type PublicError, publicError } from "../core/errors.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { openRegistry } from "../release/registry-access.ts";
import { resolveOrLast } from "../release/resolve.ts";
import { readVersion } from "../release/version.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";

export interface ChannelOffer {
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
  /** RFC 3339; null where the release does not say. */
  readonly publishedAt: string | null;
  readonly verifiedBy: string;
}

export interface ChannelOffers {
  readonly channels: readonly ChannelOffer[];
  /** Why there are none, or why they are old. */
  readonly channelsProblem: PublicError | null;
}

/** Channels that every publisher has; others are found among the tags. */
const USUAL = ["stable", "nightly"];
const MAX_CHANNELS = 8;
const ASK_MS = 8_000;
const KEEP_MS = 30_000;

/** Makes the reader of channels. Parallel callers share one question. */
export function createChannels(
  deps: SetupDeps,
  settings: SetupSettings,
): (signal: AbortSignal) => Promise<ChannelOffers> {
  let kept: { readonly atMs: number; readonly offers: Promise<ChannelOffers> } | undefined;
  return () => {
    const nowMs = deps.clock.monotonic();
    if (kept === undefined || nowMs - kept.atMs > KEEP_MS) kept = { atMs: nowMs, offers: askWithin(deps, settings) };
    return kept.offers;
  };
}

async function askWithin(deps: SetupDeps, settings: SetupSettings): Promise<ChannelOffers> {
  const limit = new AbortController();
  const cancel = deps.clock.after(ASK_MS, () => limit.abort());
  try {
    return await ask(deps, settings, limit.signal);
  } catch (thrown) {
    deps.log.warn("channels not read", { error: thrown });
    return { channels: [], channelsProblem: publicError(thrown) };
  } finally {
    cancel();
  }
}

async function ask(deps: SetupDeps, settings: SetupSettings, signal: AbortSignal): Promise<ChannelOffers> {
  const client = openRegistry(deps, deps.registry);
  const names = await channelNames(deps, signal);
  let problem: PublicError | null = null;
  const channels: ChannelOffer[] = [];
  for (const channel of names) {
    try {
      const { base } = deps.registry.place;
      const options = {
        base,
        running: settings.controlPlane,
        store: deps.releases,
        trust: deps.registry.trust,
        signal,
      };
      const { manifest, digest, verifiedBy, stale } = await resolveOrLast(deps, client, { channel }, options);
      problem ??= stale?.problem ?? null;
      channels.push({
        name: channel,
        version: manifest.version,
        digest,
        publishedAt: manifest.createdAt ?? null,
        verifiedBy,
      });
    } catch (thrown) {
      if (!isApplianceError(thrown)) throw thrown;
      if (thrown.code !== "release/unknown-channel") problem ??= publicError(thrown);
    }
  }
  return { channels, channelsProblem: problem };
}

/** Tags that are no versions are channels. A registry that lists no tags still has the usual ones. */
async function channelNames(deps: SetupDeps, signal: AbortSignal): Promise<readonly string[]> {
  const { base } = deps.registry.place;
  const repository = base === "" ? RELEASE_REPOSITORY : `${base}/${RELEASE_REPOSITORY}`;
  try {
    const tags = await openRegistry(deps, deps.registry).tags(repository, { signal });
    const found = tags.filter(
      (tag) => readVersion(tag.replaceAll("_", "+")) === undefined && !tag.startsWith("sha256-"),
    );
    const usual = USUAL.filter((name) => found.includes(name));
    return [...usual, ...found.filter((name) => !usual.includes(name))].slice(0, MAX_CHANNELS);
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return USUAL;
  }
}
