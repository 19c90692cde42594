/**
 * Readers of watched objects: from plain, possibly odd objects to the facts that checks ask for. Nothing here throws,
 * whatever the API sent, and nothing here judges.
 */
import { isPlainObject } from "../core/json.ts";
import { parseInstant } from "../core/time.ts";
import { conditionOf, fieldAt, type KubeObject, listAt, numberAt, textAt } from "../kube/model.ts";

export interface TerminatedFacts {
  readonly reason: string;
  readonly exitCode: number | undefined;
  readonly message: string;
  readonly finishedMs: number | undefined;
}

export interface ContainerFacts {
  readonly name: string;
  readonly image: string;
  readonly init: boolean;
  readonly ready: boolean;
  readonly restarts: number;
  readonly waiting: { readonly reason: string; readonly message: string } | undefined;
  readonly runningSinceMs: number | undefined;
  readonly terminated: TerminatedFacts | undefined;
  /** How the run before this one ended. */
  readonly last: TerminatedFacts | undefined;
}

export interface ConditionFacts {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly sinceMs: number | undefined;
}

export interface OwnerFacts {
  readonly kind: string;
  readonly name: string;
}

export interface EventFacts {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly reason: string;
  readonly message: string;
  readonly warning: boolean;
  readonly atMs: number;
}

/** Name of an object, empty where it has none. */
export function nameOf(object: KubeObject): string {
  return textAt(object, "metadata", "name") ?? "";
}

/** Namespace of an object, empty for one of the whole cluster. */
export function namespaceOf(object: KubeObject): string {
  return textAt(object, "metadata", "namespace") ?? "";
}

/** `Pod msp/db-0`, `Node box`: how evidence and scopes name an object. */
export function refText(kind: string, namespace: string, name: string): string {
  return namespace === "" ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

/** When an object was made, in milliseconds since 1970; undefined when its time cannot be read. */
export function createdMs(object: KubeObject): number | undefined {
  return parseInstant(textAt(object, "metadata", "creationTimestamp"));
}

/** The condition of a type, with its time in milliseconds since 1970 where that can be read. */
export function condition(object: KubeObject, type: string): ConditionFacts | undefined {
  const found = conditionOf(object, type);
  if (found === undefined) return undefined;
  const { status, reason, message } = found;
  return { status, reason, message, sinceMs: parseInstant(found.lastTransitionTime) };
}

/** The containers of a pod, init containers first, as the kubelet last reported them. */
export function containersOf(pod: KubeObject): readonly ContainerFacts[] {
  return [
    ...listAt(pod, "status", "initContainerStatuses").map((raw) => container(raw, true)),
    ...listAt(pod, "status", "containerStatuses").map((raw) => container(raw, false)),
  ];
}

function container(raw: unknown, init: boolean): ContainerFacts {
  const waiting = fieldAt(raw, "state", "waiting");
  return {
    name: textAt(raw, "name") ?? "",
    image: textAt(raw, "image") ?? "",
    init,
    ready: fieldAt(raw, "ready") === true,
    restarts: numberAt(raw, "restartCount") ?? 0,
    waiting: isPlainObject(waiting)
      ? { reason: textAt(waiting, "reason") ?? "", message: textAt(waiting, "message") ?? "" }
      : undefined,
    runningSinceMs: parseInstant(textAt(raw, "state", "running", "startedAt")),
    terminated: terminated(fieldAt(raw, "state", "terminated")),
    last: terminated(fieldAt(raw, "lastState", "terminated")),
  };
}

function terminated(raw: unknown): TerminatedFacts | undefined {
  if (!isPlainObject(raw)) return undefined;
  return {
    reason: textAt(raw, "reason") ?? "",
    exitCode: numberAt(raw, "exitCode"),
    message: textAt(raw, "message") ?? "",
    finishedMs: parseInstant(textAt(raw, "finishedAt")),
  };
}

/** Names of the volume claims that a pod mounts. */
export function claimsOf(pod: KubeObject): readonly string[] {
  return listAt(pod, "spec", "volumes").flatMap((raw) => textAt(raw, "persistentVolumeClaim", "claimName") ?? []);
}

/** What made a pod: its Deployment (through the ReplicaSet's name), StatefulSet or Job. */
export function ownerOf(pod: KubeObject): OwnerFacts | undefined {
  const owners = listAt(pod, "metadata", "ownerReferences");
  const owner = owners.find((raw) => fieldAt(raw, "controller") === true) ?? owners[0];
  const kind = textAt(owner, "kind");
  const name = textAt(owner, "name");
  if (kind === undefined || name === undefined) return undefined;
  if (kind !== "ReplicaSet") return { kind, name };
  const hash = textAt(pod, "metadata", "labels", "pod-template-hash");
  const suffix = hash === undefined ? "" : `-${hash}`;
  const deployment =
    suffix !== "" && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name.replace(/-[^-]*$/, "");
  return { kind: "Deployment", name: deployment };
}

/**
 * Reads an event by the newest of its times: a series, then the fields of core/v1, then its making.
 *
 * @see Kubernetes API v1.36, Event v1 core: `series`, `lastTimestamp`, `eventTime`
 */
export function eventFacts(raw: KubeObject): EventFacts {
  const time =
    textAt(raw, "series", "lastObservedTime") ??
    textAt(raw, "lastTimestamp") ??
    textAt(raw, "eventTime") ??
    textAt(raw, "firstTimestamp") ??
    textAt(raw, "metadata", "creationTimestamp");
  return {
    kind: textAt(raw, "involvedObject", "kind") ?? "",
    namespace: textAt(raw, "involvedObject", "namespace") ?? "",
    name: textAt(raw, "involvedObject", "name") ?? "",
    reason: textAt(raw, "reason") ?? "",
    message: textAt(raw, "message") ?? "",
    warning: textAt(raw, "type") === "Warning",
    atMs: parseInstant(time) ?? 0,
  };
}
