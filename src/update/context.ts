/** What the steps of one update or return share: ports, the plan's record, and the notes of the run on disk. */
import { z } from "zod";
import type { StepCallOf } from "../operation/step.ts";
import { fetchedSchema, type RunPlan, verdictSchema } from "./model.ts";
import type { UpdateDeps, UpdateSettings } from "./ports.ts";
import { countsSchema, takenSchema } from "./pulse.ts";

export interface UpdateContext {
  readonly operationId: string;
  readonly plan: RunPlan;
  readonly deps: UpdateDeps;
  readonly settings: UpdateSettings;
}

/** One call of a step. */
export type UpdateCall = StepCallOf<UpdateContext>;

const RUN_SCHEMA = "alga.appliance.update-run/v1";

const runNotesSchema = z.object({
  schema: z.literal(RUN_SCHEMA),
  operationId: z.string(),
  /** The cluster may have something of the wanted release. */
  touched: z.boolean().default(false),
  /** The host was asked to replace the control plane: not twice in one run. */
  controlPlaneAsked: z.boolean().default(false),
  /** Codes of checks that had failed before anything began. */
  failedBefore: z.array(z.string()).default([]),
  fetched: fetchedSchema.nullable().default(null),
  /** What the hour was like before anything was changed; null: not noted yet. */
  hourBefore: countsSchema.nullable().default(null),
  /** What was counted while it was judged; null: not begun, or told in the verdict. */
  watched: takenSchema.nullable().default(null),
  verdict: verdictSchema.nullable().default(null),
  /** Why it is not ok, one sentence. */
  reason: z.string().nullable().default(null),
  /** Why the release before cannot be gone back to: it does not know the data any more. */
  noReturn: z.string().nullable().default(null),
  /** The release before is installed again and works. */
  returned: z.boolean().default(false),
});

export type RunNotes = z.infer<typeof runNotesSchema>;

/** Reads the notes of a run; those of another run, or damaged ones, are empty notes. */
export async function readNotes({ deps, operationId }: Pick<UpdateContext, "deps" | "operationId">): Promise<RunNotes> {
  const found = await deps.store.readDocument("update-run", runNotesSchema).catch(() => undefined);
  return found?.operationId === operationId ? found : runNotesSchema.parse({ schema: RUN_SCHEMA, operationId });
}

/** Writes some notes beside those that are there. Safe to call again. */
export async function note(
  context: Pick<UpdateContext, "deps" | "operationId">,
  change: Partial<RunNotes>,
): Promise<RunNotes> {
  const next = { ...(await readNotes(context)), ...change };
  await context.deps.store.writeDocument("update-run", next);
  return next;
}
