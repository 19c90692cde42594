/**
 * Folds a journal to what is shown of an operation, and to where its run goes on. Pure.
 *
 * The view and the runner read the same fold, so a screen never says something else than the run does.
 */
import { toInstant } from "../core/time.ts";
import type { JournalEntry, StepProblem } from "./journal.ts";
import type { OperationKind, OperationStep, OperationView } from "./model.ts";

/** A run as its journal tells it. */
export interface Run {
  readonly id: string;
  readonly kind: OperationKind;
  readonly plan: unknown;
  readonly bootId: string;
  readonly view: OperationView;
  /** Number of the next entry. */
  readonly nextSeq: number;
  /** Failed attempts of the current step since the operator last stepped in. */
  readonly failedAttempts: number;
  /** When a wait for the next attempt ends, in uptime of `bootId`; undefined when there is no wait. */
  readonly retryAtUptimeMs: number | undefined;
  readonly waitsForNetwork: boolean;
  /** The operator has asked for a pause that has not begun. */
  readonly pauseAsked: boolean;
  /** The problem on the screen is that of a failed attempt: it stays while the step is tried again. */
  readonly hasFailure: boolean;
  /** Entries of progress so far; the runner stops writing more at a bound. */
  readonly progressEntries: number;
}

type Draft = { -readonly [K in keyof Run]: Run[K] };
type ViewProblem = NonNullable<OperationView["problem"]>;

/** Folds a whole journal; undefined when its first line is not there. */
export function foldJournal(id: string, entries: readonly JournalEntry[]): Run | undefined {
  let run: Run | undefined;
  for (const entry of entries) run = foldEntry(id, run, entry);
  return run;
}

/** Adds one entry. Entries before the first `planned` are not ours and are passed over. */
export function foldEntry(id: string, run: Run | undefined, entry: JournalEntry): Run | undefined {
  if (entry.kind === "planned") return opened(id, entry);
  if (run === undefined) return undefined;
  const draft: Draft = { ...run, nextSeq: entry.seq + 1 };
  apply(draft, entry);
  const done = draft.view.steps.filter((step) => step.state === "done" || step.state === "skipped").length;
  draft.view = { ...draft.view, progress: { done, total: draft.view.steps.length, unit: "steps" } };
  return draft;
}

/** Tells whether the run has come to its end. */
export function hasEnded(view: OperationView): boolean {
  return view.state === "done" || view.state === "failed" || view.state === "cancelled";
}

/** Tells whether the run waits for the operator: it is paused, or its current step has failed for good. */
export function needsOperator(view: OperationView): boolean {
  return view.state === "paused" || view.steps[nextStepIndex(view)]?.state === "failed";
}

/** Index of the first step that is not done, -1 when all are. */
export function nextStepIndex(view: OperationView): number {
  return view.steps.findIndex((step) => step.state !== "done" && step.state !== "skipped");
}

function opened(id: string, entry: Extract<JournalEntry, { kind: "planned" }>): Run {
  const steps = entry.steps.map(({ id: step, title }) => pendingStep(step, title));
  return {
    id,
    kind: entry.operation,
    plan: entry.plan,
    bootId: entry.bootId,
    nextSeq: entry.seq + 1,
    failedAttempts: 0,
    retryAtUptimeMs: undefined,
    waitsForNetwork: false,
    pauseAsked: false,
    hasFailure: false,
    progressEntries: 0,
    view: {
      id,
      kind: entry.operation,
      state: "running",
      step: null,
      steps,
      progress: { done: 0, total: steps.length, unit: "steps" },
      startedAt: entry.at,
      endedAt: null,
      problem: null,
    },
  };
}

function pendingStep(id: string, title: string): OperationStep {
  return { id, title, state: "pending", detail: null, startedAt: null, endedAt: null };
}

function apply(run: Draft, entry: Exclude<JournalEntry, { kind: "planned" }>): void {
  switch (entry.kind) {
    case "recovered":
      // A wait in another boot cannot be measured any more: the next attempt is made at once.
      if (entry.bootId !== run.bootId) run.retryAtUptimeMs = undefined;
      run.bootId = entry.bootId;
      return;
    case "step-started":
      startStep(run, entry);
      return;
    case "step-progress":
      progressStep(run, entry);
      return;
    case "step-done":
    case "step-skipped":
      endStep(run, entry);
      return;
    case "step-failed":
      failStep(run, entry);
      return;
    case "step-waits-for-network":
      run.waitsForNetwork = true;
      setStep(run, entry.step, { state: "waiting", detail: "Waits for the network" });
      if (run.view.problem !== null) setView(run, { problem: { ...run.view.problem, nextAttemptAt: null } });
      return;
    case "resumed":
      reopen(run);
      return;
    case "pause-asked":
      run.pauseAsked = true;
      setView(run, { pausing: true });
      return;
    case "paused":
      pause(run);
      return;
    case "corrected":
      correct(run, entry.from);
      return;
    case "cancelled":
      clearPause(run);
      setView(run, { state: "cancelled", endedAt: entry.at, problem: null });
      return;
    case "finished":
      finish(run, entry);
      return;
    case "repaired":
      return;
  }
}

