/**
 * Deployments and StatefulSets become pods, and pods start: the deployment controller, the scheduler and the kubelet in one.
 *
 * A pod goes through scheduling, pulling, starting and readiness, each with its own delay and its own way to fail.
 */
import { digestOfValue, shortDigest } from "../../core/digest.ts";
import { type KubeObject, listAt, numberAt, refOf, textAt } from "../../kube/model.ts";
import { SMOKE_NAMESPACE } from "../../storage/smoke-objects.ts";
import { CRASHES } from "../sample-release.ts";
import {
  type Actor,
  type ActorContext,
  DEPLOYMENT,
  isTrue,
  JOB,
  listOf,
  NODE,
  POD,
  STATEFUL_SET,
  type Told,
  tellStatus,
} from "./actor.ts";
import { warn } from "./events.ts";
import { pullProblem } from "./images.ts";

const PULL_MS = 2_500;
const START_MS = 1_500;
const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim" } as const;

export const podActor: Actor = {
  name: "pods",
  act: async (context) => {
    const pods = await listOf(context, POD);
    for (const owner of [...(await listOf(context, DEPLOYMENT)), ...(await listOf(context, STATEFUL_SET))]) {
      await keepPods(context, owner, pods);
    }
    for (const pod of pods) {
      if (isNeverStarted(pod)) await pullOnly(context, pod);
      else if (ownerKind(pod) !== "Job") await movePod(context, pod);
    }
  },
};

function ownerKind(pod: KubeObject): string {
  return pod.metadata.ownerReferences?.[0]?.kind ?? "";
}

async function keepPods(context: ActorContext, owner: KubeObject, pods: readonly KubeObject[]): Promise<void> {
  const template = shortDigest(digestOfValue(listAt(owner, "spec", "template", "spec", "containers"))).slice(0, 8);
  const own = pods.filter((pod) => pod.metadata.ownerReferences?.[0]?.uid === owner.metadata.uid);
  const current = own.filter((pod) => pod.metadata.labels?.["pod-template-hash"] === template);
  for (const old of own) if (!current.includes(old)) await context.kube.delete(refOf(old));
  if (current.length === 0 && (numberAt(owner, "spec", "replicas") ?? 1) > 0) await createPod(context, owner, template);
  await tellOwner(context, owner, current.filter((pod) => isTrue(pod, "Ready")).length);
}

async function createPod(context: ActorContext, owner: KubeObject, template: string): Promise<void> {
  const { namespace = "default", name, uid = "" } = owner.metadata;
  for (const claim of listAt(owner, "spec", "volumeClaimTemplates"))
    await createClaim(context, owner, claim as KubeObject);
  await context.kube.create({
    ...POD,
    metadata: {
      namespace,
      name: owner.kind === "StatefulSet" ? `${name}-0` : `${name}-${template}`,
      labels: { ...podLabels(owner), "pod-template-hash": template },
      ownerReferences: [{ apiVersion: owner.apiVersion, kind: owner.kind, name, uid, controller: true }],
    },
    spec: { ...(owner.spec as { template: { spec: object } }).template.spec },
  });
}

function podLabels(owner: KubeObject): Record<string, string> {
  const { template } = owner.spec as { template: { metadata?: { labels?: Record<string, string> } } };
  return template.metadata?.labels ?? {};
}

async function createClaim(context: ActorContext, owner: KubeObject, claim: KubeObject): Promise<void> {
  const { namespace = "default" } = owner.metadata;
  const name = `${claim.metadata.name}-${owner.metadata.name}-0`;
  if ((await context.kube.get({ ...CLAIM, namespace, name })) !== undefined) return;
  await context.kube.create({ ...CLAIM, metadata: { namespace, name }, spec: claim.spec });
}

