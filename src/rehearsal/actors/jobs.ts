/**
 * Jobs: the bootstrap job waits for the database, reads the initial-tenant Secret, and creates the tenant, or fails as
 * a scenario says.
 */
import { toInstant } from "../../core/time.ts";
import { fieldAt, type KubeObject, listAt, numberAt, refOf, textAt } from "../../kube/model.ts";
import { licenseFacts } from "../../setup/license-claims.ts";
import {
  type Actor,
  type ActorContext,
  isTrue,
  JOB,
  listOf,
  POD,
  STATEFUL_SET,
  type Told,
  tellStatus,
} from "./actor.ts";
import { movePod } from "./pods.ts";

const RUN_MS = 3_000;
const FAIL_MS = 1_500;
const REQUIRED = ["INITIAL_TENANT_NAME", "INITIAL_ADMIN_FIRST_NAME", "INITIAL_ADMIN_LAST_NAME", "INITIAL_ADMIN_EMAIL"];

export const jobActor: Actor = {
  name: "jobs",
  act: async (context) => {
    for (const job of await listOf(context, JOB)) await moveJob(context, job);
  },
};

async function moveJob(context: ActorContext, job: KubeObject): Promise<void> {
  if (isTrue(job, "Complete") || isTrue(job, "Failed")) return await removeAfterTtl(context, job);
  if (fieldAt(job, "spec", "suspend") === true) return;
  const key = `job ${job.metadata.uid}`;
  const attempts = numberAt(job, "status", "failed") ?? 0;
  const pod = await keepJobPod(context, job, attempts);
  if (!(await hasStarted(context, pod))) return await tellJob(context, job, { active: 1, failed: attempts });
  const problem = await whyItFails(context, job);
  if (problem === "wait") return await tellJob(context, job, { active: 1, failed: attempts });
  if (problem === undefined) {
    if (!context.passed(`${key} run`, RUN_MS)) return await tellJob(context, job, { active: 1, failed: attempts });
    await endPod(context, pod, { phase: "Succeeded", exitCode: 0, reason: "Completed" });
    return await tellJob(context, job, { active: 0, failed: attempts, succeeded: 1 });
  }
  if (!context.passed(`${key} fail ${attempts}`, FAIL_MS)) return;
  await endPod(context, pod, { phase: "Failed", exitCode: 1, reason: "Error", message: problem });
  await tellJob(context, job, { active: 0, failed: attempts + 1 });
}

/** What the bootstrap script would print before it ends with 1; "wait" while the database is not there. */
async function whyItFails(context: ActorContext, job: KubeObject): Promise<string | "wait" | undefined> {
  const namespace = job.metadata.namespace ?? "default";
  const request = secretOfScript(job, "license-apply");
  if (request !== undefined) return whyLicenseFails(context, { namespace, name: request });
  const reset = secretOfScript(job, "initial-admin-password-reset");
  if (reset !== undefined) return whyResetFails(context, { namespace, name: reset });
  const database = await context.kube.get({ ...STATEFUL_SET, namespace, name: "db" });
  if ((numberAt(database, "status", "readyReplicas") ?? 0) < 1) return "wait";
  if (context.faults().bootstrapFails) {
    return 'bootstrap: creating the tenant failed: relation "tenants" does not exist (SQLSTATE 42P01)';
  }
  const secret = await context.kube.get({
    apiVersion: "v1",
    kind: "Secret",
    namespace,
    name: "appliance-initial-tenant",
  });
  const data = (secret?.data ?? {}) as Record<string, string>;
  const missing = REQUIRED.filter((name) => (data[name] ?? "") === "");
  const password = data.INITIAL_ADMIN_PASSWORD_HASH ?? data.INITIAL_ADMIN_PASSWORD;
  if (missing.length > 0 || password === undefined)
    return `bootstrap: required variables are missing: ${missing.join(", ") || "INITIAL_ADMIN_PASSWORD"}`;
  return undefined;
}

/** The Secret that a job of one of the application's scripts reads; undefined for another job. */
function secretOfScript(job: KubeObject, component: string): string | undefined {
  if (job.metadata.labels?.["app.kubernetes.io/component"] !== component) return undefined;
  const [container] = listAt(job, "spec", "template", "spec", "containers");
  return textAt(listAt(container, "envFrom").at(-1), "secretRef", "name") ?? "";
}

