/**
 * Bootstrap jobs that have done their work, taken away before another release is handed over.
 *
 * A job cannot be changed: while the finished one of the release before is there (Kubernetes keeps it for its `ttlSecondsAfterFinished`),
 * Helm's upgrade to another image of it fails with "field is immutable". Taken away, it is as if its time had come.
 *
 * @see Kubernetes documentation, "Automatic Cleanup for Finished Jobs"; Job v1, `spec.template` is immutable
 */
import type { Log } from "../core/log.ts";
import type { Kube } from "../kube/calls.ts";
import { conditionOf, type KubeObject, numberAt, refOf } from "../kube/model.ts";
import { componentsOf, type ReleaseManifest } from "../release/model.ts";

/**
 * Removes the bootstrap jobs of a release that work no more: complete, failed, or tried again after a failure. One that works is left
 * to end: Helm comes back to it. Safe to call again.
 *
 * @throws {ApplianceError} the kube/ codes when the cluster does not answer.
 */
export async function removeFinishedJobs(
  { kube, log }: { readonly kube: Pick<Kube, "get" | "delete">; readonly log: Log },
  { manifest, signal }: { readonly manifest: ReleaseManifest; readonly signal: AbortSignal },
): Promise<void> {
  for (const { bootstrapJob: name, targetNamespace: namespace } of componentsOf(manifest)) {
    if (name === undefined) continue;
    const job = await kube.get({ apiVersion: "batch/v1", kind: "Job", namespace, name }, { signal });
    if (job === undefined || isWorking(job)) continue;
    const { uid } = job.metadata;
    const preconditions = uid === undefined ? {} : { preconditions: { uid } };
    log.info("a finished job makes way for the release", { job: name });
    await kube.delete(refOf(job), { propagation: "Background", ...preconditions, signal });
  }
}

function isWorking(job: KubeObject): boolean {
  const isOver = ["Complete", "Failed"].some((type) => conditionOf(job, type)?.status === "True");
  return !isOver && (numberAt(job, "status", "failed") ?? 0) === 0;
}
