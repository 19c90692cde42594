/**
 * Steps as data: what a run does, in which order, with which budget, and what a failure of each means.
 *
 * A step is idempotent: it may be killed anywhere and run again from its start. It reads its inputs from the store or the
 * cluster, not from an earlier step's memory.
 */
import { ApplianceError, ERROR_CODES, publicError } from "../core/errors.ts";
import type { Evidence } from "../core/evidence.ts";
import { redactText } from "../core/redact.ts";
import type { RetryPolicy } from "../core/retry.ts";
import type { StepProblem } from "./journal.ts";
import type { OperationView } from "./model.ts";

/** Ten attempts, 15 s to 5 min apart: the wait of a box whose network is being mended. */
const PATIENT_RETRY: RetryPolicy = { attempts: 10, baseMs: 15_000, maxMs: 300_000 };

export interface StepResult {
  readonly state: "done" | "skipped";
  /** One line that stays on the screen: "1.0.3, 14 artifacts". */
  readonly detail?: string;
}

/** Tells one line of progress; with a problem while the step waits for something that is wrong now. */
export type Progress = (detail: string, problem?: StepProblem) => void;

/** One step of an operation. `run` may be killed at any moment and is run again then, so it must be safe to call again. */
export interface Step<C> {
  readonly id: string;
  readonly title: string;
  /** Milliseconds for one attempt. */
  readonly budgetMs: number;
  readonly retry: RetryPolicy;
  /** Answers that this step reads: correcting one of them runs this step and all later ones again. */
  readonly answers?: readonly string[];
  /** A failure by the network is tried again only when the network answers. */
  readonly needsNetwork?: boolean;
  /** A failure for good ends the run as failed: there is nothing to correct, and it is begun anew. */
  readonly endsRun?: boolean;
  /** The operator can neither stop nor pause the run here: the box would be left between two states. */
  readonly unstoppable?: boolean;
  /** It may take long and mostly waits: a pause stops it where it is, and it is run again from its start. */
  readonly pausesWithin?: boolean;
  run(context: C, progress: Progress, signal: AbortSignal): Promise<StepResult>;
}

/** A step with a sentence for the plan. */
export interface DescribedStep<C> extends Step<C> {
  readonly about: string;
}

/** One call of a step: what all steps of the run share, and what belongs to this attempt. */
export interface StepCallOf<C> {
  readonly context: C;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A step as a row: what it does with a call, and a retry only where it is not the patient one. */
export interface StepRow<C> extends Omit<DescribedStep<never>, "run" | "retry"> {
  readonly retry?: RetryPolicy;
  readonly work: (call: StepCallOf<C>) => Promise<StepResult>;
}

/** Makes the step of a row. */
export function stepOfRow<C>({ work, ...row }: StepRow<C>): DescribedStep<C> {
  return {
    retry: PATIENT_RETRY,
    ...row,
    run: (context, progress, signal) => work({ context, progress, signal }),
  };
}

/** A step with its context bound: what the runner runs. */
export interface BoundStep extends Omit<Step<never>, "run"> {
  run(progress: Progress, signal: AbortSignal): Promise<StepResult>;
}

/** The steps of one kind of operation, and how to bind them to a plan, also after a restart. */
export interface Program {
  readonly steps: readonly Pick<Step<never>, "id" | "title" | "answers" | "unstoppable" | "pausesWithin">[];
  /** @param plan What `start` was given, as it was read back from the journal. */
  open(operation: { readonly id: string; readonly plan: unknown }): Promise<readonly BoundStep[]>;
  /** What a run that is done or has failed has made, for the history; never a secret. */
  result?(view: OperationView): Promise<Readonly<Record<string, unknown>>>;
}

/** Makes a program of steps and of the function that builds their context. */
export function createProgram<C>(
  steps: readonly Step<C>[],
  open: (operation: { readonly id: string; readonly plan: unknown }) => Promise<C>,
): Program {
  return {
    steps,
    open: async (operation) => {
      const context = await open(operation);
      return steps.map((step) => ({
        ...step,
        run: (progress: Progress, signal: AbortSignal) => step.run(context, progress, signal),
      }));
    },
  };
}

/** Bytes of one piece of evidence on a screen. */
const MAX_EVIDENCE_CHARS = 2_048;

/**
 * What a thrown failure means for the operator: redacted and bounded.
 *
 * `details.fields` names answers to correct, `details.evidence` what was seen, `details.retrySafe` overrides the table of
 * codes.
 */
export function problemOf(thrown: unknown): StepProblem {
  const shown = publicError(thrown);
  const { fields, evidence, retrySafe } = shown.details ?? {};
  return {
    code: shown.code,
    message: redactText(shown.message),
    hint: shown.hint === undefined ? null : redactText(shown.hint),
    retrySafe: typeof retrySafe === "boolean" ? retrySafe : ERROR_CODES[shown.code].retry,
    fields: Array.isArray(fields) ? fields.filter((field) => typeof field === "string") : [],
    evidence: Array.isArray(evidence) ? evidence.filter(isEvidence).map(bounded) : [],
  };
}

/** Tells whether a failure has its cause in the network, so that the network must answer before another attempt. */
export function isNetworkProblem(problem: StepProblem): boolean {
  return /^(?:net|oci)\/|^setup\/license-unavailable$|^release\/offline$/.test(problem.code) && problem.retrySafe;
}

/** An error of a step with what the operator sees. */
export function stepError(
  problem: Omit<StepProblem, "code" | "hint"> & {
    readonly code: ApplianceError["code"];
    readonly hint: string | null;
    readonly cause?: unknown;
  },
): ApplianceError {
  return new ApplianceError(problem.code, problem.message, {
    cause: problem.cause,
    ...(problem.hint === null ? {} : { hint: problem.hint }),
    details: { fields: problem.fields, evidence: problem.evidence, retrySafe: problem.retrySafe },
  });
}

function isEvidence(value: unknown): value is Evidence {
  return (
    typeof value === "object" &&
    value !== null &&
    "ref" in value &&
    "text" in value &&
    typeof value.ref === "string" &&
    typeof value.text === "string"
  );
}

function bounded(evidence: Evidence): Evidence {
  return { ref: redactText(evidence.ref), text: redactText(evidence.text).slice(0, MAX_EVIDENCE_CHARS) };
}
