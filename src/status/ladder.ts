/** The status for people at a terminal: the sentence, the ladder, what failed with cause and next step, components, the box. */
import { verifiedText } from "../release/resolved.ts";
import { hostLine } from "./host.ts";
import type { ApplianceStatus, Check, State, TierName } from "./model.ts";
import { TIERS } from "./model.ts";

export interface LadderOptions {
  readonly color: boolean;
  readonly columns: number;
}

/** The five rungs people see carry the same names everywhere; `full` is the sentence on top. */
export const TIER_NAMES: Readonly<Record<TierName, string>> = {
  platform: "Platform",
  core: "Core",
  bootstrap: "Tenant",
  login: "Login",
  background: "Background work",
  full: "Everything",
};

const STATE_WORDS: Readonly<Record<State, string>> = {
  ready: "ready",
  progressing: "under way",
  failed: "failed",
  unknown: "not known",
};
const MARKS: Readonly<Record<State, string>> = { ready: "✓", progressing: "…", failed: "!", unknown: "·" };
const COLORS: Readonly<Record<State, string>> = { ready: "32", progressing: "34", failed: "31", unknown: "90" };

/** Writes the whole status as text. */
export function writeLadder(status: ApplianceStatus, options: LadderOptions): string {
  const paint = (state: State, text: string): string =>
    options.color ? `\u001b[${COLORS[state]}m${text}\u001b[0m` : text;
  const failures = status.checks.filter((check) => check.state === "failed" && !isExplained(status, check));
  return [
    paint(status.summary.state, status.summary.message),
    ...(status.summary.next === null ? [] : wrapped(`Next: ${status.summary.next}`, options.columns, "")),
    ...(status.appliance.rehearsal ? ["This is a rehearsal: nothing on this computer is installed or changed"] : []),
    "",
    ...TIERS.filter((tier) => tier !== "full").map((tier) => rung(status, tier, paint)),
    ...(failures.length === 0 ? [] : ["", ...failures.flatMap((check) => cause(check, options, paint))]),
    ...(knowsComponents(status) ? ["", ...components(status, paint)] : []),
    ...footer(status),
  ].join("\n");
}

type Paint = (state: State, text: string) => string;

function rung(status: ApplianceStatus, tier: TierName, paint: Paint): string {
  const { state, reason } = status.tiers[tier];
  const head = `${MARKS[state]} ${TIER_NAMES[tier].padEnd(16)} ${STATE_WORDS[state].padEnd(10)}`;
  return `  ${paint(state, head)} ${reason}`.trimEnd();
}

function isExplained(status: ApplianceStatus, check: Check): boolean {
  return status.checks.some((other) => other !== check && other.explains?.includes(check.code) === true);
}

function cause(check: Check, options: LadderOptions, paint: Paint): readonly string[] {
  return [
    `${paint("failed", check.title)} (${check.code})`,
    ...wrapped(check.cause, options.columns, "  "),
    ...check.evidence
      .slice(0, 3)
      .flatMap((one) => [`  ${one.ref}`, ...lastLines(one.text).map((line) => `    ${line}`)]),
    ...(check.next === null ? [] : wrapped(`Next: ${check.next}`, options.columns, "  ")),
    ...(check.retrySafe ? [] : ["  Trying again without a change does not help."]),
  ];
}

const EVIDENCE_LINES = 6;

function lastLines(text: string): readonly string[] {
  return text.split("\n").slice(-EVIDENCE_LINES);
}

/** Six times the same "not known" tells no more than the ladder. */
function knowsComponents({ components: all }: ApplianceStatus): boolean {
  return all.some((one) => one.state !== "unknown" || one.message !== all[0]?.message);
}

function components(status: ApplianceStatus, paint: Paint): readonly string[] {
  const width = Math.max(9, ...status.components.map((one) => one.name.length));
  return status.components.map(
    (one) =>
      `  ${paint(one.state, MARKS[one.state])} ${one.name.padEnd(width)}  ${(one.version ?? "").padEnd(12)} ${one.message}`,
  );
}

function footer(status: ApplianceStatus): readonly string[] {
  const release = releaseText(status);
  const login = status.urls.login === null ? [] : [`Login ${status.urls.login}`];
  const host = status.host === undefined ? "" : hostLine(status.host);
  const lines = [[release, ...login].filter((part) => part !== "").join(" · "), host].filter((line) => line !== "");
  return lines.length === 0 ? [] : ["", ...lines.map((line) => `  ${line}`)];
}

function wrapped(text: string, columns: number, indent: string): readonly string[] {
  const width = Math.max(40, Math.min(columns, 120)) - indent.length;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return line === "" ? lines : [...lines, indent + line];
}

/** The release with who stands for it; before there is one, what a box without keys makes of any. Empty: nothing to say. */
export function releaseText({ release, appliance }: ApplianceStatus): string {
  if (release === null) {
    return appliance.verifies === false ? "Releases are unverified: this box trusts no publisher's key" : "";
  }
  const channel = release.channel === null ? "" : ` (${release.channel})`;
  return `Release ${release.version}${channel}, ${verifiedText(release)}`;
}
