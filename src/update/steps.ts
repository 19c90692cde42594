/** The steps of an update and of a return in their order, as data: title, budget, retry, where the operator may stop. */

import type { RetryPolicy } from "../core/retry.ts";
import { toInstant } from "../core/time.ts";
import { type DescribedStep, type StepResult, type StepRow, stepError, stepOfRow } from "../operation/step.ts";
import type { Installed } from "../status/installed.ts";
import { note, readNotes, type UpdateCall, type UpdateContext } from "./context.ts";
import type { UpdatePlan } from "./model.ts";
import { clearShelf, closeWay } from "./parts.ts";
import { RESTORE } from "./plan.ts";
import { forgetPrevious, type KeptRelease, whyNoReturn } from "./previous.ts";
import { noteHourBefore } from "./pulse-keeper.ts";
import { freeStuckReleases } from "./reached.ts";
import { installedNow, keptOf, wantedManifest, wantedOf } from "./release-of-run.ts";
import { manifestOnDisk } from "./releases.ts";
import { updateControlPlane } from "./step-control-plane.ts";
import { fetchImages } from "./step-images.ts";
import { check, fetchParts, keep } from "./step-prepare.ts";
import { showOtherWay, switchBack, switchOver, updateFlux } from "./step-switch.ts";
import { judge, reconcile, WATCH_BUDGET_MS, watchRelease } from "./step-watch.ts";

const MINUTE_MS = 60_000;
/** What these find needs the operator. */
const NO_RETRY: RetryPolicy = { attempts: 1, baseMs: 1_000, maxMs: 1_000 };

type Row = StepRow<UpdateContext>;

const UPDATE_ROWS: readonly Row[] = [
  {
    id: "check",
    title: "Look whether it may begin",
    about: "The plan still holds, and the platform is there.",
    budgetMs: 5 * MINUTE_MS,
    endsRun: true,
    work: check,
  },
  {
    id: "fetch",
    title: "Fetch and verify the release",
    about: "Every part is in the registry and has its digest. Nothing is changed.",
    budgetMs: 30 * MINUTE_MS,
    needsNetwork: true,
    endsRun: true,
    work: fetchParts,
  },
  {
    id: "images",
    title: "Fetch the images",
    about: "Every image is on the node before it is used. Nothing is changed.",
    budgetMs: 120 * MINUTE_MS,
    needsNetwork: true,
    endsRun: true,
    pausesWithin: true,
    work: async (call) => fetchImages(call, await wantedOf(call)),
  },
  {
    id: "keep",
    title: "Keep what is installed",
    about: "The installed release and its values, so that there is a way back.",
    budgetMs: 5 * MINUTE_MS,
    endsRun: true,
    work: keep,
  },
  {
    id: "control-plane",
    title: "Update the control plane",
    about: "Where the host can replace it; it comes back with the same update.",
    budgetMs: 15 * MINUTE_MS,
    endsRun: true,
    work: updateControlPlane,
  },
  {
    id: "flux",
    title: "Update Flux",
    about: "Only where the release brings another one.",
    budgetMs: 15 * MINUTE_MS,
    needsNetwork: true,
    endsRun: true,
    unstoppable: true,
    work: updateFlux,
  },
  {
    id: "switch",
    title: "Hand the release to Flux",
    about: "Values and source as one step. From here on there is only forward or back.",
    budgetMs: 5 * MINUTE_MS,
    unstoppable: true,
    work: afterTheHour(switchOver),
  },
  {
    id: "reconcile",
    title: "Wait for every component",
    about: "Pods are replaced, and the login page is asked.",
    budgetMs: WATCH_BUDGET_MS,
    unstoppable: true,
    work: async (call) => reconcile(call, await wantedManifest(call)),
  },
  {
    id: "judge",
    title: "Judge the update",
    about: "Everything must stay well for a while.",
    budgetMs: WATCH_BUDGET_MS,
    unstoppable: true,
    work: judge,
  },
  {
    id: "return",
    title: "Go back to the release before",
    about: "Only when people cannot log in.",
    budgetMs: 5 * MINUTE_MS,
    unstoppable: true,
    work: goBack,
  },
  {
    id: "return-watch",
    title: "Wait until the release before works",
    about: "Only after a way back.",
    budgetMs: WATCH_BUDGET_MS,
    retry: NO_RETRY,
    unstoppable: true,
    work: watchReturn,
  },
  {
    id: "conclude",
    title: "Record the end",
    about: "What is installed, and how it went.",
    budgetMs: 5 * MINUTE_MS,
    endsRun: true,
    unstoppable: true,
    work: conclude,
  },
];

const RETURN_ROWS: readonly Row[] = [
  {
    id: "switch",
    title: "Go back to the release before",
    about: "Its values and its source, as they were kept. The registry is not asked.",
    budgetMs: 5 * MINUTE_MS,
    unstoppable: true,
    work: afterTheHour(returnTo),
  },
  {
    id: "reconcile",
    title: "Wait for every component",
    about: "Pods are replaced, and the login page is asked.",
    budgetMs: WATCH_BUDGET_MS,
    retry: NO_RETRY,
    unstoppable: true,
    work: async (call) => watchKept(call, await keptOf(call, call.context.plan.to.digest)),
  },
  {
    id: "judge",
    title: "Judge the return",
    about: "Everything must stay well for a while.",
    budgetMs: WATCH_BUDGET_MS,
    unstoppable: true,
    work: judge,
  },
  {
    id: "conclude",
    title: "Record the end",
    about: "What is installed, and how it went.",
    budgetMs: 5 * MINUTE_MS,
    unstoppable: true,
    work: concludeReturn,
  },
];

