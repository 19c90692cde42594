/**
 * Is this object ready, and why not: the rules of kstatus as one table by kind.
 *
 * A pure decision on one object as the API server shows it. Absent status means "progressing", never "ready"; a status of an
 * older generation counts for nothing. Used by setup's steps and by the status fold, so that there is one opinion.
 *
 * @see sigs.k8s.io/cli-utils v0.37, pkg/kstatus/status "core.go"; Flux 2.9 API reference, conditions
 */
import { type Condition, conditionOf, conditionsOf, groupOf, type KubeObject, numberAt, textAt } from "./model.ts";

export interface Readiness {
  readonly state: "ready" | "progressing" | "failed" | "unknown";
  /** CamelCase, as conditions write it: "MinimumReplicasUnavailable". */
  readonly reason: string;
  /** One sentence, from the object where it has one. */
  readonly message: string;
}

type Rule = (object: KubeObject) => Readiness;

const ready = (message: string, reason = "Ready"): Readiness => ({ state: "ready", reason, message });
const progressing = (reason: string, message: string): Readiness => ({ state: "progressing", reason, message });
const failed = (reason: string, message: string): Readiness => ({ state: "failed", reason, message });

const RULES: Readonly<Record<string, Rule>> = {
  "apps/Deployment": deployment,
  "apps/StatefulSet": statefulSet,
  "apps/DaemonSet": daemonSet,
  "apps/ReplicaSet": replicaSet,
  "batch/Job": job,
  "/Pod": pod,
  "/PersistentVolumeClaim": volumeClaim,
  "/Service": service,
  "/Node": node,
  "/Namespace": namespace,
  "apiextensions.k8s.io/CustomResourceDefinition": definition,
  "source.toolkit.fluxcd.io/HelmRepository": helmRepository,
  "source.toolkit.fluxcd.io/OCIRepository": flux,
  "source.toolkit.fluxcd.io/HelmChart": flux,
  "kustomize.toolkit.fluxcd.io/Kustomization": flux,
  "helm.toolkit.fluxcd.io/HelmRelease": flux,
};

/** Judges one object. Kinds without a rule are judged by their Ready, Stalled and Reconciling conditions, if any. */
export function readinessOf(object: KubeObject): Readiness {
  if (object.metadata.deletionTimestamp !== undefined) return progressing("Terminating", "It is being deleted");
  const observed = numberAt(object, "status", "observedGeneration");
  const { generation } = object.metadata;
  const isOld = generation !== undefined && observed !== undefined && observed < generation;
  // Flux writes -1 into the status of an object it has not looked at yet.
  if (isOld) return progressing("LatestGenerationNotObserved", "Its controller has not seen the latest change yet");
  return (RULES[`${groupOf(object.apiVersion)}/${object.kind}`] ?? generic)(object);
}

/** Conditions of the abnormal kind first, then Ready; an object without any is ready by being there. */
function generic(object: KubeObject): Readiness {
  const early = stalledOrReconciling(object);
  if (early !== undefined) return early;
  const condition = conditionOf(object, "Ready");
  return condition === undefined ? ready("It exists", "Current") : byReady(object, condition);
}

function flux(object: KubeObject): Readiness {
  if (object.spec !== undefined && (object.spec as { suspend?: unknown }).suspend === true) {
    return { state: "unknown", reason: "Suspended", message: "Its reconciliation is suspended" };
  }
  const early = stalledOrReconciling(object);
  if (early !== undefined) return early;
  const condition = conditionOf(object, "Ready");
  if (condition === undefined) return progressing("NotReconciled", "Its controller has not reported yet");
  return byReady(object, condition);
}

function stalledOrReconciling(object: KubeObject): Readiness | undefined {
  const stalled = conditionOf(object, "Stalled");
  if (stalled?.status === "True") return failed(stalled.reason, stalled.message);
  const reconciling = conditionOf(object, "Reconciling");
  if (reconciling?.status !== "True") return undefined;
  const own = conditionOf(object, "Ready");
  // While it tries again, Ready tells what went wrong and Reconciling only that it goes on.
  if (own?.status === "False" && isCurrent(object, own)) return byReady(object, own);
  return progressing(reconciling.reason, reconciling.message);
}

