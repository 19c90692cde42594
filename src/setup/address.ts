/**
 * Another address for an appliance that is set up: what would change, and changing it.
 *
 * The same release with other answers: its values are rendered anew and Flux restarts what reads them. It needs no network,
 * and going back is the same change with the former address.
 *
 * @see reference/host-service.md section 10.3
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type Digest, digestOfValue } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import { paced } from "../core/pace.ts";
import { valuesOf } from "../flux/values.ts";
import { refOf } from "../kube/model.ts";
import { hasEnded } from "../operation/fold.ts";
import type { OperationView } from "../operation/model.ts";
import type { Operations } from "../operation/operations.ts";
import { createProgram, type Program } from "../operation/step.ts";
import { componentsOf } from "../release/model.ts";
import { describeReleaseRef, type ResolvedRelease } from "../release/resolved.ts";
import { type Installed, readInstalled } from "../status/installed.ts";
import { ADDRESS_STEPS } from "./address-steps.ts";
import { answersDigest, planRecordSchema, readAnswers } from "./documents.ts";
import { appHost, type SetupInputs } from "./model.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";
import { refOfAnswers, resolveForSetup } from "./release-of-run.ts";
import { validateAddress } from "./validate.ts";
import { addressWarning } from "./warnings.ts";

/** What the page and the command show before anything is asked. */
export interface AddressView {
  /** The address in use; null before setup is done. */
  readonly url: string | null;
  /** The one before it, to go back to; null when there was none. */
  readonly former: string | null;
}

export interface AddressPlan {
  /** Digest of release, answers and both addresses. */
  readonly digest: Digest;
  readonly from: string;
  readonly to: string;
  readonly release: { readonly version: string; readonly digest: Digest };
  /** Components whose values change: they are started again. */
  readonly components: readonly string[];
  readonly steps: readonly { readonly id: string; readonly title: string; readonly about: string }[];
  /** Milliseconds the whole is expected to take. */
  readonly expectedMs: number;
  readonly warnings: readonly string[];
}

/** Changing the address of the application. Bodies are untrusted. */
export interface Address {
  view(): Promise<AddressView>;
  /**
   * What a change would do; nothing is written.
   *
   * @param body `{appHostname}`, read as in the answers of setup.
   * @throws {ApplianceError} setup/invalid-answers, setup/not-done, or what reading the installed release throws.
   */
  plan(body: unknown, signal: AbortSignal): Promise<AddressPlan>;
  /**
   * Starts the change, and returns when its journal is on disk. One that is stuck on another address is cancelled for it.
   *
   * @param body `{appHostname, planDigest?}`: with the digest the plan that was seen must still be the plan.
   * @throws {ApplianceError} as `plan`; setup/plan-changed, operation/busy.
   */
  start(body: unknown, signal: AbortSignal): Promise<OperationView>;
}

/** A restart of the application, its rollout and the look at its login page. */
const EXPECTED_MS = 180_000;

/** What the journal keeps of a change: the plan record of setup with both addresses. */
const addressRecordSchema = planRecordSchema.extend({ from: z.string(), to: z.string() });

/** The program of operations of kind "address". */
export function addressProgram(deps: SetupDeps, settings: SetupSettings): Program {
  const program = createProgram(ADDRESS_STEPS, async ({ id, plan }) => ({
    operationId: id,
    plan: addressRecordSchema.parse(plan),
    deps,
    settings,
  }));
  return { ...program, result: async () => ({ ...(await readInstalled(deps)) }) };
}

/** Puts the change of the address together over one set of operations. Reads and writes nothing before the first call. */
export function createAddress(deps: SetupDeps, settings: SetupSettings, operations: Operations): Address {
  const makePlan = async (body: unknown, signal: AbortSignal): Promise<Planned> =>
    planAddress({ deps, settings, signal }, validateAddress(body));
  return {
    view: async () => ({
      url: (await readInstalled(deps))?.appUrl ?? null,
      former: await formerAddress(deps),
    }),
    plan: async (body, signal) => (await makePlan(body, signal)).plan,
    start: async (body, signal) => {
      const planned = await makePlan(body, signal);
      assertSamePlan(planned.plan, body);
      const current = operations.current();
      // One that is stuck holds the box: the operator has just said where to instead.
      const isStuck = current?.kind === "address" && !hasEnded(current) && current.problem !== null;
      if (isStuck) await operations.cancel(current.id);
      return operations.start("address", recordOf(planned, settings));
    },
  };
}

interface Planned {
  readonly plan: AddressPlan;
  readonly ref: string;
}

