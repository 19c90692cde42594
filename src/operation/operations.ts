/** Operations as a port: what routes, commands and the status see of runs, whoever works on them. */
import type { JournalEntry } from "./journal.ts";
import type { OperationKind, OperationView } from "./model.ts";
import type { Program } from "./step.ts";

export type OperationEvent =
  | { readonly type: "operation"; readonly operation: OperationView }
  | { readonly type: "journal"; readonly operationId: string; readonly entry: JournalEntry };

/**
 * The operations of this box: at most one goes on at a time, in whichever process holds the lease; all others follow
 * its journal.
 */
export interface Operations {
  /**
   * Starts an operation and returns when its journal is on disk.
   * @throws {ApplianceError} operation/busy when one has not ended, or another process works.
   */
  start(kind: OperationKind, plan: unknown): Promise<OperationView>;
  /** The newest operation as last seen; undefined when there never was one. */
  current(): OperationView | undefined;
  /** All operations, newest first. */
  list(): Promise<readonly OperationView[]>;
  get(
    id: string,
  ): Promise<
    { readonly view: OperationView; readonly journal: readonly JournalEntry[]; readonly plan: unknown } | undefined
  >;
  /**
   * Goes on now: after a pause or a block, or instead of waiting. Attempts count from the start.
   * @throws {ApplianceError} operation/unknown, operation/not-resumable, operation/busy.
   */
  resume(id: string): Promise<OperationView>;
  /**
   * Stops the run, saves changed answers and runs the first step that reads one of them and all later ones again.
   * @param change.save Called between the journal entry and the new run, so that a crash never mixes old and new.
   */
  correct(
    id: string,
    change: { readonly fields: readonly string[]; readonly save: () => Promise<void> },
  ): Promise<OperationView>;
  /**
   * Lets the run stand still before its next step, until it is resumed; a step that only waits is stopped where it is. Safe to call
   * again. Where another process works, that one is told, and this waits until it has heard.
   * @throws {ApplianceError} operation/unknown, operation/not-pausable, operation/busy when nobody hears.
   */
  pause(id: string): Promise<OperationView>;
  /**
   * Ends the run; what was done stays. Where another process works, that one is told.
   * @throws {ApplianceError} operation/unknown, operation/not-cancellable, operation/busy when nobody hears.
   */
  cancel(id: string): Promise<OperationView>;
  subscribe(call: (event: OperationEvent) => void): () => void;
  /** Reads what other processes have left, and writes the history that a crash has prevented. Takes nothing up. Safe to call again. */
  look(): Promise<void>;
  /** As `look`, then goes on with an interrupted run, and follows other processes from now on. */
  recover(): Promise<void>;
  /** Resolves when the newest operation has ended or needs the operator. */
  settled(signal?: AbortSignal): Promise<OperationView | undefined>;
  /** Stops working and following; a run goes on with the next process. */
  stop(): Promise<void>;
}

/**
 * What each kind of operation does, whether the network answers, and how often (milliseconds) the journal of another
 * process is read. A run of a kind without a program is followed, and never taken up.
 */
export interface OperationsOptions {
  readonly programs: Partial<Readonly<Record<OperationKind, Program>>>;
  readonly networkReady?: (signal: AbortSignal) => Promise<boolean>;
  readonly followMs?: number;
}
