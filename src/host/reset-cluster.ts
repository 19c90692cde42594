/**
 * Takes what is ours out of the cluster. Each part lists what is there and removes that, so it may be killed anywhere and called again;
 * a part that waits says for what.
 */
import { isApplianceError } from "../core/errors.ts";
import type { Kube } from "../kube/calls.ts";
import { type KindRef, type KubeObject, listAt, type ObjectRef, refOf, textAt } from "../kube/model.ts";
import type { StepResult } from "../operation/step.ts";
import type { BootstrapCall } from "./bootstrap-context.ts";
import { run } from "./bootstrap-context.ts";
import { CONTROL_PLANE } from "./control-plane-facts.ts";
import { DATA_NAMESPACE, listOwned } from "./reset-owned.ts";

const LOOK_MS = 2_000;
/** Milliseconds for controllers to let go of their objects before their finalizers are taken away. */
const LET_GO_MS = 60_000;

/** A call of a step with its cluster. */
export interface ClusterCall extends BootstrapCall {
  readonly kube: Kube;
  readonly keepData: boolean;
}

/** Ends the control plane: nobody writes into the state from here on. */
export async function stopControlPlane({ kube, deps, signal, progress }: ClusterCall): Promise<StepResult> {
  await kube.delete(CONTROL_PLANE, { propagation: "Foreground", signal });
  const pods = { apiVersion: "v1", kind: "Pod", namespace: CONTROL_PLANE.namespace };
  const labelSelector = `app.kubernetes.io/name=${CONTROL_PLANE.name}`;
  for (;;) {
    const { items } = await kube.list(pods, { labelSelector, signal });
    if (items.length === 0) return { state: "done", detail: "It is stopped" };
    progress(`Waits for ${items.length === 1 ? "its pod" : `${items.length} pods`} to end`);
    await deps.clock.sleep(LOOK_MS, signal);
  }
}

/**
 * Removes the objects of Flux that carry the release. They are suspended first: their controllers then let go of them without removing
 * what they made, which with kept data must stay, and else goes with its namespace.
 */
export async function removeReleases(call: ClusterCall): Promise<StepResult> {
  const { kube, deps, signal } = call;
  const { releases } = await listOwned(kube, call);
  for (const ref of releases) await ifThere(() => kube.patch(ref, { spec: { suspend: true } }, { signal }));
  for (const ref of releases) await kube.delete(ref, { propagation: "Background", signal });
  const endsAt = deps.clock.monotonic() + LET_GO_MS;
  for (;;) {
    const left = (await listOwned(kube, call)).releases;
    if (left.length === 0) return { state: "done", detail: `${releases.length} objects removed` };
    call.progress(`Waits for Flux to let go of ${left.length}`);
    if (deps.clock.monotonic() >= endsAt) {
      for (const ref of left) await ifThere(() => kube.patch(ref, { metadata: { finalizers: null } }, { signal }));
    }
    await deps.clock.sleep(LOOK_MS, signal);
  }
}

/** Removes the namespaces, and in the one that keeps data everything that runs. */
export async function removeNamespaces(call: ClusterCall): Promise<StepResult> {
  const { kube, deps, signal, progress, keepData } = call;
  if (keepData) await emptyDataNamespace(call);
  const first = (await listOwned(kube, call)).namespaces;
  for (const name of first) await kube.delete({ apiVersion: "v1", kind: "Namespace", name }, { signal });
  for (;;) {
    const { namespaces } = await listOwned(kube, call);
    const [name] = namespaces;
    if (name === undefined) return { state: "done", detail: first.length === 0 ? "None was there" : first.join(", ") };
    const object = await kube.get({ apiVersion: "v1", kind: "Namespace", name }, { signal });
    progress(`Waits for ${namespaces.join(", ")}${whatHolds(object)}`);
    await deps.clock.sleep(LOOK_MS, signal);
  }
}

