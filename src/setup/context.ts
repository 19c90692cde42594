/** What the steps of one setup share: ports, settings, the plan's record, and the answers read anew by each step. */
import { ApplianceError } from "../core/errors.ts";
import type { StepCallOf } from "../operation/step.ts";
import { type PlanRecord, readAnswers } from "./documents.ts";
import type { SetupInputs } from "./model.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";
import { type RunRelease, releaseOfRun } from "./release-of-run.ts";

export interface SetupContext {
  readonly operationId: string;
  readonly plan: PlanRecord;
  readonly deps: SetupDeps;
  readonly settings: SetupSettings;
}

/** One call of a step. */
export type StepCall = StepCallOf<SetupContext>;

/**
 * Reads the kept answers.
 *
 * @throws {ApplianceError} setup/invalid-answers when there are none: somebody removed the file, or it was moved aside.
 */
export async function answersOf(context: SetupContext): Promise<SetupInputs> {
  const inputs = await readAnswers(context.deps.store);
  if (inputs !== undefined) return inputs;
  throw new ApplianceError("setup/invalid-answers", "Cannot go on: the answers are not on the disk any more", {
    hint: "Give the answers again in the wizard",
    details: { retrySafe: false, fields: ["appHostname", "tenantName", "adminEmail", "adminPassword"] },
  });
}

/** The release of this run, resolved once. */
export async function releaseOf({ context, signal }: StepCall): Promise<RunRelease> {
  const { deps, settings, operationId, plan } = context;
  const inputs = await answersOf(context);
  return releaseOfRun(deps, { inputs, settings, signal, operationId, planned: plan.release });
}
