/**
 * The steps of recover in their order, as data. Most are those of a bootstrap, which only do what is missing; between them stand those
 * that put damaged files right and give back what the cluster knows. Each is safe to call again, and none needs a network.
 */
import { z } from "zod";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { RetryPolicy } from "../core/retry.ts";
import type { Kube } from "../kube/calls.ts";
import { refOf } from "../kube/model.ts";
import { createProgram, type Program, problemOf, type Step, type StepResult } from "../operation/step.ts";
import type { StateStore } from "../operation/store.ts";
import { type BootstrapCall, type BootstrapContext, openCluster, run } from "./bootstrap-context.ts";
import { hasImage, listImages } from "./containerd.ts";
import { applyControlPlane, waitForControlPlane } from "./control-plane-apply.ts";
import { CONTROL_PLANE, gatherControlPlaneFacts } from "./control-plane-facts.ts";
import { checkHost } from "./host-checks.ts";
import { makeSecrets, placeHostFiles, placeProgram } from "./host-files.ts";
import { configureK3s, startK3s } from "./k3s-config.ts";
import { waitForK3s } from "./k3s-ready.ts";
import { judgeKubeconfig } from "./kubeconfig-own.ts";
import { bringImages, type MakeOwnImage } from "./recover-images.ts";
import { EXECUTABLE, isHeldByUs } from "./recover-look.ts";
import { giveBack, giveStateFolder, putAside, putFileAside, withStateLease } from "./recover-mend.ts";
import { mendSettings } from "./recover-settings.ts";

const MINUTE_MS = 60_000;
/** What hinders often passes while it is looked at; an operator waits in front of it. */
const RETRY: RetryPolicy = { attempts: 3, baseMs: 2_000, maxMs: 10_000 };
const SYSTEMCTL_MS = 120_000;
/** Milliseconds in which the API of an active k3s answers, unless it hangs. */
const SILENT_MS = 20_000;
const LOOK_MS = 2_000;

/** Writes state documents anew from what the cluster knows. */
export type RebuildState = (
  kube: Kube,
  store: StateStore,
  signal: AbortSignal,
) => Promise<{ readonly documents: readonly string[]; readonly notes: readonly string[] }>;

/** What recover needs beside a bootstrap; made in `main.ts`, because other rooms do it. */
export interface RecoverContext extends Pick<BootstrapContext, "deps"> {
  readonly settings: Omit<BootstrapContext["settings"], "follows">;
  readonly rebuild: RebuildState;
  readonly makeOwnImage: MakeOwnImage;
  /** The program that runs, to be copied to where it is missing; null where it is none that could be. */
  readonly ownExecutable: string | null;
}

/** A run with what was wrong when it began. */
interface RecoverRun extends RecoverContext, BootstrapContext {
  readonly settings: BootstrapContext["settings"];
  readonly hadFindings: boolean;
}

type RecoverCall = BootstrapCall & RecoverRun;

/** A step of recover with a sentence for the plan. */
export interface RecoverStep extends Step<RecoverRun> {
  readonly about: string;
  /** It touches files alone, so it also works on a disk that is mounted somewhere. */
  readonly filesOnly: boolean;
}

type Row = Pick<RecoverStep, "id" | "title" | "about" | "budgetMs"> & {
  readonly filesOnly?: true;
  readonly work: (call: RecoverCall) => Promise<StepResult>;
};

