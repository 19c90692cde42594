/**
 * Writes the journal of the run that this process works on, one entry after the other, and keeps its fold.
 *
 * Every entry is written under the lease and synced before the caller goes on. A full disk does not end a run: the entry
 * waits, the view says why, and the run goes on when there is room.
 */
import { abortReason } from "../core/deadline.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import { foldEntry, type Run } from "./fold.ts";
import type { JournalEntry, JournalEvent } from "./journal.ts";
import type { HeldLease } from "./lease.ts";
import type { OperationView } from "./model.ts";
import { problemOf } from "./step.ts";
import type { StateStore } from "./store.ts";

/** Progress lines beyond this are shown but not kept, so that a journal stays far below its bound. */
const MAX_PROGRESS_ENTRIES = 4_000;
const DISK_RETRY_MS = 5_000;
/** Each kept line costs an fsync. */
const PROGRESS_EVERY_MS = 1_000;

type ProgressEvent = Extract<JournalEvent, { kind: "step-progress" }>;

/** The one writer of a run's journal. What it has resolved is on disk, and survives a kill. */
export interface Recorder {
  run(): Run;
  /**
   * Writes an entry; resolves when it is on disk. Rejects when the lease is lost or the signal fires.
   * @param unless Asked of the run as it is when the entry is next to be written: true leaves it out.
   * @returns whether it was written.
   */
  append(event: JournalEvent, unless?: (run: Run) => boolean): Promise<boolean>;
  /**
   * Tells a line of progress without anybody waiting for it. At most one a second is kept, those between are only shown;
   * a problem that comes or goes is always kept.
   */
  progress(event: ProgressEvent): void;
}

/** The run to write on, the lease that allows it, and who is told. The signal ends writing. */
export interface RecorderOptions {
  readonly run: Run;
  readonly lease: HeldLease;
  readonly signal: AbortSignal;
  readonly onEntry: (entry: JournalEntry, run: Run) => void;
  /** Told when the view changes without an entry: a detail that is not kept, or a full disk. */
  readonly onView: (view: OperationView) => void;
}

type RecorderDeps = Pick<Deps, "clock" | "machine" | "log"> & { readonly store: StateStore };

/** Makes the recorder of a run. Only the holder of the lease may have one; entries are numbered on from `options.run`. */
export function createRecorder(deps: RecorderDeps, options: RecorderOptions): Recorder {
  return new JournalRecorder(deps, options);
}

class JournalRecorder implements Recorder {
  readonly #deps: RecorderDeps;
  readonly #options: RecorderOptions;
  #run: Run;
  /** Entries are written one after the other. */
  #tail: Promise<unknown> = Promise.resolve();
  #shown = "";
  #kept: { readonly key: string; readonly atMs: number; readonly problem: string | undefined } | undefined;

  constructor(deps: RecorderDeps, options: RecorderOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#run = options.run;
  }

  run(): Run {
    return this.#run;
  }

  append(event: JournalEvent, unless?: (run: Run) => boolean): Promise<boolean> {
    return this.#next(async () => {
      if (unless?.(this.#run) === true) return false;
      await this.#writeWhenThereIsRoom(event);
      return true;
    });
  }

  progress(event: ProgressEvent): void {
    const key = JSON.stringify(event);
    const isKept = key === this.#kept?.key;
    if (isKept && key === this.#shown) return;
    const isNew = key !== this.#shown;
    this.#shown = key;
    if (isKept || !this.#mayKeep(event)) {
      if (isNew) this.#options.onView(withDetail(this.#run.view, event.step, event.detail));
      return;
    }
    this.#kept = { key, atMs: this.#deps.clock.monotonic(), problem: event.problem?.code };
    void this.#next(() => this.#write(event)).catch((error: unknown) =>
      this.#deps.log.debug("progress not written", { operation: this.#run.id, error }),
    );
  }

  /** A problem that comes or goes is kept at once, another line when the last one is a second old. */
  #mayKeep({ problem }: ProgressEvent): boolean {
    if (this.#run.progressEntries >= MAX_PROGRESS_ENTRIES) return false;
    if (this.#kept === undefined || problem?.code !== this.#kept.problem) return true;
    return this.#deps.clock.monotonic() - this.#kept.atMs >= PROGRESS_EVERY_MS;
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#tail.then(work);
    this.#tail = next.catch(() => {});
    return next;
  }

  async #writeWhenThereIsRoom(event: JournalEvent): Promise<void> {
    const { signal, onView } = this.#options;
    for (;;) {
      if (signal.aborted) throw abortReason(signal);
      try {
        return await this.#write(event);
      } catch (thrown) {
        if (!isApplianceError(thrown, "file/disk-full", "file/unwritable")) throw thrown;
        this.#deps.log.error("journal not written", { operation: this.#run.id, error: thrown });
        onView(withDiskProblem(this.#run.view, thrown));
        await this.#deps.clock.sleep(DISK_RETRY_MS, signal);
      }
    }
  }

  async #write(event: JournalEvent): Promise<void> {
    const { clock, machine, store } = this.#deps;
    await this.#options.lease.confirm();
    const stamp = { seq: this.#run.nextSeq, at: toInstant(clock.now()), uptimeMs: await machine.uptimeMs() };
    const entry = { ...event, ...stamp } as JournalEntry;
    await store.appendJournal(this.#run.id, entry);
    this.#run = foldEntry(this.#run.id, this.#run, entry) ?? this.#run;
    this.#options.onEntry(entry, this.#run);
  }
}

function withDetail(view: OperationView, step: string, detail: string): OperationView {
  return { ...view, steps: view.steps.map((one) => (one.id === step ? { ...one, detail } : one)) };
}

function withDiskProblem(view: OperationView, thrown: unknown): OperationView {
  const problem = { ...problemOf(thrown), retrySafe: true, attempt: 1, nextAttemptAt: null };
  return { ...view, state: "waiting", problem };
}
