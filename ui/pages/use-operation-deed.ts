/** Lets an operation go on, pauses or stops it, from a button. */
import { useState } from "preact/hooks";
import { type Problem, postJson } from "../state/api.ts";
import { takeOperation } from "../state/live.ts";
import type { OperationView } from "../state/wire.ts";

type OperationVerb = "resume" | "pause" | "cancel";

export interface OperationDeed {
  readonly busy: boolean;
  /** Why the box refused the last time. */
  readonly refusal: Problem | undefined;
  deed(verb: OperationVerb): Promise<void>;
}

/** Resumes, pauses or cancels, and shows why the box refused. */
export function useOperationDeed(run: OperationView): OperationDeed {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Problem | undefined>(undefined);
  const deed = async (verb: OperationVerb): Promise<void> => {
    if (busy) return;
    setBusy(true);
    const answered = await postJson<{ operation: OperationView }>(
      `/api/operations/${encodeURIComponent(run.id)}/${verb}`,
    );
    setBusy(false);
    setRefusal(answered.ok ? undefined : answered.problem);
    if (answered.ok) takeOperation(answered.value.operation);
  };
  return { deed, busy, refusal };
}
