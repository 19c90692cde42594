/** What commands print of a run for people: how it rests, why, and what is next. One way for all kinds. Pure. */
import type { OperationKind, OperationView } from "./model.ts";

/** What each kind is called where a sentence begins. */
export const OPERATION_WORDS: Readonly<Record<OperationKind, string>> = {
  setup: "Setup",
  update: "The update",
  rollback: "The way back",
  recover: "The recovery",
  address: "The change of the address",
  password: "Setting the password",
  license: "The change of the license key",
  bootstrap: "The start of the box",
  reset: "The reset",
};

/** Writes how far a run is or how it ended; with a problem its cause, evidence, next step and the answers that mend it. */
export function runText(view: OperationView): string {
  const { problem } = view;
  if (view.state === "paused") return pauseText(view);
  const lines = [`${nameOf(view)} is ${view.state}: ${standText(view)}`];
  if (problem === null) return lines.join("\n");
  lines.push("", problem.message);
  for (const { ref, text } of problem.evidence) lines.push(`  ${ref}: ${text.replaceAll("\n", "\n    ")}`);
  if (problem.hint !== null) lines.push(`Next: ${problem.hint}`);
  if (problem.fields.length > 0) lines.push(`Answers to correct: ${problem.fields.join(", ")}`);
  return lines.join("\n");
}

/** Writes where a run stands still, or will; with what to type next. */
export function pauseText(view: OperationView): string {
  const title = view.steps.find(({ id }) => id === view.step)?.title ?? "";
  const name = nameOf(view);
  const line =
    view.state === "paused"
      ? `${name} is paused before the step "${title}"`
      : `${name} pauses when the step "${title}" has ended`;
  const noun = view.kind === "update" || view.kind === "rollback" ? "update" : "setup";
  return `${line}\nNext: alga-appliance ${noun} resume`;
}

function nameOf({ kind, id }: OperationView): string {
  return `${OPERATION_WORDS[kind]} ${id}`;
}

/** The verdict of an update that has come to its end, else the count of steps. */
function standText({ steps, state, progress }: OperationView): string {
  const verdict =
    state === "done" ? steps.findLast(({ id, detail }) => id === "judge" && detail !== null)?.detail : null;
  return verdict ?? `${progress.done} of ${progress.total} steps done`;
}
