/**
 * The steps "reconcile", "tenant" and "login": they change nothing and wait for what the status says.
 *
 * They judge by the one `ApplianceStatus` and have no second opinion. While a check fails, its cause, evidence and next
 * step are the problem of the operation; when it is mended the step goes on by itself.
 */
import { humanDuration } from "../core/duration.ts";
import { publicError } from "../core/errors.ts";
import { redactText } from "../core/redact.ts";
import type { StepProblem } from "../operation/journal.ts";
import type { StepResult } from "../operation/step.ts";
import { withoutAges } from "../status/age.ts";
import { type ApplianceStatus, type Check, TIERS, type TierName } from "../status/model.ts";
import { pollMsOf, type StepCall } from "./context.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";
import { STORAGE_NAMESPACE } from "./storage-objects.ts";

/** Milliseconds a check must fail before it is called a problem: Flux and pods pass through bad moments by design. */
const GRACE_MS = 10_000;
/** Milliseconds a tier must be unknown: the first look at everything takes some seconds. */
const DOUBT_MS = 60_000;

/** What a step that only watches may touch. */
export interface WatchCall extends Pick<StepCall, "progress" | "signal"> {
  readonly context: {
    readonly deps: Pick<SetupDeps, "clock" | "observe">;
    readonly settings: Pick<SetupSettings, "pollMs" | "graceMs">;
  };
}

/** Waits until all the tiers are ready. Ends by the step's budget only. */
export async function waitForTiers(call: WatchCall, tiers: readonly TierName[]): Promise<StepResult> {
  const { deps, settings } = call.context;
  const startedMs = deps.clock.monotonic();
  const troubles = createTroubles(settings.graceMs ?? GRACE_MS);
  for (;;) {
    const seen = await observe(call);
    const nowMs = deps.clock.monotonic();
    if ("status" in seen && tiers.every((tier) => seen.status.tiers[tier].state === "ready")) {
      return { state: "done", detail: `Ready after ${humanDuration(nowMs - startedMs)}` };
    }
    const detail = "status" in seen ? describe(seen.status, tiers) : "The status cannot be read";
    call.progress(detail, troubles.at(nowMs, "status" in seen ? problemIn(seen.status, tiers) : seen.problem));
    await deps.clock.sleep(pollMsOf(settings), call.signal);
  }
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
    (check) => !check.code.startsWith("operation/") && TIERS.indexOf(check.tier) <= highest,
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
const OF_NO_RELEASE = `Pod ${STORAGE_NAMESPACE}/`;

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
