/**
 * Updates from outside: what is offered, what an update would do, running it, going back.
 *
 * Nothing begins by itself unless the operator's policy and window say so. A plan that was seen must still be the plan
 * when it is started, or what changed is told instead.
 */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { OperationView } from "../operation/model.ts";
import type { Operations } from "../operation/operations.ts";
import { type Installed, readInstalled } from "../status/installed.ts";
import { createChannelWatch } from "./channel.ts";
import { updateRecords } from "./history.ts";
import {
  NO_POLICY,
  type NotNow,
  POLICY_SCHEMA,
  policyDocumentSchema,
  type RunPlan,
  type UpdatePlan,
  type UpdatePolicy,
  type UpdateRecord,
  type UpdatesView,
} from "./model.ts";
import { planChanges, RESTORE } from "./plan.ts";
import { createPlanner, installedNow, type Planner, statusNow } from "./planner.ts";
import { mayBegin } from "./policy.ts";
import type { UpdateDeps, UpdateSettings } from "./ports.ts";
import { type KeptRelease, readPrevious, whyNoReturn } from "./previous.ts";
import { keepPulse } from "./pulse-keeper.ts";
import { manifestOnDisk } from "./releases.ts";
import { readPolicy, readRequest, readStart, type UpdateRequest } from "./request.ts";
import { foldUpdates } from "./view.ts";

/** Updates of this box. Bodies are untrusted and checked field by field. */
export interface Updates {
  view(signal: AbortSignal): Promise<UpdatesView>;
  /** Asks the registry now. @param body `{channel?}`; default: the followed one. */
  check(body: unknown, signal: AbortSignal): Promise<UpdatesView>;
  /**
   * Makes a plan; nothing is written.
   * @param body `{channel}`, `{version}` or `{digest}`; default: the followed channel.
   * @throws {ApplianceError} http/bad-request, update/nothing-installed, and what resolving the release throws.
   */
  plan(body: unknown, signal: AbortSignal): Promise<UpdatePlan>;
  /**
   * Starts the update of a plan that was seen, and returns when its journal is on disk.
   * @param body `{planDigest}`, and which release where the plan may have been made by another process.
   * @throws {ApplianceError} as `plan`; update/unknown-plan, update/plan-changed, update/not-now, operation/busy.
   */
  start(body: unknown, signal: AbortSignal): Promise<OperationView>;
  /** Goes back to the release before. @throws {ApplianceError} update/no-return, update/not-now, operation/busy. */
  rollback(signal: AbortSignal): Promise<OperationView>;
  setPolicy(body: unknown, signal: AbortSignal): Promise<UpdatesView>;
  history(): Promise<readonly UpdateRecord[]>;
  /** Called when the channel, the policy or an update says something else. */
  subscribe(call: () => void): () => void;
  /** Follows the channel, and begins what the policy allows, until the signal fires. */
  follow(signal: AbortSignal): void;
}

/** Puts updates together over one set of operations. Nothing is asked before the first call. */
export function createUpdates(deps: UpdateDeps, settings: UpdateSettings, operations: Operations): Updates {
  return new Engine(deps, settings, operations);
}

class Engine implements Updates {
  readonly #deps: UpdateDeps;
  readonly #settings: UpdateSettings;
  readonly #operations: Operations;
  readonly #listeners = new Set<() => void>();
  readonly #channel;
  readonly #planner: Planner;

  constructor(deps: UpdateDeps, settings: UpdateSettings, operations: Operations) {
    this.#deps = deps;
    this.#settings = settings;
    this.#operations = operations;
    this.#planner = createPlanner(deps, settings, () => operations.current());
    this.#channel = createChannelWatch(deps, settings, () => this.#changed());
  }