interface Work {
  readonly deps: SetupDeps;
  readonly settings: SetupSettings;
  readonly signal: AbortSignal;
}

async function planAddress(work: Work, to: string): Promise<Planned> {
  const { deps, settings, signal } = work;
  const { installed, inputs } = await knownBox(deps);
  const changed: SetupInputs = { ...inputs, appHostname: to };
  const resolved = await resolveForSetup(deps, { inputs, settings, signal, ref: { digest: installed.digest } });
  const components = await changedComponents(work, resolved, changed);
  // A change that was cancelled may have left the answers, the record or the values behind each other: it can be made whole.
  const isThere = to === installed.appUrl && to === inputs.appHostname && components.length === 0;
  if (isThere) throw sameAddress(to);
  const warning = await addressWarning(deps, changed);
  const about = { release: installed.digest, from: installed.appUrl, to, answers: answersDigest(changed) };
  const plan: AddressPlan = {
    digest: digestOfValue(about),
    from: installed.appUrl,
    to,
    release: { version: installed.version, digest: installed.digest },
    components,
    steps: ADDRESS_STEPS.map(({ id, title, about: sentence }) => ({ id, title, about: sentence })),
    expectedMs: Math.round(EXPECTED_MS / (settings.pace ?? 1)),
    warnings: [...(warning === undefined ? [] : [warning]), ...schemeWarning(installed.appUrl, to)],
  };
  return { plan, ref: describeReleaseRef(refOfAnswers(inputs)) };
}

/** @throws {ApplianceError} setup/not-done without a finished setup and its answers. */
async function knownBox(deps: SetupDeps): Promise<{ readonly installed: Installed; readonly inputs: SetupInputs }> {
  const installed = await readInstalled(deps);
  const inputs = await readAnswers(deps.store);
  if (installed !== undefined && installed.installedAt !== null && inputs !== undefined) return { installed, inputs };
  throw new ApplianceError("setup/not-done", "Cannot change the address: setup has not been completed on this box", {
    hint: "Finish setup first; its answers hold the address",
  });
}

/** Components of whose values the cluster holds others than the new ones. */
async function changedComponents(
  { deps, signal }: Work,
  release: ResolvedRelease,
  inputs: SetupInputs,
): Promise<readonly string[]> {
  const { manifest } = release;
  const settings = { appUrl: inputs.appHostname, host: appHost(inputs), place: deps.registry.place };
  const wanted = await paced(deps.clock, valuesOf(manifest, settings));
  const names = componentsOf(manifest).map((component) => component.name);
  const found = await Promise.all(wanted.map((object) => deps.kube.get(refOf(object), { signal })));
  return names.filter((_, index) => !isDeepStrictEqual(found[index]?.data, wanted[index]?.data));
}

function schemeWarning(from: string, to: string): readonly string[] {
  const isWeaker = from.startsWith("https:") && to.startsWith("http:");
  return isWeaker ? ["The new address is http: passwords of the people who log in cross the network unprotected."] : [];
}

function assertSamePlan(plan: AddressPlan, body: unknown): void {
  const asked = isPlainObject(body) ? body.planDigest : undefined;
  if (asked === undefined || asked === plan.digest) return;
  throw new ApplianceError(
    "setup/plan-changed",
    `Cannot start this plan: the box is not as the plan saw it any more, the change would go from ${plan.from} to ${plan.to}`,
    { hint: "Look at the plan again and start that one", details: { planDigest: plan.digest } },
  );
}

function recordOf({ plan, ref }: Planned, settings: SetupSettings): z.input<typeof addressRecordSchema> {
  const { from, to, release } = plan;
  return {
    planDigest: plan.digest,
    release: { ref, digest: release.digest },
    about: { from, to, version: release.version, digest: release.digest },
    expectedMs: Math.round(EXPECTED_MS / (settings.pace ?? 1)),
    from,
    to,
  };
}

function sameAddress(to: string): ApplianceError {
  const detail = "This is the address in use. Write another one.";
  return new ApplianceError("setup/invalid-answers", `Cannot change the address to "${to}": it is the one in use`, {
    hint: "Write another address",
    details: { errors: [{ field: "appHostname", code: "same", detail }] },
  });
}

/** Where the last change came from: done, cancelled or failed, it may be gone back to. */
async function formerAddress(deps: SetupDeps): Promise<string | null> {
  const installed = await readInstalled(deps);
  const changes = (await deps.store.readHistory()).filter(({ kind }) => kind === "address");
  const from = changes.at(-1)?.about.from;
  return typeof from === "string" && from !== installed?.appUrl ? from : null;
}
