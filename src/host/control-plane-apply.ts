/**
 * The control plane on the cluster: chosen, applied by server-side apply, and seen healthy, or the last healthy one in its place.
 *
 * Both steps decide from the cluster and the record alone, so a crash between them changes nothing.
 */
import { parse } from "yaml";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import { redactText } from "../core/redact.ts";
import { applySet } from "../kube/apply-set.ts";
import type { Kube } from "../kube/calls.ts";
import { asKubeObject, fieldAt, type KubeObject, listAt, textAt } from "../kube/model.ts";
import type { StepResult } from "../operation/step.ts";
import { type BootstrapCall, type BootstrapContext, openCluster } from "./bootstrap-context.ts";
import { hasImage, listImages, pullImage } from "./containerd.ts";
import { type ControlPlaneChoice, type ControlPlaneFacts, chooseControlPlane } from "./control-plane-choice.ts";
import {
  askChannel,
  type ChannelFacts,
  CONTROL_PLANE,
  type FactsOptions,
  gatherControlPlaneFacts,
  VERSION_ANNOTATION,
} from "./control-plane-facts.ts";
import { remember } from "./control-plane-record.ts";
import { makeWay } from "./control-plane-replace.ts";
import { isControlPlane } from "./host-checks.ts";

/** Of what a pod said last. */
const MAX_WORDS_CHARS = 1_500;
/** Milliseconds between looks at a control plane that starts. */
const LOOK_MS = 2_000;

/** Chooses the image and applies all objects. Safe to call again. */
export async function applyControlPlane(call: BootstrapCall): Promise<StepResult> {
  const kube = await openCluster(call);
  const choice = await chooseAndPull(call, kube);
  const replaced = await applyChoice(call, kube, choice);
  return { state: "done", detail: `${choice.image} (${choice.why})${replaced === undefined ? "" : `; ${replaced}`}` };
}

/** The choice, with its image on the node: a registry that answers us and not the node must not cost the control plane that runs. */
async function chooseAndPull(call: BootstrapCall, kube: Kube): Promise<ControlPlaneChoice> {
  const { deps, settings, signal } = call;
  const facts = await factsNow(call, kube);
  const choice = chooseControlPlane(facts);
  if (choice.origin !== "channel" || hasImage(await listImages(deps, settings.paths, signal), choice.image))
    return choice;
  call.progress(`Pulling ${choice.image}`);
  const problem = await pullImage(deps, choice.image, { paths: settings.paths, signal });
  if (problem === undefined) return choice;
  deps.log.warn("node cannot pull the channel's control plane", { image: choice.image, problem });
  return chooseControlPlane({ ...facts, channel: { problem: `the node cannot pull "${choice.image}": ${problem}` } });
}

/**
 * Waits until the control plane answers. One that had its time and did not become healthy is remembered as failed, and the next
 * choice is applied; an image is never tried twice.
 * @throws {ApplianceError} host/control-plane-unhealthy when no other is left, with what its pods say.
 */
export async function waitForControlPlane(call: BootstrapCall): Promise<StepResult> {
  const kube = await openCluster(call);
  const tried = new Set<string>();
  for (;;) {
    const { running } = await factsNow(call, kube, { ask: false });
    if (
      running?.health === "healthy" &&
      (await isControlPlane(call.deps, { port: call.settings.port, signal: call.signal }))
    ) {
      await remember(call.deps, running, { paths: call.settings.paths, as: "healthy" });
      return { state: "done", detail: `${running.image} answers on port ${call.settings.port}` };
    }
    if (running?.health === "unhealthy" && !tried.has(running.image)) {
      tried.add(running.image);
      await fallBack(call, kube);
    }
    call.progress(running === null ? "It is not there yet" : `${running.image} starts`);
    await call.deps.clock.sleep(LOOK_MS, call.signal);
  }
}

async function fallBack(call: BootstrapCall, kube: Kube): Promise<void> {
  const { deps, settings } = call;
  const facts = await factsNow(call, kube);
  if (facts.running === null) return;
  await remember(deps, facts.running, { paths: settings.paths, as: "failed" });
  const choice = await chooseAndPull(call, kube);
  if (choice.image === facts.running.image) throw await unhealthy(call, kube, choice);
  deps.log.error("control plane is not healthy", { image: facts.running.image, next: choice.image, why: choice.why });
  call.progress(`Back to ${choice.image}: ${choice.why}`);
  await applyChoice(call, kube, choice);
}

