/** A journal whose first line cannot be read: nothing of its run is known, and that is shown instead of hidden. */
import { ApplianceError } from "../core/errors.ts";
import { toInstant } from "../core/time.ts";
import type { Run } from "./fold.ts";
import { operationKindSchema } from "./model.ts";
import { problemOf } from "./step.ts";
import type { StateStore } from "./store.ts";

const CODE = "operation/journal-corrupt";

/** Gives the run that stands for such a journal: it has failed, for the reason that its problem tells. */
export async function corruptRun(store: Pick<StateStore, "journalFile">, id: string): Promise<Run> {
  const { path, modifiedMs } = await store.journalFile(id);
  const at = toInstant(modifiedMs);
  const kind = operationKindSchema.safeParse(id.split("-")[1]).data ?? "setup";
  const problem = { ...problemOf(journalCorrupt(path)), attempt: 1, nextAttemptAt: null };
  return {
    id,
    kind,
    plan: undefined,
    bootId: "",
    nextSeq: 1,
    failedAttempts: 0,
    retryAtUptimeMs: undefined,
    waitsForNetwork: false,
    pauseAsked: false,
    hasFailure: true,
    progressEntries: 0,
    view: {
      id,
      kind,
      state: "failed",
      step: null,
      steps: [],
      progress: { done: 0, total: 0, unit: "steps" },
      startedAt: at,
      endedAt: at,
      problem,
    },
  };
}

/** Throws what stands in the way of going on with a run whose journal cannot be read; else does nothing. */
export async function assertReadable(store: Pick<StateStore, "journalFile">, { view }: Pick<Run, "view">) {
  if (view.problem?.code === CODE) throw journalCorrupt((await store.journalFile(view.id)).path);
}

function journalCorrupt(path: string): ApplianceError {
  return new ApplianceError(CODE, `Cannot read journal "${path}": its first line is not the plan of an operation`, {
    hint: "Put a mended file in its place, or start anew: alga-appliance setup run --answers <file>",
    details: { path },
  });
}
