/**
 * Waiting for what the status says: steps of setup and of updates that change nothing and only watch.
 *
 * They judge by the one `ApplianceStatus` and have no second opinion. While a check fails, its cause, evidence and next
 * step are the problem of the operation; when it is mended the step goes on by itself.
 */
import { humanDuration } from "../core/duration.ts";
import { publicError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { redactText } from "../core/redact.ts";
import type { StepProblem } from "../operation/journal.ts";
import type { Progress, StepResult } from "../operation/step.ts";
import { withoutAges } from "./age.ts";
import { type ApplianceStatus, type Check, TIERS, type TierName } from "./model.ts";

/** Milliseconds a check must fail before it is called a problem: Flux and pods pass through bad moments by design. */
const GRACE_MS = 10_000;
/** Milliseconds a tier must be unknown: the first look at everything takes some seconds. */
const DOUBT_MS = 60_000;
const POLL_MS = 2_000;

/** What a step that only watches may touch. */
export interface WatchCall {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly context: {
    readonly deps: Pick<Deps, "clock"> & {
      /** The status of the appliance as its one fold tells it. */
      readonly observe: (signal: AbortSignal) => Promise<ApplianceStatus>;
    };
    readonly settings: WatchSettings;
  };
}

export interface WatchSettings {
  /** Milliseconds between looks at the cluster. Absent: 2 s. */
  readonly pollMs?: number;
  /** Milliseconds that a check must fail before it is called a problem. Absent: 10 s. */
  readonly graceMs?: number;
}

export interface WatchOptions {
  /** Milliseconds after which a problem that lasts is the end. Absent: it is waited for without end. */
  readonly patienceMs?: number;
  /** Milliseconds for the whole. Absent: the budget of the step. */
  readonly limitMs?: number;
  /** What is awaited beside the tiers: undefined when it is there, else one line that says what is missing. */
  readonly awaited?: (signal: AbortSignal) => Promise<string | undefined>;
}

/** How watching ended. */
export type WatchEnd =
  | {
      readonly ready: true;
      readonly tookMs: number;
      /** It was so at the first look: nothing had to be waited for. */
      readonly atOnce: boolean;
    }
  | { readonly ready: false; readonly problem: StepProblem };

/** Waits until all the tiers are ready. Ends by the step's budget only. */
export async function waitForTiers(call: WatchCall, tiers: readonly TierName[]): Promise<StepResult> {
  const end = await watchTiers(call, tiers);
  return { state: "done", detail: end.ready ? `Ready after ${humanDuration(end.tookMs)}` : end.problem.message };
}

/** Waits until all the tiers are ready and what else is awaited is there, or until a problem has lasted too long. */
export async function watchTiers(
  call: WatchCall,
  tiers: readonly TierName[],
  options: WatchOptions = {},
): Promise<WatchEnd> {
  const { deps, settings } = call.context;
  const startedMs = deps.clock.monotonic();
  let looks = 0;
  const troubles = createTroubles(settings.graceMs ?? GRACE_MS);
  const isOver = createPatience(options.patienceMs);
  const isLate = (nowMs: number): boolean => nowMs - startedMs >= (options.limitMs ?? Number.POSITIVE_INFINITY);
  for (;;) {
    const missing = await options.awaited?.(call.signal);
    const look = lookAt(await observe(call), tiers);
    const nowMs = deps.clock.monotonic();
    const told = look.told ?? missing;
    if (told === undefined) return { ready: true, tookMs: nowMs - startedMs, atOnce: looks === 0 };
    const problem = troubles.at(nowMs, look.problem);
    if (isOver(nowMs, problem !== undefined) && problem !== undefined) return { ready: false, problem };
    if (isLate(nowMs)) return { ready: false, problem: problem ?? doubtProblem(`It takes too long: ${told}`) };
    call.progress(told, problem);
    looks += 1;
    await deps.clock.sleep(pollMsOf(settings), call.signal);
  }
}

/**
 * Tells at each look whether trouble has lasted too long. What comes and goes lasts: a container that ends again and again runs for
 * a while at each start. Patience begins anew only after a quarter of it without trouble.
 */
function createPatience(patienceMs = Number.POSITIVE_INFINITY): (nowMs: number, hasTrouble: boolean) => boolean {
  let sinceMs: number | undefined;
  let lastMs = 0;
  return (nowMs, hasTrouble) => {
    if (hasTrouble) {
      sinceMs ??= nowMs;
      lastMs = nowMs;
    } else if (nowMs - lastMs >= patienceMs / 4) sinceMs = undefined;
    return sinceMs !== undefined && nowMs - sinceMs >= patienceMs;
  };
}

interface Look {
  /** What is awaited, in one line; undefined when the tiers are ready. */
  readonly told: string | undefined;
  readonly problem: StepProblem | Doubt | undefined;
}

function lookAt(seen: Awaited<ReturnType<typeof observe>>, tiers: readonly TierName[]): Look {
  if ("problem" in seen) return { told: "The status cannot be read", problem: seen.problem };
  const { status } = seen;
  const isReady = tiers.every((tier) => status.tiers[tier].state === "ready");
  return { told: isReady ? undefined : describe(status, tiers), problem: problemIn(status, tiers) };
}

/** Milliseconds between looks at the cluster. */
export function pollMsOf(settings: Pick<WatchSettings, "pollMs">): number {
  return settings.pollMs ?? POLL_MS;
}

/**
 * What lasts and is wrong at or below the tiers, for a step that waits by a look of its own: asked at each of its looks. A deeper
 * cause that the status knows goes before what the step has seen itself.
 */
export function troublesBelow(
  call: WatchCall,
  tiers: readonly TierName[],
): (seen: StepProblem | undefined) => Promise<StepProblem | undefined> {
  const { deps, settings } = call.context;
  const troubles = createTroubles(settings.graceMs ?? GRACE_MS);
  return async (own) => {
    const seen = await observe(call);
    const found = "status" in seen ? problemIn(seen.status, tiers) : seen.problem;
    const isCause = found !== undefined && !("doubt" in found);
    return troubles.at(deps.clock.monotonic(), isCause ? found : own);
  };
}

interface Troubles {
  /** The problem to tell now: one that lasts. */
  at(nowMs: number, found: StepProblem | Doubt | undefined): StepProblem | undefined;
}

/** Nothing fails, yet it cannot be told how a tier is. */
interface Doubt {
  readonly doubt: string;
}

/** Keeps a problem that was told while all is in doubt: a failed job that was removed has still failed. */
function createTroubles(graceMs: number): Troubles {
  let since: number | undefined;
  let told: StepProblem | undefined;
  return {
    at: (nowMs, found) => {
      if (found === undefined) {
        since = undefined;
        told = undefined;
        return undefined;
      }
      since ??= nowMs;
      const isDoubt = "doubt" in found;
      if (told !== undefined || nowMs - since >= (isDoubt ? DOUBT_MS : graceMs)) {
        told = isDoubt ? (told ?? doubtProblem(withoutAges(found.doubt))) : found;
      }
      return told;
    },
  };
}

function doubtProblem(doubt: string): StepProblem {
  const hint = "Try again: what has stopped is started once more";
  return { code: "setup/step-failed", message: doubt, hint, retrySafe: true, fields: [], evidence: [] };
}

async function observe(
  call: WatchCall,
): Promise<{ readonly status: ApplianceStatus } | { readonly problem: StepProblem }> {
  try {
    return { status: await call.context.deps.observe(call.signal) };
  } catch (thrown) {
    call.signal.throwIfAborted();
    const { code, message, hint } = publicError(thrown);
    const problem = {
      code,
      message: redactText(message),
      hint: hint ?? null,
      retrySafe: true,
      fields: [],
      evidence: [],
    };
    return { problem };
  }
}

/**
 * The first failed check at or below the wanted tiers, as the status orders them: root causes first. Where none has failed,
 * one that tries again by itself after a failure: why it does is worth to be known before it gives up.
 */
function problemIn(status: ApplianceStatus, tiers: readonly TierName[]): StepProblem | Doubt | undefined {
  const highest = Math.max(...tiers.map((tier) => TIERS.indexOf(tier)));
  // What the status says of this very operation is what was told here before: it would name itself as its cause.
  const mine = status.checks.filter(
    (check) => !check.code.startsWith("operation/") && TIERS.indexOf(check.threatens ?? check.tier) <= highest,
  );
  const found =
    mine.find((check) => check.state === "failed") ??
    mine.find((check) => check.state === "progressing" && TRIES_AGAIN.has(check.code));
  if (found !== undefined) return problemOfCheck(found);
  const unknown = tiers.find((tier) => status.tiers[tier].state === "unknown");
  return unknown === undefined ? undefined : { doubt: status.tiers[unknown].reason };
}

/** Checks that stay as they are until somebody says "try again". */
const NEEDS_OPERATOR: ReadonlySet<string> = new Set(["bootstrap/failed", "flux/helm-retries-exhausted"]);

/** Checks of what has failed and goes on by itself. */
const TRIES_AGAIN: ReadonlySet<string> = new Set(["bootstrap/retrying"]);

const RELEASE_FIELDS = ["channel", "releaseRef"];
/** Answers that mend what a check found: another release, or another address. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  "image/not-found": RELEASE_FIELDS,
  "image/digest": RELEASE_FIELDS,
  "image/invalid-name": RELEASE_FIELDS,
  "flux/source-not-found": RELEASE_FIELDS,
  "flux/source-digest": RELEASE_FIELDS,
  "flux/helm-chart-missing": RELEASE_FIELDS,
  "flux/kustomization-build": RELEASE_FIELDS,
  "flux/kustomization-validation": RELEASE_FIELDS,
  "login/name-not-resolved": ["appHostname"],
  "login/client-error": ["appHostname"],
  "login/redirect-loop": ["appHostname"],
  "login/foreign-redirect": ["appHostname"],
};
/** The provisioner's image is no part of a release. */
const OF_NO_RELEASE = "Pod local-path-storage/";

function fieldsFor({ code, evidence }: Check): readonly string[] {
  return evidence[0]?.ref.startsWith(OF_NO_RELEASE) === true ? [] : (FIELDS[code] ?? []);
}

/** What is recorded says nothing of how long it has lasted: the record is read at any time, and carries its own. */
function problemOfCheck(check: Check): StepProblem {
  return {
    code: check.code,
    message: [check.title, check.cause].flatMap((text) => withoutAges(text).replace(/\.$/, "") || []).join(": "),
    hint: check.next,
    retrySafe: check.retrySafe,
    ...(NEEDS_OPERATOR.has(check.code) ? { needsOperator: true } : {}),
    fields: [...fieldsFor(check)],
    evidence: [...check.evidence],
  };
}

function describe(status: ApplianceStatus, tiers: readonly TierName[]): string {
  const waiting = tiers.find((tier) => status.tiers[tier].state !== "ready");
  const reason = waiting === undefined ? "" : status.tiers[waiting].reason;
  const concerned = status.components.filter(
    (component) => TIERS.indexOf(component.tier) < TIERS.indexOf("background"),
  );
  const ready = concerned.filter((component) => component.state === "ready").length;
  const counted = concerned.length === 0 ? "" : `${ready} of ${concerned.length} components ready`;
  return [counted, reason].filter(Boolean).join(". ").slice(0, 300);
}
