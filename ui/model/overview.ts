/** The status document as the overview reads it: rungs with their root cause, and what belongs to no rung. Pure. */
import { asSentence } from "../format.ts";
import type { ApplianceStatus, Check, TierName } from "../state/wire.ts";
import { type PlainKey, text } from "../strings.ts";
import { verifiedText } from "./verified.ts";

/** The five rungs; `full` is their sum and no rung of its own. */
export const RUNGS: readonly { readonly tier: TierName; readonly name: PlainKey }[] = [
  { tier: "platform", name: "tier.platform" },
  { tier: "core", name: "tier.core" },
  { tier: "bootstrap", name: "tier.bootstrap" },
  { tier: "login", name: "tier.login" },
  { tier: "background", name: "tier.background" },
];

/** Failed checks of a tier, root causes first: one that another explains follows it. */
export function failuresOf(status: ApplianceStatus, tier: TierName): readonly Check[] {
  const failed = status.checks.filter((check) => check.state === "failed");
  const explained = new Set(failed.flatMap((check) => check.explains ?? []));
  const mine = failed.filter(
    // That the operation stopped is said by the answer and its button; what stopped it is the finding.
    (check) => check.tier === tier && !(check.code.startsWith("operation/") && explained.has(check.code)),
  );
  return [...mine.filter((check) => !explained.has(check.code)), ...mine.filter((check) => explained.has(check.code))];
}

/** Failed root causes that stand on no rung, or on a rung that is not failing: they are shown beside the ladder. */
export function findingsBeside(status: ApplianceStatus): readonly Check[] {
  const opened = new Set(RUNGS.filter(({ tier }) => status.tiers[tier].state === "failed").map(({ tier }) => tier));
  const explained = new Set(status.checks.flatMap((check) => (check.state === "failed" ? (check.explains ?? []) : [])));
  return status.checks.filter(
    (check) => check.state === "failed" && !opened.has(check.tier) && !explained.has(check.code),
  );
}

/** The line under the answer: the next step; when all is well, that people can log in and to which release. */
export function lineOf(status: ApplianceStatus): string {
  const { summary, tiers, release } = status;
  if (summary.next !== null) return summary.next;
  if (summary.state !== "ready") return tiers.full.reason;
  const version =
    release === null
      ? ""
      : text("overview.release", { version: release.version, verified: verifiedText(release.verifiedBy) });
  return [asSentence(tiers.login.reason), version].filter((part) => part !== "").join(" ");
}
