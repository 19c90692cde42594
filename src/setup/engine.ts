/**
 * Setup from outside: what the wizard shows first, the plan, and the run with its corrections.
 *
 * Answers are saved before they are used, secrets apart from them. A run that waits or is blocked takes corrected answers
 * and goes on from the first step that reads one of them.
 */

import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import { PASSWORD_POLICY } from "../core/password-policy.ts";
import { toInstant } from "../core/time.ts";
import { hasEnded } from "../operation/fold.ts";
import type { OperationView } from "../operation/model.ts";
import type { Operations } from "../operation/operations.ts";
import { createProgram, type Program } from "../operation/step.ts";
import type { SecretName } from "../operation/store.ts";
import { describeReleaseRef } from "../release/resolved.ts";
import { readInstalled } from "../status/installed.ts";
import { type ChannelOffers, createChannels } from "./channels.ts";
import { type PlanRecord, planRecordSchema, readAnswers, writeAnswers } from "./documents.ts";
import type { SetupInputs, SetupSecrets } from "./model.ts";
import { askNameServers, type NameServerReport } from "./name-servers.ts";
import { planDigest, planSetup, type SetupPlan } from "./plan.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";
import { refOfAnswers } from "./release-of-run.ts";
import { SETUP_STEPS } from "./steps.ts";
import { type ValidAnswers, validateAnswers, validateNameQuestion } from "./validate.ts";

export interface SetupConfig extends ChannelOffers {
  readonly mode: "setup" | "status";
  readonly rehearsal: boolean;
  /** Saved answers, never secrets. */
  readonly defaults: Partial<SetupInputs>;
  /** Names of secret answers that are kept already: "adminPassword". */
  readonly secretsKept: readonly string[];
  readonly network: { readonly addresses: readonly string[]; readonly resolvers: readonly string[] };
  readonly registry: string;
  readonly passwordPolicy: typeof PASSWORD_POLICY;
  readonly operation: OperationView | null;
}

/** The setup of the box: what it offers, what it would do, and doing it. Answers are untrusted and checked field by field. */
export interface Setup {
  config(signal: AbortSignal): Promise<SetupConfig>;
  /** @throws {ApplianceError} setup/invalid-answers, or what resolving the release throws. */
  plan(answers: unknown, signal: AbortSignal): Promise<SetupPlan>;
  /**
   * Saves the answers and starts a setup, or corrects and goes on with the one that waits or is blocked.
   *
   * @param answers With `planDigest` the plan that was seen must still be the plan.
   * @throws {ApplianceError} setup/invalid-answers, setup/already-done, setup/release-changed, operation/busy.
   */
  start(answers: unknown, signal: AbortSignal): Promise<OperationView>;
  /**
   * Asks the name servers of these answers; nothing is saved.
   * @throws {ApplianceError} setup/invalid-answers for what is no address.
   */
  nameServers(answers: unknown): Promise<NameServerReport>;
  /** "status" once setup has proved the login page. */
  mode(): Promise<"setup" | "status">;
}

const SECRET_FILES: Readonly<Record<keyof SetupSecrets, SecretName>> = {
  adminPassword: "admin-password",
  licenseKey: "license-key",
  installCode: "install-code",
};

/** Plans that were shown and may be started: enough for a few tabs. */
const MAX_PLANS = 8;

/** The program of operations of kind "setup". */
export function setupProgram(deps: SetupDeps, settings: SetupSettings): Program {
  const program = createProgram(SETUP_STEPS, async ({ id, plan }) => ({
    operationId: id,
    plan: planRecordSchema.parse(plan),
    deps,
    settings,
  }));
  // The whole of release.json, so that the history can stand in for it.
  return { ...program, result: async () => ({ ...(await readInstalled(deps)) }) };
}

/** Puts setup together over one set of operations. Plans that were shown live in memory: a restart wants a new look at the plan. */
export function createSetup(deps: SetupDeps, settings: SetupSettings, operations: Operations): Setup {
  const channels = createChannels(deps, settings);
  const plans = createPlans(deps, settings);
  let queue: Promise<unknown> = Promise.resolve();
  const mode = async (): Promise<"setup" | "status"> => {
    const installedAt = (await readInstalled(deps))?.installedAt ?? null;
    return installedAt === null ? "setup" : "status";
  };
  return {
    mode,
    plan: async (body, signal) => plans.make(validateAnswers(body, { passwordOptional: true }), signal),
    nameServers: async (body) => askNameServers(deps, validateNameQuestion(body)),
    start: (body, signal) => {
      const next = queue.then(() => submit({ deps, operations, plans, mode }, body, signal));
      queue = next.catch(() => {});
      return next;
    },
    config: async (signal) => ({
      mode: await mode(),
      rehearsal: settings.rehearsal,
      defaults: (await readAnswers(deps.store).catch(() => undefined)) ?? { channel: "stable", dnsMode: "system" },
      secretsKept: await keptSecrets(deps),
      network: { addresses: await deps.network.addresses(), resolvers: await deps.network.nameServers() },
      ...(await channels(signal)),
      registry: deps.registry.place.registry,
      passwordPolicy: PASSWORD_POLICY,
      operation: operations.current() ?? null,
    }),
  };
}

