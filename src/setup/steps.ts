/** The steps of setup in their order, as data: title, budget, retry, and which answers each reads. */
import { isApplianceError } from "../core/errors.ts";
import { paced } from "../core/pace.ts";
import { humanBytes } from "../core/quantity.ts";
import type { RetryPolicy } from "../core/retry.ts";
import { toInstant } from "../core/time.ts";
import { applyAll } from "../flux/apply.ts";
import { installFlux, pullFluxObjects, type Waiting, waitForFlux } from "../flux/install.ts";
import { selectionObject } from "../flux/selection.ts";
import { sourceObjects } from "../flux/source.ts";
import { valuesOf } from "../flux/values.ts";
import { type DescribedStep, problemOf, type StepResult, type StepRow, stepOfRow } from "../operation/step.ts";
import { assertPreflight, REQUIREMENTS, runPreflight } from "../preflight/preflight.ts";
import { nameServersOf, openRegistryFor } from "../release/answered-registry.ts";
import { partsOf } from "../release/kept-parts.ts";
import { verifiedText } from "../release/resolved.ts";
import { INSTALLED_SCHEMA, type Installed, readInstalled } from "../status/installed.ts";
import { troublesBelow, waitForTiers } from "../status/waiting.ts";
import { answersOf, releaseOf, type SetupContext, type StepCall } from "./context.ts";
import { answersDigest } from "./documents.ts";
import { appHost, type SetupInputs } from "./model.ts";
import { nudgeFlux } from "./nudge.ts";
import { namespaces } from "./objects.ts";
import { answersAgainst, findForSetup, type RunRelease, refOfRun } from "./release-of-run.ts";
import { secretsStep } from "./step-secrets.ts";
import { storageStep } from "./step-storage.ts";
import { tenantStep } from "./step-tenant.ts";

const MINUTE_MS = 60_000;
/** Looking again costs nothing and the cause is often being mended: some hours, up to 5 minutes apart. */
const WATCHFUL_RETRY: RetryPolicy = { attempts: 40, baseMs: 15_000, maxMs: 300_000 };
/** Observing again after a whole budget has passed. */
const OBSERVE_RETRY: RetryPolicy = { attempts: 3, baseMs: 5_000, maxMs: 15_000 };
const DNS = ["dnsMode", "dnsServers"] as const;
const RELEASE = ["channel", "releaseRef", "acceptExpired"] as const;

const ROWS: readonly StepRow<SetupContext>[] = [
  {
    id: "preflight",
    title: "Check the machine and the network",
    about: "Nothing is changed.",
    budgetMs: 2 * MINUTE_MS,
    retry: WATCHFUL_RETRY,
    answers: [...DNS, ...RELEASE],
    work: preflight,
  },
  {
    id: "storage",
    title: "Prove the storage",
    about: "A default StorageClass is found, or a provisioner is installed.",
    budgetMs: 15 * MINUTE_MS,
    answers: RELEASE,
    work: storageStep,
  },
  {
    id: "flux",
    title: "Install Flux",
    about: "The controllers that apply the release to the cluster.",
    budgetMs: 15 * MINUTE_MS,
    needsNetwork: true,
    answers: RELEASE,
    work: flux,
  },
  {
    id: "release",
    title: "Resolve the release",
    about: "Everything it refers to is pinned by digest and found in the registry.",
    budgetMs: 5 * MINUTE_MS,
    needsNetwork: true,
    answers: RELEASE,
    work: release,
  },
  {
    id: "namespaces",
    title: "Create the namespaces",
    about: "Where the application and its releases live.",
    budgetMs: 2 * MINUTE_MS,
    work: (call) => applyAll(call, namespaces()),
  },
  {
    id: "values",
    title: "Write the values",
    about: "The release's values with your address.",
    budgetMs: 2 * MINUTE_MS,
    answers: ["appHostname"],
    work: values,
  },
  {
    id: "secrets",
    title: "Create the secrets",
    about: "Administrator, application key and license; created once.",
    budgetMs: 5 * MINUTE_MS,
    needsNetwork: true,
    answers: [
      "tenantName",
      "adminFirstName",
      "adminLastName",
      "adminEmail",
      "adminPassword",
      "editionChoice",
      "licenseKey",
      "installCode",
    ],
    work: secretsStep,
  },
  {
    id: "selection",
    title: "Record the release",
    about: "What is installed, for the application and for support.",
    budgetMs: 2 * MINUTE_MS,
    work: selection,
  },
  {
    id: "source",
    title: "Hand the release to Flux",
    about: "From here on Flux keeps the cluster at this release.",
    budgetMs: 2 * MINUTE_MS,
    work: source,
  },
  {
    id: "reconcile",
    title: "Start the platform",
    about: "Images are pulled; database, cache and pooler start.",
    budgetMs: 90 * MINUTE_MS,
    retry: OBSERVE_RETRY,
    pausesWithin: true,
    work: reconcile,
  },
  {
    id: "tenant",
    title: "Create your organisation",
    about: "The bootstrap job creates the organisation and its administrator.",
    budgetMs: 60 * MINUTE_MS,
    retry: OBSERVE_RETRY,
    pausesWithin: true,
    work: tenantStep,
  },
  {
    id: "login",
    title: "Ask the login page",
    about: "Setup is done when the login page answers.",
    budgetMs: 60 * MINUTE_MS,
    retry: OBSERVE_RETRY,
    pausesWithin: true,
    work: login,
  },
];