/** What the namespace controller says that it waits for. */
function whatHolds(namespace: KubeObject | undefined): string {
  const reasons = listAt(namespace, "status", "conditions")
    .filter((condition) => textAt(condition, "status") === "True")
    .map((condition) => textAt(condition, "message") ?? "");
  return reasons.length === 0 ? "" : `: ${reasons.join("; ").slice(0, 300)}`;
}

/** Everything of an application but its claims, its secrets and its accounts. */
const RUNNING_KINDS: readonly (readonly [apiVersion: string, kind: string])[] = [
  ["apps/v1", "Deployment"],
  ["apps/v1", "StatefulSet"],
  ["apps/v1", "DaemonSet"],
  ["batch/v1", "CronJob"],
  ["batch/v1", "Job"],
  ["apps/v1", "ReplicaSet"],
  ["v1", "Pod"],
  ["v1", "Service"],
  ["networking.k8s.io/v1", "Ingress"],
  ["networking.k8s.io/v1", "NetworkPolicy"],
  ["policy/v1", "PodDisruptionBudget"],
  ["v1", "ConfigMap"],
];
/** Made by Kubernetes in every namespace. */
const OF_KUBERNETES = "kube-root-ca.crt";

async function emptyDataNamespace({ kube, signal }: ClusterCall): Promise<void> {
  const inside = async ([apiVersion, kind]: readonly [string, string]): Promise<readonly KubeObject[]> => {
    const ref: KindRef = { apiVersion, kind, namespace: DATA_NAMESPACE };
    return (await ifThere(() => kube.list(ref, { signal })))?.items ?? [];
  };
  for (const kind of RUNNING_KINDS) {
    const found = (await inside(kind)).filter(({ metadata }) => metadata.name !== OF_KUBERNETES);
    for (const object of found) await kube.delete(refOf(object), { propagation: "Background", signal });
  }
  // What Helm remembers of releases whose objects are gone would keep the next setup from making them.
  const secrets = (await inside(["v1", "Secret"])).filter((one) => textAt(one, "type") === "helm.sh/release.v1");
  for (const object of secrets) await kube.delete(refOf(object), { signal });
}

/** Removes volumes with what is on them, or makes sure that they are kept whatever happens to their claims. */
export async function removeVolumes(call: ClusterCall): Promise<StepResult> {
  const { kube, keepData, signal } = call;
  const { volumes } = await listOwned(kube, call);
  const elsewhere: string[] = [];
  for (const { name, folder } of volumes) {
    const ref: ObjectRef = { apiVersion: "v1", kind: "PersistentVolume", name };
    if (keepData) {
      await kube.patch(ref, { spec: { persistentVolumeReclaimPolicy: "Retain" } }, { signal });
      continue;
    }
    // First what is on it: a volume that is gone does not say where it lay.
    if (folder === null) elsewhere.push(name);
    else await run(call, ["rm", "-rf", "--one-file-system", "--", folder]);
    await kube.delete(ref, { signal });
  }
  if (volumes.length === 0) return { state: "done", detail: "None was there" };
  if (keepData) return { state: "done", detail: `${volumes.length} volumes are kept` };
  const left = elsewhere.length === 0 ? "" : `; what is on ${elsewhere.join(", ")} lies elsewhere and was not touched`;
  return { state: "done", detail: `${volumes.length} volumes removed${left}` };
}

/** Removes what is ours and has no namespace. */
export async function removeClusterObjects(call: ClusterCall): Promise<StepResult> {
  const { kube, signal } = call;
  const { cluster } = await listOwned(kube, call);
  for (const ref of cluster) await kube.delete(ref, { signal });
  return { state: "done", detail: cluster.length === 0 ? "None was there" : `${cluster.length} objects removed` };
}

/** The answer, undefined where what was asked for is gone, or its kind is. */
async function ifThere<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (thrown) {
    if (!isApplianceError(thrown, "kube/not-found")) throw thrown;
    return undefined;
  }
}
