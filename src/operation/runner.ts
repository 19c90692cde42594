/**
 * Runs the steps of an operation from the first that is not done: attempt, record, wait, attempt again.
 *
 * The journal decides where to go on, so a run that was killed anywhere continues here in the same way as one that was
 * not. A step that fails for good leaves the run blocked; the operator resumes or corrects it.
 */
import { abortReason, deadline, rejectOnAbort } from "../core/deadline.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { backoffMs } from "../core/retry.ts";
import { nextStepIndex } from "./fold.ts";
import type { StepProblem } from "./journal.ts";
import type { Recorder } from "./recorder.ts";
import { type BoundStep, isNetworkProblem, problemOf, type StepResult } from "./step.ts";

/** Milliseconds between looks at a network that does not answer. */
const NETWORK_POLL_MS = 15_000;
/** Milliseconds that an aborted step gets to notice. */
const SETTLE_MS = 5_000;

export interface RunnerOptions {
  readonly steps: readonly BoundStep[];
  readonly signal: AbortSignal;
  /** Tells whether the network answers now; undefined: it is taken to answer. */
  readonly networkReady: ((signal: AbortSignal) => Promise<boolean>) | undefined;
  /** Fires when the operator does not want to wait any longer; a new one for each wait. */
  readonly poked: () => AbortSignal;
  /** Fires when a pause is to stop the step where it is; a new one for each attempt. */
  readonly paused: () => AbortSignal;
}

type RunnerDeps = Pick<Deps, "clock" | "machine" | "random" | "log">;

/**
 * Runs until all steps are done, one needs the operator, a pause begins, or the signal fires.
 *
 * @returns "done" when the run has finished, well or not, "blocked" when it needs the operator, "paused" when he wanted so.
 * @throws {ApplianceError} the reason of the signal; operation/lease-lost when another process has taken over.
 */
export async function runSteps(
  deps: RunnerDeps,
  recorder: Recorder,
  options: RunnerOptions,
): Promise<"done" | "blocked" | "paused"> {
  for (;;) {
    const { view, pauseAsked } = recorder.run();
    const next = view.steps[nextStepIndex(view)];
    if (next === undefined) break;
    // It may have been taken back meanwhile.
    if (pauseAsked && (await recorder.append({ kind: "paused" }, (run) => !run.pauseAsked))) return "paused";
    const step = options.steps.find(({ id }) => id === next.id);
    if (step === undefined) {
      await recorder.append({ kind: "step-skipped", step: next.id, detail: "No longer part of this operation" });
      continue;
    }
    await waitForTurn(deps, recorder, { ...options, step });
    const end = await attempt(deps, recorder, { ...options, step });
    if (end !== "ended") return end;
  }
  await recorder.append({ kind: "finished" });
  return "done";
}

type StepOptions = RunnerOptions & { readonly step: BoundStep };

/** Waits until the next attempt is due, and until the network answers when the failure was the network's. */
async function waitForTurn(deps: RunnerDeps, recorder: Recorder, options: StepOptions): Promise<void> {
  const { retryAtUptimeMs, view, waitsForNetwork } = recorder.run();
  const { problem } = view;
  const poked = options.poked();
  if (recorder.run().pauseAsked) return;
  if (retryAtUptimeMs !== undefined && !waitsForNetwork) {
    await nap(deps, retryAtUptimeMs - (await deps.machine.uptimeMs()), { signal: options.signal, poked });
  }
  if (options.networkReady === undefined || options.step.needsNetwork !== true) return;
  if (problem === null || !isNetworkProblem(problem)) return;
  while (!poked.aborted && !(await options.networkReady(options.signal))) {
    if (!recorder.run().waitsForNetwork)
      await recorder.append({ kind: "step-waits-for-network", step: options.step.id });
    await nap(deps, NETWORK_POLL_MS, { signal: options.signal, poked });
  }
}

async function nap(
  deps: Pick<Deps, "clock">,
  ms: number,
  signals: { readonly signal: AbortSignal; readonly poked: AbortSignal },
): Promise<void> {
  if (ms <= 0 || signals.poked.aborted) return;
  try {
    await deps.clock.sleep(ms, AbortSignal.any([signals.signal, signals.poked]));
  } catch (thrown) {
    if (signals.signal.aborted) throw abortReason(signals.signal);
    if (!signals.poked.aborted) throw thrown;
  }
}

async function attempt(
  deps: RunnerDeps,
  recorder: Recorder,
  options: StepOptions,
): Promise<"ended" | "blocked" | "done"> {
  const { step, signal } = options;
  const number = recorder.run().failedAttempts + 1;
  const paused = options.paused();
  const started = { kind: "step-started", step: step.id, attempt: number } as const;
  if (!(await recorder.append(started, (run) => run.pauseAsked))) return "ended";
  const outcome = await perform(deps, recorder, { ...options, signal: AbortSignal.any([signal, paused]) });
  if ("state" in outcome) {
    const kind = outcome.state === "done" ? "step-done" : "step-skipped";
    await recorder.append({ kind, step: step.id, detail: outcome.detail ?? null });
    return "ended";
  }
  if (signal.aborted) throw abortReason(signal);
  if (isApplianceError(outcome.thrown, "operation/lease-lost")) throw outcome.thrown;
  if (paused.aborted) return "ended";
  const problem = problemAfter(outcome);
  deps.log.warn("step failed", { step: step.id, attempt: number, error: outcome.thrown });
  const again = problem.retrySafe && number < step.retry.attempts;
  if (!again && step.endsRun === true) {
    // One entry: a run that was killed between two would wait for an operator who has nothing to do.
    await recorder.append({ kind: "finished", failed: problem });
    return "done";
  }
  const retryInMs = again ? backoffMs(step.retry, number + 1, deps.random.fraction()) : null;
  await recorder.append({ kind: "step-failed", step: step.id, attempt: number, problem, retryInMs });
  return again ? "ended" : "blocked";
}

interface Failure {
  readonly thrown: unknown;
  /** What the step was complaining about when it failed. */
  readonly lastProblem: StepProblem | undefined;
}

async function perform(deps: RunnerDeps, recorder: Recorder, options: StepOptions): Promise<StepResult | Failure> {
  const { step } = options;
  const limit = deadline(deps.clock, step.budgetMs, { what: `step "${step.title}"`, parent: options.signal });
  let lastProblem: StepProblem | undefined;
  let ended = false;
  const progress = (detail: string, problem?: StepProblem): void => {
    if (ended) return;
    lastProblem = problem;
    recorder.progress({ kind: "step-progress", step: step.id, detail, problem: problem ?? null });
  };
  const work = step.run(progress, limit.signal);
  try {
    return await Promise.race([work, rejectOnAbort(limit.signal)]);
  } catch (thrown) {
    await Promise.race([work.catch(() => {}), deps.clock.sleep(SETTLE_MS)]);
    return { thrown, lastProblem };
  } finally {
    ended = true;
    limit.cancel();
  }
}

/** A step that ran out of time while it complained has the complaint as its cause, not the clock. */
function problemAfter(failure: Failure): StepProblem {
  if (failure.lastProblem === undefined || !isApplianceError(failure.thrown, "internal/timeout")) {
    return problemOf(failure.thrown);
  }
  return { ...failure.lastProblem, retrySafe: true };
}