export const SETUP_STEPS: readonly DescribedStep<SetupContext>[] = ROWS.map(stepOfRow);

async function preflight({ context, progress, signal }: StepCall): Promise<StepResult> {
  const { deps, settings, operationId, plan } = context;
  const inputs = await answersOf(context);
  progress("All checks run side by side");
  const requirements = { ...REQUIREMENTS, ...settings.requirements };
  const ref = await refOfRun(deps, { inputs, operationId, planned: plan.release });
  const find = (limit: AbortSignal) => findForSetup(deps, { inputs, settings, ref, signal: limit });
  const box = { requirements, stateFolder: settings.stateFolder, nameServers: nameServersOf(inputs) };
  const result = await runPreflight({ ...deps, ...box, find, answersAgainst }, signal);
  assertPreflight(result);
  return { state: "done", detail: [`${result.checks.length} checks passed`, ...result.warnings].join(", ") };
}

async function flux(call: StepCall): Promise<StepResult> {
  const { context, progress, signal } = call;
  const { deps } = context;
  const { manifest } = await releaseOf(call);
  const registry = openRegistryFor(deps, await answersOf(context));
  const objects = await pullFluxObjects(deps, registry, { manifest, place: deps.registry.place, signal });
  if (objects !== undefined) await installFlux(deps, objects, { onProgress: progress, signal });
  const trouble = troublesBelow(call, ["platform"]);
  const onLook = async ({ detail, failure }: Waiting): Promise<void> =>
    progress(detail, await trouble(failure && problemOf(failure)));
  await waitForFlux(deps, { onLook, signal });
  if (objects === undefined) return { state: "skipped", detail: "The cluster's own Flux is used" };
  return { state: "done", detail: `Flux ${manifest.flux?.version ?? manifest.flux?.digest.slice(0, 19) ?? ""}` };
}

async function release(call: StepCall): Promise<StepResult> {
  const resolved = await releaseOf(call);
  await keepParts(call, resolved);
  const bytes = resolved.artifacts.reduce((sum, artifact) => sum + artifact.sizeBytes, 0);
  const parts = [
    resolved.manifest.version,
    `${resolved.artifacts.length} artifacts`,
    humanBytes(bytes),
    verifiedText(resolved),
  ];
  return { state: "done", detail: parts.join(", ") };
}

/** What Flux reads of it stays on the box. A registry or a disk that refuses holds nothing up: an update asks for it again. */
async function keepParts({ context, signal }: StepCall, resolved: RunRelease): Promise<void> {
  const { deps } = context;
  const { base } = deps.registry.place;
  try {
    const registry = openRegistryFor(deps, await answersOf(context));
    await deps.parts?.keep(registry, partsOf(resolved, base), { base, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!isApplianceError(error)) throw error;
    deps.log.warn("parts of the release are not kept", { error });
  }
}

async function values(call: StepCall): Promise<StepResult> {
  const { manifest } = await releaseOf(call);
  const inputs = await answersOf(call.context);
  const { clock, registry } = call.context.deps;
  const settings = { appUrl: inputs.appHostname, host: appHost(inputs), place: registry.place };
  return applyAll(call, await paced(clock, valuesOf(manifest, settings)));
}

async function selection(call: StepCall): Promise<StepResult> {
  const resolved = await releaseOf(call);
  const { store } = call.context.deps;
  const inputs = await answersOf(call.context);
  const result = await applyAll(call, [selectionObject(resolved, resolved.channel)]);
  await store.writeDocument("release", installedRecord(resolved, inputs));
  return result;
}

function installedRecord(resolved: RunRelease, inputs: SetupInputs): Installed {
  return {
    schema: INSTALLED_SCHEMA,
    channel: resolved.channel,
    version: resolved.manifest.version,
    digest: resolved.digest,
    verifiedBy: resolved.verifiedBy,
    answersDigest: answersDigest(inputs),
    registry: resolved.registry,
    repository: resolved.repository,
    appUrl: inputs.appHostname,
    installedAt: null,
  };
}

async function source(call: StepCall): Promise<StepResult> {
  const resolved = await releaseOf(call);
  return applyAll(call, sourceObjects(resolved, call.context.deps.registry));
}

async function reconcile(call: StepCall): Promise<StepResult> {
  await nudgeFlux(call, "reconcile");
  return waitForTiers(call, ["platform", "core"]);
}

async function login(call: StepCall): Promise<StepResult> {
  const { deps } = call.context;
  await nudgeFlux(call, "login");
  // The rungs below are looked at once more: who reads "done" finds a status that says the same.
  const result = await waitForTiers(call, ["platform", "core", "bootstrap", "login"]);
  // A bad disk may have taken the document of an earlier step: it is made anew from the release of this run.
  const installed =
    (await readInstalled(deps)) ?? installedRecord(await releaseOf(call), await answersOf(call.context));
  if (installed.installedAt === null) {
    await deps.store.writeDocument("release", { ...installed, installedAt: toInstant(deps.clock.now()) });
  }
  return result;
}
