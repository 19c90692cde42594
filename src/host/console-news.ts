/** What the console tells besides the status: who claimed the box, and how it stands with updates. Reads files of the state only. */
import { z } from "zod";
import { type ClaimRecord, readClaims } from "../core/claims.ts";
import { isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { parseInstant } from "../core/time.ts";
import { createFileStore } from "../operation/file-store.ts";
import type { HistoryRecord } from "../operation/store.ts";
import { compareVersions } from "../release/version.ts";
import type { ApplianceStatus } from "../status/model.ts";
import { isClaimed } from "./setup-token.ts";

type NewsDeps = Pick<Deps, "files" | "clock">;

/** Milliseconds for which a refused claim stays on the screen. */
const REFUSED_MS = 7 * 24 * 60 * 60_000;
const MAX_BYTES = 256 * 1024;

/** Of updates.json what is shown. @see the schema alga.appliance.updates/v1, which the control plane writes */
const channelSchema = z.object({
  channel: z.string(),
  offer: z.object({ version: z.string(), digest: z.string() }).nullable(),
});
/** Of the end of an update what is shown. */
const endSchema = z.looseObject({
  from: z.looseObject({ version: z.string() }),
  to: z.looseObject({ version: z.string() }),
  outcome: z.string().optional(),
  reason: z.string().nullish(),
});

/** Tells who claimed the box, and of claims that were refused in the last week: lines for people. */
export async function claimNews(deps: NewsDeps, paths: StatePaths): Promise<readonly string[]> {
  const claims = await readClaims(deps.files, paths.claims);
  const nowMs = deps.clock.now();
  // One whose password was lost has been claimed before, and belongs to nobody until it is claimed again.
  const isOwned = await isClaimed(deps, paths);
  const claimed = isOwned ? claims.findLast(({ outcome }) => outcome === "claimed") : undefined;
  const refused = claims.filter(
    ({ outcome, at }) => outcome === "refused" && nowMs - (parseInstant(at) ?? 0) < REFUSED_MS,
  );
  const last = refused.at(-1);
  const times = refused.length > 1 ? `${refused.length} times, last` : "";
  return [
    ...(last === undefined
      ? []
      : [["Refused: somebody tried to claim this box again", times, when(last)].filter(Boolean).join(" ")]),
    ...(claimed === undefined ? [] : [`Claimed ${when(claimed)}`]),
  ];
}

function when({ at, peer }: ClaimRecord): string {
  return `${at.slice(0, 16).replace("T", " ")} UTC from ${peer}`;
}

/** Reads how it stands with updates. Reads the history again only when it has grown, because it is called every other second. */
export interface UpdateNews {
  /** One line, or none: what is offered, or that the last update went back. */
  now(status: ApplianceStatus): Promise<readonly string[]>;
}

/** Makes the reader. It remembers the last end of an update, and nothing else. */
export function createUpdateNews(deps: NewsDeps, paths: StatePaths): UpdateNews {
  const store = createFileStore(deps, paths);
  let seen: { readonly stamp: string; readonly last: HistoryRecord | undefined } | undefined;
  const lastUpdate = async (): Promise<HistoryRecord | undefined> => {
    const stat = await deps.files.stat(paths.history);
    const stamp = stat === undefined ? "" : `${stat.modifiedMs} ${stat.sizeBytes}`;
    if (seen?.stamp !== stamp) {
      const records = stamp === "" ? [] : await store.readHistory();
      seen = { stamp, last: records.findLast(({ kind }) => kind === "update" || kind === "rollback") };
    }
    return seen.last;
  };
  return {
    now: async (status) => {
      // What runs is told by the status itself.
      if (status.operation !== null && status.operation.endedAt === null) return [];
      try {
        return [...backNews(await lastUpdate()), ...(await offerNews(deps, paths, status))];
      } catch (thrown) {
        if (isApplianceError(thrown)) return [];
        throw thrown;
      }
    },
  };
}

function backNews(last: HistoryRecord | undefined): readonly string[] {
  const about = endSchema.safeParse(last?.about).data;
  if (about?.outcome !== "returned") return [];
  const why = about.reason === undefined || about.reason === null ? "" : `: ${about.reason}`;
  return [`The update to ${about.to.version} went back to ${about.from.version}${why}`];
}

async function offerNews(
  deps: Pick<Deps, "files">,
  paths: StatePaths,
  { release }: ApplianceStatus,
): Promise<readonly string[]> {
  const bytes = await deps.files.read(`${paths.state}/updates.json`, { maxBytes: MAX_BYTES });
  const known =
    bytes === undefined ? undefined : channelSchema.safeParse(parseJson(bytes, { what: "updates.json" })).data;
  const offer = known?.offer ?? null;
  if (offer === null || release === null || known?.channel !== release.channel || offer.digest === release.digest)
    return [];
  const isNewer = (compareVersions(offer.version, release.version) ?? -1) > 0;
  return isNewer ? [`An update is offered: ${offer.version}`] : [];
}
