/** The channels that a registry offers, for the wizard's first page: asked briefly, remembered for half a minute. */
import type { Digest } from "../core/digest.ts";
import { isApplianceError, type PublicError, publicError } from "../core/errors.ts";
import type { RegistryClient } from "../oci/client.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { openRegistry } from "../release/registry-access.ts";
import { findRelease, type ResolveOptions, resolveOrLast } from "../release/resolve.ts";
import type { FoundRelease } from "../release/resolved.ts";
import { acceptingExpired } from "../release/trust.ts";
import { readVersion } from "../release/version.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";

export interface ChannelOffer {
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
  /** RFC 3339; null where the release does not say. */
  readonly publishedAt: string | null;
  readonly verifiedBy: string;
  /** In words, where signed metadata has expired: it is installed only when the operator decides so. */
  readonly expired?: string;
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
/** Who asks again after a problem has mended something. */
const KEEP_PROBLEM_MS = 1_000;

/** Makes the reader of channels. Parallel callers share one question. */
export function createChannels(
  deps: SetupDeps,
  settings: SetupSettings,
): (signal: AbortSignal) => Promise<ChannelOffers> {
  let kept: { readonly atMs: number; readonly offers: Promise<ChannelOffers>; keepMs: number } | undefined;
  return () => {
    const nowMs = deps.clock.monotonic();
    if (kept !== undefined && nowMs - kept.atMs <= kept.keepMs) return kept.offers;
    const asked = { atMs: nowMs, offers: askWithin(deps, settings), keepMs: KEEP_MS };
    kept = asked;
    void asked.offers.then(({ channelsProblem }) => {
      if (channelsProblem !== null) asked.keepMs = KEEP_PROBLEM_MS;
    });
    return asked.offers;
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
  const { trust, place } = deps.registry;
  const options = { base: place.base, running: settings.controlPlane, trust, signal };
  const names = await channelNames(deps, signal);
  let problem: PublicError | null = null;
  const channels: ChannelOffer[] = [];
  for (const channel of names) {
    try {
      const resolved = await resolveOrLast(deps, client, { channel }, { ...options, store: deps.releases });
      problem ??= resolved.stale?.problem ?? null;
      channels.push(offerOf(channel, resolved));
    } catch (thrown) {
      if (!isApplianceError(thrown)) throw thrown;
      if (thrown.code !== "release/unknown-channel") problem ??= publicError(thrown);
      if (thrown.code === "trust/expired") channels.push(...(await lookAtExpired(client, channel, options)));
    }
  }
  return { channels, channelsProblem: problem };
}

function offerOf(name: string, { manifest, digest, verifiedBy }: FoundRelease): ChannelOffer {
  return { name, version: manifest.version, digest, publishedAt: manifest.createdAt ?? null, verifiedBy };
}

const FOR_EVER = "9999-12-31T00:00:00Z";

/** What the channel was when its metadata was good, so that the operator can decide. Kept nowhere: nothing is decided by it. */
async function lookAtExpired(
  client: RegistryClient,
  channel: string,
  options: ResolveOptions,
): Promise<readonly ChannelOffer[]> {
  const trust = acceptingExpired(options.trust, FOR_EVER);
  try {
    const found = await findRelease(client, { channel }, { ...options, trust });
    return [{ ...offerOf(channel, found), expired: found.accepted ?? "" }];
  } catch (thrown) {
    if (isApplianceError(thrown)) return [];
    throw thrown;
  }
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
