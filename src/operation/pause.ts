/** Asking a run that works in this process to stand still. */
import { ApplianceError } from "../core/errors.ts";
import type { Active } from "./active.ts";
import { hasEnded, needsOperator, type Run } from "./fold.ts";
import type { OperationView } from "./model.ts";
import { ended } from "./records.ts";
import type { Program } from "./step.ts";
import { assertPausable, mayHalt, pausesWithin } from "./stoppable.ts";

/**
 * Writes that a pause is wanted, and ends what only waits. Whether it may begin is decided where the entry is written, so that the
 * run cannot have gone into a step that must reach its end meanwhile. Safe to call again.
 *
 * @throws {ApplianceError} operation/not-pausable.
 */
export async function askPause(program: Program | undefined, active: Active): Promise<OperationView> {
  const { id, recorder } = active;
  const stays = (run: Run): boolean =>
    run.pauseAsked || hasEnded(run.view) || needsOperator(run.view) || !mayHalt(program, run);
  const isWritten = await recorder.append({ kind: "pause-asked" }, stays);
  const run = recorder.run();
  if (!isWritten && hasEnded(run.view)) throw ended("operation/not-pausable", id, run.view);
  if (!isWritten) assertPausable(program, run);
  active.poke.abort();
  if (pausesWithin(program, run)) {
    active.pause.abort(new ApplianceError("internal/aborted", "Cannot go on: a pause begins"));
  }
  return run.view;
}
