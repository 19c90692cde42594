/** What the setup commands print for people. Pure. */

import type { ClaimRecord } from "../core/claims.ts";
import { shortDigest } from "../core/digest.ts";
import { humanDuration } from "../core/duration.ts";
import { humanBytes } from "../core/quantity.ts";
import type { HistoryRecord } from "../operation/store.ts";
import { verifiedText } from "../release/resolved.ts";
import type { AddressPlan } from "./address.ts";
import type { LicenseFacts } from "./license-claims.ts";
import type { LicensePlan } from "./license-key.ts";
import { describeChange, type SetupPlan } from "./plan.ts";

/** An answers file to fill in: the names of the API, with what each is. */
export const EXAMPLE_ANSWERS = `# Answers for: alga-appliance setup run --answers <file>
channel: stable
# Install exactly this instead of the channel: a version or sha256:...
releaseRef: ""
# A decision for boxes without a way to the publisher: signed metadata that has expired is good until then all the same.
acceptExpired: ""
# The address people will open.
appHostname: https://psa.example.com
# system, or custom with dnsServers.
dnsMode: system
dnsServers: ""
tenantName: Example Ltd
adminFirstName: Ada
adminLastName: Example
adminEmail: ada@example.com
# At least 8 characters: lower case, upper case, a digit and a sign. Keep this file closed to others.
adminPassword: ""
# ee (enterprise) or ce (community).
editionChoice: ee
# One of them, for ee.
installCode: ""
licenseKey: ""
`;

/** Writes a plan for a terminal: release, downloads, steps, changes, warnings, and its digest last. */
export function planText(plan: SetupPlan): string {
  const { release } = plan;
  const counted = (action: string): number => plan.changes.filter((change) => change.action === action).length;
  return [
    `Release ${release.version} (${shortDigest(release.digest)})${release.channel === null ? "" : ` of channel ${release.channel}`}, ${verifiedText(release)}`,
    `${plan.downloads.length} downloads, ${humanBytes(plan.totalBytes)}, about ${humanDuration(plan.expectedMs)}`,
    "",
    ...plan.steps.map((step, index) => `${String(index + 1).padStart(2)}  ${step.title}. ${step.about}`),
    "",
    `${counted("create")} objects are created, ${counted("change")} changed, ${counted("keep")} kept:`,
    ...plan.changes.map((change) => `    ${describeChange(change)}`),
    ...(plan.warnings.length === 0 ? [] : ["", ...plan.warnings.map((warning) => `Warning: ${warning}`)]),
    "",
    `Plan ${plan.digest}`,
  ].join("\n");
}

/** What another license would change, for people. Neither key nor code is in it. */
export function licensePlanText({ from, to, warnings, steps }: LicensePlan): string {
  return [
    `From  ${from === null ? "no key" : factsText(from)}`,
    `To    ${to === null ? "what the license service gives for the install code" : factsText(to)}`,
    ...warnings.map((warning) => `Note  ${warning}`),
    "",
    ...steps.map(({ title, about }) => `- ${title}: ${about}`),
  ].join("\n");
}

function factsText({ edition, expiresAt, perpetual, state }: LicenseFacts): string {
  const until = perpetual ? "without an end" : expiresAt === null ? "until nobody knows when" : `until ${expiresAt}`;
  return `${edition ?? "a license"}, ${until}${state === "expired" ? " (expired)" : ""}`;
}

/** Writes what a change of the address would do, for a terminal. */
export function addressPlanText(plan: AddressPlan): string {
  const restarts = plan.components.length === 0 ? "no component: the values are in place" : plan.components.join(", ");
  return [
    `From    ${plan.from}`,
    `To      ${plan.to}`,
    `Release ${plan.release.version} (${shortDigest(plan.release.digest)}) stays`,
    `Starts again: ${restarts}; about ${humanDuration(plan.expectedMs)}`,
    "",
    ...plan.steps.map((step, index) => `${String(index + 1).padStart(2)}  ${step.title}. ${step.about}`),
    ...(plan.warnings.length === 0 ? [] : ["", ...plan.warnings.map((warning) => `Warning: ${warning}`)]),
    "",
    `Plan ${plan.digest}`,
  ].join("\n");
}

/** Writes one line for each operation that has ended and for each claim of the box, as they came. */
export function historyText(records: readonly HistoryRecord[], claims: readonly ClaimRecord[] = []): string {
  if (records.length === 0 && claims.length === 0) return "Nothing has been done yet";
  const lines = [...records.map(recordLine), ...claims.map(claimLine)];
  return lines
    .sort((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at)))
    .map(({ line }) => line)
    .join("\n");
}

interface HistoryLine {
  readonly at: string;
  readonly line: string;
}

function recordLine({ at, operationId, state, about }: HistoryRecord): HistoryLine {
  const named = typeof about.version === "string" ? about.version : String(about.release ?? "");
  const release =
    typeof about.verifiedBy === "string" ? `${named}  ${verifiedText({ verifiedBy: about.verifiedBy })}` : named;
  return { at, line: `${at}  ${operationId}  ${state.padEnd(9)}  ${release}`.trimEnd() };
}

function claimLine({ at, peer, secure, outcome }: ClaimRecord): HistoryLine {
  return {
    at,
    line: `${at}  claim       ${outcome.padEnd(9)}  from ${peer}, ${secure ? "over TLS" : "not encrypted"}`,
  };
}
