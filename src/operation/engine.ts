/**
 * Operations of this box: start, follow, take over, resume, correct, cancel.
 *
 * Any number of processes may open the same state; one works, the others follow its journal and serve the same views.
 * A follower takes over when the worker is dead or stale. Nothing is kept in memory that the journal does not hold.
 */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { assertReadable, corruptRun } from "./corrupt.ts";
import { foldJournal, hasEnded, needsOperator, type Run } from "./fold.ts";
import type { JournalEntry } from "./journal.ts";
import { acquireLease, type HeldLease } from "./lease.ts";
import type { OperationKind, OperationView } from "./model.ts";
import type { OperationEvent, Operations, OperationsOptions } from "./operations.ts";
import { createRecorder, type Recorder } from "./recorder.ts";
import { busy, createJournal, firstStepReading, ignoreUnknown, isOlder, unknown, writeHistory } from "./records.ts";
import { untilRest } from "./rest.ts";
import { runSteps } from "./runner.ts";
import type { Program } from "./step.ts";
import { assertStoppable } from "./stoppable.ts";
import type { StateStore } from "./store.ts";

/** Milliseconds between looks at the journal of another process. */
const FOLLOW_MS = 1_000;

type OperationsDeps = Pick<Deps, "clock" | "random" | "machine" | "log"> & { readonly store: StateStore };

interface Active {
  readonly id: string;
  readonly abort: AbortController;
  readonly recorder: Recorder;
  readonly ended: Promise<void>;
  poke: AbortController;
  cancelled: boolean;
}

/**
 * Opens the operations of this box for one process. Reads and writes nothing before the first call; `recover()` makes it
 * go on with an interrupted run, `stop()` leaves one to the next process.
 */
export function createOperations(deps: OperationsDeps, options: OperationsOptions): Operations {
  return new Engine(deps, options);
}

class Engine implements Operations {
  readonly #deps: OperationsDeps;
  readonly #options: OperationsOptions;
  readonly #listeners = new Set<(event: OperationEvent) => void>();
  readonly #stop = new AbortController();
  #latest: Run | undefined;
  #seen = 0;
  /** The view where it differs from the journal: a detail that is not kept, or a full disk. */
  #overlay: OperationView | undefined;
  #active: Active | undefined;
  /** Id of the run that a recorder of this process writes: its entries are told when they are safe on disk. */
  #held: string | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #following: Promise<void> | undefined;

