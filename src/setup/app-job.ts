/**
 * A job of the application's image that runs one of the application's own scripts.
 *
 * The job is made suspended, then the Secret that belongs to it, then it is let go: whatever dies in between, the Secret goes
 * with its job. Both are named by the operation, so that a second attempt finds them. What the script says is untrusted, bounded
 * and cleared of the secret before it is shown.
 *
 * @see reference/host-service.md section 11; Kubernetes, "Suspending a Job" and "Owners and dependents"
 */
import { isPlainObject } from "../core/json.ts";
import { redactText } from "../core/redact.ts";
import { conditionOf, fieldAt, type KubeObject, listAt, type ObjectRef, refOf, textAt } from "../kube/model.ts";
import { stepError } from "../operation/step.ts";
import { type ComponentSpec, componentsOf } from "../release/model.ts";
import { pollMsOf } from "../status/waiting.ts";
import { releaseOf, type StepCall } from "./context.ts";
import { APP_NAMESPACE, secretObject } from "./objects.ts";
import type { SetupDeps } from "./ports.ts";

/** Seconds. */
const DEADLINE = 120;
const TTL = 300;
const LOG_LINES = 10;

/** What is to be run, and with what. */
export interface AppJob {
  /** Name of the job and of its Secret; the same in every attempt of an operation. */
  readonly name: string;
  /** Label `app.kubernetes.io/component`, by which its remains are found. */
  readonly component: string;
  /** For messages: "set the password". */
  readonly deed: string;
  /** Made of the component that has the script. */
  readonly command: (component: ComponentSpec) => readonly string[];
  /** Environment of the script. */
  readonly environment: Readonly<Record<string, string>>;
  /** The one text that must not be shown. */
  readonly secret: string;
}

/** How a job ended. */
export interface AppJobEnd {
  readonly completed: boolean;
  /** Kubernetes' own word where it failed. */
  readonly why: string;
  /** Its last lines, redacted. */
  readonly said: readonly string[];
  readonly ref: ObjectRef;
}

/**
 * Runs a job until it has ended; one of this name that has failed is made anew. Safe to call again.
 *
 * @throws {ApplianceError} setup/step-failed when the application is not there; kube/ errors.
 */
export async function runAppJob(call: StepCall, job: AppJob): Promise<AppJobEnd> {
  const { deps, settings } = call.context;
  const ref = { apiVersion: "batch/v1", kind: "Job", namespace: APP_NAMESPACE, name: job.name };
  const former = await deps.kube.get(ref, { signal: call.signal });
  if (former !== undefined && conditionOf(former, "Failed")?.status === "True") await removeJob(call, ref);
  await makeSecret(call, job, await makeJob(call, ref, job));
  await deps.kube.patch(ref, { spec: { suspend: false } }, { signal: call.signal });
  for (;;) {
    const now = await deps.kube.get(ref, { signal: call.signal });
    const completed = now !== undefined && conditionOf(now, "Complete")?.status === "True";
    if (completed || now === undefined || conditionOf(now, "Failed")?.status === "True") {
      const why = now === undefined ? "its job was removed" : (conditionOf(now, "Failed")?.message ?? "its job failed");
      return { completed, why, said: await lastLines(call, ref, job.secret), ref };
    }
    call.progress("The job runs");
    await deps.clock.sleep(pollMsOf(settings), call.signal);
  }
}

/**
 * Deletes every job and Secret of a component label. Safe to call again; nothing is there afterwards.
 *
 * @throws {ApplianceError} kube/ errors.
 */
export async function removeAppJobs(
  deps: Pick<SetupDeps, "kube">,
  component: string,
  signal: AbortSignal,
): Promise<void> {
  for (const kind of [
    { apiVersion: "batch/v1", kind: "Job" },
    { apiVersion: "v1", kind: "Secret" },
  ]) {
    const options = { labelSelector: `app.kubernetes.io/component=${component}`, signal };
    const { items } = await deps.kube.list({ ...kind, namespace: APP_NAMESPACE }, options);
    for (const item of items) await deps.kube.delete(refOf(item), { propagation: "Background", signal });
  }
}

function labelsOf({ component }: AppJob): Readonly<Record<string, string>> {
  return { "app.kubernetes.io/part-of": "alga-appliance", "app.kubernetes.io/component": component };
}

/** Its pods and its Secret go with it. */
async function removeJob({ context, signal }: StepCall, ref: ObjectRef): Promise<void> {
  const { kube, clock } = context.deps;
  await kube.delete(ref, { propagation: "Foreground", signal });
  while ((await kube.get(ref, { signal })) !== undefined) await clock.sleep(pollMsOf(context.settings), signal);
}

