/**
 * One bootstrap: goes on with the interrupted one of this boot, or begins anew, and comes to its end.
 *
 * Journal, lease and history lie in root's own folder: the pod has a journal of its own and may be at work while this runs. After a
 * reboot nothing that an older run saw counts any more, so each boot begins at the first step; every step that finds all as it
 * should be takes no time.
 */
import { join } from "node:path/posix";
import { isApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import { createOperations } from "../operation/engine.ts";
import { foldJournal, hasEnded } from "../operation/fold.ts";
import type { OperationView } from "../operation/model.ts";
import type { Operations } from "../operation/operations.ts";
import type { StateStore } from "../operation/store.ts";
import type { BootstrapContext, BootstrapDeps } from "./bootstrap-context.ts";
import { earlyCause, earlyEnd, forgetEarly, tellEarly } from "./bootstrap-early.ts";
import { bootstrapProgram } from "./bootstrap-steps.ts";
import { bootOf, bringToEnd, closeOther } from "./host-run.ts";
import { hostPaths, openHostStore } from "./host-store.ts";
import { tryNoteBoot } from "./maintenance.ts";
import { resetProgram } from "./reset-steps.ts";

/** Journals of bootstraps that are kept: some months of reboots. */
const KEPT_JOURNALS = 30;
/** Milliseconds between looks at the journal of another bootstrap. */
const FOLLOW_MS = 1_000;

export interface BootstrapOptions {
  readonly signal: AbortSignal;
  /** Told whenever the view changes. */
  readonly onView?: (view: OperationView) => void;
}

/**
 * Runs to the end. Safe to call again, also after being killed anywhere, and by two at once: the second one waits for the first.
 *
 * @returns the run as it ended: "done", or "blocked" with the problem.
 * @throws {ApplianceError} internal/aborted when the signal fires; the run goes on with the next call. host/disk-full and the file/
 *   codes when not even the journal can be written: the console tells it all the same.
 */
export async function runBootstrap(context: BootstrapContext, options: BootstrapOptions): Promise<OperationView> {
  const { deps, settings } = context;
  try {
    return await runJournaled(context, options);
  } catch (thrown) {
    if (options.signal.aborted) throw thrown;
    const cause = earlyCause(thrown);
    await tellEarly(deps, settings.paths, cause);
    throw cause;
  }
}

async function runJournaled(context: BootstrapContext, options: BootstrapOptions): Promise<OperationView> {
  const { deps, settings } = context;
  const store = openHostStore(deps, settings.paths);
  await deps.files.makeDirectory(settings.paths.host, { mode: 0o700 });
  await tidy(deps, store, settings.paths);
  const { paths, version: appliance } = settings;
  await tryNoteBoot(deps, { paths, appliance, signal: options.signal });
  const operations = createOperations(
    { ...deps, store },
    { programs: { bootstrap: bootstrapProgram(context), reset: resetProgram(context) }, followMs: FOLLOW_MS },
  );
  const stopTelling = operations.subscribe((event) => {
    if (event.type === "operation") options.onView?.(event.operation);
  });
  try {
    const started = await beginInTurn(context, operations, options.signal);
    await forgetEarly(deps, settings.paths);
    return (await operations.settled(options.signal)) ?? started;
  } finally {
    stopTelling();
    await operations.stop();
  }
}

/**
 * The newest run of the host in this boot (bootstrap, recover, reset), from its journal or its last word; a reset that an earlier boot
 * left is brought to its end by this one. Undefined when there is none yet, or it cannot be read by this user.
 */
export async function bootstrapOfBoot(
  deps: Pick<BootstrapDeps, "files" | "clock" | "machine">,
  paths: StatePaths,
): Promise<OperationView | undefined> {
  const store = openHostStore(deps, paths);
  const early = await earlyEnd(deps, paths);
  if (early !== undefined) return early;
  try {
    const id = (await store.listJournals()).at(-1);
    const journal = id === undefined ? undefined : await store.readJournal(id);
    const found = id === undefined || journal === undefined ? undefined : foldJournal(id, journal.entries);
    if (found?.view.kind === "reset" && !hasEnded(found.view)) return found.view;
    return bootOf(found?.plan) === (await deps.machine.bootId()) ? found?.view : undefined;
  } catch (thrown) {
    if (isApplianceError(thrown, "file/unreadable")) return undefined;
    throw thrown;
  }
}

/** Begins, or finds what another process began in the same moment. */
async function beginInTurn(
  context: BootstrapContext,
  operations: Operations,
  signal: AbortSignal,
): Promise<OperationView> {
  for (;;) {
    const last = (await operations.list())[0];
    try {
      return await begin(context, operations, { last, signal });
    } catch (thrown) {
      if (!isApplianceError(thrown, "operation/busy")) throw thrown;
      await context.deps.clock.sleep(FOLLOW_MS, signal);
    }
  }
}

/** Goes on with what this boot began; what an earlier boot left is closed first, but a reset is brought to its end. */
async function begin(
  { deps }: BootstrapContext,
  operations: Operations,
  { last, signal }: { readonly last: OperationView | undefined; readonly signal: AbortSignal },
): Promise<OperationView> {
  const plan = { schema: "alga.appliance.bootstrap-plan/v1", bootId: await deps.machine.bootId() };
  if (last === undefined || hasEnded(last)) return operations.start("bootstrap", plan);
  if (last.kind === "reset") {
    const ended = await bringToEnd(deps, operations, { id: last.id, signal });
    return ended.state === "done" ? operations.start("bootstrap", plan) : ended;
  }
  if (last.kind !== "bootstrap") {
    await closeOther(deps, operations, { id: last.id, signal });
    return operations.start("bootstrap", plan);
  }
  const before = await operations.get(last.id);
  if (bootOf(before?.plan) !== plan.bootId) {
    await operations.cancel(last.id);
    return operations.start("bootstrap", plan);
  }
  if (last.state === "blocked") return operations.resume(last.id);
  await operations.recover();
  return last;
}

/** Removes the oldest journals (the history keeps their ends), and puts a newest one aside whose first line is lost. */
async function tidy(deps: BootstrapDeps, store: StateStore, paths: StatePaths): Promise<void> {
  const ids = await store.listJournals();
  for (const id of ids.slice(0, Math.max(0, ids.length - KEPT_JOURNALS))) {
    await deps.files.remove(join(hostPaths(paths).journal, `${id}.ndjson`));
  }
  const newest = ids.at(-1);
  const journal = newest === undefined ? undefined : await store.readJournal(newest);
  if (newest === undefined || journal === undefined || foldJournal(newest, journal.entries) !== undefined) return;
  const { path } = await store.journalFile(newest);
  deps.log.error("journal of a bootstrap cannot be read, and is put aside", { path });
  await deps.files.rename(path, `${path}.corrupt`);
}