/** Reasons of Ready=False that say "wait", not "broken". */
const WAITING = [
  "DependencyNotReady",
  "Progressing",
  "ProgressingWithRetry",
  "ArtifactFailed",
  "SourceNotReady",
  "Pending",
];

function byReady(object: KubeObject, condition: Condition): Readiness {
  if (!isCurrent(object, condition)) {
    return progressing("LatestGenerationNotObserved", "Its controller has not seen the latest change yet");
  }
  if (condition.status === "True") return ready(condition.message, condition.reason);
  if (condition.status !== "False" || WAITING.includes(condition.reason)) {
    return progressing(condition.reason, condition.message);
  }
  return failed(condition.reason, condition.message);
}

function isCurrent(object: KubeObject, condition: Condition): boolean {
  const { generation } = object.metadata;
  return (
    generation === undefined || condition.observedGeneration === undefined || condition.observedGeneration >= generation
  );
}

/** An OCI HelmRepository is only an address: no controller reconciles it and it has no status. */
function helmRepository(object: KubeObject): Readiness {
  return textAt(object, "spec", "type") === "oci"
    ? ready("An OCI address needs no reconciliation", "Static")
    : flux(object);
}

function deployment(object: KubeObject): Readiness {
  const wanted = numberAt(object, "spec", "replicas") ?? 1;
  const have = (field: string): number => numberAt(object, "status", field) ?? 0;
  const condition = conditionOf(object, "Progressing");
  if (condition?.reason === "ProgressDeadlineExceeded") return failed(condition.reason, condition.message);
  const failure = conditionOf(object, "ReplicaFailure");
  if (failure?.status === "True") return failed(failure.reason, failure.message);
  if (numberAt(object, "status", "observedGeneration") === undefined) return notReported();
  if (have("updatedReplicas") < wanted) return counting("Updating", "updated", have("updatedReplicas"), wanted);
  if (have("replicas") > have("updatedReplicas"))
    return progressing("Terminating", "Pods of the former version still stop");
  if (have("availableReplicas") < wanted)
    return counting("MinimumReplicasUnavailable", "available", have("availableReplicas"), wanted);
  return ready(`${wanted} of ${wanted} replicas are available`, "MinimumReplicasAvailable");
}

function statefulSet(object: KubeObject): Readiness {
  const wanted = numberAt(object, "spec", "replicas") ?? 1;
  const have = (field: string): number => numberAt(object, "status", field) ?? 0;
  if (numberAt(object, "status", "observedGeneration") === undefined) return notReported();
  if (have("readyReplicas") < wanted) return counting("ReplicasNotReady", "ready", have("readyReplicas"), wanted);
  const onDelete = textAt(object, "spec", "updateStrategy", "type") === "OnDelete";
  const current = textAt(object, "status", "currentRevision");
  const next = textAt(object, "status", "updateRevision");
  if (!onDelete && next !== undefined && current !== next)
    return counting("Updating", "updated", have("updatedReplicas"), wanted);
  return ready(`${wanted} of ${wanted} replicas are ready`, "ReplicasReady");
}

function daemonSet(object: KubeObject): Readiness {
  const have = (field: string): number => numberAt(object, "status", field) ?? 0;
  if (numberAt(object, "status", "observedGeneration") === undefined) return notReported();
  const wanted = have("desiredNumberScheduled");
  if (have("updatedNumberScheduled") < wanted)
    return counting("Updating", "updated", have("updatedNumberScheduled"), wanted);
  if (have("numberAvailable") < wanted)
    return counting("PodsNotAvailable", "available", have("numberAvailable"), wanted);
  return ready(`${wanted} of ${wanted} pods are available`, "PodsAvailable");
}

function replicaSet(object: KubeObject): Readiness {
  const wanted = numberAt(object, "spec", "replicas") ?? 1;
  const available = numberAt(object, "status", "availableReplicas") ?? 0;
  if (numberAt(object, "status", "observedGeneration") === undefined) return notReported();
  return available < wanted
    ? counting("ReplicasNotReady", "available", available, wanted)
    : ready(`${wanted} replicas are available`);
}

