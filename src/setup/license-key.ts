/**
 * Another license for an appliance that is set up, by a key or by an install code: what it says, and having the application
 * take it.
 *
 * Both are secrets: they come by a form or by standard input, lie on the disk (0600) and in a Secret of the job while they are
 * needed, and are in no answer. The license before stays on the box, so that going back is the same operation; a code that was
 * traded stays used up.
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
import { keptSeed, licenseOfCode, tenantInCluster } from "./license-code.ts";
import { GIVEN, keyInCluster, LICENSE_STEPS, removeLicenseRemains } from "./license-key-steps.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";
import { refOfAnswers } from "./release-of-run.ts";
import { readInstallCode, readLicenseKey } from "./validate.ts";

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
  /** Digest of both keys and of the release: it tells nothing of them. Of a code nothing is in it: eight characters can be tried out. */
  readonly digest: Digest;
  readonly by: "key" | "code";
  readonly from: LicenseFacts | null;
  /** Null for an install code that has not been traded: only the license service knows. */
  readonly to: LicenseFacts | null;
  readonly steps: readonly { readonly id: string; readonly title: string; readonly about: string }[];
  /** Milliseconds the whole is expected to take. */
  readonly expectedMs: number;
  readonly warnings: readonly string[];
}

/** Changing the license. Bodies are untrusted; neither key nor code is told again. */
export interface LicenseKey {
  view(signal: AbortSignal): Promise<LicenseView>;
  /**
   * What a key would change; nothing is written.
   *
   * @param body `{licenseKey}`, `{installCode}`, or `{former: true}` for the key before.
   * @throws {ApplianceError} setup/invalid-answers by field, setup/not-done.
   */
  plan(body: unknown, signal: AbortSignal): Promise<LicensePlan>;
  /**
   * Keeps the key or the code and starts the operation; returns when its journal is on disk.
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
    const names = await deps.store.secretNames();
    if (GIVEN.some((name) => names.includes(name))) await removeLicenseRemains(deps, signal);
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

type Given = Readonly<Partial<Record<(typeof GIVEN)[number], string>>>;

interface Planned {
  readonly plan: LicensePlan;
  readonly given: Given;
  readonly installed: Installed;
}

async function begin(work: Work, operations: Operations, body: unknown): Promise<OperationView> {
  const { deps } = work;
  const { plan, given, installed } = await planFor(work, body);
  const asked = isPlainObject(body) ? body.planDigest : undefined;
  if (asked !== undefined && asked !== plan.digest) throw planChanged(plan);
  const inputs = await readAnswers(deps.store);
  if (inputs === undefined) throw notDone("setup has not been completed");
  const record: z.input<typeof planRecordSchema> = {
    planDigest: plan.digest,
    release: { ref: describeReleaseRef(refOfAnswers(inputs)), digest: installed.digest },
    about: { version: installed.version, by: plan.by, from: plan.from, to: plan.to },
    expectedMs: plan.expectedMs,
  };
  const current = operations.current();
  // A run that has not ended still needs what it was given: nothing is written over.
  if (current !== undefined && !hasEnded(current)) throw isBusy(current);
  const before = await readGiven(deps);
  await keepGiven(deps, given);
  try {
    return await operations.start("license", record);
  } catch (thrown) {
    await keepGiven(deps, before);
    throw thrown;
  }
}

async function readGiven({ store }: Pick<SetupDeps, "store">): Promise<Given> {
  const read = await Promise.all(GIVEN.map(async (name) => [name, await store.readSecret(name)] as const));
  return Object.fromEntries(read.filter(([, value]) => value !== undefined));
}

/** Writes what a run is given, and removes what it is not. */
async function keepGiven({ store }: Pick<SetupDeps, "store">, given: Given): Promise<void> {
  for (const name of GIVEN) {
    const value = given[name];
    if (value === undefined) await store.removeSecret(name);
    else await store.writeSecret(name, value);
  }
}

async function planFor(work: Work, body: unknown): Promise<Planned> {
  const { deps, settings } = work;
  const installed = await readInstalled(deps);
  if (installed === undefined || installed.installedAt === null) throw notDone("setup has not been completed");
  const given = await givenBy(deps, body);
  const code = given["new-install-code"];
  const kept = code === undefined ? undefined : await licenseOfCode(deps, code);
  const key = code === undefined ? given["new-license-key"] : kept?.token;
  const { key: former } = await keyInCluster(deps, work.signal);
  if (code === undefined && key === former) throw invalid("same", "This is the key in use. Give another one.");
  const nowMs = deps.clock.now();
  const from = former === undefined ? null : licenseFacts(former, nowMs);
  const to = key === undefined ? null : licenseFacts(key, nowMs);
  const by = code === undefined ? ("key" as const) : ("code" as const);
  const keys = [former, key].map((one) => digestOf(Buffer.from(one ?? "")));
  const about = { release: installed.digest, keys, ...(by === "code" ? { by } : {}) };
  const plan: LicensePlan = {
    digest: digestOfValue(about),
    by,
    from,
    to: to !== null && kept !== undefined ? { ...to, edition: to.edition ?? kept.installEdition } : to,
    steps: stepsOf(by),
    expectedMs: Math.round(EXPECTED_MS / (settings.pace ?? 1)),
    warnings: [...(by === "code" ? await codeWarnings(work, kept !== undefined) : []), ...warningsOf(from, to)],
  };
  return { plan, given, installed };
}

function stepsOf(by: LicensePlan["by"]): LicensePlan["steps"] {
  const steps = LICENSE_STEPS.filter(({ id }) => by === "code" || id !== "redeem");
  return steps.map(({ id, title, about }) => ({ id, title, about }));
}

async function givenBy(deps: Pick<SetupDeps, "store">, body: unknown): Promise<Given> {
  if (isPlainObject(body) && body.former === true) return formerLicense(deps);
  if (isPlainObject(body) && typeof body.installCode === "string" && body.installCode.trim() !== "")
    return { "new-install-code": readInstallCode(body).reveal() };
  return { "new-license-key": readLicenseKey(body).reveal() };
}

/** The key before, and the seed that was kept with it: one that was kept with another key is not its own. */
async function formerLicense({ store }: Pick<SetupDeps, "store">): Promise<Given> {
  const key = await store.readSecret("former-license-key");
  if (key === undefined) throw invalid("missing", "No key from before is kept. Paste the key.");
  const seed = await keptSeed({ store }, "former-license-seed");
  const isItsOwn = seed !== undefined && seed.LICENSE_TOKEN === key;
  return { "new-license-key": key, ...(isItsOwn ? { "new-license-seed": JSON.stringify(seed) } : {}) };
}

/** What nobody can take back, and what nobody knows yet. */
async function codeWarnings({ deps, signal }: Work, isTraded: boolean): Promise<readonly string[]> {
  if (isTraded)
    return ["This code was traded before, and what it brought is kept here: the license service is not asked again."];
  const tenant = await tenantInCluster(deps, signal);
  return [
    "An install code is good once. It is used up when the license service answers, also when what it brings is then refused; the license before can still be gone back to.",
    tenant === undefined
      ? "This appliance does not know the number of its organisation: the application decides whether the code is for it."
      : "A code of another organisation is refused, and changes nothing here.",
  ];
}

function warningsOf(from: LicenseFacts | null, to: LicenseFacts | null): readonly string[] {
  if (to === null) return [];
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

function isBusy({ id }: OperationView): ApplianceError {
  return new ApplianceError("operation/busy", `Cannot change the license: "${id}" has not ended`, {
    hint: "Wait until it has ended, let it go on (alga-appliance setup resume), or cancel it",
    details: { operation: id },
  });
}

function planChanged({ digest }: LicensePlan): ApplianceError {
  return new ApplianceError(
    "setup/plan-changed",
    "Cannot start this plan: another license is in use than the plan saw, or another one was given",
    { hint: "Look at the plan again and start that one", details: { planDigest: digest } },
  );
}

function notDone(reason: string): ApplianceError {
  return new ApplianceError("setup/not-done", `Cannot change the license: ${reason}`, {
    hint: "Finish setup first; it takes a license key or an install code too",
  });
}
