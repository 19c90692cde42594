/**
 * The view: observations indexed once per fold, so that a check is a few lines over named facts.
 *
 * It knows which observation may be believed now (`doubt`), which pods belong to the product and to which rung each
 * belongs. Pure; made anew for every fold.
 */

import { isPlainObject } from "../core/json.ts";
import { parseInstant } from "../core/time.ts";
import { isKubeObject, type KubeObject, textAt } from "../kube/model.ts";
import { readinessOf } from "../kube/readiness.ts";
import type { ComponentSpec, WorkloadSpec } from "../release/components.ts";
import { ageText } from "./age.ts";
import {
  type ConditionFacts,
  type ContainerFacts,
  claimsOf,
  condition,
  containersOf,
  createdMs,
  type EventFacts,
  eventFacts,
  nameOf,
  namespaceOf,
  type OwnerFacts,
  ownerOf,
  refText,
} from "./facts.ts";
import type { State, TierName } from "./model.ts";
import { FRESH_MS, LIST_KINDS, type ListKey, type Observations } from "./observation.ts";
import { quietKubelets } from "./quiet-kubelets.ts";

export interface PodFacts {
  readonly object: KubeObject;
  readonly ref: string;
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly phase: string;
  readonly tier: TierName;
  readonly component: string | undefined;
  readonly owner: OwnerFacts | undefined;
  readonly ready: ConditionFacts | undefined;
  readonly scheduled: ConditionFacts | undefined;
  readonly containers: readonly ContainerFacts[];
  readonly claims: readonly string[];
  readonly createdMs: number | undefined;
  readonly deletingMs: number | undefined;
  /** The node it runs on has stopped reporting, so what the pod says is history. */
  readonly silent: boolean;
}

export interface WorkloadFacts {
  readonly ref: string;
  readonly spec: WorkloadSpec;
  readonly component: ComponentSpec;
  readonly object: KubeObject | undefined;
  readonly state: State | "absent";
  readonly reason: string;
  readonly sinceMs: number | undefined;
  readonly pods: readonly PodFacts[];
}

/** What was observed at one moment, prepared for the checks: facts instead of objects, doubt instead of old lists. */
export interface View {
  readonly nowMs: number;
  readonly seen: Observations;
  /** Why a kind cannot be believed now, for people; undefined when it can. */
  readonly doubt: (key: ListKey) => string | undefined;
  readonly items: (key: ListKey) => readonly KubeObject[];
  /** Nodes that have stopped reporting or are not ready. */
  readonly lostNodes: ReadonlySet<string>;
  /** Pods of the product, without those that have ended well. */
  readonly pods: readonly PodFacts[];
  readonly workloads: readonly WorkloadFacts[];
  /** Warnings of the last hour, newest first. */
  readonly events: readonly EventFacts[];
  /** True when anything of the release is or should be on the cluster. */
  readonly installing: boolean;
}

/** Namespaces that carry the platform; the components name the others. */
export const PLATFORM_NAMESPACES: readonly string[] = [
  "flux-system",
  "kube-system",
  "local-path-storage",
  "alga-appliance-control-plane",
];
const EVENT_HORIZON_MS = 3_600_000;

/** Indexes observations for one fold. */
export function createView(seen: Observations, nowMs: number): View {
  const kept = new Map<ListKey, readonly KubeObject[]>();
  const items = (key: ListKey): readonly KubeObject[] => {
    const known = kept.get(key) ?? (seen.lists[key]?.items ?? []).filter(isWhole);
    kept.set(key, known);
    return known;
  };
  const quiet = quietKubelets(seen);
  const lostNodes = new Set(
    items("nodes")
      .filter((node) => condition(node, "Ready")?.status !== "True" || quiet.has(nameOf(node)))
      .map(nameOf),
  );
  const pods = productPods(seen, items("pods"), lostNodes);
  const doubt = (key: ListKey): string | undefined => doubtOf(seen, key, nowMs);
  return {
    nowMs,
    seen,
    doubt,
    items,
    lostNodes,
    pods,
    workloads: seen.components.flatMap((component) =>
      component.workloads.map((spec) => workloadFacts({ items, pods, doubt, lostNodes }, component, spec)),
    ),
    events: items("events")
      .map(eventFacts)
      .filter((event) => event.warning && nowMs - event.atMs < EVENT_HORIZON_MS)
      .sort((a, b) => b.atMs - a.atMs),
    installing: isInstalling(seen, items),
  };
}

/** Drops what no API server sends; everything after this may rely on the shape of objects in the large. */
function isWhole(object: unknown): object is KubeObject {
  if (!isKubeObject(object)) return false;
  return [object.spec, object.status].every((part) => part === undefined || isPlainObject(part));
}

function isInstalling(seen: Observations, items: View["items"]): boolean {
  return (
    seen.installed !== null ||
    (seen.operation !== null && ["running", "waiting", "blocked", "paused", "done"].includes(seen.operation.state)) ||
    items("helmReleases").length > 0 ||
    items("kustomizations").length > 0
  );
}

