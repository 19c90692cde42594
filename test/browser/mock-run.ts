/** One installation that plays by itself, step by step, and can be made to stop. */
import type { JournalEntry, OperationView } from "../../ui/state/wire.ts";
import { newOperation } from "./mock-data.ts";

export interface RunOptions {
  /** How long a step takes. Default 300. */
  readonly stepMs?: number;
  /** Blocks the installation at this step, once. */
  readonly blockAt?: string;
  /** Answers that may be corrected when it is blocked. */
  readonly blockFields?: readonly string[];
}

export interface RunListener {
  operation(view: OperationView): void;
  journal(id: string, entry: JournalEntry): void;
}

export interface MockRun {
  view(): OperationView | undefined;
  journal(): readonly JournalEntry[];
  start(): OperationView;
  resume(): void;
  cancel(): void;
  stop(): void;
}

type Step = OperationView["steps"][number];

export function createMockRun(options: RunOptions, listener: RunListener): MockRun {
  let view: OperationView | undefined;
  let entries: JournalEntry[] = [];
  let { blockAt } = options;
  let timer: ReturnType<typeof setInterval> | undefined;

  const take = (next: OperationView): void => {
    view = next;
    listener.operation(next);
  };
  const write = (entry: Readonly<Record<string, unknown>>): void => {
    const full = { ...entry, seq: entries.length + 1, at: new Date().toISOString() };
    entries = [...entries, full];
    listener.journal(view?.id ?? "", full);
  };
  const finish = (run: OperationView): void => {
    take({ ...run, state: "done", step: null, endedAt: new Date().toISOString() });
    write({ kind: "finished" });
  };
  const block = (run: OperationView, step: Step): void => {
    blockAt = undefined;
    write({ kind: "step-failed", step: step.id });
    take({
      ...withStep(run, { ...step, state: "failed" }),
      state: "blocked",
      problem: problemOf(options.blockFields ?? []),
    });
  };
  /** Moves on by half a step: a step starts, or it ends. */
  const advance = (): void => {
    if (view?.state !== "running") return;
    const step = view.steps.find((entry) => entry.state !== "done");
    if (step === undefined) finish(view);
    else if (step.state !== "running") {
      take(withStep(view, { ...step, state: "running", startedAt: step.startedAt ?? new Date().toISOString() }));
      write({ kind: "step-started", step: step.id });
    } else if (step.id === blockAt) block(view, step);
    else {
      take(withStep(view, { ...step, state: "done", endedAt: new Date().toISOString(), detail: `${step.title} done` }));
      write({ kind: "step-done", step: step.id });
    }
  };

  return {
    view: () => view,
    journal: () => entries,
    start() {
      entries = [];
      const run = newOperation();
      take(run);
      write({ kind: "planned" });
      clearInterval(timer);
      timer = setInterval(advance, (options.stepMs ?? 300) / 2);
      return run;
    },
    resume: () => view && take({ ...view, state: "running", problem: null, endedAt: null }),
    cancel: () => view && take({ ...view, state: "cancelled", endedAt: new Date().toISOString() }),
    stop: () => clearInterval(timer),
  };
}

function withStep(run: OperationView, step: Step): OperationView {
  const steps = run.steps.map((entry) => (entry.id === step.id ? step : entry));
  const done = steps.filter((entry) => entry.state === "done").length;
  return { ...run, steps, step: step.id, progress: { done, total: steps.length, unit: "steps" } };
}

function problemOf(fields: readonly string[]): NonNullable<OperationView["problem"]> {
  return {
    code: "oci/not-found",
    message: 'Cannot read manifest "1.0.3": the registry does not have it, a release that exists is wanted',
    hint: fields.length === 0 ? "Look at the registry" : "Choose another release. Trying again will not help",
    retrySafe: fields.length === 0,
    attempt: 3,
    nextAttemptAt: null,
    fields: [...fields],
    evidence: [{ ref: "registry.example", text: "manifest unknown" }],
  };
}
