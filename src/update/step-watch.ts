/**
 * The steps that watch: does everything become ready, and does it stay so.
 *
 * They judge by the one `ApplianceStatus` and by error rates, which are compared with the hour before the update. That people can log in decides between staying and
 * going back; whatever else is worse than before makes the update degraded, and is named.
 */
import { humanDuration } from "../core/duration.ts";
import type { StepProblem } from "../operation/journal.ts";
import type { StepResult } from "../operation/step.ts";
import type { ReleaseManifest } from "../release/model.ts";
import type { ApplianceStatus, TierName } from "../status/model.ts";
import { pollMsOf, type WatchCall, type WatchEnd, watchTiers } from "../status/waiting.ts";
import { note, readNotes, type UpdateCall } from "./context.ts";
import { type Meter, openMeter } from "./meter.ts";
import { policyDocumentSchema, USUAL_JUDGE, type Verdict } from "./model.ts";
import { atPace } from "./ports.ts";
import { worseRates } from "./rates.ts";
import { type Goal, notReached } from "./reached.ts";

const MINUTE_MS = 60_000;
/** What people need, and all that can be watched. */
const LOGIN: readonly TierName[] = ["platform", "core", "bootstrap", "login"];
const EVERY: readonly TierName[] = [...LOGIN, "background"];
/** How long the whole may take. */
const LIMIT_MS = 60 * MINUTE_MS;
/** The same however fast a rehearsal is played: the machine that plays it is not faster. */
const LEAST_PATIENCE_MS = 10_000;
const LEAST_LIMIT_MS = 2 * MINUTE_MS;
/** Rounds of soaking after which something that comes and goes has failed. */
const MAX_ROUNDS = 6;

/** Budget of a step that watches, in milliseconds: more than it gives itself. */
export const WATCH_BUDGET_MS = 3 * LIMIT_MS;

/** Waits until Flux has brought everything and it works. Never fails: what it finds is the verdict. */
export async function reconcile(call: UpdateCall, manifest: ReleaseManifest): Promise<StepResult> {
  const goal = { manifest, word: `${call.context.operationId}-there` };
  const end = await watchRelease(call, goal);
  if (end.ready) return { state: "done", detail: `Ready after ${humanDuration(end.tookMs)}` };
  const status = await call.context.deps.observe(call.signal);
  const isServing = isReady(status, LOGIN) && (await notReached(call, goal)) === undefined;
  return tell(call, isServing ? "degraded" : "failed", end.problem.message);
}

/** Watches every tier and Flux itself. @param whileWaiting Called at each look that finds Flux not there yet. */
export async function watchRelease(
  call: UpdateCall,
  goal: Goal,
  whileWaiting?: () => Promise<void>,
): Promise<WatchEnd> {
  const { settings } = call.context;
  return watchTiers(watchCall(call), EVERY, {
    patienceMs: (await measuresOf(call)).patienceMs,
    limitMs: Math.max(LEAST_LIMIT_MS, atPace(settings, LIMIT_MS)),
    awaited: async () => {
      const waiting = await notReached(call, goal);
      if (waiting !== undefined) await whileWaiting?.();
      return waiting;
    },
  });
}

interface Measures {
  readonly patienceMs: number;
  readonly soakMs: number;
}

/** By the operator's policy as it is now; one that cannot be read says nothing. */
async function measuresOf({ context }: UpdateCall): Promise<Measures> {
  const { deps, settings } = context;
  const found = await deps.store.readDocument("update-policy", policyDocumentSchema).catch(() => undefined);
  const said = found?.policy.judge ?? USUAL_JUDGE;
  return {
    patienceMs: Math.max(LEAST_PATIENCE_MS, atPace(settings, said.patienceMinutes * MINUTE_MS)),
    soakMs: atPace(settings, said.soakMinutes * MINUTE_MS),
  };
}

/** Answers of setup mend nothing here: a problem names none. */
function watchCall({ context, progress, signal }: UpdateCall): WatchCall {
  const told = (detail: string, problem?: StepProblem): void =>
    progress(detail, problem === undefined ? undefined : { ...problem, fields: [], retrySafe: true });
  return { context, signal, progress: told };
}

/** Watches for a while whether it stays well, and says what is worse than before. */
export async function judge(call: UpdateCall): Promise<StepResult> {
  const { verdict, reason, failedBefore, hourBefore } = await readNotes(call.context);
  if (verdict === "failed") return { state: "skipped", detail: reason ?? "It has failed" };
  const meter = await openMeter(call);
  const problem = await soak(call, meter);
  if (problem !== undefined) return tell(call, "failed", problem);
  const status = await call.context.deps.observe(call.signal);
  const worse = [
    ...(reason === null ? [] : [reason]),
    ...worseRates(hourBefore ?? undefined, await meter.counts()),
    ...worseThan(status, new Set(failedBefore)),
  ];
  return worse[0] === undefined ? tell(call, "ok", null) : tell(call, "degraded", worse.slice(0, 3).join("; "));
}

/** Milliseconds in a row must be calm. @returns why they were not, undefined when they were. */
async function soak(call: UpdateCall, meter: Meter): Promise<string | undefined> {
  const { deps, settings } = call.context;
  const { soakMs, patienceMs } = await measuresOf(call);
  const startMs = deps.clock.monotonic();
  let calmSinceMs = startMs;
  const { context, ...told } = watchCall(call);
  const watch = { ...told, context: { ...context, deps: { clock: deps.clock, observe: meter.observe } } };
  for (;;) {
    const end = await watchTiers(watch, LOGIN, { patienceMs });
    if (!end.ready) return end.problem.message;
    const nowMs = deps.clock.monotonic();
    // A look that takes long says nothing: only one that found something else does.
    if (!end.atOnce) calmSinceMs = nowMs;
    if (nowMs - calmSinceMs >= soakMs) return undefined;
    if (nowMs - startMs >= Math.max(LEAST_LIMIT_MS, soakMs * MAX_ROUNDS))
      return "People can log in at one moment and cannot at the next";
    call.progress(`Well for ${humanDuration(nowMs - calmSinceMs)} of ${humanDuration(soakMs)}`);
    await deps.clock.sleep(pollMsOf(settings), call.signal);
  }
}

function isReady(status: ApplianceStatus, tiers: readonly TierName[]): boolean {
  return tiers.every((tier) => status.tiers[tier].state === "ready");
}

/** Components that are not ready, and checks that had not failed before. */
function worseThan(status: ApplianceStatus, failedBefore: ReadonlySet<string>): readonly string[] {
  const components = status.components
    .filter(({ state }) => state !== "ready")
    .map(({ name, message }) => `${name}: ${message}`);
  const checks = status.checks
    .filter(({ code, state }) => state === "failed" && !failedBefore.has(code) && !code.startsWith("operation/"))
    .map(({ title }) => title.replace(/\.$/, ""));
  return [...components, ...checks];
}

async function tell(call: UpdateCall, verdict: Verdict, reason: string | null): Promise<StepResult> {
  await note(call.context, { verdict, reason: reason?.slice(0, 500) ?? null, watched: null });
  return { state: "done", detail: reason === null ? verdict : `${verdict}: ${reason.slice(0, 300)}` };
}
