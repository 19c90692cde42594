/**
 * The answer in one sentence: what it means for people first, then for software, and the next step.
 *
 * All sentences of the summary stand here, so that the page, the CLI, the console and JSON say the same.
 */
import { parseInstant } from "../core/time.ts";
import type { OperationKind, OperationView } from "../operation/model.ts";
import { OPERATION_WORDS } from "../operation/run-text.ts";
import { freshAnswers } from "./checks/login.ts";
import { oneLine } from "./evidence.ts";
import type { Judged, Judgement } from "./judge.ts";
import type { ApplianceStatus, Phase, State } from "./model.ts";
import type { Observations } from "./observation.ts";
import type { Tiers } from "./tiers.ts";
import type { View } from "./view.ts";

export type Summary = ApplianceStatus["summary"];

/** What goes on at large. */
export function foldPhase(view: View): Phase {
  const { claimed, installed } = view.seen;
  // A new password changes nothing of what runs.
  const operation = view.seen.operation?.kind === "password" ? null : view.seen.operation;
  if (operation !== null && ["running", "waiting", "paused"].includes(operation.state)) {
    if (operation.kind === "setup") return "installing";
    return operation.kind === "recover" ? "recovering" : "updating";
  }
  if (operation?.state === "blocked") return "blocked";
  if (operation?.state === "failed" && installed === null) return "blocked";
  if (view.installing) return "running";
  return claimed === false ? "unclaimed" : "setup";
}

interface Given {
  readonly view: View;
  readonly judgement: Judgement;
  readonly tiers: Tiers;
  readonly phase: Phase;
}

/** Folds the one sentence and the next step. */
export function foldSummary(given: Given): Summary {
  const { phase } = given;
  const root = rootFor(given);
  if (phase === "unclaimed" || phase === "setup") {
    return given.view.seen.claimed === null ? outside(root) : before(phase, root);
  }
  if (phase === "blocked") return stopped(given, root);
  if (phase === "running") return running(given, root);
  return underWay(given, root);
}

/** While something is being installed only what holds it up counts: it is done when people can log in. Later everything does. */
function rootFor({ judgement, phase }: Given): Judged | undefined {
  if (phase === "running") return judgement.roots[0];
  return judgement.roots.find((one) => one.tier !== "full" && one.tier !== "background");
}

/** Who looks from outside of the box, by a kubeconfig alone, does not know what else the box knows. */
function outside(root: Judged | undefined): Summary {
  if (root === undefined) {
    return {
      state: "progressing",
      message: "Nothing is installed on this cluster yet",
      next: "Open the setup address that the console of the box shows",
    };
  }
  const { headline } = root.finding;
  if (!root.rule.code.startsWith("kube/")) {
    return {
      state: "failed",
      message: `Nothing is installed on this cluster yet, and ${headline}`,
      next: nextOf(root),
    };
  }
  return { state: "unknown", message: `It is not known how the appliance is: ${headline}`, next: nextOf(root) };
}

function before(phase: "unclaimed" | "setup", root: Judged | undefined): Summary {
  if (root !== undefined) {
    return { state: "failed", message: `Setup cannot start: ${root.finding.headline}`, next: nextOf(root) };
  }
  return phase === "unclaimed"
    ? {
        state: "progressing",
        message: "This appliance waits for its owner",
        next: "Open the setup address that the console shows, and type the setup token",
      }
    : { state: "progressing", message: "Ready to be set up", next: "Answer the questions of setup" };
}

function stopped({ view }: Given, root: Judged | undefined): Summary {
  const operation = view.seen.operation;
  const who = operation === null ? "The operation" : OPERATION_WORDS[operation.kind];
  if (root !== undefined)
    return { state: "failed", message: `${who} has stopped: ${root.finding.headline}`, next: nextOf(root) };
  return { state: "failed", message: `${who} has stopped`, next: "Look at its journal, then let it go on" };
}

const DOING: Readonly<Record<OperationKind, string>> = {
  setup: "Installing",
  update: "Updating",
  rollback: "Going back",
  recover: "Recovering",
  address: "Changing the address",
  password: "Setting the password",
  license: "Applying the license key",
  bootstrap: "Starting",
  reset: "Resetting",
};
const NOUN: typeof OPERATION_WORDS = { ...OPERATION_WORDS, setup: "The installation" };

function underWay(given: Given, root: Judged | undefined): Summary {
  const { view, judgement } = given;
  const operation = view.seen.operation;
  const kind = operation?.kind ?? "setup";
  if (operation?.state === "paused") return standing(given, root);
  if (root !== undefined) {
    const word = (root.finding.retrySafe ?? root.rule.retrySafe) ? "waits" : "cannot go on";
    return { state: "failed", message: `${NOUN[kind]} ${word}: ${root.finding.headline}`, next: nextOf(root) };
  }
  const waits = judgement.findings.find((one) => one.rule.code === "operation/waiting");
  if (waits !== undefined) {
    return { state: "progressing", message: `${NOUN[kind]} waits: ${waits.finding.headline}`, next: nextOf(waits) };
  }
  return {
    state: "progressing",
    message: `${DOING[kind]}, ${remaining(operation, view)}`,
    next: "You may close this page: the box goes on by itself",
  };
}