  async view(signal: AbortSignal): Promise<UpdatesView> {
    const installed = await readInstalled(this.#deps);
    return foldUpdates({
      installed,
      manifest: installed === undefined ? undefined : await manifestOnDisk(this.#deps, installed.digest),
      channel: await this.#channel.known(),
      nextCheckAt: this.#channel.nextCheckAt(),
      policy: await this.#policy(),
      previous: await this.#previous(),
      operation: this.#operations.current(),
      status: await statusNow(this.#deps, signal),
      history: await this.history(),
    });
  }

  async check(body: unknown, signal: AbortSignal): Promise<UpdatesView> {
    const { ref } = readRequest(body);
    await this.#channel.check(signal, ref !== undefined && "channel" in ref ? ref.channel : undefined);
    return this.view(signal);
  }

  async plan(body: unknown, signal: AbortSignal): Promise<UpdatePlan> {
    return this.#planner.make(readRequest(body), signal);
  }

  async start(body: unknown, signal: AbortSignal): Promise<OperationView> {
    const asked = readStart(body);
    const seen = this.#planner.seen(asked.planDigest);
    if (seen === undefined && asked.ref === undefined) throw unknownPlan(asked.planDigest);
    const request = seen?.request ?? asked;
    const now = await this.#planner.make(request, signal);
    if (now.digest !== asked.planDigest) {
      throw planChanged(now, seen === undefined ? ["It is another plan now"] : planChanges(seen.plan, now));
    }
    assertNow(now.notNow, this.#operations.current());
    return this.#operations.start("update", runPlanOf(now, request));
  }

  async rollback(signal: AbortSignal): Promise<OperationView> {
    const installed = await installedNow(this.#deps);
    const kept = await this.#previous();
    if (kept === undefined) throw noReturn("nothing is kept of the release before", undefined);
    const why = whyNoReturn(kept, { installed, manifest: await manifestOnDisk(this.#deps, installed.digest) });
    if (why !== undefined) throw noReturn(why.replace(/\.$/, ""), RESTORE);
    const { notNow } = await this.view(signal);
    assertNow(
      notNow.filter(({ code }) => code === "operation/busy"),
      this.#operations.current(),
    );
    return this.#operations.start("rollback", returnPlanOf(installed, kept));
  }

  async setPolicy(body: unknown, signal: AbortSignal): Promise<UpdatesView> {
    const policy = readPolicy(body);
    await this.#deps.store.writeDocument("update-policy", { schema: POLICY_SCHEMA, policy });
    this.#changed();
    return this.view(signal);
  }

  async history(): Promise<readonly UpdateRecord[]> {
    return updateRecords(await this.#deps.store.readHistory());
  }

  subscribe(call: () => void): () => void {
    this.#listeners.add(call);
    return () => void this.#listeners.delete(call);
  }

  follow(signal: AbortSignal): void {
    this.#channel.start({ signal, looked: () => this.#beginAllowed(signal) });
    keepPulse(this.#deps, this.#settings, signal);
    let told = "";
    const untold = this.#operations.subscribe((event) => {
      if (event.type !== "operation") return;
      // Progress within a step is the operation's own news. An end is told again once it stands in the history.
      const { id, kind, state, step } = event.operation;
      const now = `${id} ${state} ${step}`;
      if ((kind !== "update" && kind !== "rollback") || (now === told && event.operation.endedAt === null)) return;
      told = now;
      this.#changed();
    });
    signal.addEventListener("abort", untold, { once: true });
  }

  /** Begins what the channel offers when the operator's policy says so; refusals are logged, they are no failure. */
  async #beginAllowed(signal: AbortSignal): Promise<void> {
    const policy = await this.#policy();
    const installed = await readInstalled(this.#deps);
    const offer = (await this.#channel.known())?.offer;
    if (policy.automatic === "never" || installed === undefined || offer === undefined || offer === null) return;
    const step = { from: installed.version, to: offer.version };
    if (offer.digest === installed.digest || !mayBegin(policy, step, this.#deps.clock.now())) return;
    if (await this.#wasTried(offer.digest)) return;
    try {
      const plan = await this.plan({ channel: offer.channel }, signal);
      if (plan.irreversible.length > 0 || plan.notNow.length > 0) return;
      await this.start({ planDigest: plan.digest }, signal);
    } catch (error) {
      if (!isApplianceError(error)) throw error;
      this.#deps.log.info("the update did not begin by itself", { error });
    }
  }

  /** A release that failed once is not tried again by itself. */
  async #wasTried(digest: string): Promise<boolean> {
    return (await this.history()).some((record) => record.kind === "update" && record.to.digest === digest);
  }

  async #policy(): Promise<UpdatePolicy> {
    const found = await this.#deps.store.readDocument("update-policy", policyDocumentSchema).catch(() => undefined);
    return found?.policy ?? NO_POLICY;
  }

  async #previous(): Promise<KeptRelease | undefined> {
    try {
      return await readPrevious(this.#deps.store);
    } catch (error) {
      if (!isApplianceError(error)) throw error;
      this.#deps.log.warn("the release before cannot be read", { error });
      return undefined;
    }
  }

  #changed(): void {
    for (const call of [...this.#listeners]) call();
  }
}

function runPlanOf(plan: UpdatePlan, { acceptExpired }: UpdateRequest): RunPlan {
  const { version, digest, channel } = plan.to;
  const to = { version, digest, channel };
  const { from, expectedMs } = plan;
  return {
    planDigest: plan.digest,
    from,
    to,
    expectedMs,
    about: { from, to, version, digest, channel, planDigest: plan.digest, expectedMs, bytes: plan.downloadBytes },
    ...(acceptExpired === undefined ? {} : { acceptExpired }),
  };
}

function returnPlanOf(installed: Installed, kept: KeptRelease): RunPlan {
  const from = { version: installed.version, digest: installed.digest, channel: installed.channel };
  const { version, channel } = kept.installed;
  const to = { version, digest: kept.digest, channel };
  const about = { from, to, version, digest: kept.digest, channel };
  return { planDigest: null, from, to, expectedMs: null, about };
}

/** @throws {ApplianceError} operation/busy naming the first one, else update/not-now with all reasons. */
function assertNow(reasons: readonly NotNow[], running: OperationView | undefined): void {
  const [first] = reasons;
  if (first === undefined) return;
  const hint = first.hint === null ? {} : { hint: first.hint };
  if (first.code === "operation/busy") {
    throw new ApplianceError("operation/busy", `Cannot start an update: ${first.message}`, {
      ...hint,
      details: { operation: running?.id },
    });
  }
  const message = `Cannot start the update now: ${first.message}`;
  throw new ApplianceError("update/not-now", message, { ...hint, details: { notNow: reasons } });
}

function unknownPlan(digest: string): ApplianceError {
  return new ApplianceError("update/unknown-plan", `Cannot start plan "${digest}": this process has not made it`, {
    hint: "Look at the plan again and start that one",
  });
}

function planChanged(now: UpdatePlan, changed: readonly string[]): ApplianceError {
  return new ApplianceError("update/plan-changed", `Cannot start this plan: it does not hold any more. ${changed[0]}`, {
    hint: "Look at the plan again and start that one",
    details: { planDigest: now.digest, changed },
  });
}

function noReturn(why: string, hint: string | undefined): ApplianceError {
  return new ApplianceError("update/no-return", `Cannot go back: ${why}`, hint === undefined ? {} : { hint });
}
