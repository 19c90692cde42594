/**
 * Operations of this box: start, follow, take over, resume, correct, pause, cancel.
 *
 * Any number of processes may open the same state; one works, the others follow its journal and serve the same views.
 * A follower takes over when the worker is dead or stale. Nothing is kept in memory that the journal does not hold.
 */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { type Active, createActive } from "./active.ts";
import { assertReadable } from "./corrupt.ts";
import { hasEnded, needsOperator, type Run } from "./fold.ts";
import type { JournalEntry } from "./journal.ts";
import { acquireLease, type HeldLease } from "./lease.ts";
import type { OperationKind, OperationView } from "./model.ts";
import type { OperationEvent, Operations, OperationsOptions } from "./operations.ts";
import { askPause } from "./pause.ts";
import { createRecorder, type Recorder } from "./recorder.ts";
import { busy, createJournal, ended, firstStepReading, unknown, workedElsewhere, writeHistory } from "./records.ts";
import { untilRest } from "./rest.ts";
import { runSteps } from "./runner.ts";
import type { Program } from "./step.ts";
import { assertPausable, assertStoppable } from "./stoppable.ts";
import type { StateStore } from "./store.ts";
import { Told } from "./told.ts";
import { heard, heedWord, type Spoken, sayWord } from "./word.ts";

/** Milliseconds between looks at the journal of another process. */
const FOLLOW_MS = 1_000;

