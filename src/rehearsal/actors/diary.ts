/**
 * The diary: what the scheduler, the kubelet and the controllers of a cluster tell of ordinary work, as Events.
 *
 * It reads what the other actors have done and writes each piece of news once. What it remembers is only which news it has told;
 * after a restart of the rehearsal, old objects are no news. Like an API server it forgets events after an hour, and sooner when
 * there are many.
 */
import { parseInstant } from "../../core/time.ts";
import { conditionOf, type KindRef, type KubeObject, listAt, numberAt, refOf, textAt } from "../../kube/model.ts";
import {
  type Actor,
  type ActorContext,
  DEPLOYMENT,
  HELM_RELEASE,
  isTrue,
  JOB,
  KUSTOMIZATION,
  listOf,
  NODE,
  OCI_REPOSITORY,
  POD,
  STATEFUL_SET,
} from "./actor.ts";
import { EVENT, type EventNews, record } from "./events.ts";

/** Real milliseconds between two looks: what happened in between is told together. */
const LOOK_MS = 500;
/** What existed before this long when the rehearsal began is no news. */
const OLD_MS = 60_000;
const KEPT_MS = 3_600_000;
const MAX_EVENTS = 500;

/** One piece of news about an object, with what tells it from others. */
interface News extends EventNews {
  readonly key: string;
  readonly type?: "Warning";
}

interface Known {
  readonly object: KubeObject;
  readonly told: Set<string>;
}

type Tell = (object: KubeObject) => readonly News[];

const TELLERS: readonly { readonly kind: KindRef; readonly tell: Tell }[] = [
  { kind: NODE, tell: newsOfNode },
  { kind: DEPLOYMENT, tell: newsOfDeployment },
  { kind: STATEFUL_SET, tell: newsOfStatefulSet },
  { kind: JOB, tell: newsOfJob },
  { kind: POD, tell: newsOfPod },
  { kind: OCI_REPOSITORY, tell: (object) => newsOfFlux(object, "source-controller") },
  { kind: KUSTOMIZATION, tell: (object) => newsOfFlux(object, "kustomize-controller") },
  { kind: HELM_RELEASE, tell: (object) => newsOfFlux(object, "helm-controller") },
];

/** Makes the actor that writes ordinary events. */
export function diaryActor(): Actor {
  const known = new Map<string, Known>();
  let lookedMs = Number.NEGATIVE_INFINITY;
  let isFirst = true;
  return {
    name: "diary",
    act: async (context) => {
      const nowMs = context.clock.monotonic();
      if (nowMs - lookedMs < LOOK_MS) return;
      lookedMs = nowMs;
      const living = new Set<string>();
      for (const { kind, tell } of TELLERS) {
        for (const object of await listOf(context, kind)) {
          living.add(object.metadata.uid ?? "");
          await write(context, known, { object, news: tell(object), silent: isFirst && isOld(context, object) });
        }
      }
      isFirst = false;
      await tellGone(context, known, living);
      await forget(context);
    },
  };
}

function isOld(context: ActorContext, { metadata }: KubeObject): boolean {
  return context.clock.now() - (parseInstant(metadata.creationTimestamp ?? undefined) ?? 0) > OLD_MS;
}

async function write(
  context: ActorContext,
  known: Map<string, Known>,
  given: { readonly object: KubeObject; readonly news: readonly News[]; readonly silent: boolean },
): Promise<void> {
  const { object, news, silent } = given;
  const uid = object.metadata.uid ?? "";
  const told = known.get(uid)?.told ?? new Set<string>();
  known.set(uid, { object, told });
  for (const one of news) {
    if (told.has(one.key)) continue;
    told.add(one.key);
    if (!silent) await record(context, object, { key: one.key, type: one.type ?? "Normal", news: one });
  }
}

/** A pod that was running and is not there any more was stopped. */
async function tellGone(context: ActorContext, known: Map<string, Known>, living: ReadonlySet<string>): Promise<void> {
  for (const [uid, { object }] of known) {
    if (living.has(uid)) continue;
    known.delete(uid);
    if (object.kind !== "Pod" || textAt(object, "status", "phase") !== "Running") continue;
    const news = { reason: "Killing", message: `Stopping container ${containerOf(object)}`, by: "kubelet" };
    await record(context, object, { key: "Killing", type: "Normal", news });
  }
}

