/** Small parts of the engine: the first line of a journal, the line of history, and the errors. */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import type { Run } from "./fold.ts";
import { JOURNAL_SCHEMA, type JournalEntry } from "./journal.ts";
import type { OperationKind, OperationView } from "./model.ts";
import type { Program } from "./step.ts";
import type { StateStore } from "./store.ts";

type RecordDeps = Pick<Deps, "clock" | "machine"> & { readonly store: StateStore };

/** Creates the journal of a new operation under the next free number and returns its id ("0001-setup"). */
export async function createJournal(
  deps: RecordDeps,
  kind: OperationKind,
  what: { readonly plan: unknown; readonly steps: Program["steps"] },
): Promise<string> {
  const { store, clock, machine } = deps;
  const first: JournalEntry = {
    kind: "planned",
    schema: JOURNAL_SCHEMA,
    operation: kind,
    bootId: await machine.bootId(),
    steps: what.steps.map(({ id, title }) => ({ id, title })),
    plan: what.plan,
    seq: 1,
    at: toInstant(clock.now()),
    uptimeMs: await machine.uptimeMs(),
  };
  for (let number = lastNumber(await store.listJournals()) + 1; ; number += 1) {
    const id = `${String(number).padStart(4, "0")}-${kind}`;
    if (await store.createJournal(id, first)) return id;
  }
}

/** Writes the end of a run into the history. What it was about comes from `about` of its plan, and from its result. */
export function writeHistory(deps: RecordDeps, { id, kind, view, plan }: Run, result: object = {}): Promise<void> {
  const about = typeof plan === "object" && plan !== null && "about" in plan ? plan.about : {};
  const { problem } = view;
  const why = problem === null ? {} : { problem: { code: problem.code, message: problem.message } };
  return deps.store.appendHistory({
    schema: "alga.appliance.history/v1",
    at: view.endedAt ?? toInstant(deps.clock.now()),
    operationId: id,
    kind,
    state: view.state,
    startedAt: view.startedAt,
    about: { ...(about as object), ...why, ...result },
  });
}

/** Id of the first step that reads one of the answers. */
export function firstStepReading(program: Program, fields: readonly string[]): string | undefined {
  return program.steps.find((step) => step.answers?.some((answer) => fields.includes(answer)))?.id;
}

/** Tells whether an operation was started before another one, by their ids. */
export function isOlder(id: string, than: string): boolean {
  return numberOf(id) < numberOf(than);
}

function numberOf(id: string): number {
  return Number(id.split("-")[0]);
}

function lastNumber(ids: readonly string[]): number {
  return numberOf(ids.at(-1) ?? "0");
}

/** The error for starting while an operation has not ended; `details.operation` names it. */
export function busy(view: OperationView): ApplianceError {
  return new ApplianceError("operation/busy", `Cannot start an operation: "${view.id}" is ${view.state}`, {
    hint: "Wait until it has ended, let it go on (alga-appliance setup resume), or cancel it",
    details: { operation: view.id },
  });
}

/** The error for what cannot be done with a run that has ended. */
export function ended(
  code: "operation/not-resumable" | "operation/not-cancellable" | "operation/not-pausable",
  id: string,
  { state }: Pick<OperationView, "state">,
): ApplianceError {
  return new ApplianceError(code, `Cannot go on with operation "${id}": it has ended (${state})`);
}

/** The error for working on a run that another process works on. */
export function workedElsewhere(): ApplianceError {
  return new ApplianceError("operation/busy", "Cannot work on an operation: another process does", {
    hint: "Wait until it has ended: alga-appliance setup history",
  });
}

/** The error for an id that no journal has. The id comes from outside and is cut to 60 characters. */
export function unknown(id: string): ApplianceError {
  return new ApplianceError(
    "operation/unknown",
    `Cannot find operation "${id.slice(0, 60)}": there is none of this id`,
  );
}

/** Passes over an operation that was removed meanwhile; throws what is anything else. */
export function ignoreUnknown(thrown: unknown): void {
  if (!isApplianceError(thrown, "operation/unknown")) throw thrown;
}