async function factsNow(
  call: BootstrapCall,
  kube: Kube,
  options: { readonly ask?: boolean } = {},
): Promise<ControlPlaneFacts> {
  const { deps, settings, signal } = call;
  const { paths, askMs, allowDowngrade = false } = settings;
  const images = await listImages(deps, paths, signal);
  const follows = options.ask === false ? NOT_ASKED : await channelNow(call);
  return gatherControlPlaneFacts(deps, { paths, kube, images, follows, askMs, allowDowngrade, signal });
}

const NOT_ASKED = { problem: "it was not asked" };

/** What was asked meanwhile, or what is to be asked. */
async function channelNow({ settings, channel, signal }: BootstrapCall): Promise<FactsOptions["follows"]> {
  return channel === undefined ? settings.follows().catch(toProblem) : { answered: await channel.answer(signal) };
}

/** What the box follows now, for `createChannelQuestion`. */
export function channelAsked({ deps, settings }: BootstrapContext): (signal: AbortSignal) => Promise<ChannelFacts> {
  return async (signal) =>
    askChannel(deps, { follows: await settings.follows().catch(toProblem), askMs: settings.askMs, signal });
}

/** Settings of a registry that cannot be used must not keep a box from its page, where they can be mended. */
function toProblem(thrown: unknown): { readonly problem: string } {
  if (!(thrown instanceof ApplianceError)) throw thrown;
  return { problem: thrown.message };
}

/**
 * Applies; fields that somebody else set by hand are taken back, because a box is what its files say.
 * @returns what had to go for it, in words.
 */
async function applyChoice(call: BootstrapCall, kube: Kube, choice: ControlPlaneChoice): Promise<string | undefined> {
  const objects = controlPlaneObjects(call.settings.manifests, choice);
  const deployment = objects.find(({ kind }) => kind === CONTROL_PLANE.kind);
  const replaced = deployment === undefined ? undefined : await makeWay(call, kube, deployment);
  await applySet({ kube, clock: call.deps.clock }, objects, { force: true, signal: call.signal });
  return replaced;
}

/**
 * The objects of the control plane with an image. Pure.
 * @throws {ApplianceError} kube/bad-object for a manifest of this executable that is none.
 */
export function controlPlaneObjects(
  manifests: Readonly<Record<string, string>>,
  image: { readonly image: string; readonly version: string | null },
): readonly KubeObject[] {
  const documents = Object.entries(manifests).flatMap(([name, text]) =>
    text
      .split(/^---$/m)
      .filter((document) => document.trim() !== "")
      .map((document) => asKubeObject(parse(document), name)),
  );
  return documents.map((object) => (object.kind === CONTROL_PLANE.kind ? withImage(object, image) : object));
}

function withImage(
  object: KubeObject,
  { image, version }: { readonly image: string; readonly version: string | null },
): KubeObject {
  const template = fieldAt(object, "spec", "template");
  const spec = isPlainObject(object.spec) ? object.spec : {};
  const pod = fieldAt(template, "spec");
  if (!isPlainObject(template) || !isPlainObject(pod)) return object;
  const containers = listAt(pod, "containers").map((one) => (isPlainObject(one) ? { ...one, image } : one));
  const annotations = {
    ...object.metadata.annotations,
    ...(version === null ? {} : { [VERSION_ANNOTATION]: version }),
  };
  return {
    ...object,
    metadata: { ...object.metadata, annotations },
    spec: { ...spec, template: { ...template, spec: { ...pod, containers } } },
  };
}

async function unhealthy(call: BootstrapCall, kube: Kube, choice: ControlPlaneChoice): Promise<ApplianceError> {
  const kind = { apiVersion: "v1", kind: "Pod", namespace: CONTROL_PLANE.namespace };
  const selector = { labelSelector: `app.kubernetes.io/name=${CONTROL_PLANE.name}`, signal: call.signal };
  const { items } = await kube.list(kind, selector);
  const evidence = items.flatMap((pod) =>
    listAt(pod, "status", "containerStatuses").map((one) => ({
      ref: `Pod ${pod.metadata.name}`,
      // Its own last words before those of the kubelet, which only say that it waits.
      text: redactText(
        textAt(one, "lastState", "terminated", "message") ??
          textAt(one, "state", "terminated", "message") ??
          textAt(one, "state", "waiting", "message") ??
          "It runs and does not answer",
      ).slice(-MAX_WORDS_CHARS),
    })),
  );
  return new ApplianceError(
    "host/control-plane-unhealthy",
    `Cannot bring up control plane "${choice.image}": it does not become healthy, and ${choice.why}`,
    {
      hint: `Read its log: k3s kubectl -n ${CONTROL_PLANE.namespace} logs deployment/${CONTROL_PLANE.name}`,
      details: { evidence },
    },
  );
}
