/** Lets an operation go on, or stops it, from a button. */
import { useState } from "preact/hooks";
import { type Problem, postJson } from "../state/api.ts";
import { takeOperation } from "../state/live.ts";
import type { OperationView } from "../state/wire.ts";

export interface OperationDeed {
  readonly busy: boolean;
  /** Why the box refused the last time. */
  readonly refusal: Problem | undefined;
  deed(verb: "resume" | "cancel"): Promise<void>;
}

/** Resumes or cancels, and shows why the box refused. */
export function useOperationDeed(run: OperationView): OperationDeed {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Problem | undefined>(undefined);
  const deed = async (verb: "resume" | "cancel"): Promise<void> => {
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
