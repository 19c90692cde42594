/**
 * The steps of a new administrator's password: a job of the application's image runs the application's own script.
 *
 * The job is made suspended, then the Secret that belongs to it, then it is let go: whatever dies in between, the Secret goes
 * with its job. Both are named by the operation, so that a second attempt finds them.
 *
 * @see reference/host-service.md section 11; Kubernetes, "Suspending a Job" and "Owners and dependents"
 */
import { isPlainObject } from "../core/json.ts";
import { redactText } from "../core/redact.ts";
import type { RetryPolicy } from "../core/retry.ts";
import { conditionOf, fieldAt, type KubeObject, listAt, type ObjectRef, refOf, textAt } from "../kube/model.ts";
import { type StepResult, stepError } from "../operation/step.ts";
import { componentsOf } from "../release/model.ts";
import { pollMsOf } from "../status/waiting.ts";
import { releaseOf, type StepCall } from "./context.ts";
import { APP_NAMESPACE, secretObject, secretValues, TENANT_SECRET } from "./objects.ts";
import type { SetupDeps } from "./ports.ts";
import type { SetupStep } from "./steps.ts";

const MINUTE_MS = 60_000;
/** The script's own failure is told at once; a pod that could not start is worth another try. */
const FEW: RetryPolicy = { attempts: 2, baseMs: 5_000, maxMs: 15_000 };
const COMPONENT = "initial-admin-password-reset";
const SCRIPT = ["node", "/app/server/scripts/appliance-reset-admin-password.mjs"];
/** Seconds. */
const DEADLINE = 120;
const TTL = 300;
const LABELS = {
  "app.kubernetes.io/part-of": "alga-appliance",
  "app.kubernetes.io/component": COMPONENT,
};

type Row = Omit<SetupStep, "run" | "retry"> & { readonly work: (call: StepCall) => Promise<StepResult> };

const ROWS: readonly Row[] = [
  {
    id: "job",
    title: "Set the password",
    about: "A job of the application sets it for the administrator of setup.",
    budgetMs: 5 * MINUTE_MS,
    work: setPassword,
  },
  {
    id: "clean",
    title: "Remove what was needed for it",
    about: "The password leaves this box.",
    budgetMs: 2 * MINUTE_MS,
    work: async ({ context, signal }) => {
      await removeRemains(context.deps, signal);
      return { state: "done" };
    },
  },
];

export const ADMIN_PASSWORD_STEPS: readonly SetupStep[] = ROWS.map(({ work, ...row }) => ({
  retry: FEW,
  ...row,
  run: (context, progress, signal) => work({ context, progress, signal }),
}));

/**
 * Deletes every job and Secret of this kind, and the password on the disk. Safe to call again; nothing is there afterwards.
 *
 * @throws {ApplianceError} kube/ errors; the password leaves the disk last.
 */
export async function removeRemains(deps: Pick<SetupDeps, "kube" | "store">, signal: AbortSignal): Promise<void> {
  for (const kind of [
    { apiVersion: "batch/v1", kind: "Job" },
    { apiVersion: "v1", kind: "Secret" },
  ]) {
    const options = { labelSelector: `app.kubernetes.io/component=${COMPONENT}`, signal };
    const { items } = await deps.kube.list({ ...kind, namespace: APP_NAMESPACE }, options);
    for (const item of items) await deps.kube.delete(refOf(item), { propagation: "Background", signal });
  }
  await deps.store.removeSecret("new-admin-password");
}

async function setPassword(call: StepCall): Promise<StepResult> {
  const { deps, operationId, settings } = call.context;
  const name = `alga-admin-password-reset-${operationId}`;
  const ref = { apiVersion: "batch/v1", kind: "Job", namespace: APP_NAMESPACE, name };
  const former = await deps.kube.get(ref, { signal: call.signal });
  if (former !== undefined && conditionOf(former, "Failed")?.status === "True") await removeJob(call, ref);
  const job = await makeJob(call, ref);
  await makeSecret(call, job);
  await deps.kube.patch(ref, { spec: { suspend: false } }, { signal: call.signal });
  for (;;) {
    const now = await deps.kube.get(ref, { signal: call.signal });
    if (now !== undefined && conditionOf(now, "Complete")?.status === "True") return { state: "done" };
    if (now === undefined || conditionOf(now, "Failed")?.status === "True") throw await failure(call, ref, now);
    call.progress("The job runs");
    await deps.clock.sleep(pollMsOf(settings), call.signal);
  }
}

/** Its pods and its Secret go with it. */
async function removeJob({ context, signal }: StepCall, ref: ObjectRef): Promise<void> {
  const { kube, clock } = context.deps;
  await kube.delete(ref, { propagation: "Foreground", signal });
  while ((await kube.get(ref, { signal })) !== undefined) await clock.sleep(pollMsOf(context.settings), signal);
}

async function makeJob(call: StepCall, ref: ObjectRef): Promise<KubeObject> {
  const { kube } = call.context.deps;
  const there = await kube.get(ref, { signal: call.signal });
  if (there !== undefined) return there;
  const spec = {
    suspend: true,
    backoffLimit: 0,
    activeDeadlineSeconds: DEADLINE,
    ttlSecondsAfterFinished: TTL,
    template: { metadata: { labels: LABELS }, spec: await podSpec(call, ref.name) },
  };
  return kube.create({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: ref.name, namespace: APP_NAMESPACE, labels: LABELS },
    spec,
  });
}

