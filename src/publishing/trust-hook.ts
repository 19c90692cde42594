/**
 * What publishing and promoting write into signed metadata, before any tag of a release moves: so a channel never names what
 * the metadata does not allow, and a box that reads metadata alone is right at every moment.
 */

import { changeTargets, type PublisherDeps, type PublisherOptions } from "../trust/publisher.ts";
import { findTarget, putTarget, type SignedTarget } from "../trust/targets.ts";
import type { TrustState } from "../trust/tuf.ts";

/**
 * Signs that a version is this release. Safe to call again.
 *
 * @throws {ApplianceError} as `changeTargets`.
 */
export function addTarget(deps: PublisherDeps, release: SignedTarget, options: PublisherOptions): Promise<TrustState> {
  return changeTargets(
    deps,
    {
      change: (targets) => putTarget(targets, `release/${release.version}`, release),
      isIn: (targets) => isSigned(() => findTarget(targets, { version: release.version }), release),
    },
    options,
  );
}

/** A channel and the release that it is to mean. */
export type ChannelMove = SignedTarget & { readonly channel: string };

/**
 * Signs that a channel means this release, and that its version is this release. Safe to call again.
 *
 * @throws {ApplianceError} as `changeTargets`.
 */
export function moveChannel(deps: PublisherDeps, move: ChannelMove, options: PublisherOptions): Promise<TrustState> {
  const { channel, ...release } = move;
  return changeTargets(
    deps,
    {
      change: (targets) => {
        putTarget(targets, `release/${release.version}`, release);
        putTarget(targets, `channel/${channel}`, release);
      },
      isIn: (targets) => isSigned(() => findTarget(targets, { channel }), release),
    },
    options,
  );
}

function isSigned(find: () => SignedTarget, wanted: SignedTarget): boolean {
  try {
    return find().digest === wanted.digest;
  } catch {
    return false;
  }
}