  constructor(deps: OperationsDeps, options: OperationsOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  current(): OperationView | undefined {
    return this.#overlay ?? this.#latest?.view;
  }

  subscribe(call: (event: OperationEvent) => void): () => void {
    this.#listeners.add(call);
    return () => void this.#listeners.delete(call);
  }

  async list(): Promise<readonly OperationView[]> {
    const views: OperationView[] = [];
    for (const id of (await this.#deps.store.listJournals()).toReversed()) {
      const found = await this.get(id);
      if (found !== undefined) views.push(found.view);
    }
    return views;
  }

  async get(id: string): Promise<{ view: OperationView; journal: readonly JournalEntry[]; plan: unknown } | undefined> {
    const found = await this.#read(id);
    if (found === undefined) return undefined;
    const { run, entries } = found;
    const view = this.#overlay?.id === id ? this.#overlay : run.view;
    return { view, journal: entries, plan: run.plan };
  }

  start(kind: OperationKind, plan: unknown): Promise<OperationView> {
    return this.#exclusive(async () => {
      const program = this.#program(kind);
      await this.#refresh();
      if (this.#latest !== undefined && !hasEnded(this.#latest.view)) throw busy(this.#latest.view);
      const lease = await this.#acquire();
      try {
        const id = await createJournal(this.#deps, kind, { plan, steps: program.steps });
        const run = await this.#load(id);
        await this.#launch(run, lease);
        return run.view;
      } catch (thrown) {
        if (this.#active === undefined) await this.#letGo(lease);
        throw thrown;
      }
    });
  }

  resume(id: string): Promise<OperationView> {
    return this.#exclusive(async () => {
      const run = await this.#unfinished(id, "operation/not-resumable");
      if (this.#active?.id === id) return this.#poke(this.#active);
      return this.#takeOver(run, (recorder) => recorder.append({ kind: "resumed" }));
    });
  }

  correct(
    id: string,
    change: { readonly fields: readonly string[]; readonly save: () => Promise<void> },
  ): Promise<OperationView> {
    return this.#exclusive(async () => {
      const before = await this.#unfinished(id, "operation/not-resumable");
      const from = firstStepReading(this.#program(before.kind), change.fields);
      await this.#halt();
      const run = await this.#load(id);
      return this.#takeOver(run, async (recorder) => {
        if (from !== undefined) await recorder.append({ kind: "corrected", fields: [...change.fields], from });
        else await recorder.append({ kind: "resumed" });
        await change.save();
      });
    });
  }

  cancel(id: string): Promise<OperationView> {
    return this.#exclusive(async () => {
      const run = await this.#unfinished(id, "operation/not-cancellable");
      assertStoppable(this.#options.programs[run.kind], run);
      if (this.#active?.id === id) {
        this.#active.cancelled = true;
        await this.#halt();
      } else {
        const lease = await this.#acquire();
        await this.#deps.store.repairJournal(id);
        await this.#close(this.#recorder(await this.#load(run.id), lease), { kind: "cancelled" });
        await this.#letGo(lease);
      }
      return (await this.#load(id)).view;
    });
  }

  async recover(): Promise<void> {
    await this.#exclusive(() => this.#advance(true));
    this.#following ??= this.#follow();
  }

  settled(signal?: AbortSignal): Promise<OperationView | undefined> {
    return untilRest(this, () => this.#active === undefined, signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new ApplianceError("internal/aborted", "Cannot go on: the process is stopping"));
    await this.#halt();
    await this.#following;
  }

  /** Lets one state-changing call through at a time. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#queue.then(work);
    this.#queue = next.catch(() => {});
    return next;
  }

  async #follow(): Promise<void> {
    const { clock, log } = this.#deps;
    while (!this.#stop.signal.aborted) {
      try {
        await clock.sleep(this.#options.followMs ?? FOLLOW_MS, this.#stop.signal);
        if (this.#active === undefined) await this.#exclusive(() => this.#advance(false));
      } catch (thrown) {
        if (!this.#stop.signal.aborted) log.error("operations not read", { error: thrown });
      }
    }
  }

  /** Takes a run over that nobody works on, or looks what the other process did. */
  async #advance(atStart: boolean): Promise<void> {
    if (this.#active !== undefined || this.#stop.signal.aborted) return;
    await this.#refresh();
    const run = this.#latest;
    if (run === undefined) return;
    if (hasEnded(run.view)) return atStart ? this.#remember(run) : undefined;
    if (needsOperator(run.view) || this.#options.programs[run.kind] === undefined) return;
    const lease = await acquireLease(this.#deps);
    if (lease === undefined) return;
    await this.#continue(run.id, lease);
  }

  /** Goes on under a lease that was just taken: mends the end of the journal first. */
  async #continue(id: string, lease: HeldLease, first?: (recorder: Recorder) => Promise<void>): Promise<void> {
    try {
      await this.#deps.store.sweep();
      const aside = await this.#deps.store.repairJournal(id);
      const recorder = this.#recorder(await this.#load(id), lease);
      if (aside !== undefined) {
        this.#deps.log.error("journal repaired", { operation: id, aside });
        await recorder.append({ kind: "repaired", aside });
      }
      await recorder.append({ kind: "recovered", bootId: await this.#deps.machine.bootId() });
      await first?.(recorder);
      await this.#launch(recorder.run(), lease);
    } catch (thrown) {
      await this.#letGo(lease);
      throw thrown;
    }
  }

  async #takeOver(run: Run, first: (recorder: Recorder) => Promise<void>): Promise<OperationView> {
    await this.#continue(run.id, await this.#acquire(), first);
    return this.#latest?.view ?? run.view;
  }

  async #poke(active: Active): Promise<OperationView> {
    const { view, retryAtUptimeMs, waitsForNetwork } = active.recorder.run();
    if (retryAtUptimeMs === undefined && !waitsForNetwork) {
      return view.problem === null ? view : this.#again(active.id);
    }
    await active.recorder.append({ kind: "resumed" });
    active.poke.abort();
    return active.recorder.run().view;
  }

  /** Begins a step anew that only watches what is wrong, so that it can act on the operator's word. */
  async #again(id: string): Promise<OperationView> {
    await this.#halt();
    return this.#takeOver(await this.#load(id), (recorder) => recorder.append({ kind: "resumed" }));
  }

  #recorder(run: Run, lease: HeldLease, signal: AbortSignal = this.#stop.signal): Recorder {
    this.#held = run.id;
    return createRecorder(this.#deps, {
      run,
      lease,
      signal,
      onEntry: (entry, next) => this.#show(next, [entry]),
      onView: (view) => {
        this.#overlay = view;
        this.#emit({ type: "operation", operation: view });
      },
    });
  }

  async #launch(run: Run, lease: HeldLease): Promise<void> {
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, lease.lost]);
    const recorder = this.#recorder(run, lease, signal);
    const steps = await this.#program(run.kind).open({ id: run.id, plan: run.plan });
    const active: Active = {
      id: run.id,
      abort,
      recorder,
      poke: new AbortController(),
      cancelled: false,
      ended: Promise.resolve(),
    };
    const { networkReady } = this.#options;
    const work = runSteps(this.#deps, recorder, {
      steps,
      signal,
      ...(networkReady === undefined ? {} : { networkReady }),
      poked: () => {
        active.poke = new AbortController();
        return active.poke.signal;
      },
    });
    this.#active = Object.assign(active, { ended: this.#finish(active, lease, work) });
  }

  /** Waits for the end of a run and puts everything back. Never rejects. */
  async #finish(active: Active, lease: HeldLease, work: Promise<"done" | "blocked">): Promise<void> {
    const { log } = this.#deps;
    try {
      if ((await work) === "done") await this.#remember(active.recorder.run(), lease);
    } catch (thrown) {
      if (!isApplianceError(thrown, "internal/aborted"))
        log.warn("run stopped", { operation: active.id, error: thrown });
      const recorder = this.#recorder(active.recorder.run(), lease);
      if (active.cancelled)
        await this.#close(recorder, { kind: "cancelled" }).catch((error: unknown) => {
          log.error("cancellation not written", { operation: active.id, error });
        });
    }
    await this.#letGo(lease).catch((error: unknown) => log.warn("lease not released", { error }));
    this.#active = undefined;
    this.#overlay = undefined;
    this.#emit({ type: "operation", operation: this.#latest?.view ?? active.recorder.run().view });
  }

  async #close(recorder: Recorder, event: { readonly kind: "cancelled" }): Promise<void> {
    await recorder.append(event);
    await writeHistory(this.#deps, recorder.run());
  }

  /** Writes the history of an ended run when a crash prevented it. */
  async #remember(run: Run, held?: HeldLease): Promise<void> {
    const known = await this.#deps.store.readHistory();
    if (known.some(({ operationId }) => operationId === run.id)) return;
    const lease = held ?? (await acquireLease(this.#deps));
    if (lease === undefined) return;
    if (held === undefined) await this.#deps.store.sweep();
    const program = this.#options.programs[run.kind];
    await writeHistory(this.#deps, run, run.view.state === "cancelled" ? undefined : await program?.result?.(run.view));
    if (held === undefined) await lease.release();
  }

  /** Stops this process's run and waits until it has stopped. */
  async #halt(): Promise<void> {
    this.#active?.abort.abort(new ApplianceError("internal/aborted", "Cannot go on: the run was stopped"));
    await this.#active?.ended;
  }

  async #acquire(): Promise<HeldLease> {
    const lease = await acquireLease(this.#deps);
    if (lease !== undefined) return lease;
    throw new ApplianceError("operation/busy", "Cannot work on an operation: another process does", {
      hint: "Wait until it has ended: alga-appliance setup history",
    });
  }

  /** Gives the lease back: from now on the journal may be another process's. */
  #letGo(lease: HeldLease): Promise<void> {
    this.#held = undefined;
    return lease.release();
  }

  async #load(id: string): Promise<Run> {
    const found = await this.#read(id);
    if (found === undefined) throw unknown(id);
    return found.run;
  }

  /**
   * Reads a journal without getting ahead of what was told: who is answered from it finds the same in the status.
   * News of another process is told now; an entry of our own recorder is left out until that has told it.
   */
  async #read(id: string): Promise<{ readonly run: Run; readonly entries: readonly JournalEntry[] } | undefined> {
    const journal = await this.#deps.store.readJournal(id);
    if (journal === undefined) return undefined;
    const isOurs = this.#held === id;
    const entries = isOurs ? journal.entries.slice(0, this.#seen) : journal.entries;
    const run = foldJournal(id, entries) ?? (await corruptRun(this.#deps.store, id));
    const latest = this.#latest;
    if (isOurs || (latest !== undefined && isOlder(id, latest.id))) return { run, entries };
    const known = latest?.id === id ? this.#seen : 0;
    // A reading that was overtaken by a later one tells nothing.
    if (entries.length >= known || journal.rest === "corrupt") this.#show(run, entries.slice(known));
    return { run, entries };
  }

  async #unfinished(id: string, code: "operation/not-resumable" | "operation/not-cancellable"): Promise<Run> {
    await this.#refresh();
    const found = await this.get(id);
    if (found === undefined) throw unknown(id);
    await assertReadable(this.#deps.store, found);
    const run = this.#latest;
    if (run?.id === id && !hasEnded(run.view)) return run;
    throw new ApplianceError(code, `Cannot go on with operation "${id}": it has ended (${found.view.state})`);
  }

  /** Reads the newest journal when it changed. */
  async #refresh(): Promise<void> {
    if (this.#active !== undefined) return;
    const id = (await this.#deps.store.listJournals()).at(-1);
    if (id !== undefined) await this.#load(id).catch(ignoreUnknown);
  }

  #show(run: Run, fresh: readonly JournalEntry[]): void {
    if (fresh.length > 0) this.#overlay = undefined;
    this.#latest = run;
    this.#seen = run.nextSeq - 1;
    for (const entry of fresh) this.#emit({ type: "journal", operationId: run.id, entry });
    if (fresh.length > 0) this.#emit({ type: "operation", operation: run.view });
  }

  #emit(event: OperationEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#deps.log.error("listener of operations failed", { error });
      }
    }
  }

  #program(kind: OperationKind): Program {
    const program = this.#options.programs[kind];
    if (program !== undefined) return program;
    throw new ApplianceError("internal/defect", `Cannot run operation "${kind}": this process has no such program`);
  }
}
