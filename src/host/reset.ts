/**
 * One reset: removes what is the appliance's, with its journal outside of what it removes, so that an interrupted one goes on: by the
 * same command, or by the bootstrap of the next boot. Afterwards the box is as on its first boot.
 */
import { isApplianceError } from "../core/errors.ts";
import { createOperations } from "../operation/engine.ts";
import { createFileStore } from "../operation/file-store.ts";
import { foldJournal, hasEnded, needsOperator } from "../operation/fold.ts";
import { acquireLease } from "../operation/lease.ts";
import type { OperationView } from "../operation/model.ts";
import type { Operations } from "../operation/operations.ts";
import { busy } from "../operation/records.ts";
import { placeText } from "../release/location.ts";
import { readInstalled } from "../status/installed.ts";
import type { BootstrapContext } from "./bootstrap-context.ts";
import { closeOther } from "./host-run.ts";
import { openHostStore } from "./host-store.ts";
import { placeOfInstalled } from "./kept-images.ts";
import { RESET_PLAN_SCHEMA, type ResetPlan, resetPlanSchema, resetProgram } from "./reset-steps.ts";

const FOLLOW_MS = 1_000;
const SYSTEMCTL_MS = 120_000;

/** How it is run. `keepData` counts for a new one; one that goes on has what was decided then. */
export interface ResetOptions {
  readonly signal: AbortSignal;
  readonly keepData: boolean;
  readonly onView?: (view: OperationView) => void;
}

/** The reset of this box that was not brought to its end; undefined when there is none. Reads only. */
export async function unfinishedReset({
  deps,
  settings,
}: Pick<BootstrapContext, "deps"> & { readonly settings: Pick<BootstrapContext["settings"], "paths"> }): Promise<
  { readonly view: OperationView; readonly plan: ResetPlan } | undefined
> {
  const store = openHostStore(deps, settings.paths);
  const id = (await store.listJournals()).at(-1);
  const journal = id === undefined ? undefined : await store.readJournal(id);
  const run = id === undefined || journal === undefined ? undefined : foldJournal(id, journal.entries);
  const plan = resetPlanSchema.safeParse(run?.plan);
  return run?.kind === "reset" && !hasEnded(run.view) && plan.success ? { view: run.view, plan: plan.data } : undefined;
}

/**
 * Refuses while an operation of the control plane runs: what it makes meanwhile would be left. One that rests, because it needs the
 * operator, does not hinder.
 * @throws {ApplianceError} operation/busy naming it.
 */
export async function assertNoOperation({ deps, settings }: BootstrapContext): Promise<void> {
  const store = createFileStore(deps, settings.paths, { leaveDamaged: true });
  const id = (await store.listJournals()).at(-1);
  const journal = id === undefined ? undefined : await store.readJournal(id);
  const run = id === undefined || journal === undefined ? undefined : foldJournal(id, journal.entries);
  if (run === undefined || hasEnded(run.view) || needsOperator(run.view)) return;
  if ((await store.readLease()) === undefined) return;
  const lease = await acquireLease({ ...deps, store });
  if (lease === undefined) throw busy(run.view);
  await lease.release();
}

/**
 * Runs to the end; goes on with one that was interrupted, with what was decided then.
 *
 * @returns the run as it ended: "done", or "blocked" with the problem.
 * @throws {ApplianceError} operation/busy while an operation, a bootstrap or a recover is at work; internal/aborted when the signal fires.
 */
export async function runReset(context: BootstrapContext, options: ResetOptions): Promise<OperationView> {
  const { deps, settings } = context;
  const { signal } = options;
  await deps.files.makeDirectory(settings.paths.host, { mode: 0o700 });
  const store = openHostStore(deps, settings.paths);
  const programs = { reset: resetProgram(context) };
  const operations = createOperations({ ...deps, store }, { programs, followMs: FOLLOW_MS });
  const stopTelling = operations.subscribe((event) => {
    if (event.type === "operation") options.onView?.(event.operation);
  });
  try {
    const started = await begin(context, operations, options);
    const ended = (await operations.settled(signal)) ?? started;
    // As on the first boot: the control plane, and a token on the console.
    if (ended.state === "done") await systemctl(context, ["start", "--no-block"], signal);
    return ended;
  } finally {
    stopTelling();
    await operations.stop();
  }
}

async function begin(
  context: BootstrapContext,
  operations: Operations,
  { keepData, signal }: ResetOptions,
): Promise<OperationView> {
  const { deps } = context;
  const last = (await operations.list())[0];
  if (last?.kind === "reset" && !hasEnded(last)) return operations.resume(last.id);
  await assertNoOperation(context);
  await systemctl(context, ["stop"], signal);
  if (last !== undefined && !hasEnded(last)) await closeOther(deps, operations, { id: last.id, signal });
  const plan: ResetPlan = {
    schema: RESET_PLAN_SCHEMA,
    bootId: await deps.machine.bootId(),
    keepData,
    place: await placeOfImages(context),
    about: { keepData },
  };
  return operations.start("reset", plan);
}

/** Where the images of what is installed come from. */
async function placeOfImages({ deps, settings }: BootstrapContext): Promise<string | null> {
  const store = createFileStore(deps, settings.paths, { leaveDamaged: true });
  try {
    const installed = await readInstalled({ store, log: deps.log });
    const place = installed === undefined ? undefined : placeOfInstalled(installed);
    // A registry that is the product's alone, without a base, may hold anything of the house.
    return place === undefined || place.base === "" ? null : placeText(place);
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return null;
  }
}

async function systemctl({ deps }: BootstrapContext, words: readonly string[], signal: AbortSignal): Promise<void> {
  const argv = ["systemctl", ...words, "alga-appliance-bootstrap.service"] as const;
  await deps.exec(argv, { timeoutMs: SYSTEMCTL_MS, signal });
}
