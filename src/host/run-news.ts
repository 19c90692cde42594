/** The steps of a run of the host as lines: each once, when it changed. */
import type { OperationView } from "../operation/model.ts";

/** One line that is new about a step. */
export interface News {
  readonly step: string;
  readonly title: string;
  readonly state: string;
  readonly text: string;
}

/** What changed since it was told last; `told` keeps it, by step. Pure but for `told`. */
export function newsOf(view: OperationView, told: Map<string, string>): readonly News[] {
  const lines = view.steps.flatMap(({ id, title, state, detail }): readonly News[] => {
    const problem = view.step === id ? view.problem : null;
    const text = [problem?.message ?? detail ?? state, ...(problem?.hint == null ? [] : [problem.hint])].join(". ");
    if (state === "pending" || told.get(id) === `${state} ${text}`) return [];
    told.set(id, `${state} ${text}`);
    return [{ step: id, title, state, text }];
  });
  return lines;
}
