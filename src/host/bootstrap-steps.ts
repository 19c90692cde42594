/** The steps of a bootstrap in their order, as data: phase, title, budget, retry. Each is safe to call again, and none needs a network. */

import type { RetryPolicy } from "../core/retry.ts";
import { createProgram, type Program, type Step, type StepResult } from "../operation/step.ts";
import { importBakedImages } from "./baked-images.ts";
import type { BootstrapCall, BootstrapContext } from "./bootstrap-context.ts";
import { createChannelQuestion } from "./channel-question.ts";
import { applyControlPlane, channelAsked, waitForControlPlane } from "./control-plane-apply.ts";
import { checkHost } from "./host-checks.ts";
import { makeSecrets, placeHostFiles } from "./host-files.ts";
import { configureK3s, startK3s } from "./k3s-config.ts";
import { waitForK3s } from "./k3s-ready.ts";
import { prepareStorage } from "./storage-step.ts";

const MINUTE_MS = 60_000;
/** What hinders a start is often being mended, or passes by itself. */
const RETRY: RetryPolicy = { attempts: 5, baseMs: 2_000, maxMs: 30_000 };

/** The boundary of the host: what lies beneath Kubernetes, what is brought into it, and what is handed over. */
export type BootstrapPhase = "substrate" | "assets" | "handover";

/** A step of bootstrap with a sentence for the plan. */
export interface BootstrapStep extends Step<BootstrapContext> {
  readonly phase: BootstrapPhase;
  readonly about: string;
}

type Row = Omit<BootstrapStep, "run" | "retry"> & { readonly work: (call: BootstrapCall) => Promise<StepResult> };

const ROWS: readonly Row[] = [
  {
    id: "files",
    phase: "substrate",
    title: "Put the host's files right",
    about: "Units, the user alga-appliance, folders with their owners; k3s from the payload where there is none.",
    budgetMs: 5 * MINUTE_MS,
    work: placeHostFiles,
  },
  {
    id: "secrets",
    phase: "substrate",
    title: "Make the setup token",
    about: "Once, for a box that nobody has claimed; readable by the control plane alone.",
    budgetMs: MINUTE_MS,
    work: makeSecrets,
  },
  {
    id: "checks",
    phase: "substrate",
    title: "Check disk, clock, kernel and ports",
    about: "Nothing is changed.",
    budgetMs: MINUTE_MS,
    work: checkHost,
  },
  {
    id: "k3s-config",
    phase: "substrate",
    title: "Configure k3s",
    about:
      "One file; traefik, servicelb and local-storage off, the kubeconfig root's alone. The registry of the settings, with its CA " +
      "and login, and the proxy. Restarts k3s only when something changed.",
    budgetMs: 5 * MINUTE_MS,
    work: configureK3s,
  },
  {
    id: "k3s-start",
    phase: "substrate",
    title: "Start k3s",
    about: "Now and at every boot.",
    budgetMs: 5 * MINUTE_MS,
    work: startK3s,
  },
  {
    id: "k3s-ready",
    phase: "substrate",
    title: "Wait for Kubernetes",
    about: "Until its API answers and the node is ready; what hinders it is told.",
    budgetMs: 15 * MINUTE_MS,
    work: whileAsking(waitForK3s),
  },
  {
    id: "images",
    phase: "assets",
    title: "Import the images of the payload",
    about: "Those that containerd does not have yet.",
    budgetMs: 60 * MINUTE_MS,
    work: whileAsking(importBakedImages),
  },
  {
    id: "storage",
    phase: "assets",
    title: "Give volumes their place",
    about: "A folder for root alone; volumes of k3s' own storage are kept and moved over. Never stops a boot.",
    budgetMs: 5 * MINUTE_MS,
    work: prepareStorage,
  },
  {
    id: "control-plane",
    phase: "assets",
    title: "Apply the control plane",
    about: "The channel's image when the node can have it; never an older one than ran before.",
    budgetMs: 20 * MINUTE_MS,
    work: applyControlPlane,
  },
  {
    id: "handover",
    phase: "handover",
    title: "Hand over to the control plane",
    about: "Until it answers; back to the last healthy image when a new one does not.",
    budgetMs: 20 * MINUTE_MS,
    work: waitForControlPlane,
  },
];

export const BOOTSTRAP_STEPS: readonly BootstrapStep[] = ROWS.map(({ work, ...row }) => ({
  ...row,
  retry: RETRY,
  run: (context, progress, signal) => work({ ...context, progress, signal }),
}));

/** The program of one bootstrap. */
export function bootstrapProgram(context: BootstrapContext): Program {
  const channel = createChannelQuestion(context.deps.clock, channelAsked(context));
  return createProgram(BOOTSTRAP_STEPS, async () => ({ ...context, channel }));
}

/** The registry is asked while this is done: what the channel names is wanted soon. */
function whileAsking(work: Row["work"]): Row["work"] {
  return (call) => {
    call.channel?.begin(call.signal);
    return work(call);
  };
}