type OperationsDeps = Pick<Deps, "clock" | "random" | "machine" | "log"> & { readonly store: StateStore };

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
  readonly #told: Told;
  readonly #stop = new AbortController();
  #active: Active | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #following: Promise<void> | undefined;

  constructor(deps: OperationsDeps, options: OperationsOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#told = new Told(deps);
  }

  current(): OperationView | undefined {
    return this.#told.current();
  }

  subscribe(call: (event: OperationEvent) => void): () => void {
    return this.#told.subscribe(call);
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
    const found = await this.#told.read(id);
    if (found === undefined) return undefined;
    const { run, entries } = found;
    const { overlay } = this.#told;
    const view = overlay?.id === id ? overlay : run.view;
    return { view, journal: entries, plan: run.plan };
  }

  start(kind: OperationKind, plan: unknown): Promise<OperationView> {
    return this.#exclusive(async () => {
      const program = this.#program(kind);
      await this.#refresh();
      if (this.#told.latest !== undefined && !hasEnded(this.#told.latest.view)) throw busy(this.#told.latest.view);
      const lease = await acquireLease(this.#deps);
      if (lease === undefined) throw await this.#told.whoIsBusy(this.#deps.clock, this.#stop.signal);
      try {
        const id = await createJournal(this.#deps, kind, { plan, steps: program.steps });
        const run = await this.#told.load(id);
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
      this.#program(run.kind);
      const active = await this.#working(id);
      if (active !== undefined) return this.#poke(active);
      const taken = this.#takeOver(run, (recorder) => recorder.append({ kind: "resumed" }));
      return taken.catch((thrown: unknown) => {
        if (!run.pauseAsked || !isApplianceError(thrown, "operation/busy")) throw thrown;
        return this.#say({ operationId: id, deed: "resume" });
      });
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
      const run = await this.#told.load(id);
      return this.#takeOver(run, async (recorder) => {
        if (from !== undefined) await recorder.append({ kind: "corrected", fields: [...change.fields], from });
        else await recorder.append({ kind: "resumed" });
        await change.save();
      });
    });
  }

  pause(id: string): Promise<OperationView> {
    return this.#exclusive(async () => {
      const run = await this.#unfinished(id, "operation/not-pausable");
      assertPausable(this.#options.programs[run.kind], run);
      const active = await this.#working(id);
      if (active !== undefined) return askPause(this.#options.programs[run.kind], active);
      if (run.view.state === "paused") return run.view;
      return this.#alone(id, "pause");
    });
  }

  cancel(id: string): Promise<OperationView> {
    return this.#exclusive(async () => {
      const run = await this.#unfinished(id, "operation/not-cancellable");
      const active = await this.#working(id);
      assertStoppable(this.#options.programs[run.kind], active?.recorder.run() ?? run);
      if (active === undefined) return this.#alone(id, "cancel");
      active.cancelled = true;
      await this.#halt();
      return (await this.#told.load(id)).view;
    });
  }

  look(): Promise<void> {
    return this.#exclusive(async () => {
      await this.#refresh();
      const run = this.#told.latest;
      if (this.#active === undefined && run !== undefined && hasEnded(run.view)) await this.#remember(run);
    });
  }

  async recover(): Promise<void> {
    await this.look();
    await this.#exclusive(() => this.#advance());
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
        if (this.#active === undefined) await this.#exclusive(() => this.#advance());
        else await this.#heed(this.#active);
      } catch (thrown) {
        if (!this.#stop.signal.aborted) log.error("operations not read", { error: thrown });
      }
    }
  }

  /** Takes a run over that nobody works on, or looks what the other process did. */
  async #advance(): Promise<void> {
    if (this.#active !== undefined || this.#stop.signal.aborted) return;
    await this.#refresh();
    const run = this.#told.latest;
    if (run === undefined || hasEnded(run.view) || needsOperator(run.view)) return;
    if (this.#options.programs[run.kind] === undefined) return;
    const lease = await acquireLease(this.#deps);
    if (lease === undefined) return;
    await this.#continue(run.id, lease);
  }

  /** Goes on under a lease that was just taken: mends the end of the journal first. */
  async #continue(id: string, lease: HeldLease, first?: (recorder: Recorder) => Promise<unknown>): Promise<void> {
    try {
      await this.#deps.store.sweep();
      const aside = await this.#deps.store.repairJournal(id);
      const recorder = this.#recorder(await this.#told.load(id), lease);
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

  async #takeOver(run: Run, first: (recorder: Recorder) => Promise<unknown>): Promise<OperationView> {
    await this.#continue(run.id, await this.#acquire(), first);
    return this.#told.latest?.view ?? run.view;
  }

  /** The run of this process as long as it works; one that has just come to a pause is waited for. */
  async #working(id: string): Promise<Active | undefined> {
    if (this.#active?.id === id && this.#active.recorder.run().view.state === "paused") await this.#active.ended;
    return this.#active?.id === id ? this.#active : undefined;
  }

  /** Pauses or ends a run that nobody works on; where somebody does, leaves a word and waits until it was heard. */
  async #alone(id: string, deed: "pause" | "cancel"): Promise<OperationView> {
    const lease = await acquireLease(this.#deps);
    if (lease === undefined) return this.#say({ operationId: id, deed });
    try {
      await this.#deps.store.repairJournal(id);
      const recorder = this.#recorder(await this.#told.load(id), lease);
      if (deed === "pause") await recorder.append({ kind: "paused" });
      else await this.#close(recorder, { kind: "cancelled" });
    } finally {
      await this.#letGo(lease);
    }
    return (await this.#told.load(id)).view;
  }

  /** Tells the process that works. @throws {ApplianceError} what the run may not do now; operation/busy when nobody has heard. */
  async #say(word: Spoken): Promise<OperationView> {
    const look = async (): Promise<OperationView | undefined> => {
      const run = await this.#told.load(word.operationId);
      return heard(word, this.#options.programs[run.kind], run);
    };
    return sayWord(this.#deps, word, { look, signal: this.#stop.signal });
  }

  #heed({ id }: Active): Promise<void> {
    return heedWord(this.#deps, id, (deed) => this[deed](id));
  }

  async #poke(active: Active): Promise<OperationView> {
    const { view, retryAtUptimeMs, waitsForNetwork, pauseAsked } = active.recorder.run();
    if (pauseAsked) {
      await active.recorder.append({ kind: "resumed" }, (run) => !run.pauseAsked);
      return this.#told.latest?.view ?? view;
    }
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
    return this.#takeOver(await this.#told.load(id), (recorder) => recorder.append({ kind: "resumed" }));
  }

  #recorder(run: Run, lease: HeldLease, signal: AbortSignal = this.#stop.signal): Recorder {
    this.#told.held = run.id;
    return createRecorder(this.#deps, {
      run,
      lease,
      signal,
      onEntry: (entry, next) => this.#told.show(next, [entry]),
      onView: (view) => this.#told.tellView(view),
    });
  }

  async #launch(run: Run, lease: HeldLease): Promise<void> {
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, lease.lost]);
    const recorder = this.#recorder(run, lease, signal);
    const steps = await this.#program(run.kind).open({ id: run.id, plan: run.plan });
    const active = createActive({ id: run.id, abort, recorder });
    const { networkReady } = this.#options;
    const work = runSteps(this.#deps, recorder, { steps, signal, networkReady, ...active.interrupts });
    this.#active = Object.assign(active, { ended: this.#finish(active, lease, work) });
  }

  /** Waits for the end of a run and puts everything back. Never rejects. */
  async #finish(active: Active, lease: HeldLease, work: ReturnType<typeof runSteps>): Promise<void> {
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
    this.#told.tellAgain(active.recorder.run());
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
    throw workedElsewhere();
  }

  /** Gives the lease back: from now on the journal may be another process's. */
  #letGo(lease: HeldLease): Promise<void> {
    this.#told.held = undefined;
    return lease.release();
  }

  async #unfinished(id: string, code: Parameters<typeof ended>[0]): Promise<Run> {
    await this.#refresh();
    const found = await this.get(id);
    if (found === undefined) throw unknown(id);
    await assertReadable(this.#deps.store, found);
    const run = this.#told.latest;
    if (run?.id === id && !hasEnded(run.view)) return run;
    throw ended(code, id, found.view);
  }

  /** Reads the newest journal when somebody else may have written it. */
  async #refresh(): Promise<void> {
    if (this.#active === undefined) await this.#told.refresh();
  }

  #program(kind: OperationKind): Program {
    const program = this.#options.programs[kind];
    if (program !== undefined) return program;
    throw new ApplianceError("internal/defect", `Cannot run operation "${kind}": this process has no such program`);
  }
}
