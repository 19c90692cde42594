/** The plan of the box as the rows of "This is what will happen". Pure. */
import { formatBytes, formatDigest, formatEstimate } from "../format.ts";
import type { ReviewRow } from "../parts/review-table.ts";
import type { Answers, SetupPlan } from "../state/wire.ts";
import { type PlainKey, text } from "../strings.ts";
import { GROUPS } from "./progress.ts";
import { verifiedText } from "./verified.ts";

/** Folds the plan's steps into the groups of the installation, with contents, bytes and minutes. */
export function planRows(plan: SetupPlan, answers: Answers): readonly ReviewRow[] {
  const known = new Set(GROUPS.flatMap((group) => group.steps));
  const rows = GROUPS.filter((group) => plan.steps.some((step) => group.steps.includes(step.id))).map((group) => ({
    step: group.id === "release" ? text("plan.release", { version: plan.release.version }) : text(group.name),
    contents: contentsOf(group.id, plan, answers),
    about: group.id === "release" ? formatBytes(plan.totalBytes) : formatEstimate(shareOf(group.usualMs, plan)),
  }));
  const own = plan.steps
    .filter((step) => !known.has(step.id))
    .map(({ title, about }) => ({ step: title, contents: about, about: "" }));
  return [...rows, ...own];
}

function contentsOf(group: string, plan: SetupPlan, answers: Answers): string {
  switch (group) {
    case "release":
      return text("plan.contents-release", {
        n: plan.downloads.length,
        digest: formatDigest(plan.release.digest),
        verified: verifiedText(plan.release.verifiedBy),
      });
    case "application":
      return text("plan.contents-application", { host: answers.appHostname.replace(/^https?:\/\//, "") });
    case "tenant":
      return text("plan.contents-tenant", { name: answers.tenantName, email: answers.adminEmail });
    default:
      return text(CONTENTS[group] ?? "plan.contents-login");
  }
}

const CONTENTS: Readonly<Record<string, PlainKey>> = {
  checks: "plan.contents-checks",
  base: "plan.contents-base",
  login: "plan.contents-login",
};

/** Spreads the expected time of the whole over the groups, in the proportion of their usual times. */
function shareOf(usualMs: number, plan: SetupPlan): number {
  const all = GROUPS.reduce((sum, group) => sum + group.usualMs, 0);
  return plan.expectedMs > 0 ? (usualMs * plan.expectedMs) / all : usualMs;
}
