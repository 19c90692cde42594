/** The steps of a reset in their order, as data. Each lists what is there and removes that, so it is safe to call again. */
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import type { RetryPolicy } from "../core/retry.ts";
import { createProgram, type Program, type Step, type StepResult } from "../operation/step.ts";
import { type BootstrapCall, type BootstrapContext, openCluster } from "./bootstrap-context.ts";
import { startK3s } from "./k3s-config.ts";
import { waitForK3s } from "./k3s-ready.ts";
import { judgeKubeconfig } from "./kubeconfig-own.ts";
import { withStateLease } from "./recover-mend.ts";
import { removeImages, removeState } from "./reset-box.ts";
import {
  type ClusterCall,
  removeClusterObjects,
  removeNamespaces,
  removeReleases,
  removeVolumes,
  stopControlPlane,
} from "./reset-cluster.ts";

const MINUTE_MS = 60_000;
const RETRY: RetryPolicy = { attempts: 3, baseMs: 2_000, maxMs: 30_000 };

export const RESET_PLAN_SCHEMA = "alga.appliance.reset-plan/v1";

/** What the journal of a reset carries: it goes on with these after an interruption. */
export const resetPlanSchema = z.object({
  schema: z.literal(RESET_PLAN_SCHEMA),
  bootId: z.string(),
  keepData: z.boolean(),
  /** Registry and base of the product's images; null where it is not known. */
  place: z.string().nullable(),
  about: z.record(z.string(), z.unknown()),
});
export type ResetPlan = z.infer<typeof resetPlanSchema>;

interface ResetContext extends BootstrapContext {
  readonly plan: ResetPlan;
}
type ResetCall = BootstrapCall & ResetContext;

export interface ResetStep extends Step<ResetContext> {
  readonly about: string;
}

type Row = Pick<ResetStep, "id" | "title" | "about" | "budgetMs"> & {
  readonly work: (call: ResetCall) => Promise<StepResult>;
};

const ROWS: readonly Row[] = [
  {
    id: "k3s",
    title: "Start Kubernetes",
    about: "What is in it can be removed only while it runs; it must be this box's own.",
    budgetMs: 15 * MINUTE_MS,
    work: startKubernetes,
  },
  {
    id: "stop",
    title: "Stop the control plane",
    about: "So that nobody writes any more.",
    budgetMs: 5 * MINUTE_MS,
    work: stop,
  },
  {
    id: "release",
    title: "Take the release out of Flux",
    about: "Flux is suspended for it first, so that it removes nothing by itself.",
    budgetMs: 10 * MINUTE_MS,
    work: (call) => onCluster(call, removeReleases),
  },
  {
    id: "namespaces",
    title: "Remove the namespaces",
    about: "With everything in them; with kept data only what runs.",
    budgetMs: 20 * MINUTE_MS,
    work: (call) => onCluster(call, removeNamespaces),
  },
  {
    id: "volumes",
    title: "Remove the volumes",
    about: "Those of our claims and the folders under them; kept data stays.",
    budgetMs: 30 * MINUTE_MS,
    work: (call) => onCluster(call, removeVolumes),
  },
  {
    id: "cluster",
    title: "Remove what has no namespace",
    about: "Roles, storage class and kinds that we brought; Flux only while nobody else uses it.",
    budgetMs: 5 * MINUTE_MS,
    work: (call) => onCluster(call, removeClusterObjects),
  },
  {
    id: "images",
    title: "Remove the images",
    about: "Those of the product; the control plane's stay, because it starts again.",
    budgetMs: 30 * MINUTE_MS,
    work: async (call) =>
      call.plan.keepData
        ? { state: "skipped", detail: "They are kept with the data" }
        : onCluster(call, () => removeImages(call, call.plan.place)),
  },
  {
    id: "state",
    title: "Empty the state folder",
    about: "Passwords, sessions, answers, journals, content of release load.",
    budgetMs: 10 * MINUTE_MS,
    work: removeState,
  },
];

export const RESET_STEPS: readonly ResetStep[] = ROWS.map(({ work, ...row }) => ({
  ...row,
  retry: RETRY,
  run: (context, progress, signal) => work({ ...context, progress, signal }),
}));

/** The program of one reset: a bootstrap has it too, and goes on with one that was interrupted. */
export function resetProgram(context: BootstrapContext): Program {
  return createProgram(RESET_STEPS, async ({ plan }) => ({ ...context, plan: resetPlanSchema.parse(plan) }));
}

async function startKubernetes(call: ResetCall): Promise<StepResult> {
  await startK3s(call);
  // One that is not there yet is written by k3s; a strange one is not waited for.
  if ((await judgeKubeconfig(call.deps, call.settings.paths)).state !== "missing") await assertOwnCluster(call);
  const ready = await waitForK3s(call);
  await assertOwnCluster(call);
  return ready;
}

/** @throws {ApplianceError} kube/config while the kubeconfig is not this box's: another cluster is never touched. */
async function assertOwnCluster({ deps, settings }: ResetCall): Promise<void> {
  const { state, path, why } = await judgeKubeconfig(deps, settings.paths);
  if (state === "own") return;
  throw new ApplianceError("kube/config", `Cannot reset by kubeconfig "${path}": ${why}, one of this box is wanted`, {
    hint: "alga-appliance recover puts it right; then run reset again",
  });
}

/** Under the lease of the state, so that an operation that has just begun is not cut. */
async function stop(call: ResetCall): Promise<StepResult> {
  const isThere = (await call.deps.files.stat(call.settings.paths.state)) !== undefined;
  const work = (): Promise<StepResult> => onCluster(call, stopControlPlane);
  return isThere ? withStateLease(call, work) : work();
}

/** Each time from the ground: a run that goes on after a boot finds a Kubernetes that starts. */
async function onCluster(call: ResetCall, work: (call: ClusterCall) => Promise<StepResult>): Promise<StepResult> {
  await startKubernetes(call);
  return work({ ...call, kube: await openCluster(call), keepData: call.plan.keepData });
}
