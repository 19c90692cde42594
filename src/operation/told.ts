/**
 * What this process has told of operations: the newest run, and who listens.
 *
 * Answers are never ahead of it: who is answered from a journal finds the same in what was told.
 */
import type { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { corruptRun } from "./corrupt.ts";
import { foldJournal, hasEnded, type Run } from "./fold.ts";
import type { JournalEntry } from "./journal.ts";
import type { OperationView } from "./model.ts";
import type { OperationEvent } from "./operations.ts";
import { busy, ignoreUnknown, isOlder, unknown, workedElsewhere } from "./records.ts";
import type { StateStore } from "./store.ts";

/** How often, and after how many milliseconds each, one looks for the run of a process that was faster. */
const NAMED_LOOKS = 10;
const NAMED_POLL_MS = 100;

type ToldDeps = Pick<Deps, "log"> & { readonly store: StateStore };

/** One run and the entries that its view is folded from. */
export interface ReadRun {
  readonly run: Run;
  readonly entries: readonly JournalEntry[];
}

/** The news of one process: shared by the engine and the recorder, never by two processes. */
export class Told {
  /** The newest run as its journal tells it. */
  latest: Run | undefined;
  /** Id of the run that a recorder of this process writes: its entries are told when they are safe on disk. */
  held: string | undefined;
  /** The view where it differs from the journal: a detail that is not kept, or a full disk. */
  overlay: OperationView | undefined;
  #seen = 0;
  readonly #deps: ToldDeps;
  readonly #listeners = new Set<(event: OperationEvent) => void>();

  constructor(deps: ToldDeps) {
    this.#deps = deps;
  }

  /** The newest operation as it was told last. */
  current(): OperationView | undefined {
    return this.overlay ?? this.latest?.view;
  }

  subscribe(call: (event: OperationEvent) => void): () => void {
    this.#listeners.add(call);
    return () => void this.#listeners.delete(call);
  }

  /** Tells a view that no entry stands for. */
  tellView(view: OperationView): void {
    this.overlay = view;
    this.#emit({ type: "operation", operation: view });
  }

  /** Tells the newest view once more: nobody works on it any longer. */
  tellAgain(fallback: Run): void {
    this.overlay = undefined;
    this.#emit({ type: "operation", operation: (this.latest ?? fallback).view });
  }

  /** Tells entries that were not told yet, with the run as it is after them. */
  show(run: Run, fresh: readonly JournalEntry[]): void {
    if (fresh.length > 0) this.overlay = undefined;
    this.latest = run;
    this.#seen = run.nextSeq - 1;
    for (const entry of fresh) this.#emit({ type: "journal", operationId: run.id, entry });
    if (fresh.length > 0) this.#emit({ type: "operation", operation: run.view });
  }

  /**
   * Reads a journal without getting ahead of what was told: who is answered from it finds the same in the status.
   * News of another process is told now; an entry of our own recorder is left out until that has told it.
   */
  async read(id: string): Promise<ReadRun | undefined> {
    const { store } = this.#deps;
    const journal = await store.readJournal(id);
    if (journal === undefined) return undefined;
    const isOurs = this.held === id;
    const entries = isOurs ? journal.entries.slice(0, this.#seen) : journal.entries;
    const run = foldJournal(id, entries) ?? (await corruptRun(store, id));
    const { latest } = this;
    if (isOurs || (latest !== undefined && isOlder(id, latest.id))) return { run, entries };
    const known = latest?.id === id ? this.#seen : 0;
    // A reading that was overtaken by a later one tells nothing.
    if (entries.length >= known || journal.rest === "corrupt") this.show(run, entries.slice(known));
    return { run, entries };
  }

  /** Reads a run that must be there. @throws {ApplianceError} operation/unknown. */
  async load(id: string): Promise<Run> {
    const found = await this.read(id);
    if (found === undefined) throw unknown(id);
    return found.run;
  }

  /** Reads the newest journal, so that news of other processes is told. */
  async refresh(): Promise<void> {
    const id = (await this.#deps.store.listJournals()).at(-1);
    if (id !== undefined) await this.load(id).catch(ignoreUnknown);
  }

  /** The error for a start while another process works: its run has a name as soon as its journal is there, within a second. */
  async whoIsBusy(clock: Deps["clock"], signal: AbortSignal): Promise<ApplianceError> {
    for (let look = 0; look < NAMED_LOOKS; look += 1) {
      await this.refresh();
      const view = this.latest?.view;
      if (view !== undefined && !hasEnded(view)) return busy(view);
      await clock.sleep(NAMED_POLL_MS, signal);
    }
    return workedElsewhere();
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
}