const ROWS: readonly Row[] = [
  {
    id: "aside",
    title: "Put damaged files aside",
    about: "They are renamed with the time, never deleted.",
    budgetMs: 2 * MINUTE_MS,
    filesOnly: true,
    work: aside,
  },
  {
    id: "files",
    title: "Put the host's files right",
    about:
      "This executable where there is none, units, the user alga-appliance, folders; k3s from the payload where there is none.",
    budgetMs: 5 * MINUTE_MS,
    work: hostFiles,
  },
  {
    id: "state",
    title: "Give the state back to the control plane",
    about: "Owner and modes of its files.",
    budgetMs: 2 * MINUTE_MS,
    filesOnly: true,
    work: state,
  },
  {
    id: "secrets",
    title: "Make the setup token",
    about: "Only where the appliance is not claimed, or its password is lost.",
    budgetMs: MINUTE_MS,
    work: makeSecrets,
  },
  {
    id: "checks",
    title: "Check disk, clock, kernel and ports",
    about: "Nothing is changed.",
    budgetMs: MINUTE_MS,
    work: checks,
  },
  {
    id: "k3s-config",
    title: "Configure k3s",
    about: "Restarts it only when the configuration changed.",
    budgetMs: 5 * MINUTE_MS,
    work: configure,
  },
  {
    id: "kubeconfig",
    title: "Put the kubeconfig right",
    about:
      "One of another cluster is renamed, never used; k3s writes its own. One that runs and does not answer is restarted.",
    budgetMs: 5 * MINUTE_MS,
    work: kubeconfig,
  },
  {
    id: "k3s-start",
    title: "Start k3s",
    about: "Now and at every boot.",
    budgetMs: 5 * MINUTE_MS,
    work: start,
  },
  {
    id: "k3s-ready",
    title: "Wait for Kubernetes",
    about: "Until its API answers and the node is ready; what hinders it is told.",
    budgetMs: 15 * MINUTE_MS,
    work: waitForK3s,
  },
  {
    id: "rebuild",
    title: "Write lost documents anew",
    about: "From what the cluster knows; a document that is there is not touched.",
    budgetMs: 2 * MINUTE_MS,
    work: rebuild,
  },
  {
    id: "settings",
    title: "Put the settings right",
    about:
      "A file that cannot be used is kept under another name; what can be read of it and what is installed is written anew.",
    budgetMs: MINUTE_MS,
    filesOnly: true,
    work: mendSettings,
  },
  {
    id: "images",
    title: "Import images",
    about: "From the payload; where it is gone the control plane is made of this executable.",
    budgetMs: 60 * MINUTE_MS,
    work: (call) => bringImages(call, call.makeOwnImage),
  },
  {
    id: "control-plane",
    title: "Apply the control plane",
    about: "The one that ran, or the last healthy one; never an older one than ran before.",
    budgetMs: 20 * MINUTE_MS,
    work: applyControlPlane,
  },
  {
    id: "pod",
    title: "Start the control plane anew",
    about: "Where anything was wrong, so that it reads its state anew.",
    budgetMs: 2 * MINUTE_MS,
    work: startPodAnew,
  },
  {
    id: "handover",
    title: "Hand over to the control plane",
    about: "Until it answers; back to the last healthy image when it does not.",
    budgetMs: 8 * MINUTE_MS,
    work: handOver,
  },
];

export const RECOVER_STEPS: readonly RecoverStep[] = ROWS.map(({ work, filesOnly = false, ...row }) => ({
  ...row,
  filesOnly,
  retry: RETRY,
  run: (context, progress, signal) => work({ ...context, progress, signal }),
}));

/** Of the plan in the journal only what a step needs; a plan that cannot be read counts as one with findings. */
const planSchema = z.object({ findings: z.array(z.unknown()) });

async function noChannel(): Promise<never> {
  throw new ApplianceError("release/offline", "Cannot ask the channel: recover changes no version");
}

/** The program of one recover. Under another root only files are put right. */
export function recoverProgram(context: RecoverContext): Program {
  const isBox = context.settings.paths.root === "/";
  const settings = { ...context.settings, follows: noChannel };
  return createProgram(
    RECOVER_STEPS.filter(({ filesOnly }) => isBox || filesOnly),
    async ({ plan }) => ({ ...context, settings, hadFindings: planSchema.safeParse(plan).data?.findings.length !== 0 }),
  );
}

async function aside(call: RecoverCall): Promise<StepResult> {
  const asides = await putAside(call);
  if (asides.length === 0) return { state: "done", detail: "All files can be read" };
  return { state: "done", detail: asides.map(({ path, aside: kept }) => `${path} is now ${nameOf(kept)}`).join("; ") };
}

