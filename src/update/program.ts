/** The programs of operations of kind "update" and "rollback", and what their history keeps. */
import type { OperationView } from "../operation/model.ts";
import { createProgram, type Program, type Step } from "../operation/step.ts";
import { readInstalled } from "../status/installed.ts";
import { readNotes, type UpdateContext } from "./context.ts";
import { runPlanSchema, type UpdateRecord } from "./model.ts";
import type { UpdateDeps, UpdateSettings } from "./ports.ts";
import { RETURN_STEPS, UPDATE_STEPS } from "./steps.ts";

/** The programs of updates and of returns that the operator asked for. */
export function updatePrograms(
  deps: UpdateDeps,
  settings: UpdateSettings,
): Readonly<Record<"update" | "rollback", Program>> {
  const ports = { deps, settings };
  return { update: programOf(UPDATE_STEPS, ports), rollback: programOf(RETURN_STEPS, ports) };
}

/** The steps alone, for a process that works on none: to know where a run may stand still. */
export function stepsOfUpdates(): Readonly<Record<"update" | "rollback", Program>> {
  const open = (): Promise<never> => Promise.reject(new TypeError("this process works on no update"));
  return { update: { steps: UPDATE_STEPS, open }, rollback: { steps: RETURN_STEPS, open } };
}

function programOf(
  steps: readonly Step<UpdateContext>[],
  ports: { readonly deps: UpdateDeps; readonly settings: UpdateSettings },
): Program {
  const program = createProgram(steps, async ({ id, plan }) => ({
    ...ports,
    operationId: id,
    plan: runPlanSchema.parse(plan),
  }));
  return { ...program, result: (view) => resultOf(ports.deps, view) };
}

/** The verdict and how it ended; with the whole of release.json where a release was installed, so that it can stand in for it. */
async function resultOf(deps: UpdateDeps, view: OperationView): Promise<Readonly<Record<string, unknown>>> {
  const { verdict, reason, returned, touched, fetched } = await readNotes({ deps, operationId: view.id });
  const isDone = view.state === "done";
  const ended = returned ? "returned" : touched ? "stopped" : "untouched";
  const outcome: UpdateRecord["outcome"] = isDone ? (view.kind === "rollback" ? "returned" : "installed") : ended;
  const installed = isDone ? await readInstalled(deps) : undefined;
  return { ...installed, fetched, verdict, reason: reason ?? view.problem?.message ?? null, outcome };
}