/** @see kube-apiserver, --event-ttl (1 h) */
async function forget(context: ActorContext): Promise<void> {
  if (!context.passed("diary forgets", KEPT_MS / 60)) return;
  context.forget("diary forgets");
  const timeOf = (event: KubeObject): number => parseInstant(textAt(event, "lastTimestamp")) ?? 0;
  const events = [...(await listOf(context, EVENT))].sort((a, b) => timeOf(b) - timeOf(a));
  const old = events.filter((event, place) => place >= MAX_EVENTS || context.clock.now() - timeOf(event) > KEPT_MS);
  for (const event of old) await context.kube.delete(refOf(event));
}

function newsOfNode(node: KubeObject): readonly News[] {
  const { name } = node.metadata;
  const ready = conditionOf(node, "Ready");
  if (ready === undefined) return [];
  const reason = ready.status === "True" ? "NodeReady" : "NodeNotReady";
  const by = ready.status === "True" ? "kubelet" : "node-controller";
  const since = ready.lastTransitionTime ?? "";
  return [{ key: `${reason} ${since}`, reason, message: `Node ${name} status is now: ${reason}`, by }];
}

function newsOfDeployment(owner: KubeObject): readonly News[] {
  const generation = owner.metadata.generation ?? 1;
  const wanted = numberAt(owner, "spec", "replicas") ?? 1;
  const message = `Scaled up replica set ${owner.metadata.name} from 0 to ${wanted}`;
  if (wanted === 0) return [];
  return [{ key: `Scaling ${generation}`, reason: "ScalingReplicaSet", message, by: "deployment-controller" }];
}

function newsOfStatefulSet({ metadata: { name, generation = 1 } }: KubeObject): readonly News[] {
  const message = `create Pod ${name}-0 in StatefulSet ${name} successful`;
  return [{ key: `Create ${generation}`, reason: "SuccessfulCreate", message, by: "statefulset-controller" }];
}

function newsOfJob(job: KubeObject): readonly News[] {
  const by = "job-controller";
  const attempts = numberAt(job, "status", "failed") ?? 0;
  const made = `Created pod: ${job.metadata.name}-${attempts}`;
  const news: News[] = [{ key: `Create ${attempts}`, reason: "SuccessfulCreate", message: made, by }];
  if (isTrue(job, "Complete")) news.push({ key: "Completed", reason: "Completed", message: "Job completed", by });
  const failed = conditionOf(job, "Failed");
  if (failed?.status === "True") {
    const { reason = "", message = "" } = failed;
    news.push({ key: "Failed", reason, message, by, type: "Warning" });
  }
  return news;
}

function newsOfPod(pod: KubeObject): readonly News[] {
  const { namespace, name } = pod.metadata;
  if (!isTrue(pod, "PodScheduled") && textAt(pod, "status", "phase") === "Pending") return [];
  const container = containerOf(pod);
  const image = textAt(listAt(pod, "spec", "containers")[0], "image") ?? "";
  const assigned = `Successfully assigned ${namespace}/${name} to rehearsal`;
  const kubelet = (reason: string, message: string): News => ({ key: reason, reason, message, by: "kubelet" });
  const news: News[] = [
    { key: "Scheduled", reason: "Scheduled", message: assigned, by: "default-scheduler" },
    kubelet("Pulling", `Pulling image "${image}"`),
  ];
  if (!["Running", "Succeeded", "Failed"].includes(textAt(pod, "status", "phase") ?? "")) return news;
  news.push(
    kubelet("Pulled", `Successfully pulled image "${image}" in 2.5s (2.5s including waiting)`),
    kubelet("Created", `Created container: ${container}`),
    kubelet("Started", `Started container ${container}`),
  );
  return [...news, ...newsOfRestarts(pod, container)];
}

/** A container that ends again and again. */
function newsOfRestarts(pod: KubeObject, container: string): readonly News[] {
  const [status] = listAt(pod, "status", "containerStatuses");
  const reason = textAt(status, "state", "waiting", "reason");
  if (reason !== "CrashLoopBackOff") return [];
  const message = `Back-off restarting failed container ${container} in pod ${pod.metadata.name}`;
  return [{ key: "BackOff", reason: "BackOff", message, by: "kubelet", type: "Warning" }];
}

function newsOfFlux(object: KubeObject, by: string): readonly News[] {
  const ready = conditionOf(object, "Ready");
  if (ready?.status !== "True" && ready?.status !== "False") return [];
  const { status, reason = "", message = "" } = ready;
  const news = { key: `${status} ${reason} ${message}`, reason, message, by };
  return [status === "True" ? news : { ...news, type: "Warning" }];
}

function containerOf(pod: KubeObject): string {
  return textAt(listAt(pod, "spec", "containers")[0], "name") ?? "main";
}
