/** The operator's "try again" as the journal has it: a name for each time, so that what it asks for is done once. */
import type { StepCall } from "./context.ts";

/** Names the last "try again" or correction since a step began; undefined when there was none. Same after a crash. */
export async function operatorsWord({ context }: StepCall, step: string): Promise<string | undefined> {
  const { operationId, deps } = context;
  const entries = (await deps.store.readJournal(operationId))?.entries ?? [];
  const began = entries.find((entry) => entry.kind === "step-started" && entry.step === step);
  const said = entries.findLast((entry) => entry.kind === "resumed" || entry.kind === "corrected");
  if (began === undefined || said === undefined || said.seq < began.seq) return undefined;
  return `${operationId}-${said.seq}`;
}
