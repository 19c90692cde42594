/** Whether the operator may stop or pause a run where it is. */
import { ApplianceError } from "../core/errors.ts";
import { needsOperator, nextStepIndex, type Run } from "./fold.ts";
import type { Program } from "./step.ts";

type Steps = Pick<Program, "steps"> | undefined;
type Standing = Pick<Run, "id" | "view">;

/** Tells whether a run may stand still where it is. One that is paused stands where it may. */
export function mayHalt(program: Steps, { view }: Pick<Run, "view">): boolean {
  return view.state === "paused" || stepNow(program, view)?.unstoppable !== true;
}

/** Tells whether a pause stops the step where it is, because it only waits, or lets it come to its end. */
export function pausesWithin(program: Steps, { view }: Pick<Run, "view">): boolean {
  return view.state === "waiting" || view.state === "blocked" || stepNow(program, view)?.pausesWithin === true;
}

/**
 * Refuses to stop a run at a step that must not be left half-way.
 *
 * @throws {ApplianceError} operation/not-cancellable naming the step.
 */
export function assertStoppable(program: Steps, run: Standing): void {
  if (mayHalt(program, run)) return;
  throw new ApplianceError(
    "operation/not-cancellable",
    `Cannot stop operation "${run.id}": it is at the step "${stepNow(program, run.view)?.title}", which must reach its end`,
    { hint: "Wait until it has ended; what does not work is taken back by itself" },
  );
}

/**
 * Refuses to pause a run at a step that must not be left half-way, and one that stands still already.
 *
 * @throws {ApplianceError} operation/not-pausable with the reason.
 */
export function assertPausable(program: Steps, run: Standing): void {
  if (!mayHalt(program, run)) {
    throw new ApplianceError(
      "operation/not-pausable",
      `Cannot pause operation "${run.id}": it is at the step "${stepNow(program, run.view)?.title}", and between this step and the last the box is in no state that it may be left in`,
      { hint: "Wait until it has ended; what does not work is taken back by itself" },
    );
  }
  if (run.view.state === "paused" || !needsOperator(run.view)) return;
  throw new ApplianceError(
    "operation/not-pausable",
    `Cannot pause operation "${run.id}": it stands still already, at a step that has failed`,
    { hint: "Mend what it names and let it go on, or stop it" },
  );
}

function stepNow(program: Steps, view: Run["view"]): Program["steps"][number] | undefined {
  const now = view.steps[nextStepIndex(view)];
  return program?.steps.find(({ id }) => id === now?.id);
}
