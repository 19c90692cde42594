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
  progress(event: Extract<JournalEvent, { kind: "step-progress" }>): void;
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
  let run = options.run;
  let tail: Promise<void> = Promise.resolve();
  let shownProgress = "";
  let keptProgress = "";
  let keptProgressMs = Number.NEGATIVE_INFINITY;
  let keptProblem: string | undefined;

  const write = async (event: JournalEvent): Promise<void> => {
    await options.lease.confirm();
    const stamp = { seq: run.nextSeq, at: toInstant(deps.clock.now()), uptimeMs: await deps.machine.uptimeMs() };
    const entry = { ...event, ...stamp } as JournalEntry;
    await deps.store.appendJournal(run.id, entry);
    run = foldEntry(run.id, run, entry) ?? run;
    options.onEntry(entry, run);
  };
  const writeWhenThereIsRoom = async (event: JournalEvent): Promise<void> => {
    for (;;) {
      if (options.signal.aborted) throw abortReason(options.signal);
      try {
        return await write(event);
      } catch (thrown) {
        if (!isApplianceError(thrown, "file/disk-full", "file/unwritable")) throw thrown;
        deps.log.error("journal not written", { operation: run.id, error: thrown });
        options.onView(withDiskProblem(run.view, thrown));
        await deps.clock.sleep(DISK_RETRY_MS, options.signal);
      }
    }
  };
  const queue = <T>(work: () => Promise<T>): Promise<T> => {
    const next = tail.then(work);
    tail = next.then(
      () => {},
      () => {},
    );
    return next;
  };
  return {
    run: () => run,
    append: (event, unless) =>
      queue(async () => {
        if (unless?.(run) === true) return false;
        await writeWhenThereIsRoom(event);
        return true;
      }),
    progress: (event) => {
      const key = JSON.stringify(event);
      const isKept = key === keptProgress;
      if (isKept && key === shownProgress) return;
      const nowMs = deps.clock.monotonic();
      const isMinor = nowMs - keptProgressMs < PROGRESS_EVERY_MS && event.problem?.code === keptProblem;
      if (isKept || isMinor || run.progressEntries >= MAX_PROGRESS_ENTRIES) {
        if (key !== shownProgress) options.onView(withDetail(run.view, event.step, event.detail));
        shownProgress = key;
        return;
      }
      shownProgress = key;
      keptProgress = key;
      keptProgressMs = nowMs;
      keptProblem = event.problem?.code;
      void queue(() => write(event)).catch((error: unknown) =>
        deps.log.debug("progress not written", { operation: run.id, error }),
      );
    },
  };
}

function withDetail(view: OperationView, step: string, detail: string): OperationView {
  return { ...view, steps: view.steps.map((one) => (one.id === step ? { ...one, detail } : one)) };
}

function withDiskProblem(view: OperationView, thrown: unknown): OperationView {
  const problem = { ...problemOf(thrown), retrySafe: true, attempt: 1, nextAttemptAt: null };
  return { ...view, state: "waiting", problem };
}
