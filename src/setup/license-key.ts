/**
 * Another license key for an appliance that is set up: what it says, and having the application take it.
 *
 * The key is a secret: it comes by a form or by standard input, lies on the disk (0600) and in a Secret of the job while it is
 * needed, and is in no answer. The key before stays on the box, so that going back is the same operation.
 *
 * @see reference/host-service.md section 10.2
 */
import type { z } from "zod";
import { type Digest, digestOf, digestOfValue } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import { hasEnded } from "../operation/fold.ts";
import type { OperationView } from "../operation/model.ts";
import type { Operations } from "../operation/operations.ts";
import { createProgram, type Program } from "../operation/step.ts";
import { describeReleaseRef } from "../release/resolved.ts";
import { type Installed, readInstalled } from "../status/installed.ts";
import { planRecordSchema, readAnswers } from "./documents.ts";
import { type LicenseFacts, licenseFacts } from "./license-claims.ts";
import { keyInCluster, LICENSE_STEPS, removeLicenseRemains } from "./license-key-steps.ts";
import { readLicenseKey } from "./model.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";
import { refOfAnswers } from "./release-of-run.ts";

/** What the page shows: what the key in use says of itself. */
export interface LicenseView {
  readonly available: boolean;
  /** Why it is not available, one sentence; null when it is. */
  readonly reason: string | null;
  /** Null where no key is in use. */
  readonly now: LicenseFacts | null;
  /** The key before is kept and can be gone back to. */
  readonly former: LicenseFacts | null;
}

export interface LicensePlan {
  /** Digest of both keys and of the release: it tells nothing of them. */
  readonly digest: Digest;
  readonly from: LicenseFacts | null;
  readonly to: LicenseFacts;
  readonly steps: readonly { readonly id: string; readonly title: string; readonly about: string }[];
  /** Milliseconds the whole is expected to take. */
  readonly expectedMs: number;
  readonly warnings: readonly string[];
}

/** Changing the license key. Bodies are untrusted; the key is never told again. */
export interface LicenseKey {
  view(signal: AbortSignal): Promise<LicenseView>;
  /**
   * What a key would change; nothing is written.
   *
   * @param body `{licenseKey}`, or `{former: true}` for the key before.
   * @throws {ApplianceError} setup/invalid-answers by field, setup/not-done.
   */
  plan(body: unknown, signal: AbortSignal): Promise<LicensePlan>;
  /**
   * Keeps the key and starts the operation; returns when its journal is on disk.
   *
   * @param body As `plan`, with `planDigest` where the plan that was seen must still be the plan.
   * @throws {ApplianceError} as `plan`; setup/plan-changed, operation/busy.
   */
  start(body: unknown, signal: AbortSignal): Promise<OperationView>;
  /**
   * Takes away now, and after every run that ends, what a cancelled one has left in the cluster and on the disk.
   *
   * @returns Ends it. What could not be removed is logged and tried again after the next run and at the next start.
   */
  keepClean(signal: AbortSignal): () => void;
}

/** A pod starts, the script runs, the pod ends. */
const EXPECTED_MS = 60_000;

/** The program of operations of kind "license". */
export function licenseProgram(deps: SetupDeps, settings: SetupSettings): Program {
  return createProgram(LICENSE_STEPS, async ({ id, plan }) => ({
    operationId: id,
    plan: planRecordSchema.parse(plan),
    deps,
    settings,
  }));
}

