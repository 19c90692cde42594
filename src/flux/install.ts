/** Installing Flux: applying its objects in order, and waiting until its controllers run, with the cause when they do not. */
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { type ApplySetResult, applySet } from "../kube/apply-set.ts";
import type { Kube } from "../kube/calls.ts";
import { type KubeObject, listAt, textAt } from "../kube/model.ts";
import { type Readiness, readinessOf } from "../kube/readiness.ts";
import { FLUX_CONTROLLERS } from "./manifests.ts";
import { FLUX_NAMESPACE } from "./source.ts";

export { FLUX_CONTROLLERS, pullFluxObjects, readFluxObjects } from "./manifests.ts";

export type InstallDeps = Pick<Deps, "clock"> & { readonly kube: Kube };

export interface InstallOptions {
  /** Takes fields over that another installer of Flux owns. Default: a conflict is reported with its owner. */
  readonly force?: boolean;
  /** Told after each object. */
  readonly onProgress?: (detail: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Applies Flux. Safe to call again: an unchanged object stays as it is.
 *
 * @throws {ApplianceError} kube/conflict when another manager owns a field; else as `applySet` does.
 */
export function installFlux(
  deps: InstallDeps,
  objects: readonly KubeObject[],
  options: InstallOptions = {},
): Promise<ApplySetResult> {
  return applySet(deps, objects, {
    ...(options.force === undefined ? {} : { force: options.force }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    onProgress: (applied, done, total) =>
      options.onProgress?.(`${done} of ${total}: ${applied.ref.kind} ${applied.ref.name}`),
  });
}

export interface WaitOptions {
  /** Default 5 min: the images are pulled meanwhile. */
  readonly timeoutMs?: number;
  /** Told at every look, once a second, while a controller is not ready. */
  readonly onLook?: (waiting: Waiting) => void | Promise<void>;
  readonly signal?: AbortSignal;
}

/** What is awaited. */
export interface Waiting {
  /** One line: each controller that is not ready, and why. */
  readonly detail: string;
  /** How the waiting will end, when a controller has failed and stays so; undefined while all only need time. */
  readonly failure: ApplianceError | undefined;
}

/** What one controller is like. */
export interface ControllerState extends Readiness {
  readonly name: string;
}

const WAIT_MS = 5 * 60_000;
const POLL_MS = 1_000;

/**
 * Waits until the controllers run.
 *
 * @throws {ApplianceError} flux/not-ready with the cause of each in `details.controllers`, after the time.
 */
export async function waitForFlux(deps: InstallDeps, options: WaitOptions = {}): Promise<void> {
  const endsAt = deps.clock.monotonic() + (options.timeoutMs ?? WAIT_MS);
  for (;;) {
    const waiting = (await fluxControllers(deps.kube, options)).filter((one) => one.state !== "ready");
    if (waiting.length === 0) return;
    if (deps.clock.monotonic() >= endsAt) throw notReady(waiting);
    await options.onLook?.(describeWaiting(waiting));
    await deps.clock.sleep(POLL_MS, options.signal);
  }
}

function describeWaiting(waiting: readonly ControllerState[]): Waiting {
  const failed = waiting.filter((one) => one.state === "failed");
  return {
    detail: waiting.map((one) => `${one.name}: ${one.message}`).join("; "),
    failure: failed.length === 0 ? undefined : notReady(failed),
  };
}

/** Looks at each controller once; a missing one is failed. */
async function fluxControllers(
  kube: Kube,
  options: { readonly signal?: AbortSignal } = {},
): Promise<readonly ControllerState[]> {
  return Promise.all(FLUX_CONTROLLERS.map(async (name) => ({ name, ...(await controllerState(kube, name, options)) })));
}

async function controllerState(
  kube: Kube,
  name: string,
  options: { readonly signal?: AbortSignal },
): Promise<Readiness> {
  const call = options.signal === undefined ? {} : { signal: options.signal };
  const ref = { apiVersion: "apps/v1", kind: "Deployment", namespace: FLUX_NAMESPACE, name };
  const deployment = await kube.get(ref, call);
  if (deployment === undefined) return { state: "failed", reason: "Missing", message: "its Deployment does not exist" };
  const readiness = readinessOf(deployment);
  if (readiness.state === "ready") return readiness;
  const kind = { apiVersion: "v1", kind: "Pod", namespace: FLUX_NAMESPACE };
  const pods = await kube.list(kind, { ...call, labelSelector: `app=${name}`, limit: 20 });
  return pods.items.map(podProblem).find((problem) => problem !== undefined) ?? readiness;
}

/** Why a pod does not run, from its container or its scheduling; undefined when it only needs time. */
function podProblem(pod: KubeObject): Readiness | undefined {
  for (const status of listAt(pod, "status", "containerStatuses")) {
    const reason = textAt(status, "state", "waiting", "reason");
    if (reason !== undefined && reason !== "ContainerCreating" && reason !== "PodInitializing") {
      const said = textAt(status, "state", "waiting", "message") ?? reason;
      return { state: "failed", reason, message: `${reason}: ${said.slice(0, 300)}` };
    }
  }
  const unscheduled = listAt(pod, "status", "conditions").find(
    (condition) => textAt(condition, "type") === "PodScheduled" && textAt(condition, "status") === "False",
  );
  if (unscheduled === undefined) return undefined;
  const message = `no node takes it: ${(textAt(unscheduled, "message") ?? "").slice(0, 300)}`;
  return { state: "progressing", reason: "Unschedulable", message };
}

function notReady(waiting: readonly ControllerState[]): ApplianceError {
  const [first] = waiting;
  return new ApplianceError(
    "flux/not-ready",
    `Cannot go on without Flux: ${first?.name} is not ready (${first?.message}), all of ${FLUX_CONTROLLERS.join(", ")} are wanted`,
    { hint: `Look at its pods: kubectl -n ${FLUX_NAMESPACE} describe pods`, details: { controllers: waiting } },
  );
}
