/**
 * Leaves a step of the wizard: the box checks the answers so far, and only what this step asks is held against it.
 *
 * The box is the only judge of an answer; the page knows no rule of its own. Nothing is written by the check.
 */
import { useState } from "preact/hooks";
import { fieldsUpTo, nextPath, type StepId, WIZARD } from "../model/wizard.ts";
import { toDocument } from "../state/answers.ts";
import { type FieldProblem, fieldError, type Problem, postJson, SILENT } from "../state/api.ts";
import { navigate } from "../state/router.ts";
import { createStore, useStore } from "../state/store.ts";
import type { FieldName, SetupPlan } from "../state/wire.ts";

/** Wrong answers that another page found, for example the review: shown where they belong. */
export const foundElsewhere = createStore<readonly FieldProblem[]>([]);

export interface Check {
  readonly busy: boolean;
  /** Grows with every try. */
  readonly attempt: number;
  readonly errors: readonly FieldProblem[];
  readonly silent: boolean;
  errorOf(field: FieldName): string | undefined;
  submit(): Promise<void>;
}

/** What the step with this id needs to be left: its errors, and the asking. */
export function useCheck(id: StepId): Check {
  const mine: readonly string[] = WIZARD.find((step) => step.id === id)?.fields ?? [];
  const brought = useStore(foundElsewhere).filter((entry) => mine.includes(entry.field));
  const [busy, setBusy] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const [silent, setSilent] = useState(false);
  const submit = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    const answered = await postJson<SetupPlan>("/api/setup/plan", toDocument(fieldsUpTo(id)));
    setBusy(false);
    const problem = answered.ok ? undefined : answered.problem;
    const wrong = (problem?.errors ?? []).filter((entry) => mine.includes(entry.field));
    foundElsewhere.update((all) => [...all.filter((entry) => !mine.includes(entry.field)), ...wrong]);
    setSilent(problem?.code === SILENT);
    setAttempt((count) => count + 1);
    if (wrong.length === 0 && mayPass(problem)) navigate(nextPath(id));
  };
  const errorOf = (field: FieldName): string | undefined => fieldError(brought, field);
  return { busy, attempt, errors: brought, silent, errorOf, submit };
}

/** A refusal for other reasons (registry away, later answers missing) is the review's to show. */
function mayPass(problem: Problem | undefined): boolean {
  return problem === undefined || (problem.code !== SILENT && problem.status !== 401);
}

/** Goes to the first step that has one of these wrong answers. */
export function goToWrong(errors: readonly FieldProblem[]): boolean {
  const step = WIZARD.find((entry) =>
    errors.some((error) => (entry.fields as readonly string[]).includes(error.field)),
  );
  if (step === undefined) return false;
  foundElsewhere.set(errors);
  navigate(step.path);
  return true;
}

/** Forgets what was wrong with a field as soon as it is typed in again. */
export function clearWrong(field: FieldName): void {
  foundElsewhere.update((all) =>
    all.some((entry) => entry.field === field) ? all.filter((entry) => entry.field !== field) : all,
  );
}