/** The executable first: the units that are started need it. */
async function hostFiles(call: RecoverCall): Promise<StepResult> {
  const { deps, ownExecutable } = call;
  const copied = ownExecutable !== null && (await placeProgram(deps, EXECUTABLE, ownExecutable));
  const { state: end, detail = "" } = await placeHostFiles(call);
  return { state: end, detail: copied ? `${EXECUTABLE} is this executable now. ${detail}` : detail };
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

async function state(call: RecoverCall): Promise<StepResult> {
  const done = await giveBack(call);
  return { state: "done", detail: done.length === 0 ? "All as it should be" : done.join(", ") };
}

/** As a bootstrap checks; but a control plane that hangs on its port is ours, and is started anew later. */
async function checks(call: RecoverCall): Promise<StepResult> {
  try {
    return await checkHost(call);
  } catch (thrown) {
    if (!isApplianceError(thrown, "host/port-taken") || !isHeldByUs(JSON.stringify(thrown.details ?? {}))) throw thrown;
    return { state: "done", detail: "The control plane holds its port and does not answer: it is started anew" };
  }
}

/** A k3s that runs writes its kubeconfig at its start; one that does not run will. */
async function kubeconfig(call: RecoverCall): Promise<StepResult> {
  const { deps, settings } = call;
  const { state: is, path, why } = await judgeKubeconfig(deps, settings.paths);
  const answer = is === "own" ? await askApi(call) : "refuses";
  if (is === "own" && answer === "answers") return { state: "done", detail: "It is this box's own" };
  if (answer === "is silent") {
    await run(call, ["systemctl", "try-restart", "--no-block", "k3s.service"]);
    return { state: "done", detail: "The API of a k3s that runs did not answer: k3s is restarted" };
  }
  const kept = is === "missing" ? undefined : await putFileAside(call, path);
  await run(call, ["systemctl", "try-restart", "--no-block", "k3s.service"]);
  const detail =
    kept === undefined
      ? "k3s writes it at its start"
      : `${is === "own" ? "its API refused it" : why}: it is now ${nameOf(kept.aside)}`;
  return { state: "done", detail };
}

/**
 * Asks the API with the credentials of the kubeconfig. A k3s that does not run, or starts, has refused nothing; one that systemd calls
 * active had an API that answered, so after some time without an answer it hangs, or its certificates have expired while it ran.
 */
async function askApi(call: RecoverCall): Promise<"answers" | "refuses" | "is silent"> {
  const endsAt = call.deps.clock.monotonic() + SILENT_MS;
  for (;;) {
    const problem = await problemOfApi(call);
    if (problem === undefined) return "answers";
    if (problem.code === "kube/unauthorized" || problem.code === "kube/forbidden") return "refuses";
    const argv = ["systemctl", "is-active", "k3s.service"] as const;
    const { stdout } = await call.deps.exec(argv, { timeoutMs: SYSTEMCTL_MS, signal: call.signal });
    if (stdout.trim() !== "active") return "answers";
    if (call.deps.clock.monotonic() >= endsAt) return "is silent";
    call.progress(`Waits for the API of k3s: ${problem.message}`);
    await call.deps.clock.sleep(LOOK_MS, call.signal);
  }
}

async function problemOfApi(call: RecoverCall): Promise<ApplianceError | undefined> {
  try {
    const kube = await openCluster(call);
    await kube.list({ apiVersion: "v1", kind: "Node" }, { signal: call.signal });
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof ApplianceError) || call.signal.aborted) throw thrown;
    return thrown;
  }
}

/**
 * A mask lies where our unit lay: taken away first, or it counts as a unit that is there. Unmasking one that is not masked does
 * nothing.
 */
async function configure(call: RecoverCall): Promise<StepResult> {
  await call.deps.exec(["systemctl", "unmask", "k3s.service"], { timeoutMs: SYSTEMCTL_MS, signal: call.signal });
  return configureK3s(call);
}

async function start(call: RecoverCall): Promise<StepResult> {
  await call.deps.exec(["systemctl", "reset-failed", "k3s.service"], { timeoutMs: SYSTEMCTL_MS, signal: call.signal });
  return startK3s(call);
}

async function rebuild(call: RecoverCall): Promise<StepResult> {
  const kube = await openCluster(call);
  const rebuilt = await withStateLease(call, (store) => call.rebuild(kube, store, call.signal));
  await giveStateFolder(call);
  const { documents, notes } = rebuilt;
  if (documents.length === 0) return { state: "done", detail: "Nothing is lost that the cluster knows" };
  return { state: "done", detail: [`Written anew: ${documents.join(", ")}`, ...notes].join(". ") };
}

/** Its pods are deleted once; the Deployment makes new ones. */
async function startPodAnew(call: RecoverCall): Promise<StepResult> {
  if (!call.hadFindings) return { state: "skipped", detail: "Nothing was wrong: it stays as it is" };
  const kube = await openCluster(call);
  const pods = await kube.list(
    { apiVersion: "v1", kind: "Pod", namespace: CONTROL_PLANE.namespace },
    { labelSelector: `app.kubernetes.io/name=${CONTROL_PLANE.name}`, signal: call.signal },
  );
  for (const pod of pods.items) await kube.delete(refOf(pod), { signal: call.signal });
  return { state: "done", detail: pods.items.length === 0 ? "None was there" : "It reads its state anew" };
}

/** As a bootstrap waits, and says which image is lacking while one is. */
async function handOver(call: RecoverCall): Promise<StepResult> {
  const missing = await missingImage(call);
  if (missing === undefined) return waitForControlPlane(call);
  const problem = problemOf(missing);
  return waitForControlPlane({ ...call, progress: (detail, own) => call.progress(detail, own ?? problem) });
}

async function missingImage(call: RecoverCall): Promise<ApplianceError | undefined> {
  const { deps, settings, signal } = call;
  const { paths } = settings;
  const images = await listImages(deps, paths, signal);
  const asked = {
    paths,
    kube: await openCluster(call),
    images,
    follows: { problem: "it was not asked" },
    askMs: 1_000,
  };
  const { running } = await gatherControlPlaneFacts(deps, { ...asked, signal });
  if (running === null || hasImage(images, running.image)) return undefined;
  return new ApplianceError(
    "host/no-control-plane",
    `Cannot start control plane "${running.image}": the node does not have it, and every other one is older`,
    {
      hint: "Connect the box to its registry; or: alga-appliance host image import <archive>; or: alga-appliance recover --allow-downgrade",
    },
  );
}
