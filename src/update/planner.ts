/**
 * Plans of updates: made from what the registry offers and what the box holds, and known again when one of them is to be started.
 *
 * Plans that were shown live in memory: a restart wants a new look at the plan.
 */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { OperationView } from "../operation/model.ts";
import type { ReleaseRef, ResolvedRelease } from "../release/resolved.ts";
import { type Installed, readInstalled } from "../status/installed.ts";
import type { ApplianceStatus } from "../status/model.ts";
import { createDefinitions, type Definitions } from "./definitions.ts";
import { updateRecords } from "./history.ts";
import type { DefinitionChange, UpdatePlan } from "./model.ts";
import { differenceFrom, neededBytesOf, planUpdate } from "./plan.ts";
import { createPlanPreflight, type PlanPreflight } from "./plan-preflight.ts";
import type { UpdateDeps, UpdateSettings } from "./ports.ts";
import { resolveInstalled, resolveWanted } from "./releases.ts";
import type { UpdateRequest } from "./request.ts";
import { describeSteps } from "./steps.ts";

/** A plan as it was shown, and what was asked for. */
interface SeenPlan {
  readonly plan: UpdatePlan;
  readonly request: UpdateRequest;
}

export interface Planner {
  /**
   * Makes a plan as of now; nothing is written.
   * @throws {ApplianceError} update/nothing-installed, and what resolving the release throws.
   */
  make(request: UpdateRequest, signal: AbortSignal): Promise<UpdatePlan>;
  /** The plan of a digest; undefined when this process has not shown it, or newer ones since. */
  seen(digest: string): SeenPlan | undefined;
}

/** Plans that were shown and may be started: enough for a few tabs. */
const MAX_PLANS = 8;

/** Makes the planner. @param current The newest operation: a plan says when one hinders it. */
export function createPlanner(
  deps: UpdateDeps,
  settings: UpdateSettings,
  current: () => OperationView | undefined,
): Planner {
  const work: Work = {
    ...{ deps, settings, current },
    preflight: createPlanPreflight(deps, settings),
    definitions: createDefinitions(deps),
  };
  const seen = new Map<string, SeenPlan>();
  return {
    seen: (digest) => seen.get(digest),
    make: async (request, signal) => {
      const made = await makePlan(work, request, signal);
      seen.delete(made.plan.digest);
      seen.set(made.plan.digest, made);
      for (const old of [...seen.keys()].slice(0, -MAX_PLANS)) seen.delete(old);
      return made.plan;
    },
  };
}

interface Work {
  readonly deps: UpdateDeps;
  readonly settings: UpdateSettings;
  readonly current: () => OperationView | undefined;
  readonly preflight: PlanPreflight;
  readonly definitions: Definitions;
}

async function makePlan(work: Work, request: UpdateRequest, signal: AbortSignal): Promise<SeenPlan> {
  const { deps, settings } = work;
  const installed = await installedNow(deps);
  const ref = request.ref ?? followedRef(installed);
  const options = { settings, signal, acceptExpired: request.acceptExpired };
  const to = await resolveWanted(deps, ref, options);
  const from = await resolveInstalled(deps, installed, options);
  const plan = planUpdate({
    ...{ installed, from, to, ref, steps: describeSteps(), pace: settings.pace ?? 1 },
    ...(await lookAtBox(work, { from, to }, signal)),
  });
  return { plan, request: { ...request, ref } };
}

/** The channel that is followed; a box that is pinned is asked for its own release, which repairs it. */
function followedRef({ channel, digest }: Installed): ReleaseRef {
  return channel === null ? { digest } : { channel };
}

interface Releases {
  readonly from: ResolvedRelease | undefined;
  readonly to: ResolvedRelease;
}

/** What of the box counts for a plan: room, checks, definitions in use, what goes on and what was. */
async function lookAtBox(
  { deps, settings, current, preflight, definitions }: Work,
  releases: Releases,
  signal: AbortSignal,
) {
  const neededBytes = neededBytesOf(differenceFrom(releases.from, releases.to));
  const [space, checks, changes] = await Promise.all([
    deps.files.space(settings.stateFolder).catch(() => undefined),
    preflight.checks({ to: releases.to, neededBytes }, signal),
    definitionChanges(deps, () => definitions.changes(releases, signal), signal),
  ]);
  const box = {
    freeBytes: space?.freeBytes,
    operation: current(),
    status: await statusNow(deps, signal),
    history: updateRecords(await deps.store.readHistory()),
  };
  return { box, checks, definitions: changes };
}

/** undefined where a part cannot be had or read now: the plan says so. */
async function definitionChanges(
  { log }: Pick<UpdateDeps, "log">,
  look: () => Promise<readonly DefinitionChange[] | undefined>,
  signal: AbortSignal,
): Promise<readonly DefinitionChange[] | undefined> {
  try {
    return await look();
  } catch (error) {
    signal.throwIfAborted();
    if (!isApplianceError(error)) throw error;
    log.info("definitions of the wanted release not read", { error });
    return undefined;
  }
}

/** What is installed. @throws {ApplianceError} update/nothing-installed before a setup has come to its end. */
export async function installedNow(deps: Pick<UpdateDeps, "store" | "log">): Promise<Installed> {
  const installed = await readInstalled(deps);
  if (installed !== undefined && installed.installedAt !== null) return installed;
  throw new ApplianceError("update/nothing-installed", "Cannot update: nothing is installed yet", {
    hint: "Complete setup first",
  });
}

/** How the appliance is; undefined where nobody can say. @throws The reason of the signal. */
export async function statusNow(
  { observe, log }: Pick<UpdateDeps, "observe" | "log">,
  signal: AbortSignal,
): Promise<ApplianceStatus | undefined> {
  try {
    return await observe(signal);
  } catch (error) {
    signal.throwIfAborted();
    log.debug("status not read", { error });
    return undefined;
  }
}
