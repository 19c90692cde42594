/** What the update commands print for people. Pure. */
import { shortDigest } from "../core/digest.ts";
import { humanDuration } from "../core/duration.ts";
import { humanBytes } from "../core/quantity.ts";
import type { OperationView } from "../operation/model.ts";
import { pauseText } from "../operation/run-text.ts";
import { verifiedText } from "../release/resolved.ts";
import type { DefinitionChange, NotNow, UpdatePlan, UpdatePolicy, UpdateRecord, UpdatesView } from "./model.ts";
import { USUAL_JUDGE } from "./model.ts";

const STATES: Readonly<Record<UpdatesView["channel"]["state"], string>> = {
  unknown: "nobody has asked yet",
  current: "this is the newest",
  offered: "there is a newer release",
  older: "it offers an older release",
  pinned: "pinned to this release",
};

/** Writes what is installed and offered. */
export function viewText(view: UpdatesView): string {
  const { installed, channel, offered, previous } = view;
  if (installed === null) return "Nothing is installed yet";
  const name = channel.name === null ? "No channel is followed" : `Channel ${channel.name}`;
  return [
    `Installed  ${installed.version} (${shortDigest(installed.digest)})`,
    `${name}: ${STATES[channel.state]}${channel.checkedAt === null ? "" : `, asked ${channel.checkedAt}`}`,
    ...(offered === null
      ? []
      : [`Offered    ${offered.version} (${shortDigest(offered.digest)}), ${verifiedText(offered)}`]),
    ...(channel.problem === null
      ? []
      : [
          `The last check had no answer: ${channel.problem.message}`,
          ...(channel.problem.hint === undefined ? [] : [`    Next: ${channel.problem.hint}`]),
        ]),
    ...(previous === null ? [] : [`Before     ${previous.version}${previous.why === null ? "" : `: ${previous.why}`}`]),
    ...notNowLines(view.notNow),
  ].join("\n");
}

/** Writes a plan: what changes, what it costs, what cannot be undone, why not now, and its digest last. */
export function planText(plan: UpdatePlan): string {
  const { from, to, disk } = plan;
  const followed = to.channel === null ? "" : ` of channel ${to.channel}`;
  const usual = plan.expectedFrom === "history" ? ", as on this box before" : "";
  return [
    `${TITLES[plan.kind]} ${from.version} -> ${to.version} (${shortDigest(to.digest)})${followed}, ${verifiedText(to)}`,
    `${plan.downloads.length} ${plan.downloads.length === 1 ? "download" : "downloads"}, ${humanBytes(plan.downloadBytes)}, about ${humanDuration(plan.expectedMs)}${usual}`,
    ...(disk === null ? [] : [`${humanBytes(disk.neededBytes)} of disk wanted, ${humanBytes(disk.freeBytes)} free`]),
    "",
    ...plan.components.flatMap(({ name, changes }) => [`${name} is started again`, ...changes.map(changeText)]),
    ...plan.other.map(changeText),
    ...(plan.definitions ?? []).map(definitionText),
    ...plan.irreversible.map(({ id, about }) => `Cannot be undone: ${about} (${id})`),
    ...checksLine(plan.checks),
    ...plan.warnings.map((warning) => `Warning: ${warning}`),
    ...notNowLines(plan.notNow),
    "",
    `Plan ${plan.digest}`,
  ].join("\n");
}

function definitionText({ name, isNew, added, removed }: DefinitionChange): string {
  if (isNew) return `    definition ${name}: new (${added.join(", ")})`;
  const parts = [...added.map((version) => `+${version}`), ...removed.map((version) => `-${version}`)];
  return `    definition ${name}: ${parts.join(" ")}`;
}

/** What failed is told by its reason. */
function checksLine(checks: UpdatePlan["checks"]): readonly string[] {
  const well = checks.filter(({ state }) => state === "ok").length;
  return checks.length === 0 ? [] : [`${well} of ${checks.length} checks hold`];
}

const TITLES: Readonly<Record<UpdatePlan["kind"], string>> = {
  update: "Update",
  repair: "Install again",
  downgrade: "Go down",
};

function changeText(change: {
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}): string {
  return `    ${change.name}: ${brief(change.from)} -> ${brief(change.to)}`;
}

/** A digest of 64 digits is no news for the eye. */
function brief(side: string | null): string {
  return (side ?? "none").replace(/sha256:([0-9a-f]{12})[0-9a-f]{52}/g, "$1");
}

function notNowLines(reasons: readonly NotNow[]): readonly string[] {
  return reasons.flatMap(({ message, hint }) => [
    `Not now: ${message}`,
    ...(hint === null ? [] : [`    Next: ${hint}`]),
  ]);
}

/** Writes whether an update stands still now, will, or was ended; with what to type next. */
export function haltText(view: OperationView): string {
  if (view.state !== "cancelled") return pauseText(view);
  return `The update ${view.id} was ended: nothing of the application was changed`;
}

/** What happened beside what was planned. */
function tookText({ durationMs, expectedMs, bytes, fetched }: UpdateRecord): string {
  const took = humanDuration(durationMs);
  const time = expectedMs === null ? took : `${took} of ${humanDuration(expectedMs)}`;
  if (fetched === null) return time;
  const came = humanBytes(fetched.parts + (fetched.images ?? 0));
  const untold = fetched.images === null && fetched.present === 0 ? " beside images" : "";
  return `${time}  ${came}${untold}${bytes === null ? "" : ` of ${humanBytes(bytes)}`}`;
}

const AUTOMATIC: Readonly<Record<UpdatePolicy["automatic"], string>> = {
  never: "Nothing begins by itself",
  patch: "Patches begin by themselves",
  all: "Whatever the channel offers begins by itself",
};

/** Writes what may begin by itself, when, and how every update is judged. */
export function policyText({ automatic, window, holdUntil, judge }: UpdatePolicy): string {
  const { soakMinutes, patienceMinutes } = judge ?? USUAL_JUDGE;
  return [
    AUTOMATIC[automatic],
    ...(window === null ? [] : [`Window   ${window.from} to ${window.to} UTC, ${window.days.join(" ")}`]),
    ...(holdUntil === null ? [] : [`Held     until ${holdUntil}`]),
    `Judged   ${soakMinutes} min well; a failure may last ${patienceMinutes} min`,
  ].join("\n");
}

/** Writes one line for each update and return, newest first. */
export function historyText(records: readonly UpdateRecord[]): string {
  if (records.length === 0) return "Nothing has been updated yet";
  return records
    .map((record) => {
      const way = `${record.from.version} -> ${record.to.version}`;
      const told = [record.outcome, record.verdict, record.reason].filter(Boolean).join(", ");
      return `${record.startedAt}  ${record.operationId}  ${way}  ${tookText(record)}  ${told}`;
    })
    .join("\n");
}
