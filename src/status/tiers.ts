/**
 * The ladder: which rung is ready, by what each needs and nothing else (interfaces.md section 4).
 *
 * A rung is ready when all that it needs was seen to be there, failed when a check says why it is not, unknown when it
 * cannot be observed or waits for a rung that has failed, and progressing otherwise. A check that fails while all that its rung
 * needs is there takes nothing from it, and counts for `full` (`placed`): a clock that is wrong, a full disk, a second pod.
 */

import { ageText } from "./age.ts";
import { bootstrapState } from "./bootstrap-state.ts";
import { freshAnswers } from "./checks/login.ts";
import { tierRank } from "./checks/rule.ts";
import { oneLine } from "./evidence.ts";
import { condition, nameOf } from "./facts.ts";
import { instantOrNull } from "./instant.ts";
import type { Judged, Judgement } from "./judge.ts";
import { isApplied } from "./kustomization-state.ts";
import type { ApplianceStatus, Check, ReadinessTier, State, TierName } from "./model.ts";
import { isSourceReady } from "./source-state.ts";
import type { View, WorkloadFacts } from "./view.ts";

export type Tiers = ApplianceStatus["tiers"];

/** One thing that a rung needs. */
interface Need {
  readonly name: string;
  readonly state: State | "absent";
  readonly reason: string;
  readonly sinceMs: number | undefined;
}

interface Words {
  readonly ready: string;
  /** The sentence when it failed, from what is not ready. */
  readonly failed: (names: string) => string;
  /** How a higher rung names it when it waits: "Waits for the application". */
  readonly name: string;
}

const WORDS: Readonly<Record<Exclude<TierName, "full">, Words>> = {
  platform: {
    ready: "Kubernetes, Flux and the configuration source are ready",
    failed: (names) => `Not ready: ${names}`,
    name: "the platform",
  },
  core: {
    ready: "Database, cache and pooler answer",
    failed: (names) => `Do not answer: ${names}`,
    name: "the database",
  },
  bootstrap: {
    ready: "The first tenant was created",
    failed: () => "The first tenant could not be created",
    name: "the first tenant",
  },
  login: { ready: "The login page answers", failed: () => "The login page does not answer", name: "the application" },
  background: {
    ready: "All background work runs",
    failed: (names) => `Does not run: ${names}`,
    name: "background work",
  },
};

/** Folds the six rungs. */
export function foldTiers(view: View, judgement: Judgement): Tiers {
  const ladder: Partial<Record<TierName, ReadinessTier>> = {};
  const rung = (name: Exclude<TierName, "full">, needs: readonly Need[]): ReadinessTier => {
    const tier = rungOf(name, { needs, judgement, below: ladder, installing: view.installing });
    ladder[name] = tier;
    return tier;
  };
  const lower = {
    platform: rung("platform", platformNeeds(view)),
    core: rung("core", workloadNeeds(view, "core")),
    bootstrap: rung("bootstrap", [{ name: "first tenant", ...bootstrapState(view) }]),
    login: rung("login", loginNeeds(view, judgement)),
    background: rung("background", workloadNeeds(view, "background")),
  };
  return { ...lower, full: fullRung(lower, judgement) };
}

/** The checks, each with a rung that it does not contradict: what failed and takes nothing from its rung (yet) stands on top. */
export function placed(checks: readonly Check[], tiers: Tiers): Check[] {
  return checks.map((check) =>
    check.state === "failed" && tiers[check.tier].state === "ready"
      ? { ...check, tier: "full", threatens: check.tier }
      : check,
  );
}

function rungOf(
  name: Exclude<TierName, "full">,
  given: {
    readonly needs: readonly Need[];
    readonly judgement: Judgement;
    readonly below: Partial<Record<TierName, ReadinessTier>>;
    readonly installing: boolean;
  },
): ReadinessTier {
  const { needs } = given;
  const missing = needs.filter((need) => need.state !== "ready");
  const failures = given.judgement.findings.filter(
    (one) => one.tier === name && one.state === "failed" && !isBlind(one),
  );
  if (missing.length === 0) return { state: "ready", since: latest(needs), reason: readyReason(name, needs) };
  const failedNeed = missing.find((need) => need.state === "failed");
  const unknown = missing.find((need) => need.state === "unknown");
  if (failedNeed !== undefined || (failures.length > 0 && unknown === undefined)) {
    return { state: "failed", since: sinceOf(failures, failedNeed), reason: failedReason(name, missing, failures) };
  }
  if (unknown !== undefined) return { state: "unknown", since: null, reason: unknown.reason };
  return waiting(name, missing, given);
}

