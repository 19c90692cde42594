/**
 * The step "tenant": waits for the bootstrap job, and starts a failed one again when the operator has said so.
 *
 * A job that has failed stays failed, and its template cannot be changed: it is deleted, and Flux is asked to run Helm
 * again, which makes it anew. That is done once for each time the operator resumes, also when it is killed in between.
 */
import { FORCED, helmReleaseOf, REQUESTED } from "../flux/requests.ts";
import { conditionOf, type KubeObject, refOf } from "../kube/model.ts";
import type { StepResult } from "../operation/step.ts";
import type { ComponentSpec } from "../release/components.ts";
import { componentsOf } from "../release/model.ts";
import { waitForTiers } from "../status/waiting.ts";
import { releaseOf, type StepCall } from "./context.ts";
import { APP_NAMESPACE, secretValues, TENANT_SECRET } from "./objects.ts";
import { operatorsWord } from "./operator-word.ts";

/** Waits for the bootstrap job; the plain form of the password, where a release wanted it, is removed after it. */
export async function tenantStep(call: StepCall): Promise<StepResult> {
  const word = await operatorsWord(call, "tenant");
  if (word !== undefined) await startAgain(call, word);
  const result = await waitForTiers(call, ["bootstrap"]);
  const { kube } = call.context.deps;
  const ref = { apiVersion: "v1", kind: "Secret", namespace: APP_NAMESPACE, name: TENANT_SECRET };
  const held = await kube.get(ref, { signal: call.signal });
  if (secretValues(held).INITIAL_ADMIN_PASSWORD !== undefined) {
    await kube.patch(ref, { data: { INITIAL_ADMIN_PASSWORD: null } }, { signal: call.signal });
  }
  return result;
}

async function startAgain(call: StepCall, word: string): Promise<void> {
  const { deps } = call.context;
  const status = await deps.observe(call.signal);
  if (status.tiers.bootstrap.state === "ready") return;
  const { manifest } = await releaseOf(call);
  for (const component of componentsOf(manifest)) {
    if (component.bootstrapJob !== undefined)
      await startJobAgain(call, { component, name: component.bootstrapJob, word });
  }
}

interface Again {
  readonly component: ComponentSpec;
  readonly name: string;
  readonly word: string;
}

/** The word stands on the HelmRelease once all is done, so that nothing is done twice. */
async function startJobAgain(call: StepCall, { component, name, word }: Again): Promise<void> {
  const { kube } = call.context.deps;
  const { signal } = call;
  const release = await kube.get(helmReleaseOf(component), { signal });
  if (release === undefined || release.metadata.annotations?.[FORCED] === word) return;
  const job = await kube.get(
    { apiVersion: "batch/v1", kind: "Job", namespace: component.targetNamespace, name },
    { signal },
  );
  if (job !== undefined && !hasFailed(job)) return;
  call.progress("The job that creates the first tenant is started again");
  if (job !== undefined) {
    const { uid } = job.metadata;
    await kube.delete(refOf(job), {
      propagation: "Background",
      ...(uid === undefined ? {} : { preconditions: { uid } }),
      signal,
    });
  }
  const annotations = { [REQUESTED]: word, [FORCED]: word };
  await kube.patch(refOf(release), { metadata: { annotations } }, { signal });
}

function hasFailed(job: KubeObject): boolean {
  return conditionOf(job, "Failed")?.status === "True";
}