/** Why Kubernetes as a whole cannot be believed now. A short silence is bridged by what was just seen. */
function doubtOf(seen: Observations, key: ListKey, nowMs: number): string | undefined {
  const { kubernetes } = seen;
  const list = seen.lists[key];
  const kind = LIST_KINDS[key].kind;
  if (kubernetes.state === "unconfigured") return "No Kubernetes API is configured";
  if (kubernetes.state === "starting") return "Kubernetes has not been asked yet";
  const ageMs = nowMs - kubernetes.sinceMs;
  if (kubernetes.state !== "reachable" && ageMs > FRESH_MS.list) {
    return `Kubernetes has not answered for ${ageText(ageMs)}`;
  }
  if (nowMs - kubernetes.atMs > FRESH_MS.kubernetes + FRESH_MS.list) return "Kubernetes was not asked lately";
  if (list === undefined || list.state === "starting") return `${kind} objects have not been read yet`;
  if (list.state === "forbidden") return `${kind} objects may not be read`;
  if (list.state === "stale" && nowMs - list.sinceMs > FRESH_MS.list) {
    return `${kind} objects were last read ${ageText(nowMs - list.sinceMs)} ago`;
  }
  return undefined;
}

function productPods(
  seen: Observations,
  pods: readonly KubeObject[],
  lostNodes: ReadonlySet<string>,
): readonly PodFacts[] {
  const namespaces = new Set([
    ...PLATFORM_NAMESPACES,
    ...seen.components.flatMap((component) => [component.targetNamespace, component.releaseNamespace]),
  ]);
  return pods
    .filter((pod) => namespaces.has(namespaceOf(pod)) && !endedWell(pod))
    .map((pod) => podFacts(pod, seen.components, lostNodes));
}

function endedWell(pod: KubeObject): boolean {
  return textAt(pod, "status", "phase") === "Succeeded";
}

function podFacts(object: KubeObject, components: readonly ComponentSpec[], lostNodes: ReadonlySet<string>): PodFacts {
  const namespace = namespaceOf(object);
  const owner = ownerOf(object);
  const place = placeOf(namespace, { owner, components });
  const node = textAt(object, "spec", "nodeName") ?? "";
  return {
    object,
    ref: refText("Pod", namespace, nameOf(object)),
    namespace,
    name: nameOf(object),
    node,
    phase: textAt(object, "status", "phase") ?? "",
    ...place,
    owner,
    ready: condition(object, "Ready"),
    scheduled: condition(object, "PodScheduled"),
    containers: containersOf(object),
    claims: claimsOf(object),
    createdMs: createdMs(object),
    deletingMs: parseInstant(textAt(object, "metadata", "deletionTimestamp")),
    silent: node !== "" && lostNodes.has(node),
  };
}

/** The rung and component of what an owner makes in a namespace. */
function placeOf(
  namespace: string,
  given: { readonly owner: OwnerFacts | undefined; readonly components: readonly ComponentSpec[] },
): { readonly tier: TierName; readonly component: string | undefined } {
  if (PLATFORM_NAMESPACES.includes(namespace)) return { tier: "platform", component: undefined };
  for (const component of given.components) {
    if (component.targetNamespace !== namespace) continue;
    if (given.owner?.kind === "Job" && component.bootstrapJob === given.owner.name) {
      return { tier: "bootstrap", component: component.name };
    }
    const workload = component.workloads.find(
      (one) => one.kind === given.owner?.kind && one.name === given.owner?.name,
    );
    if (workload !== undefined) return { tier: workload.tier, component: component.name };
  }
  return { tier: "background", component: undefined };
}

function workloadFacts(
  index: Pick<View, "items" | "pods" | "doubt" | "lostNodes">,
  component: ComponentSpec,
  spec: WorkloadSpec,
): WorkloadFacts {
  const key = spec.kind === "Deployment" ? "deployments" : "statefulSets";
  const object = index
    .items(key)
    .find((one) => nameOf(one) === spec.name && namespaceOf(one) === component.targetNamespace);
  const pods = index.pods.filter(
    (pod) =>
      pod.namespace === component.targetNamespace && pod.owner?.kind === spec.kind && pod.owner.name === spec.name,
  );
  return {
    ref: refText(spec.kind, component.targetNamespace, spec.name),
    spec,
    component,
    object,
    pods,
    ...workloadState(object, index.doubt(key), pods),
  };
}

/** Judges a workload by Kubernetes' own rules, unless nobody has looked or its node has gone silent. */
function workloadState(
  object: KubeObject | undefined,
  doubt: string | undefined,
  pods: readonly PodFacts[],
): Pick<WorkloadFacts, "state" | "reason" | "sinceMs"> {
  if (doubt !== undefined) return { state: "unknown", reason: doubt, sinceMs: undefined };
  if (object === undefined) return { state: "absent", reason: "Not installed yet", sinceMs: undefined };
  const silent = pods.find((pod) => pod.silent);
  if (silent !== undefined && pods.every((pod) => pod.silent)) {
    return { state: "unknown", reason: `Node ${silent.node} does not report`, sinceMs: undefined };
  }
  const readiness = readinessOf(object);
  const since = condition(object, "Available")?.sinceMs ?? latestReady(pods) ?? createdMs(object);
  return { state: readiness.state, reason: readiness.message || readiness.reason, sinceMs: since };
}

function latestReady(pods: readonly PodFacts[]): number | undefined {
  const times = pods.flatMap((pod) => pod.ready?.sinceMs ?? []);
  return times.length === 0 ? undefined : Math.max(...times);
}