function job(object: KubeObject): Readiness {
  const failure = conditionOf(object, "Failed");
  if (failure?.status === "True") return failed(failure.reason, failure.message);
  const complete = conditionOf(object, "Complete");
  if (complete?.status === "True") return ready(complete.message || "It is complete", "Complete");
  if (conditionOf(object, "Suspended")?.status === "True") return progressing("Suspended", "It is suspended");
  const tries = numberAt(object, "status", "failed") ?? 0;
  const again = tries > 0 ? `, ${tries} attempts failed` : "";
  if ((numberAt(object, "status", "active") ?? 0) > 0) return progressing("Running", `It runs${again}`);
  return progressing("NotStarted", `It has no running pod${again}`);
}

function pod(object: KubeObject): Readiness {
  const phase = textAt(object, "status", "phase") ?? "Pending";
  if (phase === "Succeeded") return ready("All containers ended well", "Succeeded");
  if (phase === "Failed")
    return failed(
      textAt(object, "status", "reason") ?? "Failed",
      textAt(object, "status", "message") ?? "A container failed",
    );
  const waiting = stuckContainer(object);
  if (waiting !== undefined) return failed(waiting.reason, waiting.message);
  const own = conditionOf(object, "Ready");
  if (phase === "Running" && own?.status === "True") return ready("All containers are ready", "ContainersReady");
  const scheduled = conditionOf(object, "PodScheduled");
  if (scheduled?.status === "False") return progressing(scheduled.reason, scheduled.message);
  return progressing(own?.reason || phase, own?.message || `Its phase is ${phase}`);
}

/** Waiting reasons that do not pass by themselves. */
const STUCK = [
  "CrashLoopBackOff",
  "ImagePullBackOff",
  "ErrImagePull",
  "InvalidImageName",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
];

function stuckContainer(object: KubeObject): { readonly reason: string; readonly message: string } | undefined {
  const status = object.status as Readonly<Record<string, unknown>> | undefined;
  const all = [status?.initContainerStatuses, status?.containerStatuses].flatMap((list) =>
    Array.isArray(list) ? list : [],
  );
  for (const one of all) {
    const reason = textAt(one, "state", "waiting", "reason");
    if (reason === undefined || !STUCK.includes(reason)) continue;
    const said = textAt(one, "state", "waiting", "message");
    return { reason, message: said ?? `Container ${textAt(one, "name") ?? ""} is in ${reason}` };
  }
  return undefined;
}

function volumeClaim(object: KubeObject): Readiness {
  const phase = textAt(object, "status", "phase") ?? "Pending";
  if (phase === "Bound") return ready("It is bound", "Bound");
  return phase === "Lost" ? failed("Lost", "Its volume is gone") : progressing(phase, "It has no volume yet");
}

function service(object: KubeObject): Readiness {
  const isLoadBalancer = textAt(object, "spec", "type") === "LoadBalancer";
  const hasAddress = (textAt(object, "spec", "clusterIP") ?? "") !== "";
  if (isLoadBalancer && !hasAddress) return progressing("NoIPAssigned", "It has no address yet");
  return ready("It exists", "Current");
}

function node(object: KubeObject): Readiness {
  const own = conditionOf(object, "Ready");
  if (own === undefined) return notReported();
  if (own.status === "True") return ready(own.message, own.reason);
  const pressure = conditionsOf(object).find((one) => one.type.endsWith("Pressure") && one.status === "True");
  return failed(pressure?.reason ?? own.reason, pressure?.message ?? own.message);
}

function namespace(object: KubeObject): Readiness {
  const phase = textAt(object, "status", "phase");
  return phase === "Terminating" ? progressing("Terminating", "It is being deleted") : ready("It exists", "Active");
}

function definition(object: KubeObject): Readiness {
  const names = conditionOf(object, "NamesAccepted");
  if (names?.status === "False") return failed(names.reason, names.message);
  const established = conditionOf(object, "Established");
  if (established?.status === "True") return ready("Its kind is served", "Established");
  return progressing(established?.reason || "Installing", "Its kind is not served yet");
}

function notReported(): Readiness {
  return progressing("NotReconciled", "Its controller has not reported yet");
}

function counting(reason: string, what: string, have: number, wanted: number): Readiness {
  return progressing(reason, `${have} of ${wanted} replicas are ${what}`);
}