async function whyResetFails(
  context: ActorContext,
  secret: { readonly namespace: string; readonly name: string },
): Promise<string | undefined> {
  const found = await context.kube.get({ apiVersion: "v1", kind: "Secret", ...secret });
  const data = (found?.data ?? {}) as Record<string, string>;
  const missing = ["RESET_ADMIN_PASSWORD", "RESET_ADMIN_EMAIL", "RESET_ADMIN_TENANT_ID"].filter((name) => !data[name]);
  return missing.length === 0 ? undefined : `reset: required variables are missing: ${missing.join(", ")}`;
}

/** Takes any key that has not expired and whose signature is not "forged". Answers as the script does: one line of JSON. */
async function whyLicenseFails(
  context: ActorContext,
  secret: { readonly namespace: string; readonly name: string },
): Promise<string | undefined> {
  const found = await context.kube.get({ apiVersion: "v1", kind: "Secret", ...secret });
  const request = Buffer.from(textAt(found, "data", "LICENSE_REQUEST") ?? "", "base64").toString("utf8");
  const key = /"licenseKey":"([^"]+)"/.exec(request)?.[1] ?? "";
  const code = key.endsWith(".forged")
    ? "invalid_license"
    : licenseFacts(key, context.clock.now()).state === "expired"
      ? "expired_license"
      : undefined;
  return code === undefined ? undefined : JSON.stringify({ ok: false, code });
}

async function keepJobPod(context: ActorContext, job: KubeObject, attempt: number): Promise<KubeObject> {
  const { namespace = "default", name, uid = "" } = job.metadata;
  const ref = { ...POD, namespace, name: `${name}-${attempt}` };
  const there = await context.kube.get(ref);
  if (there !== undefined) return there;
  const template = job.spec as { template: { spec: object } };
  const pod = await context.kube.create({
    ...POD,
    metadata: {
      namespace,
      name: ref.name,
      labels: { "job-name": name, "batch.kubernetes.io/job-name": name },
      ownerReferences: [{ apiVersion: job.apiVersion, kind: job.kind, name, uid, controller: true }],
    },
    spec: { restartPolicy: "Never", ...template.template.spec },
  });
  return pod;
}

/** Takes the pod through scheduling and pulling, as any other: the job needs the node and its image too. */
async function hasStarted(context: ActorContext, pod: KubeObject): Promise<boolean> {
  if (textAt(pod, "status", "phase") === "Running") return true;
  await movePod(context, pod);
  return false;
}

interface PodEnd {
  readonly phase: "Succeeded" | "Failed";
  readonly exitCode: number;
  readonly reason: string;
  readonly message?: string;
}

async function endPod(context: ActorContext, pod: KubeObject, end: PodEnd): Promise<void> {
  const { namespace = "default", name } = pod.metadata;
  const called = textAt(listAt(pod, "spec", "containers")[0], "name") ?? "main";
  context.logs.append({ namespace, pod: name, container: called }, `${end.message ?? "done"}\n`);
  const terminated = {
    exitCode: end.exitCode,
    reason: end.reason,
    ...(end.message === undefined ? {} : { message: end.message }),
  };
  const container = { name: called, image: "", imageID: "", ready: false, restartCount: 0, state: { terminated } };
  await tellStatus(context, pod, { conditions: [], fields: { phase: end.phase, containerStatuses: [container] } });
}

interface JobCounts {
  readonly active: number;
  readonly failed: number;
  readonly succeeded?: number;
}

async function tellJob(context: ActorContext, job: KubeObject, counts: JobCounts): Promise<void> {
  const limit = numberAt(job, "spec", "backoffLimit") ?? 6;
  const conditions: Told[] = [];
  if (counts.succeeded === 1)
    conditions.push({
      type: "Complete",
      status: "True",
      reason: "CompletionsReached",
      message: "Reached expected number of succeeded pods",
    });
  if (counts.failed > limit)
    conditions.push({
      type: "Failed",
      status: "True",
      reason: "BackoffLimitExceeded",
      message: "Job has reached the specified backoff limit",
    });
  const startTime = textAt(job, "status", "startTime") ?? job.metadata.creationTimestamp;
  const ended = counts.succeeded === 1 ? { completionTime: toInstant(context.clock.now()) } : {};
  await tellStatus(context, job, { conditions, fields: { ...counts, startTime, ...ended } });
}

async function removeAfterTtl(context: ActorContext, job: KubeObject): Promise<void> {
  const ttlSeconds = numberAt(job, "spec", "ttlSecondsAfterFinished");
  if (ttlSeconds !== undefined && context.passed(`job ttl ${job.metadata.uid}`, ttlSeconds * 1_000))
    await context.kube.delete(refOf(job));
}
