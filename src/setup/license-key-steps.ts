/**
 * The steps of another license key: keep the former one, have the application check and take the new one, keep that, clean up.
 *
 * The application's own script decides, in a job of its image: it reads the key from standard input and answers one line of
 * JSON, which counts more than how it ended. Nothing is started again. A key that is refused changes nothing and ends the run.
 *
 * @see reference/host-service.md section 10.2; reference/iso-scripts-flux.md section 9.3
 */
import { isPlainObject, parseJson } from "../core/json.ts";
import type { RetryPolicy } from "../core/retry.ts";
import { PATIENT_RETRY, type StepResult, stepError } from "../operation/step.ts";
import { type AppJobEnd, removeAppJobs, runAppJob } from "./app-job.ts";
import { answersOf, type StepCall } from "./context.ts";
import { APP_NAMESPACE, LICENSE_SECRET, licenseValues, secretObject, secretValues } from "./objects.ts";
import type { SetupDeps } from "./ports.ts";
import type { SetupStep } from "./steps.ts";

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

type Row = Omit<SetupStep, "run" | "retry"> &
  Partial<Pick<SetupStep, "retry">> & { readonly work: (call: StepCall) => Promise<StepResult> };

const ROWS: readonly Row[] = [
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
    work: async ({ context, signal }) => {
      await removeLicenseRemains(context.deps, signal);
      return { state: "done" };
    },
  },
];

export const LICENSE_STEPS: readonly SetupStep[] = ROWS.map(({ work, ...row }) => ({
  retry: PATIENT_RETRY,
  ...row,
  run: (context, progress, signal) => work({ context, progress, signal }),
}));

/** Deletes every job and Secret of this kind, and the new key on the disk, that last. Safe to call again. */
export async function removeLicenseRemains(
  deps: Pick<SetupDeps, "kube" | "store">,
  signal: AbortSignal,
): Promise<void> {
  await removeAppJobs(deps, COMPONENT, signal);
  await deps.store.removeSecret("new-license-key");
}

/** The key in the license seed; undefined when there is none. */
export async function keyInCluster(
  deps: Pick<SetupDeps, "kube">,
  signal: AbortSignal,
): Promise<{ readonly key: string | undefined; readonly edition: string | undefined }> {
  const { LICENSE_TOKEN, EDITION_CHOICE, INSTALL_EDITION } = secretValues(await deps.kube.get(SEED, { signal }));
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

async function keepFormer(call: StepCall): Promise<StepResult> {
  const { deps } = call.context;
  const key = await newKey(call);
  const { key: former } = await keyInCluster(deps, call.signal);
  if (former === undefined) return { state: "skipped", detail: "There is none" };
  // In a second attempt the new key may stand there already.
  if (former !== key) await deps.store.writeSecret("former-license-key", former);
  return { state: "done" };
}

async function applyKey(call: StepCall): Promise<StepResult> {
  const key = await newKey(call);
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
  await removeLicenseRemains(call.context.deps, call.signal);
  throw refused(answer, end);
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

function refused(answer: Readonly<Record<string, unknown>>, { ref, said }: AppJobEnd): Error {
  const code = typeof answer.code === "string" ? answer.code : "";
  const word = [answer.message, answer.error, code].find((one) => typeof one === "string" && one !== "");
  const why = Object.hasOwn(REFUSALS, code)
    ? REFUSALS[code]
    : `the application says "${String(word ?? "no").slice(0, 200)}"`;
  return stepError({
    code: "setup/license-rejected",
    message: `Cannot apply the license key: ${why}`,
    hint: "Ask for another key; the one before stays in use",
    retrySafe: false,
    fields: ["licenseKey"],
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

/** Only the key changes: what an install code has brought beside it stays. */
async function writeSeed(call: StepCall): Promise<StepResult> {
  const { kube } = call.context.deps;
  const key = await newKey(call);
  if ((await kube.get(SEED, { signal: call.signal })) === undefined) {
    const { editionChoice } = await answersOf(call.context);
    await kube.apply(secretObject(LICENSE_SECRET, licenseValues(editionChoice, { token: key })), {
      signal: call.signal,
    });
    return { state: "done" };
  }
  const LICENSE_TOKEN = Buffer.from(key, "utf8").toString("base64");
  await kube.patch(SEED, { data: { LICENSE_TOKEN } }, { signal: call.signal });
  return { state: "done" };
}