/** What only cannot be seen makes a rung unknown where the rung needs it, and never failed. */
function isBlind({ rule }: Judged): boolean {
  return rule.code.startsWith("kube/");
}

/** What fails on the platform is told by its name; on the other rungs, what it means for people. */
function failedReason(name: Exclude<TierName, "full">, missing: readonly Need[], failures: readonly Judged[]): string {
  const root = name === "platform" ? failures.find((one) => one.because.length === 0) : undefined;
  return root === undefined
    ? WORDS[name].failed(namesOf(missing))
    : oneLine(root.finding.title.replace(/\.$/, ""), 200);
}

/** Not ready, and nothing says that it failed: it is under way, or waits for a rung below. */
function waiting(
  name: Exclude<TierName, "full">,
  missing: readonly Need[],
  given: { readonly below: Partial<Record<TierName, ReadinessTier>>; readonly installing: boolean },
): ReadinessTier {
  if (!given.installing) return { state: "unknown", since: null, reason: "Not installed yet" };
  const below = (Object.keys(WORDS) as Exclude<TierName, "full">[])
    .filter((other) => tierRank(other) < tierRank(name))
    .find((other) => given.below[other]?.state !== "ready");
  if (below === undefined) return { state: "progressing", since: null, reason: progressReason(missing) };
  const started = missing.some((need) => need.state === "progressing");
  const state = given.below[below]?.state === "progressing" || started ? "progressing" : "unknown";
  return { state, since: null, reason: `Waits for ${WORDS[below].name}` };
}

function progressReason(missing: readonly Need[]): string {
  const only = missing.length === 1 ? missing[0] : undefined;
  return only === undefined || only.reason === "" ? `Waits for ${namesOf(missing)}` : oneLine(only.reason, 200);
}

function readyReason(name: Exclude<TierName, "full">, needs: readonly Need[]): string {
  const own = name === "bootstrap" ? needs[0]?.reason : undefined;
  return own ?? WORDS[name].ready;
}

function platformNeeds(view: View): readonly Need[] {
  const { kubernetes } = view.seen;
  if (kubernetes.state !== "reachable" && kubernetes.state !== "starting") {
    const age = ageText(view.nowMs - kubernetes.sinceMs);
    const reason =
      kubernetes.state === "unconfigured" ? "No Kubernetes is known here" : `Kubernetes has not answered for ${age}`;
    return [{ name: "Kubernetes", state: "unknown", reason, sinceMs: undefined }];
  }
  return [nodeNeed(view), sourceNeed(view), kustomizationNeed(view)];
}

function nodeNeed(view: View): Need {
  const doubt = view.doubt("nodes");
  if (doubt !== undefined) return { name: "a node", state: "unknown", reason: doubt, sinceMs: undefined };
  const ready = view.items("nodes").flatMap((node) => {
    const found = condition(node, "Ready");
    return found?.status === "True" && !view.lostNodes.has(nameOf(node)) ? [found.sinceMs] : [];
  });
  if (ready.length > 0) return { name: "a node", state: "ready", reason: "", sinceMs: ready[0] };
  return { name: "a node", state: "progressing", reason: "No node is ready", sinceMs: undefined };
}

function sourceNeed(view: View): Need {
  const name = "the configuration source";
  const doubt = view.doubt("ociRepositories");
  if (doubt !== undefined) return { name, state: "unknown", reason: doubt, sinceMs: undefined };
  const source = view.items("ociRepositories").find((one) => nameOf(one) === "alga-appliance");
  if (source === undefined)
    return { name, state: "absent", reason: "The configuration source is not there yet", sinceMs: undefined };
  const since = condition(source, "Ready")?.sinceMs;
  if (isSourceReady(source)) return { name, state: "ready", reason: "", sinceMs: since };
  return { name, state: "progressing", reason: "Flux fetches the configuration", sinceMs: since };
}

