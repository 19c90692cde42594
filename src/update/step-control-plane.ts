/**
 * The step "control-plane": the control plane of the release, before the release itself, where the host can take care of it.
 *
 * A control plane cannot watch its own replacement, so the host does it: asked, it chooses the image of its channel, starts it, and
 * takes the last healthy one where the new one does not become ready. The pod that works here is ended meanwhile; the next one
 * goes on from the journal and finds what the host has done. That it stays as it is is no failure of the update.
 *
 * @see docs/host-guide.md; the request POST /v1/control-plane/reapply of the host agent
 */
import { withDeadline } from "../core/deadline.ts";
import { isApplianceError } from "../core/errors.ts";
import { type KubeObject, listAt, textAt } from "../kube/model.ts";
import { readinessOf } from "../kube/readiness.ts";
import type { StepResult } from "../operation/step.ts";
import { controlPlaneImage, isNamedBy } from "../release/control-plane.ts";
import { pollMsOf } from "../status/waiting.ts";
import { note, readNotes, type UpdateCall } from "./context.ts";
import { atPace } from "./ports.ts";
import { wantedOf } from "./release-of-run.ts";

const DEPLOYMENT = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  namespace: "alga-appliance-control-plane",
  name: "appliance-control-plane",
} as const;
/** Milliseconds until the host has answered, and until it has begun: it pulls the image first. */
const ASK_MS = 10_000;
const WAIT_MS = 5 * 60_000;

/** Asks the host once for a run, and waits a while for what it does. */
export async function updateControlPlane(call: UpdateCall): Promise<StepResult> {
  const { context, signal } = call;
  const { manifest, channel, artifacts } = await wantedOf(call);
  const wanted = controlPlaneImage(manifest, context.deps.registry.place);
  const seen = artifacts.find(({ name }) => name === "control-plane image")?.digest;
  if (wanted === undefined) return { state: "skipped", detail: "The release leaves it as it is" };
  const running = await context.deps.kube.get(DEPLOYMENT, { signal });
  if (running === undefined) return { state: "skipped", detail: "It does not run in this cluster" };
  const isWanted = (image: string): boolean => isNamedBy(image, wanted, seen);
  if (isWanted(imageOf(running))) return { state: "done", detail: "It is that of the release" };
  if (channel === null) return stays("the host follows a channel, and the release was named exactly");
  const { controlPlaneAsked } = await readNotes(context);
  if (controlPlaneAsked) return stays(`the host has chosen ${imageOf(running)}`);
  return (await askHost(call))
    ? await waitForHost(call, isWanted)
    : stays("there is no host agent that could replace it");
}

function stays(why: string): StepResult {
  return { state: "skipped", detail: `It stays as it is: ${why}` };
}

/** @returns false when there is no agent, or it does not take the request. */
async function askHost({ context, signal }: UpdateCall): Promise<boolean> {
  const { hostAgent, clock, log } = context.deps;
  if (hostAgent === undefined) return false;
  const work = async (limit: AbortSignal): Promise<boolean> => {
    const request = new Request("http://host-agent/v1/control-plane/reapply", { method: "POST", signal: limit });
    const response = await hostAgent(request);
    await response.body?.cancel();
    return response.status === 202;
  };
  // Noted before: the answer may be that this very process is ended.
  await note(context, { controlPlaneAsked: true });
  try {
    return await withDeadline(clock, ASK_MS, { what: "the host agent", parent: signal, work });
  } catch (error) {
    signal.throwIfAborted();
    if (!isApplianceError(error)) throw error;
    log.info("the host agent was not reached", { error });
    return false;
  }
}

async function waitForHost(
  { context, progress, signal }: UpdateCall,
  isWanted: (image: string) => boolean,
): Promise<StepResult> {
  const { deps, settings } = context;
  const endMs = deps.clock.monotonic() + atPace(settings, WAIT_MS);
  while (deps.clock.monotonic() < endMs) {
    const running = await deps.kube.get(DEPLOYMENT, { signal });
    const image = imageOf(running);
    if (isWanted(image) && running !== undefined && readinessOf(running).state === "ready") {
      return { state: "done", detail: `${image} runs` };
    }
    progress(isWanted(image) ? `${image} starts` : "The host is asked to replace it");
    await deps.clock.sleep(pollMsOf(settings), signal);
  }
  return stays("the host has not replaced it in time");
}

function imageOf(deployment: KubeObject | undefined): string {
  return textAt(listAt(deployment, "spec", "template", "spec", "containers")[0], "image") ?? "";
}
