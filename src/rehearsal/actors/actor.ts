/**
 * An actor plays one controller of a real cluster: it looks at the objects and moves them on a little, again and again.
 *
 * Actors hold no state that matters: what they know is in the objects, so a rehearsal that was killed goes on. Delays are
 * played by `since`, which remembers when something was first seen.
 */
import type { Log } from "../../core/log.ts";
import type { Clock } from "../../core/ports.ts";
import type { Kube } from "../../kube/calls.ts";
import { conditionOf, type KindRef, type KubeObject, listAt, numberAt, refOf } from "../../kube/model.ts";
import type { RegistryClient } from "../../oci/client.ts";
import type { Credentials } from "../../oci/credentials.ts";
import type { ComponentSpec } from "../../release/components.ts";
import type { Faults } from "../faults.ts";
import type { PodLogs } from "../kubernetes/api-server.ts";

/** What an actor sees and may do in one turn. */
export interface ActorContext {
  readonly kube: Kube;
  readonly registry: RegistryClient;
  /** `host:port` of the embedded registry, as it stands in references. */
  readonly registryHost: string;
  /** A client of what the control plane itself serves, with Flux's login for it; undefined where it serves nothing. */
  readonly ownRegistry?: (login: Credentials | undefined) => RegistryClient;
  /** No other registry can be reached. */
  readonly isCutOff: boolean;
  readonly components: readonly ComponentSpec[];
  /** Where pods write what they print. */
  readonly logs: PodLogs;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  /** Milliseconds between two signs of life of the kubelet. */
  readonly renewalMs: number;
  readonly log: Log;
  faults(): Faults;
  /** Tells whether `ms` of a real box have passed (divided by the speed) since this key was first asked for. */
  passed(key: string, ms: number): boolean;
  /** Forgets a key, so that its delay starts again. */
  forget(key: string): void;
}

export interface Actor {
  readonly name: string;
  /** One turn. Errors are logged and the next turn comes; nothing is thrown away. */
  act(context: ActorContext): Promise<void>;
}

export const DEPLOYMENT = { apiVersion: "apps/v1", kind: "Deployment" } as const satisfies KindRef;
export const STATEFUL_SET = { apiVersion: "apps/v1", kind: "StatefulSet" } as const satisfies KindRef;
export const JOB = { apiVersion: "batch/v1", kind: "Job" } as const satisfies KindRef;
export const POD = { apiVersion: "v1", kind: "Pod" } as const satisfies KindRef;
export const NODE = { apiVersion: "v1", kind: "Node" } as const satisfies KindRef;
export const OCI_REPOSITORY = {
  apiVersion: "source.toolkit.fluxcd.io/v1",
  kind: "OCIRepository",
} as const satisfies KindRef;
export const HELM_REPOSITORY = {
  apiVersion: "source.toolkit.fluxcd.io/v1",
  kind: "HelmRepository",
} as const satisfies KindRef;
export const KUSTOMIZATION = {
  apiVersion: "kustomize.toolkit.fluxcd.io/v1",
  kind: "Kustomization",
} as const satisfies KindRef;
export const HELM_RELEASE = { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease" } as const satisfies KindRef;

/** Lists a kind, or nothing while its CRD is not there. */
export async function listOf(context: Pick<ActorContext, "kube">, kind: KindRef): Promise<readonly KubeObject[]> {
  try {
    return (await context.kube.list(kind)).items;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "kube/not-found") return [];
    throw thrown;
  }
}

/** One condition to write. */
export interface Told {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

/** Writes conditions and further status fields, but only when something differs; keeps the time of unchanged conditions. */
export async function tellStatus(
  context: Pick<ActorContext, "kube" | "clock">,
  object: KubeObject,
  told: { readonly conditions: readonly Told[]; readonly fields?: Readonly<Record<string, unknown>> },
): Promise<void> {
  const observedGeneration = object.metadata.generation ?? 1;
  const now = `${new Date(context.clock.now()).toISOString().slice(0, 19)}Z`;
  const conditions = told.conditions.map((one) => {
    const before = conditionOf(object, one.type);
    const same = before?.status === one.status && before.lastTransitionTime !== undefined;
    return { ...one, observedGeneration, lastTransitionTime: same ? before.lastTransitionTime : now };
  });
  const status = { ...told.fields, observedGeneration, conditions };
  if (isUnchanged(object, status)) return;
  await context.kube.patch(refOf(object), { status }, { subresource: "status" });
}

function isUnchanged(object: KubeObject, status: Readonly<Record<string, unknown>>): boolean {
  const before = object.status as Readonly<Record<string, unknown>> | undefined;
  if (before === undefined) return false;
  return Object.entries(status).every(([key, value]) => JSON.stringify(before[key]) === JSON.stringify(value));
}

/** Tells whether a condition is "True" for the newest generation of the object; false for an object that is not there. */
export function isTrue(object: KubeObject | undefined, type: string): boolean {
  if (object === undefined) return false;
  const condition = conditionOf(object, type);
  const seen = condition?.observedGeneration ?? numberAt(object, "status", "observedGeneration");
  return condition?.status === "True" && (seen === undefined || seen >= (object.metadata.generation ?? 1));
}

/** Tells whether a Deployment of flux-system runs, because a controller that is not there does nothing. */
export async function isRunning(context: Pick<ActorContext, "kube">, name: string): Promise<boolean> {
  return isTrue(await context.kube.get({ ...DEPLOYMENT, namespace: "flux-system", name }), "Available");
}

/** Names in `spec.dependsOn` with their namespaces. */
export function dependenciesOf(object: KubeObject): readonly { readonly name: string; readonly namespace: string }[] {
  return listAt(object, "spec", "dependsOn").map((raw) => {
    const { name, namespace } = raw as { name: string; namespace?: string };
    return { name, namespace: namespace ?? object.metadata.namespace ?? "default" };
  });
}

/** What a Flux controller says of an object: exactly one of the three. */
export interface FluxNews {
  readonly ready?: string;
  readonly failed?: string;
  readonly reconciling?: string;
  readonly reason?: string;
}

/** The conditions that Flux's controllers write for one piece of news (`Ready`, and `Reconciling` while they work). */
export function fluxConditions(news: FluxNews): readonly Told[] {
  if (news.ready !== undefined)
    return [{ type: "Ready", status: "True", reason: news.reason ?? "ReconciliationSucceeded", message: news.ready }];
  if (news.failed !== undefined)
    return [{ type: "Ready", status: "False", reason: news.reason ?? "ReconciliationFailed", message: news.failed }];
  const message = news.reconciling ?? "";
  return [
    { type: "Ready", status: "Unknown", reason: "Progressing", message },
    { type: "Reconciling", status: "True", reason: news.reason ?? "Progressing", message },
  ];
}
