/**
 * The plan of a setup: what will happen, before it happens. Steps, downloads, changes in the cluster, time, warnings.
 *
 * Its digest is of the release's digest and the answers' digest: the same plan is the same installation. Making a plan
 * writes nothing to the cluster and keeps no answer.
 */
import { type Digest, digestOfValue } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import { paced } from "../core/pace.ts";
import { selectionObject } from "../flux/selection.ts";
import { CHILD_KUSTOMIZATIONS, FLUX_NAMESPACE, sourceObjects } from "../flux/source.ts";
import { valuesOf } from "../flux/values.ts";
import { describeRef, type KubeObject, type ObjectRef, refOf } from "../kube/model.ts";
import { componentsOf } from "../release/model.ts";
import type { ResolvedRelease } from "../release/resolved.ts";
import { answersDigest } from "./documents.ts";
import { appHost, type SetupInputs } from "./model.ts";
import { APP_NAMESPACE, LICENSE_SECRET, namespaces, SHARED_SECRET, secretObject, TENANT_SECRET } from "./objects.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";
import { refOfAnswers, resolveForSetup } from "./release-of-run.ts";
import { SETUP_STEPS } from "./steps.ts";
import { planWarnings } from "./warnings.ts";

export interface PlannedChange {
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
  readonly action: "create" | "change" | "keep";
}

export interface SetupPlan {
  /** Digest of (release, answers). */
  readonly digest: Digest;
  readonly release: {
    readonly version: string;
    readonly digest: Digest;
    readonly channel: string | null;
    readonly verifiedBy: string;
  };
  readonly steps: readonly { readonly id: string; readonly title: string; readonly about: string }[];
  readonly downloads: readonly { readonly name: string; readonly reference: string; readonly sizeBytes: number }[];
  readonly totalBytes: number;
  readonly changes: readonly PlannedChange[];
  /** Milliseconds the whole is expected to take. */
  readonly expectedMs: number;
  readonly warnings: readonly string[];
}

/** Time of an installation besides its downloads, and bytes a second of an ordinary line: 50 Mbit/s. */
const BASE_MS = 240_000;
const BYTES_PER_MS = 6_250;

export interface PlanOptions {
  readonly settings: SetupSettings;
  readonly signal: AbortSignal;
  /** A license key or an install code is given or kept. */
  readonly licensed: boolean;
}

/**
 * Makes a plan for validated answers.
 *
 * @throws {ApplianceError} what resolving the release throws; a silent cluster is a warning only.
 */
export async function planSetup(deps: SetupDeps, inputs: SetupInputs, options: PlanOptions): Promise<SetupPlan> {
  const resolved = await resolveForSetup(deps, { inputs, settings: options.settings, signal: options.signal });
  const ref = refOfAnswers(inputs);
  const channel = "channel" in ref ? ref.channel : null;
  const { changes, problem } = await plannedChanges(deps, inputs, { resolved, channel, signal: options.signal });
  const totalBytes = resolved.artifacts.reduce((sum, artifact) => sum + artifact.sizeBytes, 0);
  return {
    digest: planDigest(resolved.digest, inputs),
    release: { version: resolved.manifest.version, digest: resolved.digest, channel, verifiedBy: resolved.verifiedBy },
    steps: SETUP_STEPS.map(({ id, title, about }) => ({ id, title, about })),
    downloads: resolved.artifacts.map(({ name, reference, sizeBytes }) => ({ name, reference, sizeBytes })),
    totalBytes,
    changes,
    expectedMs: Math.round((BASE_MS + totalBytes / BYTES_PER_MS) / (options.settings.pace ?? 1)),
    warnings: [
      ...(problem === undefined ? [] : [problem]),
      ...(await planWarnings(deps, inputs, { ...options, resolved })),
    ],
  };
}

/** What an installation is: this release with these answers. */
export function planDigest(release: Digest, inputs: SetupInputs): Digest {
  return digestOfValue({ release, answers: answersDigest(inputs) });
}

interface ChangesOptions {
  readonly resolved: ResolvedRelease;
  readonly channel: string | null;
  readonly signal: AbortSignal;
}

/** Our own objects are asked for one by one; what Flux will make is known from the release. */
async function plannedChanges(
  deps: SetupDeps,
  inputs: SetupInputs,
  options: ChangesOptions,
): Promise<{ readonly changes: readonly PlannedChange[]; readonly problem?: string }> {
  const refs = await plannedRefs(deps, inputs, options);
  try {
    const found = await Promise.all(refs.map((ref) => deps.kube.get(ref, { signal: options.signal })));
    return { changes: refs.map((ref, index) => changeOf(ref, found[index])) };
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    const problem = `The cluster could not be asked, so everything is listed as new: ${thrown.message}.`;
    return { changes: refs.map((ref) => changeOf(ref, undefined)), problem };
  }
}

async function plannedRefs(
  deps: SetupDeps,
  inputs: SetupInputs,
  { resolved, channel }: ChangesOptions,
): Promise<readonly ObjectRef[]> {
  const { manifest } = resolved;
  const settings = { appUrl: inputs.appHostname, host: appHost(inputs), place: deps.registry.place };
  const secrets = [SHARED_SECRET, TENANT_SECRET, LICENSE_SECRET].map((name) => secretObject(name, {}));
  const ours: readonly KubeObject[] = [
    ...namespaces(),
    ...(await paced(deps.clock, valuesOf(manifest, settings))),
    ...secrets,
    selectionObject(resolved, channel),
    ...sourceObjects(resolved, deps.registry),
  ];
  const kustomize = { apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization", namespace: FLUX_NAMESPACE };
  const helm = { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease" };
  return [
    { apiVersion: "v1", kind: "Namespace", name: FLUX_NAMESPACE },
    ...ours.map(refOf),
    ...CHILD_KUSTOMIZATIONS.map((name) => ({ ...kustomize, name })),
    ...componentsOf(manifest).map(({ name, releaseNamespace }) => ({ ...helm, namespace: releaseNamespace, name })),
  ];
}

function changeOf(ref: ObjectRef, found: KubeObject | undefined): PlannedChange {
  const isKept = ref.kind === "Secret" && ref.name === SHARED_SECRET && ref.namespace === APP_NAMESPACE;
  const action = found === undefined ? "create" : isKept || ref.kind === "Namespace" ? "keep" : "change";
  return { kind: ref.kind, namespace: ref.namespace ?? null, name: ref.name, action };
}

/** A change for a text screen: `create ConfigMap "msp/values"`. */
export function describeChange({ kind, namespace, name, action }: PlannedChange): string {
  const place = namespace === null ? {} : { namespace };
  return `${action} ${describeRef({ apiVersion: "", kind, name, ...place })}`;
}
