/**
 * The steps of another license: trade the install code where one was given, keep the former key, have the application check and
 * take the new one, keep that, clean up.
 *
 * The application's own script decides, in a job of its image: it reads the key from standard input and answers one line of
 * JSON, which counts more than how it ended. Nothing is started again. A key that is refused changes nothing and ends the run.
 *
 * @see reference/host-service.md section 10.2; reference/iso-scripts-flux.md section 9.3
 */
import { isPlainObject, parseJson } from "../core/json.ts";
import type { RetryPolicy } from "../core/retry.ts";
import { type DescribedStep, type StepResult, type StepRow, stepError, stepOfRow } from "../operation/step.ts";
import { type AppJobEnd, removeAppJobs, runAppJob } from "./app-job.ts";
import { answersOf, type SetupContext, type StepCall } from "./context.ts";
import { forgetCodeOf, isOfCode, keptSeed, redeemStep, seedInCluster } from "./license-code.ts";
import { APP_NAMESPACE, LICENSE_SECRET, licenseValues, secretObject } from "./objects.ts";
import type { SetupDeps } from "./ports.ts";

const MINUTE_MS = 60_000;
/** The application may still be starting: five looks in about ten minutes. */
const STARTING: RetryPolicy = { attempts: 5, baseMs: 15_000, maxMs: 240_000 };
const COMPONENT = "license-apply";
const SCRIPT = "/app/server/scripts/appliance-license-apply.mjs";

/** Hands the request on as standard input, and takes it out of the environment of the script. */
export const STDIN_WRAPPER = [
  'const { spawn } = require("node:child_process");',
  "const { env: all, argv, execPath, exit } = process;",
  'const { LICENSE_REQUEST: request = "", ...env } = all;',
  'const child = spawn(execPath, [argv[1]], { env, stdio: ["pipe", "inherit", "inherit"] });',
  'child.stdin.on("error", () => {});',
  "child.stdin.end(request);",
  'child.on("exit", (code) => exit(code ?? 1));',
].join(" ");

const ROWS: readonly StepRow<SetupContext>[] = [
  {
    id: "redeem",
    title: "Trade the install code",
    about: "The license service gives a license for it, once; what it gives is kept at once.",
    budgetMs: MINUTE_MS,
    needsNetwork: true,
    endsRun: true,
    work: redeemStep,
  },
  {
    id: "keep",
    title: "Keep the key that is in use",
    about: "So that it can be gone back to.",
    budgetMs: MINUTE_MS,
    work: keepFormer,
  },
  {
    id: "apply",
    title: "Have the application take the key",
    about: "A job of the application checks the key and takes it. Nothing is started again.",
    budgetMs: 5 * MINUTE_MS,
    retry: STARTING,
    endsRun: true,
    work: applyKey,
  },
  {
    id: "seed",
    title: "Keep the key in the cluster",
    about: "Where the application finds it when it is set up anew.",
    budgetMs: 2 * MINUTE_MS,
    work: writeSeed,
  },
  {
    id: "clean",
    title: "Remove what was needed for it",
    about: "The job and its Secret go.",
    budgetMs: 2 * MINUTE_MS,
    work: cleanUp,
  },
];

export const LICENSE_STEPS: readonly DescribedStep<SetupContext>[] = ROWS.map(stepOfRow);

/** What a run is given, and lays out, on the disk; the key last, because it tells that the others may be there. */
export const GIVEN = ["new-install-code", "new-license-seed", "new-license-key"] as const;

/**
 * Deletes every job and Secret of this kind, and what the run was given, that last. What a code brought and no run has used is
 * left: nobody gives it again. Safe to call again.
 */
export async function removeLicenseRemains(
  deps: Pick<SetupDeps, "kube" | "store">,
  signal: AbortSignal,
): Promise<void> {
  await removeAppJobs(deps, COMPONENT, signal);
  for (const name of GIVEN) await deps.store.removeSecret(name);
}

/** The key in the license seed; undefined when there is none. */
export async function keyInCluster(
  deps: Pick<SetupDeps, "kube">,
  signal: AbortSignal,
): Promise<{ readonly key: string | undefined; readonly edition: string | undefined }> {
  const { LICENSE_TOKEN, EDITION_CHOICE, INSTALL_EDITION } = await seedInCluster(deps, signal);
  const edition = [INSTALL_EDITION, EDITION_CHOICE].find((one) => one !== undefined && one !== "");
  return { key: LICENSE_TOKEN === "" ? undefined : LICENSE_TOKEN, edition };
}

const SEED = { apiVersion: "v1", kind: "Secret", namespace: APP_NAMESPACE, name: LICENSE_SECRET };

async function newKey({ context }: StepCall): Promise<string> {
  const key = await context.deps.store.readSecret("new-license-key");
  if (key !== undefined) return key;
  throw stepError({
    code: "setup/step-failed",
    message: "Cannot apply the license key: it is not kept any more",
    hint: "Cancel this, and give the key again",
    retrySafe: false,
    fields: [],
    evidence: [],
  });
}