async function makeJob(call: StepCall, ref: ObjectRef, job: AppJob): Promise<KubeObject> {
  const { kube } = call.context.deps;
  const there = await kube.get(ref, { signal: call.signal });
  if (there !== undefined) return there;
  const labels = labelsOf(job);
  const spec = {
    suspend: true,
    backoffLimit: 0,
    activeDeadlineSeconds: DEADLINE,
    ttlSecondsAfterFinished: TTL,
    template: { metadata: { labels }, spec: await podSpec(call, job) },
  };
  const { name, apiVersion, kind } = ref;
  return kube.create({ apiVersion, kind, metadata: { name, namespace: APP_NAMESPACE, labels }, spec });
}

/** What the application's own pod has, and nothing more: image, account, secrets, security contexts, environment. */
async function podSpec(call: StepCall, job: AppJob): Promise<Record<string, unknown>> {
  const { component, deployment } = await applicationOf(call, job);
  const pod = fieldAt(deployment, "spec", "template", "spec");
  const containers = listAt(pod, "containers");
  const main = containers.find((one) => textAt(one, "name") === "sebastian") ?? containers[0];
  const environment = listAt(main, "envFrom");
  return {
    ...picked(pod, ["serviceAccountName", "imagePullSecrets", "securityContext"]),
    restartPolicy: "Never",
    containers: [
      {
        ...picked(main, ["image", "imagePullPolicy", "securityContext", "env"]),
        name: "script",
        command: job.command(component),
        envFrom: [...environment, { secretRef: { name: job.name } }],
        resources: { requests: { cpu: "25m", memory: "64Mi" }, limits: { cpu: "250m", memory: "256Mi" } },
      },
    ],
  };
}

function picked(from: unknown, names: readonly string[]): Record<string, unknown> {
  if (!isPlainObject(from)) return {};
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]])));
}

/** The component and the Deployment that answer the login page. */
async function applicationOf(
  call: StepCall,
  { deed }: AppJob,
): Promise<{ readonly component: ComponentSpec; readonly deployment: KubeObject }> {
  const { manifest } = await releaseOf(call);
  const component = componentsOf(manifest).find((one) => one.loginService !== undefined);
  const workload = component?.workloads.find(({ tier, kind }) => tier === "login" && kind === "Deployment");
  const { targetNamespace: namespace = APP_NAMESPACE } = component ?? {};
  const ref = { apiVersion: "apps/v1", kind: "Deployment", namespace, name: workload?.name ?? "" };
  const found = workload === undefined ? undefined : await call.context.deps.kube.get(ref, { signal: call.signal });
  if (component !== undefined && found !== undefined) return { component, deployment: found };
  throw stepError({
    code: "setup/step-failed",
    message: `Cannot ${deed}: the application's Deployment "${ref.namespace}/${ref.name}" is not there`,
    hint: "Wait until people can log in, then try again",
    retrySafe: true,
    fields: [],
    evidence: [],
  });
}

/** Owned by the job: who deletes that deletes this. */
async function makeSecret({ context, signal }: StepCall, job: AppJob, made: KubeObject): Promise<void> {
  const secret = secretObject(job.name, job.environment);
  const { name, uid = "" } = made.metadata;
  const ownerReferences = [{ apiVersion: "batch/v1", kind: "Job", name, uid }];
  const metadata = { ...secret.metadata, labels: labelsOf(job), ownerReferences };
  await context.deps.kube.apply({ ...secret, metadata }, { signal });
}

async function lastLines({ context, signal }: StepCall, ref: ObjectRef, secret: string): Promise<readonly string[]> {
  const { kube } = context.deps;
  const pods = { apiVersion: "v1", kind: "Pod", namespace: APP_NAMESPACE };
  try {
    const { items } = await kube.list(pods, { labelSelector: `batch.kubernetes.io/job-name=${ref.name}`, signal });
    const pod = items.at(-1)?.metadata.name;
    if (pod === undefined) return [];
    const log = await kube.logs({ namespace: APP_NAMESPACE, pod }, { tailLines: LOG_LINES, limitBytes: 8_192, signal });
    const clean = secret === "" ? log : log.replaceAll(secret, "[secret]");
    return redactText(clean)
      .split("\n")
      .filter((line) => line.trim() !== "");
  } catch {
    signal.throwIfAborted();
    return [];
  }
}
