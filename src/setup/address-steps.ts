/**
 * The steps of a change of the address: check, keep, write the values, record, restart, ask the login page.
 *
 * The plan holds both addresses; the answers are changed by a step, so that a box that dies before it has the old ones.
 */
import { paced } from "../core/pace.ts";
import { toInstant } from "../core/time.ts";
import { applyAll } from "../flux/apply.ts";
import { helmReleaseOf, REQUESTED } from "../flux/requests.ts";
import { valuesOf } from "../flux/values.ts";
import { fieldAt, type KubeObject, type ObjectRef, textAt } from "../kube/model.ts";
import { readinessOf } from "../kube/readiness.ts";
import { type DescribedStep, type StepCallOf, type StepResult, type StepRow, stepOfRow } from "../operation/step.ts";
import type { ComponentSpec } from "../release/components.ts";
import { componentsOf } from "../release/model.ts";
import { readInstalled } from "../status/installed.ts";
import type { TierName } from "../status/model.ts";
import { type WatchEnd, waitForTiers, watchTiers } from "../status/waiting.ts";
import { answersOf, releaseOf, type SetupContext } from "./context.ts";
import { answersDigest, writeAnswers } from "./documents.ts";
import { appHost } from "./model.ts";
import { nudgeFlux } from "./nudge.ts";

/** The context of setup, with both addresses in the plan. */
interface AddressContext extends SetupContext {
  readonly plan: SetupContext["plan"] & { readonly from: string; readonly to: string };
}

type AddressCall = StepCallOf<AddressContext>;

const MINUTE_MS = 60_000;
const LOGIN: readonly TierName[] = ["platform", "core", "bootstrap", "login"];

const ROWS: readonly StepRow<AddressContext>[] = [
  {
    id: "check",
    title: "Check the release",
    about: "The installed release is read and its values are rendered for the new address. Nothing is changed.",
    budgetMs: 5 * MINUTE_MS,
    needsNetwork: true,
    work: check,
  },
  {
    id: "answers",
    title: "Keep the new address",
    about: "It replaces the former one in the answers of setup.",
    budgetMs: MINUTE_MS,
    work: keep,
  },
  {
    id: "values",
    title: "Write the values",
    about: "The release's values with the new address.",
    budgetMs: 2 * MINUTE_MS,
    work: writeValues,
  },
  {
    id: "record",
    title: "Record the address",
    about: "What this box is set to.",
    budgetMs: MINUTE_MS,
    work: record,
  },
  {
    id: "restart",
    title: "Start what uses the address again",
    about: "Flux rolls the application out with the new values; people who are logged in may have to log in again.",
    budgetMs: 30 * MINUTE_MS,
    work: restart,
  },
  {
    id: "login",
    title: "Ask the login page",
    about: "The change is done when the login page answers.",
    budgetMs: 60 * MINUTE_MS,
    work: async (call) => {
      await nudgeFlux(call, "login");
      return waitForTiers(call, LOGIN);
    },
  },
];

export const ADDRESS_STEPS: readonly DescribedStep<AddressContext>[] = ROWS.map(stepOfRow);

async function check(call: AddressCall): Promise<StepResult> {
  const { context } = call;
  const release = await releaseOf(call);
  const rendered = await renderFor(call, context.plan.to);
  return { state: "done", detail: `${release.manifest.version}, values of ${rendered.length} components` };
}

/** Renders all values before any is applied: a component that cannot take the address stops the whole. */
async function renderFor(call: AddressCall, url: string): Promise<readonly KubeObject[]> {
  const { clock, registry } = call.context.deps;
  const { manifest } = await releaseOf(call);
  return paced(clock, valuesOf(manifest, { appUrl: url, host: appHost({ appHostname: url }), place: registry.place }));
}

async function keep({ context }: AddressCall): Promise<StepResult> {
  const { store, clock } = context.deps;
  const inputs = await answersOf(context);
  await writeAnswers(store, { ...inputs, appHostname: context.plan.to }, toInstant(clock.now()));
  return { state: "done", detail: context.plan.to };
}

async function writeValues(call: AddressCall): Promise<StepResult> {
  return applyAll(call, await renderFor(call, call.context.plan.to));
}

async function record({ context }: AddressCall): Promise<StepResult> {
  const { store } = context.deps;
  const installed = await readInstalled(context.deps);
  const inputs = await answersOf(context);
  if (installed === undefined) return { state: "skipped", detail: "Nothing is recorded as installed" };
  const changed = { ...installed, appUrl: context.plan.to, answersDigest: answersDigest(inputs) };
  await store.writeDocument("release", changed);
  return { state: "done" };
}

/** Asks Flux for a look at once, and waits until each release has been made of the new values. */
async function restart(call: AddressCall): Promise<StepResult> {
  const { operationId, deps } = call.context;
  const { manifest } = await releaseOf(call);
  const concerned = componentsOf(manifest).filter(usesAddress).map(helmReleaseOf);
  for (const ref of concerned) {
    const annotations = { [REQUESTED]: operationId };
    const found = await deps.kube.get(ref, { signal: call.signal });
    const isAsked = found?.metadata.annotations?.[REQUESTED]?.startsWith(operationId) === true;
    if (found !== undefined && !isAsked) {
      await deps.kube.patch(ref, { metadata: { annotations } }, { signal: call.signal });
    }
  }
  await nudgeFlux(call, "restart");
  const awaited = (): Promise<string | undefined> => firstNotRolledOut(call, concerned);
  return resultOf(await watchTiers(call, ["platform"], { awaited }), concerned);
}

function usesAddress({ settings }: ComponentSpec): boolean {
  return settings.appUrl.length > 0 || settings.host.length > 0;
}

/** A release has been rolled out when it is ready and helm-controller has answered the request. */
async function firstNotRolledOut(call: AddressCall, refs: readonly ObjectRef[]): Promise<string | undefined> {
  for (const ref of refs) {
    const object = await call.context.deps.kube.get(ref, { signal: call.signal });
    if (object === undefined) return `HelmRelease ${ref.name} is not there`;
    const isHandled = textAt(object, "status", "lastHandledReconcileAt") === object.metadata.annotations?.[REQUESTED];
    if (!isHandled) return `Flux has not looked at ${ref.name} yet`;
    if (fieldAt(object, "spec", "suspend") === true) return `HelmRelease ${ref.name} is suspended`;
    const { state, message } = readinessOf(object);
    if (state !== "ready") return `${ref.name}: ${message}`;
  }
  return undefined;
}

function resultOf(end: WatchEnd, refs: readonly ObjectRef[]): StepResult {
  const names = refs.map(({ name }) => name).join(", ");
  return { state: "done", detail: end.ready ? names : end.problem.message };
}