interface Plans {
  make(answers: ValidAnswers, signal: AbortSignal): Promise<SetupPlan>;
  /** What the journal keeps of the plan that `body` names; without one the release is resolved by the run. */
  recordOf(answers: ValidAnswers, from: { readonly body: unknown; readonly signal: AbortSignal }): Promise<PlanRecord>;
}

/** Makes plans and keeps the newest of them. */
function createPlans(deps: SetupDeps, settings: SetupSettings): Plans {
  const plans = new Map<string, SetupPlan>();
  const make: Plans["make"] = async (answers, signal) => {
    const kept = await deps.store.secretNames();
    const { licenseKey, installCode } = answers.secrets;
    const licensed = licenseKey !== undefined || installCode !== undefined || kept.some((name) => LICENSES.has(name));
    const made = await planSetup(deps, answers.inputs, { settings, signal, licensed });
    plans.delete(made.digest);
    plans.set(made.digest, made);
    for (const old of [...plans.keys()].slice(0, -MAX_PLANS)) plans.delete(old);
    return made;
  };
  return {
    make,
    recordOf: async (answers, from) => {
      const asked =
        isPlainObject(from.body) && typeof from.body.planDigest === "string" ? from.body.planDigest : undefined;
      const ref = describeReleaseRef(refOfAnswers(answers.inputs));
      if (asked === undefined) return { planDigest: null, release: null, about: { release: ref }, expectedMs: null };
      const found = plans.get(asked) ?? (await make(answers, from.signal));
      if (planDigest(found.release.digest, answers.inputs) !== asked) throw changedMeanwhile(found);
      const { version, digest, channel } = found.release;
      const about = { release: ref, version, digest, channel };
      return { planDigest: found.digest, release: { ref, digest }, about, expectedMs: found.expectedMs };
    },
  };
}

interface Submission {
  readonly deps: SetupDeps;
  readonly operations: Operations;
  readonly plans: Plans;
  readonly mode: Setup["mode"];
}

/** Starts a setup, or corrects the one that waits or is blocked. One at a time. */
async function submit(to: Submission, body: unknown, signal: AbortSignal): Promise<OperationView> {
  const { deps, operations } = to;
  const current = operations.current();
  const running = current !== undefined && current.kind === "setup" && !hasEnded(current) ? current : undefined;
  if (running === undefined && (await to.mode()) === "status") throw alreadyDone();
  if (running !== undefined && running.problem === null) throw isRunning(running);
  const kept = await keptSecrets(deps);
  const answers = validateAnswers(body, { passwordOptional: running !== undefined || kept.includes("adminPassword") });
  if (running !== undefined) {
    const fields = await changedFields(deps, answers);
    return operations.correct(running.id, { fields, save: () => save(deps, answers) });
  }
  const record = await to.plans.recordOf(answers, { body, signal });
  await save(deps, answers);
  return operations.start("setup", record);
}

const LICENSES: ReadonlySet<SecretName> = new Set(["license-key", "install-code", "license"]);

async function keptSecrets(deps: SetupDeps): Promise<readonly string[]> {
  const names = await deps.store.secretNames();
  return Object.entries(SECRET_FILES).flatMap(([field, name]) => (names.includes(name) ? [field] : []));
}

/** Saves answers and secrets; a secret that was not given anew stays as it is. Safe to call again. */
async function save(deps: SetupDeps, { inputs, secrets }: ValidAnswers): Promise<void> {
  for (const [field, name] of Object.entries(SECRET_FILES)) {
    const secret = secrets[field as keyof SetupSecrets];
    if (secret !== undefined) await deps.store.writeSecret(name, secret.reveal());
  }
  await writeAnswers(deps.store, inputs, toInstant(deps.clock.now()));
}

/** Answers that differ from the kept ones, and all secrets that were given. */
async function changedFields(deps: SetupDeps, { inputs, secrets }: ValidAnswers): Promise<readonly string[]> {
  const before: Partial<SetupInputs> = (await readAnswers(deps.store)) ?? {};
  const changed = Object.entries(inputs).filter(([field, value]) => before[field as keyof SetupInputs] !== value);
  return [...changed.map(([field]) => field), ...Object.keys(secrets)];
}

function alreadyDone(): ApplianceError {
  return new ApplianceError("setup/already-done", "Cannot start setup: it has been completed", {
    hint: "Look at the overview: it shows what is installed and how it is",
  });
}

function isRunning(view: OperationView): ApplianceError {
  return new ApplianceError("operation/busy", `Cannot start setup: "${view.id}" is running`, {
    hint: "Follow it on the page, or with alga-appliance setup resume",
    details: { operation: view.id },
  });
}

function changedMeanwhile(found: SetupPlan): ApplianceError {
  return new ApplianceError(
    "setup/release-changed",
    `Cannot start this plan: the release or the answers are not those of the plan any more, it is ${found.release.version} now`,
    { hint: "Look at the plan again and start that one", details: { planDigest: found.digest } },
  );
}
