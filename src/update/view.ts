/** Folds what is known of updates into the one view. Pure. */
import type { OperationView } from "../operation/model.ts";
import type { ReleaseManifest } from "../release/model.ts";
import { compareVersions } from "../release/version.ts";
import type { Installed } from "../status/installed.ts";
import type { ApplianceStatus } from "../status/model.ts";
import type { ChannelState, UpdatePolicy, UpdateRecord, UpdatesView } from "./model.ts";
import { boxNotNow } from "./plan.ts";
import { type KeptRelease, whyNoReturn } from "./previous.ts";

export interface Known {
  readonly installed: Installed | undefined;
  /** Of what is installed; undefined when it is not on the disk any more. */
  readonly manifest: ReleaseManifest | undefined;
  readonly channel: ChannelState | undefined;
  readonly nextCheckAt: string | null;
  readonly policy: UpdatePolicy;
  readonly previous: KeptRelease | undefined;
  /** The newest of all operations. */
  readonly operation: OperationView | undefined;
  readonly status: ApplianceStatus | undefined;
  readonly history: readonly UpdateRecord[];
}

/** Makes the view. The same facts give the same view. */
export function foldUpdates(known: Known): UpdatesView {
  const { installed, channel, operation } = known;
  const state = stateOf(installed, channel);
  const isOurs = operation?.kind === "update" || operation?.kind === "rollback";
  return {
    installed:
      installed === undefined
        ? null
        : {
            version: installed.version,
            digest: installed.digest,
            channel: installed.channel,
            installedAt: installed.installedAt,
          },
    channel: {
      name: installed?.channel ?? null,
      state,
      checkedAt: channel?.checkedAt ?? null,
      nextCheckAt: installed?.channel === null ? null : known.nextCheckAt,
      problem: channel?.problem ?? null,
    },
    offered: state === "offered" || state === "older" ? (channel?.offer ?? null) : null,
    policy: known.policy,
    previous: previousOf(known),
    notNow: boxNotNow({ operation, status: known.status }),
    operation: isOurs ? operation : null,
    history: known.history,
  };
}

function stateOf(installed: Installed | undefined, channel: ChannelState | undefined): UpdatesView["channel"]["state"] {
  if (installed === undefined) return "unknown";
  if (installed.channel === null) return "pinned";
  const offer = channel?.offer ?? null;
  if (offer === null) return "unknown";
  if (offer.digest === installed.digest) return "current";
  return (compareVersions(offer.version, installed.version) ?? -1) < 0 ? "older" : "offered";
}

function previousOf({ previous, installed, manifest }: Known): UpdatesView["previous"] {
  if (previous === undefined || installed === undefined) return null;
  const why = whyNoReturn(previous, { installed, manifest });
  return {
    version: previous.installed.version,
    digest: previous.digest,
    canReturn: why === undefined,
    why: why ?? null,
  };
}
