/**
 * The judgement: every check run over the view, and what explains what.
 *
 * Findings stand in one total order (the order of the checks, then the rung), and one may be explained only by an
 * earlier one, so at least one failure is always a root. A finding whose observation cannot be believed any more is kept
 * as what was last known, never as news.
 */
import { CHECKS } from "./checks/index.ts";
import { type CheckRule, type Explains, type Finding, type Relation, tierRank } from "./checks/rule.ts";
import { instantOrNull } from "./instant.ts";
import type { Check, CheckState, TierName } from "./model.ts";
import type { View } from "./view.ts";

export interface Judged {
  readonly rule: CheckRule;
  readonly finding: Finding;
  readonly tier: TierName;
  readonly state: "failed" | "progressing" | "unknown";
  /** Codes of the checks that explain it; empty: it is a root. */
  readonly because: readonly string[];
}

export interface Judgement {
  readonly checks: readonly Check[];
  /** Everything that was found, believed or not. */
  readonly findings: readonly Judged[];
  /** Failures that nothing else explains, the one to name first in front. */
  readonly roots: readonly Judged[];
}

/** Per check: what is explained is compared pairwise, and nobody reads a fifty-first pod. */
const MAX_FINDINGS = 50;

interface Found {
  readonly rule: CheckRule;
  readonly finding: Finding;
  readonly tier: TierName;
  readonly state: Judged["state"];
  readonly rank: number;
}

/** Runs all checks. Deterministic, and never throws for what the cluster sent. */
export function judge(view: View, rules: readonly CheckRule[] = CHECKS): Judgement {
  const doubts = new Map(rules.map((rule) => [rule.code, doubtOf(view, rule)]));
  const found = rules.flatMap((rule, index) =>
    rule
      .find(view)
      .slice(0, MAX_FINDINGS)
      .map((finding) => foundOf(rule, { finding, index, rules, doubted: doubts.get(rule.code) !== undefined })),
  );
  const findings = found.map((one): Judged => ({ ...one, because: explainedBy(one, found) }));
  const checks = rules.map((rule) =>
    checkOf(rule, { findings, mine: findings.filter((one) => one.rule === rule), doubt: doubts.get(rule.code) }),
  );
  const roots = findings
    .filter((one) => one.state === "failed" && one.because.length === 0)
    .sort((a, b) => tierRank(a.tier) - tierRank(b.tier));
  const first = roots.map((one) => one.rule.code);
  return { checks: checks.sort((a, b) => byWeight(a, b) || byRoot(first, a, b)), findings, roots };
}

function doubtOf(view: View, rule: CheckRule): string | undefined {
  return rule.needs.map((key) => view.doubt(key)).find((doubt) => doubt !== undefined) ?? rule.doubt?.(view);
}

function foundOf(
  rule: CheckRule,
  at: {
    readonly finding: Finding;
    readonly index: number;
    readonly rules: readonly CheckRule[];
    readonly doubted: boolean;
  },
): Found {
  const tier = at.finding.tier ?? rule.tier;
  const rank = rankOf(rule, { ...at, tier });
  return { rule, finding: at.finding, tier, state: at.doubted ? "unknown" : (at.finding.state ?? "failed"), rank };
}

/** The place in the total order: that of the check, but what makes volumes stands before volumes, and pods below the tenant before it. */
function rankOf(
  rule: CheckRule,
  at: {
    readonly finding: Finding;
    readonly index: number;
    readonly rules: readonly CheckRule[];
    readonly tier: TierName;
  },
): number {
  const firstOf = (area: string): number => at.rules.findIndex((one) => one.code.startsWith(area));
  const fraction = at.index / 1000;
  if (at.finding.scope.provisioner === true) return firstOf("storage/") - 1 + fraction;
  const isLowPod = rule.code.startsWith("pod/") && tierRank(at.tier) < tierRank("bootstrap");
  return isLowPod ? firstOf("pod/") + fraction : at.index;
}

function explainedBy(one: Found, all: readonly Found[]): string[] {
  const codes = all.filter((other) => mayExplain(other, one) && explains(other, one)).map((other) => other.rule.code);
  return [...new Set(codes)];
}

/** Only a failure explains a failure; what is merely under way explains what is under way. */
function mayExplain(other: Found, one: Found): boolean {
  if (other === one || other.state === "unknown") return false;
  if (other.state === "progressing" && one.state === "failed") return false;
  if (other.rank !== one.rank) return other.rank < one.rank;
  return other.rule === one.rule && tierRank(other.tier) < tierRank(one.tier);
}