/** What the application's own pod has, and nothing more: image, account, secrets, security contexts, environment. */
async function podSpec(call: StepCall, secret: string): Promise<Record<string, unknown>> {
  const pod = fieldAt(await applicationOf(call), "spec", "template", "spec");
  const containers = listAt(pod, "containers");
  const main = containers.find((one) => textAt(one, "name") === "sebastian") ?? containers[0];
  const environment = listAt(main, "envFrom");
  return {
    ...picked(pod, ["serviceAccountName", "imagePullSecrets", "securityContext"]),
    restartPolicy: "Never",
    containers: [
      {
        ...picked(main, ["image", "imagePullPolicy", "securityContext", "env"]),
        name: "reset",
        command: SCRIPT,
        envFrom: [...environment, { secretRef: { name: secret } }],
        resources: { requests: { cpu: "25m", memory: "64Mi" }, limits: { cpu: "250m", memory: "256Mi" } },
      },
    ],
  };
}

function picked(from: unknown, names: readonly string[]): Record<string, unknown> {
  if (!isPlainObject(from)) return {};
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]])));
}

/** The Deployment that answers the login page. */
async function applicationOf(call: StepCall): Promise<KubeObject> {
  const { manifest } = await releaseOf(call);
  const component = componentsOf(manifest).find((one) => one.loginService !== undefined);
  const workload = component?.workloads.find(({ tier, kind }) => tier === "login" && kind === "Deployment");
  const ref = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    namespace: component?.targetNamespace ?? APP_NAMESPACE,
    name: workload?.name ?? "",
  };
  const found = workload === undefined ? undefined : await call.context.deps.kube.get(ref, { signal: call.signal });
  if (found !== undefined) return found;
  throw stepError({
    code: "setup/step-failed",
    message: `Cannot set the password: the application's Deployment "${ref.namespace}/${ref.name}" is not there`,
    hint: "Wait until people can log in, then try again",
    retrySafe: true,
    fields: [],
    evidence: [],
  });
}

/** Owned by the job: who deletes that deletes this. */
async function makeSecret(call: StepCall, job: KubeObject): Promise<void> {
  const { kube, store } = call.context.deps;
  const password = await store.readSecret("new-admin-password");
  const tenant = { apiVersion: "v1", kind: "Secret", namespace: APP_NAMESPACE, name: TENANT_SECRET };
  const known = secretValues(await kube.get(tenant, { signal: call.signal }));
  if (password === undefined) {
    throw stepError({
      code: "setup/step-failed",
      message: "Cannot set the password: it is not kept any more",
      hint: "Cancel this, and choose a password again",
      retrySafe: false,
      fields: [],
      evidence: [],
    });
  }
  const { name, uid = "" } = job.metadata;
  const made = secretObject(name, {
    RESET_ADMIN_PASSWORD: password,
    RESET_ADMIN_EMAIL: known.INITIAL_ADMIN_EMAIL ?? "",
    RESET_TENANT_ID: known.INITIAL_TENANT_ID ?? "",
  });
  const ownerReferences = [{ apiVersion: "batch/v1", kind: "Job", name, uid }];
  const metadata = { ...made.metadata, labels: LABELS, ownerReferences };
  await kube.apply({ ...made, metadata }, { signal: call.signal });
}

/** What the script said last, redacted; never what it was given. */
async function failure(call: StepCall, ref: ObjectRef, job: KubeObject | undefined): Promise<Error> {
  const said = await lastLines(call, ref);
  const why = job === undefined ? "its job was removed" : (conditionOf(job, "Failed")?.message ?? "its job failed");
  return stepError({
    code: "setup/step-failed",
    message: `Cannot set the password of the administrator: ${said.at(-1) ?? why}`,
    hint: "Look at the log of the job. The administrator must exist once in the application; try again afterwards",
    retrySafe: true,
    fields: [],
    evidence: said.length === 0 ? [] : [{ ref: `Job ${ref.namespace}/${ref.name}`, text: said.join("\n") }],
  });
}

const LOG_LINES = 10;

async function lastLines({ context, signal }: StepCall, ref: ObjectRef): Promise<readonly string[]> {
  const { kube, store } = context.deps;
  const password = (await store.readSecret("new-admin-password")) ?? "";
  const pods = { apiVersion: "v1", kind: "Pod", namespace: APP_NAMESPACE };
  try {
    const { items } = await kube.list(pods, { labelSelector: `batch.kubernetes.io/job-name=${ref.name}`, signal });
    const pod = items.at(-1)?.metadata.name;
    if (pod === undefined) return [];
    const place = { namespace: APP_NAMESPACE, pod };
    const log = await kube.logs(place, { tailLines: LOG_LINES, limitBytes: 8_192, signal });
    const clean = password === "" ? log : log.replaceAll(password, "[secret]");
    return redactText(clean)
      .split("\n")
      .filter((line) => line.trim() !== "");
  } catch {
    signal.throwIfAborted();
    return [];
  }
}
