/** The step "storage": a default StorageClass is proven, or the local-path provisioner is installed as one. */
import type { Evidence } from "../core/evidence.ts";
import { applySet } from "../kube/apply-set.ts";
import { type KubeObject, listAt, textAt } from "../kube/model.ts";
import { readinessOf } from "../kube/readiness.ts";
import type { StepProblem } from "../operation/journal.ts";
import type { StepResult } from "../operation/step.ts";
import { pulledName } from "../release/additional-images.ts";
import { STORAGE_IMAGES } from "../release/appliance-images.ts";
import { pollMsOf } from "../status/waiting.ts";
import { releaseOf, type StepCall } from "./context.ts";
import { isDefaultClass } from "./preflight-cluster.ts";
import { PROVISIONER, provisionerObjects, STORAGE_NAMESPACE, storageClass } from "./storage-objects.ts";

/**
 * Runs until the cluster can give volumes. Safe to call again; goes on too when somebody else makes a StorageClass the
 * default meanwhile.
 */
export async function storageStep(call: StepCall): Promise<StepResult> {
  const { deps, settings } = call.context;
  const found = await defaultClass(call);
  if (found !== undefined) return { state: "done", detail: describeClass(found) };
  const images = settings.storageImages ?? (await imagesOf(call));
  await applySet(deps, provisionerObjects(images), { signal: call.signal });
  for (;;) {
    const other = await defaultClass(call);
    if (other !== undefined) return { state: "done", detail: describeClass(other) };
    const provisioner = await deps.kube.get(PROVISIONER, { signal: call.signal });
    if (provisioner !== undefined && readinessOf(provisioner).state === "ready") break;
    const problem = await provisionerProblem(call);
    call.progress("Waits for the storage provisioner", problem);
    await deps.clock.sleep(pollMsOf(settings), call.signal);
  }
  const made = await deps.kube.apply(storageClass(), { signal: call.signal });
  return { state: "done", detail: `${describeClass(made)}, installed now` };
}

/** A box of a mirror pulls them from there, when the release knows them. */
async function imagesOf(call: StepCall): Promise<NonNullable<StepCall["context"]["settings"]["storageImages"]>> {
  const { manifest } = await releaseOf(call);
  const release = { manifest, place: call.context.deps.registry.place };
  return {
    provisioner: pulledName(STORAGE_IMAGES.provisioner, release),
    helper: pulledName(STORAGE_IMAGES.helper, release),
  };
}

async function defaultClass({ context, signal }: StepCall): Promise<KubeObject | undefined> {
  const { items } = await context.deps.kube.list({ apiVersion: "storage.k8s.io/v1", kind: "StorageClass" }, { signal });
  // A class without a provisioner gives volumes to nobody by itself.
  return items.find((item) => isDefaultClass(item) && textAt(item, "provisioner") !== "kubernetes.io/no-provisioner");
}

function describeClass(found: KubeObject): string {
  return `${found.metadata.name} (${textAt(found, "provisioner") ?? "unknown provisioner"})`;
}

/** What the first pod says, in one line. */
function said([first]: readonly Evidence[]): string {
  return (first?.text.split("\n", 1)[0] ?? "").slice(0, 200).replace(/\.$/, "");
}

/** Why the provisioner does not run, from its pods; undefined when it only needs time. */
async function provisionerProblem({ context, signal }: StepCall): Promise<StepProblem | undefined> {
  const kind = { apiVersion: "v1", kind: "Pod", namespace: STORAGE_NAMESPACE };
  const { items } = await context.deps.kube.list(kind, { signal, labelSelector: `app=${PROVISIONER.name}`, limit: 20 });
  const evidence = items.flatMap((pod) =>
    listAt(pod, "status", "containerStatuses").flatMap((status): Evidence[] => {
      const reason = textAt(status, "state", "waiting", "reason");
      if (reason === undefined || reason === "ContainerCreating" || reason === "PodInitializing") return [];
      const message = textAt(status, "state", "waiting", "message") ?? "";
      return [
        { ref: `Pod ${STORAGE_NAMESPACE}/${pod.metadata.name}`, text: `${reason} ${message}`.trim().slice(0, 500) },
      ];
    }),
  );
  if (evidence.length === 0) return undefined;
  return {
    code: "setup/no-storage",
    message: `No StorageClass is the default, and the storage provisioner does not start: ${said(evidence)}`,
    hint: "Make a StorageClass the default, or let the node pull the image of the provisioner",
    retrySafe: true,
    fields: [],
    evidence,
  };
}