export const UPDATE_STEPS: readonly DescribedStep<UpdateContext>[] = UPDATE_ROWS.map(stepOfRow);
export const RETURN_STEPS: readonly DescribedStep<UpdateContext>[] = RETURN_ROWS.map(stepOfRow);

/** The steps of an update as its plan shows them. */
export function describeSteps(): UpdatePlan["steps"] {
  return UPDATE_STEPS.map(({ id, title, about, unstoppable }) => ({
    id,
    title,
    about,
    stoppable: unstoppable !== true,
  }));
}

/** Lets a step that changes the cluster begin when the hour before it was noted. */
function afterTheHour(work: Row["work"]): Row["work"] {
  return async (call) => {
    await noteHourBefore(call.context);
    return work(call);
  };
}

async function returnTo(call: UpdateCall): Promise<StepResult> {
  const { plan, deps } = call.context;
  return switchBack(call, await keptOf(call, plan.to.digest), await manifestOnDisk(deps, plan.from.digest));
}

async function goBack(call: UpdateCall): Promise<StepResult> {
  const { verdict } = await readNotes(call.context);
  const { from, to } = call.context.plan;
  if (verdict !== "failed") return { state: "skipped", detail: "People can log in" };
  if (from.digest === to.digest) return { state: "skipped", detail: "The same release was installed again" };
  const kept = await keptOf(call, from.digest);
  const left = await manifestOnDisk(call.context.deps, to.digest);
  const noReturn = whyNoReturn(kept, { installed: to, manifest: left });
  if (noReturn === undefined) return switchBack(call, kept, left);
  await note(call.context, { noReturn });
  return { state: "skipped", detail: noReturn };
}

async function watchReturn(call: UpdateCall): Promise<StepResult> {
  const { verdict, noReturn } = await readNotes(call.context);
  const { from, to } = call.context.plan;
  if (verdict !== "failed" || from.digest === to.digest || noReturn !== null) return { state: "skipped" };
  const result = await watchKept(call, await keptOf(call, from.digest));
  await note(call.context, { returned: true });
  return result;
}

/**
 * Waits until a kept release works again; what has given up is asked to try once more each time this begins.
 *
 * @throws {ApplianceError} update/return-failed, which needs the operator.
 */
async function watchKept(call: UpdateCall, kept: KeptRelease): Promise<StepResult> {
  const { operationId, deps } = call.context;
  const goal = { manifest: kept.manifest, word: `${operationId}-back-${deps.random.uuid().slice(0, 8)}` };
  await freeStuckReleases(call, goal);
  const end = await watchRelease(call, goal, () => showOtherWay(call, kept));
  if (end.ready) return { state: "done", detail: `${kept.installed.version} works again` };
  throw stepError({
    ...end.problem,
    code: "update/return-failed",
    message: `Cannot go back: ${kept.installed.version} does not come up either (${end.problem.message.slice(0, 400)})`,
    hint: "Mend what is named, then try again; if the data is damaged, restore the backup from before the update",
    retrySafe: false,
    fields: [],
  });
}

async function conclude(call: UpdateCall): Promise<StepResult> {
  const { context } = call;
  const { deps, plan } = context;
  const { verdict, reason, returned, noReturn } = await readNotes(context);
  if (verdict !== "failed") {
    await deps.store.writeDocument("release", await installedAnew(call));
    await closeWay(call);
    await clearShelf(call);
    return { state: "done", detail: [verdict ?? "ok", reason].filter(Boolean).join(": ") };
  }
  if (returned) await forgetPrevious(deps.store, plan.from.digest);
  await clearShelf(call);
  if (noReturn !== null) throw noWayBack(plan.to.version, { reason, noReturn });
  throw stepError({
    code: "update/returned",
    message: returned
      ? `The update to ${plan.to.version} failed and ${plan.from.version} is installed again: ${reason ?? "people could not log in"}`
      : `${plan.to.version} was installed again and does not work: ${reason ?? "people cannot log in"}`,
    hint: "Tell the publisher of the release; another version may be offered soon",
    retrySafe: false,
    fields: [],
    evidence: [],
  });
}

/** What a release has done to the data decides which ways are left. */
function noWayBack(
  version: string,
  { reason, noReturn }: { readonly reason: string | null; readonly noReturn: string },
): Error {
  return stepError({
    code: "update/no-return",
    message: `The update to ${version} failed (${reason ?? "people cannot log in"}), and there is no way back: ${noReturn.replace(/\.$/, "")}`,
    hint: RESTORE,
    retrySafe: false,
    fields: [],
    evidence: [],
  });
}

async function concludeReturn(call: UpdateCall): Promise<StepResult> {
  const { deps, plan } = call.context;
  const { verdict, reason } = await readNotes(call.context);
  await deps.store.writeDocument("release", await installedAnew(call));
  await forgetPrevious(deps.store, plan.to.digest);
  await clearShelf(call);
  return { state: "done", detail: [verdict ?? "ok", reason].filter(Boolean).join(": ") };
}

async function installedAnew(call: UpdateCall): Promise<Installed> {
  return { ...(await installedNow(call)), installedAt: toInstant(call.context.deps.clock.now()) };
}