function explains(other: Found, one: Found): boolean {
  return (other.rule.explains ?? []).some(
    (entry: Explains) =>
      entry.codes.some((pattern) => matches(pattern, one.rule.code)) && RELATED[entry.where](other, one),
  );
}

function matches(pattern: string, code: string): boolean {
  return pattern.endsWith("*") ? code.startsWith(pattern.slice(0, -1)) : pattern === code;
}

const RELATED: Readonly<Record<Relation, (a: Found, b: Found) => boolean>> = {
  any: () => true,
  "same-node": (a, b) => same(a.finding.scope.node, b.finding.scope.node),
  "same-component": (a, b) => same(a.finding.scope.component, b.finding.scope.component),
  "same-pod": (a, b) => same(a.finding.scope.pod, b.finding.scope.pod),
  "same-claim": (a, b) => same(a.finding.scope.claim, b.finding.scope.claim),
  "same-flux": (a, b) => same(a.finding.scope.flux, b.finding.scope.flux),
  "lower-tier": (a, b) => tierRank(a.tier) < tierRank(b.tier),
  provisioner: (a) => a.finding.scope.provisioner === true,
};

function same(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && a !== "" && a === b;
}

const MAX_EVIDENCE = 6;
const STATE_ORDER: readonly CheckState[] = ["failed", "progressing", "unknown", "ok"];

function checkOf(
  rule: CheckRule,
  given: { readonly findings: readonly Judged[]; readonly mine: readonly Judged[]; readonly doubt: string | undefined },
): Check {
  const first = primary(given.mine);
  if (first === undefined) return quiet(rule, given.doubt);
  const others = given.mine.length - 1;
  const more = others === 0 ? "" : ` ${others === 1 ? "One other is" : `${others} others are`} in the same state.`;
  const explained = explainedCodes(rule, given.findings);
  const { finding } = first;
  return {
    code: rule.code,
    tier: first.tier,
    state: first.state,
    title: finding.title,
    cause: `${given.doubt === undefined ? "" : `${given.doubt}; this is what was last known. `}${finding.cause}${more}`,
    evidence: [first, ...given.mine.filter((one) => one !== first)]
      .flatMap((one) => one.finding.evidence)
      .slice(0, MAX_EVIDENCE),
    next: finding.next === undefined ? rule.next : finding.next,
    retrySafe: finding.retrySafe ?? rule.retrySafe,
    ...(explained.length === 0 ? {} : { explains: explained }),
    since: instantOrNull(earliest(given.mine.filter((one) => one.state === first.state))),
  };
}

/** The finding that speaks for its check: a root before what is explained, worse before better, lower rungs first. */
function primary(mine: readonly Judged[]): Judged | undefined {
  return [...mine].sort(
    (a, b) =>
      STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state) ||
      Math.min(1, a.because.length) - Math.min(1, b.because.length) ||
      tierRank(a.tier) - tierRank(b.tier),
  )[0];
}

function quiet(rule: CheckRule, doubt: string | undefined): Check {
  const known = doubt === undefined;
  return {
    code: rule.code,
    tier: rule.tier,
    state: known ? "ok" : "unknown",
    title: known ? rule.title : `Not known: ${rule.title.slice(0, 1).toLowerCase()}${rule.title.slice(1)}`,
    cause: known ? "" : `${doubt}.`,
    evidence: [],
    next: null,
    retrySafe: true,
    since: null,
  };
}

/** Codes of the checks of which every failure is explained, this one being among the reasons. */
function explainedCodes(rule: CheckRule, findings: readonly Judged[]): string[] {
  const codes = [...new Set(findings.filter((one) => one.because.includes(rule.code)).map((one) => one.rule.code))];
  return codes.filter(
    (code) => code !== rule.code && findings.every((one) => one.rule.code !== code || one.because.length > 0),
  );
}

function earliest(findings: readonly Judged[]): number | undefined {
  const times = findings.flatMap((one) => one.finding.sinceMs ?? []).filter(Number.isFinite);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** What failed first, then what is under way, then what is not known; all well at the end. The order within stays. */
function byWeight(a: Check, b: Check): number {
  return STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state);
}

/** Among failures the roots come first, in their own order; nothing else is moved. */
function byRoot(first: readonly string[], a: Check, b: Check): number {
  const place = (check: Check): number => (first.includes(check.code) ? first.indexOf(check.code) : first.length);
  return place(a) - place(b);
}
