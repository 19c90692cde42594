/** The release that a run goes to, always by its digest; and the one it comes from. */

import { isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { ReleaseManifest } from "../release/model.ts";
import type { ResolvedRelease } from "../release/resolved.ts";
import { type Installed, readInstalled } from "../status/installed.ts";
import type { UpdateCall } from "./context.ts";
import { type KeptRelease, readPrevious } from "./previous.ts";
import { manifestOnDisk, resolveWanted } from "./releases.ts";

/** The wanted release with the channel that it is followed by. */
export interface RunRelease extends ResolvedRelease {
  readonly channel: string | null;
}

/** The wanted release, mostly from disk: its digest was decided when the plan was made. */
export async function wantedOf({ context, signal }: UpdateCall): Promise<RunRelease> {
  const { plan, deps, settings } = context;
  if (!isDigest(plan.to.digest)) throw new TypeError("the plan names no digest");
  const { acceptExpired } = plan;
  const resolved = await resolveWanted(deps, { digest: plan.to.digest }, { settings, signal, acceptExpired });
  return { ...resolved, channel: plan.to.channel };
}

/**
 * The manifest of the wanted release for the steps after the switch: from the disk, where it was put when it was verified. Only a
 * disk that has lost it makes them ask the registry.
 */
export async function wantedManifest(call: UpdateCall): Promise<ReleaseManifest> {
  const { digest } = call.context.plan.to;
  const kept = await manifestOnDisk(call.context.deps, digest);
  return kept ?? (await wantedOf(call)).manifest;
}

/** What release.json says. @throws {ApplianceError} update/nothing-installed. */
export async function installedNow({ context }: Pick<UpdateCall, "context">): Promise<Installed> {
  const installed = await readInstalled(context.deps);
  if (installed !== undefined) return installed;
  throw new ApplianceError("update/nothing-installed", "Cannot update: nothing is installed", {
    hint: "Complete setup first",
  });
}

/**
 * The kept release of a digest.
 * @throws {ApplianceError} update/no-return when it is not kept any more.
 */
export async function keptOf({ context }: Pick<UpdateCall, "context">, digest: string): Promise<KeptRelease> {
  const kept = await readPrevious(context.deps.store);
  if (kept?.digest === digest) return kept;
  throw new ApplianceError("update/no-return", "Cannot go back: the release before is not kept on the box any more", {
    hint: "Install it by its version: alga-appliance update run --version <version>",
    details: { retrySafe: false },
  });
}
