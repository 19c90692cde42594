/** Whether the operator may stop a run where it is. */
import { ApplianceError } from "../core/errors.ts";
import { nextStepIndex, type Run } from "./fold.ts";
import type { Program } from "./step.ts";

/**
 * Refuses to stop a run at a step that must not be left half-way.
 *
 * @throws {ApplianceError} operation/not-cancellable naming the step.
 */
export function assertStoppable(program: Program | undefined, { id, view }: Run): void {
  const now = view.steps[nextStepIndex(view)];
  const step = program?.steps.find((one) => one.id === now?.id);
  if (step?.unstoppable !== true) return;
  throw new ApplianceError(
    "operation/not-cancellable",
    `Cannot stop operation "${id}": it is at the step "${step.title}", which must reach its end`,
    { hint: "Wait until it has ended; what does not work is taken back by itself" },
  );
}