async function tellOwner(context: ActorContext, owner: KubeObject, ready: number): Promise<void> {
  const wanted = numberAt(owner, "spec", "replicas") ?? 1;
  const all = ready >= wanted;
  const counts = { replicas: wanted, updatedReplicas: wanted, readyReplicas: ready, availableReplicas: ready };
  if (owner.kind === "StatefulSet") {
    const revision = `${owner.metadata.name}-1`;
    await tellStatus(context, owner, {
      conditions: [],
      fields: { ...counts, currentReplicas: wanted, currentRevision: revision, updateRevision: revision },
    });
    return;
  }
  const available: Told = all
    ? {
        type: "Available",
        status: "True",
        reason: "MinimumReplicasAvailable",
        message: "Deployment has minimum availability.",
      }
    : {
        type: "Available",
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
  const progressing: Told = all
    ? {
        type: "Progressing",
        status: "True",
        reason: "NewReplicaSetAvailable",
        message: "The ReplicaSet has successfully progressed.",
      }
    : { type: "Progressing", status: "True", reason: "ReplicaSetUpdated", message: "The ReplicaSet is progressing." };
  await tellStatus(context, owner, {
    conditions: [available, progressing],
    fields: { ...counts, unavailableReplicas: wanted - ready },
  });
}

/** Takes a pod one step on: scheduled, its image pulled, running, ready. */
export async function movePod(context: ActorContext, pod: KubeObject): Promise<void> {
  const waiting = await whyNotScheduled(context, pod);
  if (waiting !== undefined) {
    await warn(context, pod, { reason: "FailedScheduling", message: waiting, by: "default-scheduler" });
    return await tellPod(context, pod, { phase: "Pending", scheduled: waiting });
  }
  if (textAt(pod, "status", "phase") === "Succeeded") return;
  if (isTrue(pod, "Ready") && !context.faults().nodeNotReady) return;
  const image = imageOf(pod);
  if (textAt(pod, "status", "phase") !== "Running" && !context.passed(`pull ${pod.metadata.uid}`, PULL_MS)) {
    return await tellPod(context, pod, { phase: "Pending", waiting: { reason: "ContainerCreating", message: "" } });
  }
  const problem = textAt(pod, "status", "phase") === "Running" ? undefined : await pullProblem(context, image);
  if (problem !== undefined) {
    await warn(context, pod, { reason: "Failed", message: problem.message, by: "kubelet" });
    return await tellPod(context, pod, { phase: "Pending", waiting: problem });
  }
  const hasStarted = context.passed(`start ${pod.metadata.uid}`, START_MS);
  if (hasStarted && isSmokeTest(pod)) return await endSmokeTest(context, pod);
  if (CRASHING.test(image) && ownerKind(pod) !== "Job") return await crash(context, pod, hasStarted);
  const ready = hasStarted && (await isServing(context, pod));
  await tellPod(context, pod, { phase: "Running", ready });
}

function isSmokeTest(pod: KubeObject): boolean {
  return pod.metadata.namespace === SMOKE_NAMESPACE;
}

/** It wrote to its volume, read the same again, and says what df says. */
async function endSmokeTest(context: ActorContext, pod: KubeObject): Promise<void> {
  const message = "/dev/vda1 123725212 41234567 82490645 34% /volume\n";
  const terminated = { exitCode: 0, reason: "Completed", message };
  const status = { name: "smoke", image: imageOf(pod), imageID: "", ready: false, restartCount: 0 };
  const fields = { phase: "Succeeded", containerStatuses: [{ ...status, state: { terminated } }] };
  await tellStatus(context, pod, { conditions: [SCHEDULED, NOT_READY], fields });
}

/** An image whose tag says so ends with an error each time it has started. */
const CRASHING = new RegExp(`:[^@/]*${CRASHES}(?:@|$)`);
const RESTART_MS = 3_000;
const MAX_RESTARTS = 6;

/** The kubelet starts it again and again, and waits in between. */
async function crash(context: ActorContext, pod: KubeObject, hasStarted: boolean): Promise<void> {
  const status = listAt(pod, "status", "containerStatuses")[0];
  const before = numberAt(status, "restartCount") ?? 0;
  const isDue = hasStarted && context.passed(`crash ${pod.metadata.uid} ${before}`, RESTART_MS);
  const restartCount = isDue ? Math.min(before + 1, MAX_RESTARTS) : before;
  if (isDue && restartCount > before) {
    const { namespace = "default", name } = pod.metadata;
    context.logs.append({ namespace, pod: name, container: "main" }, "Error: Cannot find module './server.js'\n");
  }
  const terminated = { exitCode: 1, reason: "Error", message: "" };
  const backOff = {
    reason: "CrashLoopBackOff",
    message: `back-off restarting failed container main in pod ${pod.metadata.name}`,
  };
  const last = restartCount === 0 ? {} : { lastState: { terminated } };
  const state = restartCount === 0 ? { running: { startedAt: pod.metadata.creationTimestamp } } : { waiting: backOff };
  const container = {
    name: "main",
    image: imageOf(pod),
    imageID: "",
    ready: false,
    started: false,
    restartCount,
    state,
    ...last,
  };
  await tellStatus(context, pod, {
    conditions: [SCHEDULED, NOT_READY],
    fields: { phase: "Running", containerStatuses: [container] },
  });
}

/** What a pod is told to start that only fetches images: it stands in none. */
const NEVER = "/alga-appliance/never-started";

function isNeverStarted(pod: KubeObject): boolean {
  return listAt(listAt(pod, "spec", "containers")[0], "command")[0] === NEVER;
}

/** Each container gets its image, and then cannot be started. */
async function pullOnly(context: ActorContext, pod: KubeObject): Promise<void> {
  const waiting = await whyNotScheduled(context, pod);
  if (waiting !== undefined) return await tellPod(context, pod, { phase: "Pending", scheduled: waiting });
  if (!context.passed(`pull ${pod.metadata.uid}`, PULL_MS)) return;
  const containers = await Promise.all(
    listAt(pod, "spec", "containers").map(async (raw) => {
      const { name, image } = raw as { readonly name: string; readonly image: string };
      const problem = await pullProblem(context, image);
      const terminated = {
        exitCode: 128,
        reason: "StartError",
        message: `exec: "${NEVER}": no such file or directory`,
      };
      const state = problem === undefined ? { terminated } : { waiting: problem };
      return { name, image, imageID: "", ready: false, started: false, restartCount: 0, state };
    }),
  );
  const isOver = containers.every(({ state }) => "terminated" in state);
  const fields = { phase: isOver ? "Failed" : "Pending", containerStatuses: containers };
  await tellStatus(context, pod, { conditions: [SCHEDULED, NOT_READY], fields });
}

/** The scheduler's words for a pod that fits nowhere; undefined when it runs on the node. */
async function whyNotScheduled(context: ActorContext, pod: KubeObject): Promise<string | undefined> {
  if (textAt(pod, "status", "phase") === "Running") return undefined;
  const node = await context.kube.get({ ...NODE, name: "rehearsal" });
  if (!isTrue(node, "Ready"))
    return "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }.";
  if (context.faults().diskFull)
    return "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.";
  const claims = (await listOf(context, CLAIM)).filter((claim) =>
    claim.metadata.name.endsWith(`-${pod.metadata.name}`),
  );
  const unbound = claims.some(
    (claim) => textAt(claim, "status", "phase") !== "Bound" && claim.metadata.namespace === pod.metadata.namespace,
  );
  return unbound ? "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims." : undefined;
}

/** The application answers when the database does and the bootstrap job has finished, as its init container demands. */
async function isServing(context: ActorContext, pod: KubeObject): Promise<boolean> {
  const component = context.components.find((one) => one.bootstrapJob !== undefined);
  const application = component?.workloads.find((workload) => workload.tier === "login");
  if (component?.bootstrapJob === undefined || application === undefined) return true;
  if (pod.metadata.ownerReferences?.[0]?.name !== application.name) return true;
  const job = await context.kube.get({ ...JOB, namespace: component.targetNamespace, name: component.bootstrapJob });
  const annotation = pod.metadata.annotations?.[BOOTSTRAPPED];
  if (isTrue(job, "Complete") && annotation === undefined) {
    await context.kube.patch(refOf(pod), { metadata: { annotations: { [BOOTSTRAPPED]: "true" } } });
  }
  return isTrue(job, "Complete") || annotation === "true";
}

/** Remembers that the database was filled once, because the job itself is removed some minutes after its end. */
const BOOTSTRAPPED = "rehearsal.alga/bootstrapped";

const SCHEDULED: Told = { type: "PodScheduled", status: "True", reason: "Scheduled", message: "" };
const NOT_READY: Told = {
  type: "Ready",
  status: "False",
  reason: "ContainersNotReady",
  message: "containers with unready status: [main]",
};

interface PodNews {
  readonly phase: "Pending" | "Running";
  readonly ready?: boolean;
  readonly scheduled?: string;
  readonly waiting?: { readonly reason: string; readonly message: string };
}

async function tellPod(context: ActorContext, pod: KubeObject, news: PodNews): Promise<void> {
  const ready = news.ready === true;
  const scheduled: Told =
    news.scheduled === undefined
      ? SCHEDULED
      : { type: "PodScheduled", status: "False", reason: "Unschedulable", message: news.scheduled };
  const readiness: Told = ready ? { type: "Ready", status: "True", reason: "PodReady", message: "" } : NOT_READY;
  const state =
    news.phase === "Running"
      ? { running: { startedAt: pod.metadata.creationTimestamp } }
      : { waiting: news.waiting ?? { reason: "PodInitializing", message: "" } };
  const container = { name: "main", image: imageOf(pod), imageID: "", ready, started: ready, restartCount: 0, state };
  const containers = news.scheduled === undefined ? { containerStatuses: [container] } : {};
  await tellStatus(context, pod, { conditions: [scheduled, readiness], fields: { phase: news.phase, ...containers } });
}

function imageOf(pod: KubeObject): string {
  return textAt(listAt(pod, "spec", "containers")[0], "image") ?? "";
}