function startStep(run: Draft, entry: Extract<JournalEntry, { kind: "step-started" }>): void {
  clearWait(run);
  const before = run.view.steps.find((step) => step.id === entry.step);
  setStep(run, entry.step, { state: "running", startedAt: before?.startedAt ?? entry.at, endedAt: null });
  const { problem } = run.view;
  run.hasFailure &&= problem !== null;
  const kept = run.hasFailure && problem !== null ? { ...problem, nextAttemptAt: null } : null;
  setView(run, { state: "running", step: entry.step, problem: kept });
}

function progressStep(run: Draft, entry: Extract<JournalEntry, { kind: "step-progress" }>): void {
  run.progressEntries += 1;
  const { problem } = entry;
  setStep(run, entry.step, { detail: entry.detail, state: problem === null ? "running" : "waiting" });
  if (problem === null && run.hasFailure) return;
  run.hasFailure = false;
  // With a problem the step goes on watching; what it watches needs the operator, or only time.
  const waits = problem?.retrySafe === true && problem.needsOperator !== true;
  const state = problem === null ? "running" : waits ? "waiting" : "blocked";
  setView(run, { state, problem: problem === null ? null : shown(problem, run, null) });
}

function endStep(run: Draft, entry: Extract<JournalEntry, { kind: "step-done" | "step-skipped" }>): void {
  clearWait(run);
  run.failedAttempts = 0;
  run.hasFailure = false;
  const state = entry.kind === "step-done" ? "done" : "skipped";
  const before = run.view.steps.find((step) => step.id === entry.step);
  setStep(run, entry.step, {
    state,
    detail: entry.detail,
    endedAt: entry.at,
    startedAt: before?.startedAt ?? entry.at,
  });
  setView(run, { state: "running", problem: null });
}

function failStep(run: Draft, entry: Extract<JournalEntry, { kind: "step-failed" }>): void {
  const { retryInMs } = entry;
  if (retryInMs === null) clearPause(run);
  run.failedAttempts += 1;
  run.hasFailure = true;
  run.waitsForNetwork = false;
  run.retryAtUptimeMs = retryInMs === null ? undefined : entry.uptimeMs + retryInMs;
  setStep(run, entry.step, retryInMs === null ? { state: "failed", endedAt: entry.at } : { state: "waiting" });
  const nextAttemptAt = retryInMs === null ? null : toInstant(Date.parse(entry.at) + retryInMs);
  setView(run, {
    state: retryInMs === null ? "blocked" : "waiting",
    step: entry.step,
    problem: { ...shown(entry.problem, run, nextAttemptAt), attempt: entry.attempt },
  });
}

function finish(run: Draft, entry: Extract<JournalEntry, { kind: "finished" }>): void {
  const { failed, at } = entry;
  clearPause(run);
  if (failed === undefined) setView(run, { state: "done", step: null, endedAt: at, problem: null });
  else {
    const step = run.view.steps[nextStepIndex(run.view)];
    if (step !== undefined) setStep(run, step.id, { state: "failed", endedAt: at });
    setView(run, { state: "failed", endedAt: at, problem: shown(failed, run, null) });
  }
}

/** The step that had begun runs again from its start when the run goes on. */
function pause(run: Draft): void {
  clearWait(run);
  clearPause(run);
  run.failedAttempts = 0;
  run.hasFailure = false;
  const current = run.view.steps[nextStepIndex(run.view)];
  if (current !== undefined && current.state !== "pending")
    setStep(run, current.id, { state: "waiting", detail: null });
  setView(run, { state: "paused", step: current?.id ?? null, problem: null });
}

function clearPause(run: Draft): void {
  run.pauseAsked = false;
  const { pausing: _over, ...view } = run.view;
  run.view = view;
}

function reopen(run: Draft): void {
  clearWait(run);
  clearPause(run);
  run.failedAttempts = 0;
  run.hasFailure = false;
  const current = run.view.steps[nextStepIndex(run.view)];
  if (current?.state === "failed" || current?.state === "waiting") {
    setStep(run, current.id, { state: "pending", endedAt: null });
  }
  setView(run, { state: "running", problem: null });
}

function correct(run: Draft, from: string): void {
  reopen(run);
  const first = run.view.steps.findIndex((step) => step.id === from);
  const steps = run.view.steps.map((step, index) =>
    index < first || first === -1 ? step : pendingStep(step.id, step.title),
  );
  setView(run, { steps });
}

function clearWait(run: Draft): void {
  run.retryAtUptimeMs = undefined;
  run.waitsForNetwork = false;
}

function shown(problem: StepProblem, run: Draft, nextAttemptAt: string | null): ViewProblem {
  return { ...problem, attempt: run.failedAttempts + 1, nextAttemptAt };
}

function setStep(run: Draft, id: string, change: Partial<OperationStep>): void {
  setView(run, { steps: run.view.steps.map((step) => (step.id === id ? { ...step, ...change } : step)) });
}

function setView(run: Draft, change: Partial<OperationView>): void {
  run.view = { ...run.view, ...change };
}