/** The key, and beside it the whole seed: a credential that a code brought cannot be asked for again. */
async function keepFormer(call: StepCall): Promise<StepResult> {
  const { deps } = call.context;
  const key = await newKey(call);
  const values = await seedInCluster(deps, call.signal);
  const { LICENSE_TOKEN: former = "" } = values;
  if (former === "") return { state: "skipped", detail: "There is none" };
  // In a second attempt the new key may stand there already.
  if (former === key) return { state: "done" };
  await deps.store.writeSecret("former-license-seed", JSON.stringify(values));
  await deps.store.writeSecret("former-license-key", former);
  return { state: "done" };
}

async function applyKey(call: StepCall): Promise<StepResult> {
  const key = await newKey(call);
  if (key === "") return { state: "skipped", detail: "The code brought no key" };
  const end = await runAppJob(call, {
    name: `alga-license-apply-${call.context.operationId}`,
    component: COMPONENT,
    deed: "apply the license key",
    command: ({ scripts }) => ["node", "-e", STDIN_WRAPPER, scripts?.applyLicense ?? SCRIPT],
    environment: { LICENSE_REQUEST: JSON.stringify({ licenseKey: key }) },
    secret: key,
  });
  const answer = answerIn(end.said);
  if (answer?.ok === true || (answer === undefined && end.completed)) return { state: "done", detail: "It is taken" };
  if (answer === undefined) throw notAnswered(end);
  const byCode = await isOfCode(call.context.deps, key);
  await removeLicenseRemains(call.context.deps, call.signal);
  throw refused(answer, end, byCode);
}

/** The last line that is JSON with a word on how it went. */
function answerIn(said: readonly string[]): Readonly<Record<string, unknown>> | undefined {
  for (const line of said.toReversed()) {
    if (!line.trimStart().startsWith("{")) continue;
    const value = parsed(line);
    if (isPlainObject(value) && typeof value.ok === "boolean") return value;
  }
  return undefined;
}

function parsed(line: string): unknown {
  try {
    return parseJson(new TextEncoder().encode(line), { what: "answer of the license script" });
  } catch {
    return undefined;
  }
}

/** The script's codes in words. */
const REFUSALS: Readonly<Record<string, string>> = {
  invalid_license: "it is not a key that the application accepts",
  expired_license: "it has expired",
  superseded_license: "a newer one has taken its place",
  tenant_mismatch: "it belongs to another organisation",
};

/** What an applied key and the license of its code leave behind. */
async function cleanUp(call: StepCall): Promise<StepResult> {
  const { deps } = call.context;
  const key = await deps.store.readSecret("new-license-key");
  if (key !== undefined) await forgetCodeOf(deps, key);
  await removeLicenseRemains(deps, call.signal);
  return { state: "done" };
}

const OF_CODE =
  "The code is used up, and the license before stays in use. What it brought is kept: give the same code again to try once more, or ask for another";

function refused(answer: Readonly<Record<string, unknown>>, { ref, said }: AppJobEnd, byCode: boolean): Error {
  const code = typeof answer.code === "string" ? answer.code : "";
  const word = [answer.message, answer.error, code].find((one) => typeof one === "string" && one !== "");
  const why = Object.hasOwn(REFUSALS, code)
    ? REFUSALS[code]
    : `the application says "${String(word ?? "no").slice(0, 200)}"`;
  return stepError({
    code: "setup/license-rejected",
    message: `Cannot apply the license key: ${why}`,
    hint: byCode ? OF_CODE : "Ask for another key; the one before stays in use",
    retrySafe: false,
    fields: [byCode ? "installCode" : "licenseKey"],
    evidence: [{ ref: `Job ${ref.namespace}/${ref.name}`, text: said.join("\n") }],
  });
}

function notAnswered({ ref, said, why }: AppJobEnd): Error {
  return stepError({
    code: "setup/step-failed",
    message: `Cannot apply the license key: the application gives no answer (${said.at(-1)?.slice(0, 300) ?? why})`,
    hint: "It may still be starting: wait until people can log in, then try again",
    retrySafe: true,
    fields: [],
    evidence: said.length === 0 ? [] : [{ ref: `Job ${ref.namespace}/${ref.name}`, text: said.join("\n") }],
  });
}

/**
 * With a key only the key changes: what an install code has brought beside it stays. With a code, and on the way back, the seed
 * becomes as it was laid out.
 */
async function writeSeed(call: StepCall): Promise<StepResult> {
  const { kube } = call.context.deps;
  const key = await newKey(call);
  const whole = await keptSeed(call.context.deps, "new-license-seed");
  if ((await kube.get(SEED, { signal: call.signal })) === undefined) {
    const values = whole ?? licenseValues((await answersOf(call.context)).editionChoice, { token: key });
    await kube.apply(secretObject(LICENSE_SECRET, values), { signal: call.signal });
    return { state: "done" };
  }
  const there = Object.keys(await seedInCluster(call.context.deps, call.signal));
  const removed = whole === undefined ? [] : there.filter((name) => !Object.hasOwn(whole, name));
  const { data } = secretObject(LICENSE_SECRET, whole ?? { LICENSE_TOKEN: key });
  const gone = Object.fromEntries(removed.map((name) => [name, null]));
  await kube.patch(SEED, { data: { ...gone, ...(data as object) } }, { signal: call.signal });
  return { state: "done" };
}
