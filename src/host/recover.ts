/**
 * One recover: looks what is wrong, and puts it right step by step with a journal, from the executable alone.
 *
 * The journal lies in root's own folder, beside those of the bootstraps, so the two never work at once. Where that folder cannot be
 * written the run goes on without a memory: every step asks what is missing, so a run that is begun again does the same.
 */
import { join } from "node:path/posix";
import { isApplianceError } from "../core/errors.ts";
import { createOperations } from "../operation/engine.ts";
import { foldJournal, hasEnded } from "../operation/fold.ts";
import type { OperationView } from "../operation/model.ts";
import type { Operations } from "../operation/operations.ts";
import type { StateStore } from "../operation/store.ts";
import { bootOf, closeOther } from "./host-run.ts";
import { hostPaths, openHostStore } from "./host-store.ts";
import { diagnose, type Finding } from "./recover-findings.ts";
import { type LostDocuments, lookAtBox, type Seen } from "./recover-look.ts";
import { type RecoverContext, recoverProgram } from "./recover-steps.ts";
import { createPassingStore } from "./recover-store.ts";

export const RECOVER_PLAN_SCHEMA = "alga.appliance.recover-plan/v1";
/** Milliseconds between looks at the journal of another process. */
const FOLLOW_MS = 1_000;
const STOP_MS = 120_000;

/** The diagnosis of a box. */
export interface Diagnosis {
  readonly seen: Seen;
  readonly findings: readonly Finding[];
}

/** Looks at the box and names what is wrong. Reads only. */
export async function diagnoseBox(
  context: RecoverContext,
  options: { readonly signal: AbortSignal; readonly lost: LostDocuments },
): Promise<Diagnosis> {
  const seen = await lookAtBox(context, options);
  return { seen, findings: diagnose(seen) };
}

export interface RecoverOptions {
  readonly signal: AbortSignal;
  /** Kept in the journal: what was wrong when it began. */
  readonly findings: readonly Finding[];
  /** Told whenever the view changes. */
  readonly onView?: (view: OperationView) => void;
  /** Told why no journal can be kept. */
  readonly onNoJournal?: (why: string) => void;
}

/**
 * Runs to the end. Safe to call again, also after being killed anywhere: a run of this boot goes on where it was.
 *
 * @returns the run as it ended: "done", or "blocked" with the problem.
 * @throws {ApplianceError} internal/aborted when the signal fires; operation/busy while another recover or a reset is at work.
 */
export async function runRecover(context: RecoverContext, options: RecoverOptions): Promise<OperationView> {
  const { deps } = context;
  const store = await openStore(context, options.onNoJournal);
  const programs = { recover: recoverProgram(context) };
  const operations = createOperations({ ...deps, store }, { programs, followMs: FOLLOW_MS });
  const stopTelling = operations.subscribe((event) => {
    if (event.type === "operation") options.onView?.(event.operation);
  });
  try {
    const started = await begin(context, operations, options);
    const ended = (await operations.settled(options.signal)) ?? started;
    if (ended.state === "done") await startBootstrap(context, options.signal);
    return ended;
  } finally {
    stopTelling();
    await operations.stop();
  }
}

/** What was stopped at the beginning; it finds all as it should be. */
async function startBootstrap({ deps, settings }: RecoverContext, signal: AbortSignal): Promise<void> {
  if (settings.paths.root !== "/") return;
  const argv = ["systemctl", "start", "--no-block", "alga-appliance-bootstrap.service"] as const;
  await deps.exec(argv, { timeoutMs: STOP_MS, signal });
}

/** The journal on the disk, or one in memory where the disk takes none. A newest journal that is lost is put aside first. */
async function openStore(
  { deps, settings }: RecoverContext,
  onNoJournal: RecoverOptions["onNoJournal"],
): Promise<StateStore> {
  const { paths } = settings;
  const probe = join(paths.host, ".recover-probe");
  try {
    if ((await deps.files.stat(paths.host, { links: "show" }))?.kind === "file") return createPassingStore();
    await deps.files.makeDirectory(paths.host, { mode: 0o700 });
    await deps.files.write(probe, "");
    await deps.files.remove(probe);
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    onNoJournal?.(thrown.message);
    return createPassingStore();
  }
  const store = openHostStore(deps, paths);
  const newest = (await store.listJournals()).at(-1);
  const journal = newest === undefined ? undefined : await store.readJournal(newest).catch(() => ({ entries: [] }));
  if (newest !== undefined && foldJournal(newest, journal?.entries ?? []) === undefined) {
    const path = join(hostPaths(paths).journal, `${newest}.ndjson`);
    await deps.files.rename(path, `${path}.corrupt`);
  }
  return store;
}

async function begin(
  { deps, settings }: RecoverContext,
  operations: Operations,
  { signal, findings }: RecoverOptions,
): Promise<OperationView> {
  const isBox = settings.paths.root === "/";
  // It would wait for the same things, for hours, and is begun again at the end.
  if (isBox) {
    const argv = ["systemctl", "stop", "alga-appliance-bootstrap.service"] as const;
    await deps.exec(argv, { timeoutMs: STOP_MS, signal });
  }
  const bootId = await deps.machine.bootId();
  const last = (await operations.list())[0];
  if (last?.kind === "recover" && !hasEnded(last) && bootOf((await operations.get(last.id))?.plan) === bootId) {
    return operations.resume(last.id);
  }
  if (last !== undefined && !hasEnded(last)) await closeOther(deps, operations, { id: last.id, signal });
  const about = { findings: findings.map(({ code }) => code) };
  const shown = findings.map(({ code, title }) => ({ code, title }));
  return operations.start("recover", { schema: RECOVER_PLAN_SCHEMA, bootId, findings: shown, about });
}