function kustomizationNeed(view: View): Need {
  const name = "the platform of the release";
  const doubt = view.doubt("kustomizations");
  if (doubt !== undefined) return { name, state: "unknown", reason: doubt, sinceMs: undefined };
  const part = view.items("kustomizations").find((one) => nameOf(one) === "alga-platform");
  if (part === undefined)
    return { name, state: "absent", reason: "The platform of the release is not applied yet", sinceMs: undefined };
  if (isApplied(part)) return { name, state: "ready", reason: "", sinceMs: condition(part, "Ready")?.sinceMs };
  return {
    name,
    state: "progressing",
    reason: "Flux applies the platform of the release",
    sinceMs: undefined,
  };
}

function workloadNeeds(view: View, tier: WorkloadFacts["spec"]["tier"]): readonly Need[] {
  return view.workloads
    .filter((workload) => workload.spec.tier === tier)
    .map(({ spec, state, reason, sinceMs }) => {
      const name = tier === "login" ? WORDS.login.name : spec.name;
      return { name, state, reason: state === "absent" || state === "unknown" ? reason : `Waits for ${name}`, sinceMs };
    });
}

/** The application ready and an answered request; a definite failure by the public address counts against it. */
function loginNeeds(view: View, judgement: Judgement): readonly Need[] {
  const applications = workloadNeeds(view, "login");
  const refused = judgement.findings.find(
    (one) => one.rule.code.startsWith("login/") && one.tier === "login" && one.state === "failed",
  );
  const page: Pick<Need, "name"> = { name: "the login page" };
  if (refused !== undefined) {
    return [
      ...applications,
      { ...page, state: "failed", reason: refused.finding.title, sinceMs: refused.finding.sinceMs },
    ];
  }
  const answers = freshAnswers(view);
  const good = answers.find(([, answer]) => answer.outcome === "login-page")?.[1];
  if (good !== undefined) return [...applications, { ...page, state: "ready", reason: "", sinceMs: good.sinceMs }];
  if (applications.some((need) => need.state === "absent" || need.state === "progressing")) return applications;
  return [...applications, { ...page, ...unasked(view, answers.length > 0), sinceMs: undefined }];
}

function unasked(view: View, answered: boolean): Pick<Need, "state" | "reason"> {
  if (answered) return { state: "progressing", reason: "The login page does not answer yet" };
  const last = Math.max(view.seen.login?.service?.atMs ?? 0, view.seen.login?.public?.atMs ?? 0);
  const reason =
    last > 0 ? `The login page was last asked ${ageText(view.nowMs - last)} ago` : "The login page was not asked";
  return { state: "unknown", reason };
}

function fullRung(
  lower: Readonly<Record<Exclude<TierName, "full">, ReadinessTier>>,
  judgement: Judgement,
): ReadinessTier {
  const rungs = Object.values(lower);
  const root = judgement.roots[0];
  if (root !== undefined) {
    return {
      state: "failed",
      since: instantOrNull(root.finding.sinceMs),
      reason: root.finding.title.replace(/\.$/, ""),
    };
  }
  for (const state of ["failed", "unknown", "progressing"] as const) {
    const rung = rungs.find((one) => one.state === state);
    if (rung !== undefined) return { state, since: null, reason: rung.reason };
  }
  const since = rungs
    .map((one) => one.since ?? "")
    .sort()
    .at(-1);
  return { state: "ready", since: since === undefined || since === "" ? null : since, reason: "Everything works" };
}

function latest(needs: readonly Need[]): string | null {
  const times = needs.flatMap((need) => need.sinceMs ?? []).filter(Number.isFinite);
  return times.length === 0 ? null : instantOrNull(Math.max(...times));
}

function sinceOf(failures: readonly Judged[], need: Need | undefined): string | null {
  const times = [need?.sinceMs, ...failures.map((one) => one.finding.sinceMs)].filter((ms) => ms !== undefined);
  const known = times.filter(Number.isFinite);
  return known.length === 0 ? null : instantOrNull(Math.min(...known));
}

function namesOf(needs: readonly Need[]): string {
  const names = needs.map((need) => need.name);
  return names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