/** What runs goes on as it was: how it is comes first, then that something stands still by the operator's will. */
function standing({ view, tiers, judgement }: Given, root: Judged | undefined): Summary {
  const operation = view.seen.operation;
  const step = operation?.steps.find(({ id }) => id === operation.step);
  const noun = NOUN[operation?.kind ?? "setup"];
  const still = `${noun.slice(0, 1).toLowerCase()}${noun.slice(1)} is paused${step === undefined ? "" : ` before the step "${oneLine(step.title, 80)}"`}`;
  const paused = judgement.findings.find((one) => one.rule.code === "operation/paused");
  const next = paused === undefined ? null : nextOf(paused);
  const isOpen = tiers.login.state === "ready";
  const lead = isOpen ? "People can log in" : `${still.slice(0, 1).toUpperCase()}${still.slice(1)}`;
  const tail = isOpen ? `; ${still}` : "";
  if (root === undefined) return { state: "progressing", message: `${lead}${tail}`, next };
  const message = isOpen ? `${lead}, but ${root.finding.headline}${tail}` : `${lead}, and ${root.finding.headline}`;
  return { state: "failed", message, next: nextOf(root) };
}

/** "about 7 minutes left" where the plan says how long it takes, else the step that runs. */
function remaining(
  operation: OperationView | null,
  view: { readonly seen: Observations; readonly nowMs: number },
): string {
  const startedMs = parseInstant(operation?.startedAt);
  const { expectedMs } = view.seen;
  const leftMs =
    startedMs === undefined || expectedMs === undefined ? Number.NaN : expectedMs - (view.nowMs - startedMs);
  if (leftMs >= 30_000) {
    const minutes = Math.max(1, Math.round(leftMs / 60_000));
    return `about ${minutes} ${minutes === 1 ? "minute" : "minutes"} left`;
  }
  if (operation === null || operation.progress.done >= operation.progress.total) return "almost done";
  // The place in the list and not the count of what is done: a later step may have been skipped already.
  const place = operation.steps.findIndex((one) => one.id === operation.step);
  const step = operation.steps[place];
  if (step === undefined) return `${operation.progress.done} of ${operation.progress.total} steps done`;
  return `step ${place + 1} of ${operation.steps.length}: ${oneLine(step.title, 80)}`;
}

function running(given: Given, root: Judged | undefined): Summary {
  const { tiers, view } = given;
  if (tiers.login.state === "unknown" && !isAbsent(view)) return unsure(given, root);
  const next = root === undefined ? null : nextOf(root);
  if (tiers.login.state !== "ready") {
    if (root !== undefined) return { state: "failed", message: `People cannot log in: ${root.finding.headline}`, next };
    if (tiers.login.state === "failed") return { state: "failed", message: "People cannot log in", next: null };
    return { state: "progressing", message: "People cannot log in yet: the application starts", next: null };
  }
  if (root !== undefined) return { state: "failed", message: `People can log in, but ${root.finding.headline}`, next };
  return settled(tiers);
}

/** The application was looked for and does not run yet: that is known, even when its rung waits for another. */
function isAbsent(view: View): boolean {
  return view.workloads.some(
    (workload) => workload.spec.tier === "login" && (workload.state === "absent" || workload.state === "progressing"),
  );
}

/** People can log in and nothing has failed. */
function settled(tiers: Tiers): Summary {
  const open = (["platform", "core", "bootstrap", "background"] as const).find((name) => tiers[name].state !== "ready");
  if (open === undefined) return { state: "ready", message: "Everything works", next: null };
  const { state, reason } = tiers[open];
  const rest = reason.slice(0, 1).toLowerCase() + reason.slice(1);
  if (open === "background" && state === "progressing") {
    return { state, message: "People can log in; background work is still starting", next: null };
  }
  const what = state === "unknown" ? "not everything can be seen" : "something is still starting";
  return { state, message: `People can log in; ${what}: ${rest}`, next: null };
}

/** The application cannot be observed; the login page may still have answered. */
function unsure({ tiers, view }: Given, root: Judged | undefined): Summary {
  const answers = freshAnswers(view).map(([, answer]) => answer.outcome);
  const state: State = root === undefined ? "unknown" : "failed";
  const next = root === undefined ? null : nextOf(root);
  const why = root?.finding.headline ?? tiers.login.reason.slice(0, 1).toLowerCase() + tiers.login.reason.slice(1);
  if (answers.includes("login-page")) return { state, message: `The login page answers, but ${why}`, next };
  if (answers.length > 0) return { state: "failed", message: `People cannot log in: ${why}`, next };
  return { state, message: `It is not known whether people can log in: ${why}`, next };
}

function nextOf(root: Judged): string | null {
  return root.finding.next === undefined ? root.rule.next : root.finding.next;
}