/** Puts it together over one set of operations. Reads and writes nothing before the first call. */
export function createLicenseKey(deps: SetupDeps, settings: SetupSettings, operations: Operations): LicenseKey {
  let queue: Promise<unknown> = Promise.resolve();
  /** One after the other: what is cleared away must not be what the next run has just been given. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = queue.then(work);
    queue = next.catch(() => {});
    return next;
  };
  const sweep = async (signal: AbortSignal): Promise<void> => {
    const current = operations.current();
    if (current?.kind !== "license" || !hasEnded(current)) return;
    if ((await deps.store.secretNames()).includes("new-license-key")) await removeLicenseRemains(deps, signal);
  };
  const tidy = (signal: AbortSignal): Promise<void> =>
    inTurn(() => sweep(signal)).catch((error: unknown) =>
      deps.log.warn("remains of a license key not removed", { error }),
    );
  return {
    view: (signal) => lookAt(deps, signal),
    plan: async (body, signal) => (await planFor({ deps, settings, signal }, body)).plan,
    start: async (body, signal) => {
      await tidy(signal);
      return inTurn(() => begin({ deps, settings, signal }, operations, body));
    },
    keepClean: (signal) => {
      void tidy(signal);
      return operations.subscribe(({ type }) => void (type === "operation" && tidy(signal)));
    },
  };
}

interface Work {
  readonly deps: SetupDeps;
  readonly settings: SetupSettings;
  readonly signal: AbortSignal;
}

interface Planned {
  readonly plan: LicensePlan;
  readonly key: string;
  readonly installed: Installed;
}

async function begin(work: Work, operations: Operations, body: unknown): Promise<OperationView> {
  const { deps, settings } = work;
  const { plan, key, installed } = await planFor(work, body);
  const asked = isPlainObject(body) ? body.planDigest : undefined;
  if (asked !== undefined && asked !== plan.digest) throw planChanged(plan);
  const inputs = await readAnswers(deps.store);
  if (inputs === undefined) throw notDone("setup has not been completed");
  const record: z.input<typeof planRecordSchema> = {
    planDigest: plan.digest,
    release: { ref: describeReleaseRef(refOfAnswers(inputs)), digest: installed.digest },
    about: { version: installed.version, from: plan.from, to: plan.to },
    expectedMs: Math.round(EXPECTED_MS / (settings.pace ?? 1)),
  };
  // A run of this kind that has not ended still needs what it was given.
  const before = await deps.store.readSecret("new-license-key");
  await deps.store.writeSecret("new-license-key", key);
  try {
    return await operations.start("license", record);
  } catch (thrown) {
    if (before === undefined) await deps.store.removeSecret("new-license-key");
    else await deps.store.writeSecret("new-license-key", before);
    throw thrown;
  }
}

async function planFor({ deps, settings, signal }: Work, body: unknown): Promise<Planned> {
  const installed = await readInstalled(deps);
  if (installed === undefined || installed.installedAt === null) throw notDone("setup has not been completed");
  const key = await keyOf(deps, body);
  const { key: former } = await keyInCluster(deps, signal);
  if (key === former) throw invalid("same", "This is the key in use. Give another one.");
  const nowMs = deps.clock.now();
  const [from, to] = [former === undefined ? null : licenseFacts(former, nowMs), licenseFacts(key, nowMs)];
  const about = { release: installed.digest, keys: [former ?? "", key].map((one) => digestOf(Buffer.from(one))) };
  const plan: LicensePlan = {
    digest: digestOfValue(about),
    from,
    to,
    steps: LICENSE_STEPS.map(({ id, title, about: sentence }) => ({ id, title, about: sentence })),
    expectedMs: Math.round(EXPECTED_MS / (settings.pace ?? 1)),
    warnings: warningsOf(from, to),
  };
  return { plan, key, installed };
}

async function keyOf({ store }: Pick<SetupDeps, "store">, body: unknown): Promise<string> {
  if (!isPlainObject(body) || body.former !== true) return readLicenseKey(body).reveal();
  const former = await store.readSecret("former-license-key");
  if (former === undefined) throw invalid("missing", "No key from before is kept. Paste the key.");
  return former;
}

function warningsOf(from: LicenseFacts | null, to: LicenseFacts): readonly string[] {
  if (to.state === "expired") return ["This key has expired: the application will not take it."];
  if (to.state === "unknown") return ["This key does not say until when it is good; the application decides."];
  const isShorter = from?.state === "active" && (to.expiresAt ?? "9") < (from.expiresAt ?? "9");
  return isShorter ? ["This key ends before the one in use."] : [];
}

async function lookAt(deps: SetupDeps, signal: AbortSignal): Promise<LicenseView> {
  const installed = await readInstalled(deps);
  if (installed === undefined || installed.installedAt === null)
    return { available: false, reason: "Setup has not been completed.", now: null, former: null };
  const nowMs = deps.clock.now();
  const { key, edition } = await keyInCluster(deps, signal);
  const former = await deps.store.readSecret("former-license-key");
  const facts = key === undefined ? null : licenseFacts(key, nowMs);
  return {
    available: true,
    reason: null,
    now: facts === null ? null : { ...facts, edition: facts.edition ?? edition ?? null },
    former: former === undefined || former === key ? null : licenseFacts(former, nowMs),
  };
}

function invalid(code: string, detail: string): ApplianceError {
  return new ApplianceError("setup/invalid-answers", "Cannot use the license key: it must be corrected", {
    hint: "Correct the marked field and send it again",
    details: { errors: [{ field: "licenseKey", code, detail }] },
  });
}

function planChanged({ digest }: LicensePlan): ApplianceError {
  return new ApplianceError(
    "setup/plan-changed",
    "Cannot start this plan: another key is in use than the plan saw, or another key was given",
    { hint: "Look at the plan again and start that one", details: { planDigest: digest } },
  );
}

function notDone(reason: string): ApplianceError {
  return new ApplianceError("setup/not-done", `Cannot change the license key: ${reason}`, {
    hint: "Finish setup first; it takes a license key too",
  });
}
