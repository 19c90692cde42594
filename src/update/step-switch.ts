/**
 * The steps that change the cluster: Flux where the release brings another one, then the release itself, and the way back.
 *
 * Values, selection and source are one step: it is run again whole when it was interrupted, and ends in the same state.
 */
import { paced } from "../core/pace.ts";
import { applyAll } from "../flux/apply.ts";
import { installFlux, pullFluxObjects, waitForFlux } from "../flux/install.ts";
import { selectionObject } from "../flux/selection.ts";
import { sourceObjects } from "../flux/source.ts";
import { valuesOf } from "../flux/values.ts";
import { type KubeObject, refOf } from "../kube/model.ts";
import type { StepResult } from "../operation/step.ts";
import { openRegistryOfBox } from "../release/answered-registry.ts";
import { componentsOf, type ReleaseManifest } from "../release/model.ts";
import { INSTALLED_SCHEMA, type Installed } from "../status/installed.ts";
import { note, type UpdateCall } from "./context.ts";
import { removeFinishedJobs } from "./finished-jobs.ts";
import { findWay, isSourceFailing } from "./parts.ts";
import type { KeptRelease } from "./previous.ts";
import { installedNow, type RunRelease, wantedOf } from "./release-of-run.ts";
import { resolveInstalled } from "./releases.ts";

/** Brings another Flux before the release that needs it. A way back leaves it: Flux serves older releases too. */
export async function updateFlux(call: UpdateCall): Promise<StepResult> {
  const { deps, settings } = call.context;
  const { manifest } = await wantedOf(call);
  const before = await resolveInstalled(deps, await installedNow(call), { settings, signal: call.signal });
  if (manifest.flux === undefined) return { state: "skipped", detail: "The cluster's own Flux is used" };
  if (before?.manifest.flux?.digest === manifest.flux.digest) return { state: "skipped", detail: "It stays as it is" };
  const registry = await openRegistryOfBox(deps);
  const objects = await pullFluxObjects(deps, registry, { manifest, place: deps.registry.place, signal: call.signal });
  if (objects !== undefined) await installFlux(deps, objects, { onProgress: call.progress, signal: call.signal });
  await waitForFlux(deps, { onLook: ({ detail }) => call.progress(detail), signal: call.signal });
  return { state: "done", detail: `Flux ${manifest.flux.version ?? manifest.flux.digest.slice(0, 19)}` };
}

/** Hands the wanted release to Flux. */
export async function switchOver(call: UpdateCall): Promise<StepResult> {
  const { context } = call;
  const release = await wantedOf(call);
  const installed = await installedNow(call);
  await note(context, { touched: true });
  await removeFinishedJobs(context.deps, { manifest: release.manifest, signal: call.signal });
  const objects = [
    ...(await renderedValues(call, release.manifest, installed)),
    selectionObject(release, release.channel),
    ...sourceObjects(release, context.deps.registry),
  ];
  const result = await applyAll(call, objects);
  await context.deps.store.writeDocument("release", installedRecord(release, installed));
  return result;
}

/** The values of a release with the address of now. */
function renderedValues(
  { context }: UpdateCall,
  manifest: ReleaseManifest,
  { appUrl }: Pick<Installed, "appUrl">,
): Promise<readonly KubeObject[]> {
  const { clock, registry } = context.deps;
  return paced(clock, valuesOf(manifest, { appUrl, host: new URL(appUrl).host, place: registry.place }));
}

/** What release.json says from the switch on. When it was installed is told at the end. */
function installedRecord(release: RunRelease, before: Installed): Installed {
  return {
    ...before,
    schema: INSTALLED_SCHEMA,
    channel: release.channel,
    version: release.manifest.version,
    digest: release.digest,
    verifiedBy: release.verifiedBy,
    registry: release.registry,
    repository: release.repository,
  };
}

/**
 * Hands the kept release to Flux again, with the values as they were. A way back is about the release, not the answers: where the
 * address has been changed since, the kept release gets its values with the address of now. Where the registry has no answer
 * Flux reads it from the box. Safe to call again.
 */
export async function switchBack(
  call: UpdateCall,
  kept: KeptRelease,
  left: ReleaseManifest | undefined,
): Promise<StepResult> {
  const { deps } = call.context;
  const { installed, manifest, digest } = kept;
  const { registry, repository, verifiedBy } = installed;
  const selection = { ref: { digest }, manifest, digest, registry, repository, verifiedBy };
  const { appUrl, answersDigest } = await installedNow(call);
  const values = appUrl === installed.appUrl ? kept.values : await renderedValues(call, manifest, { appUrl });
  const way = await findWay(call, kept);
  await removeFinishedJobs(deps, { manifest, signal: call.signal });
  const result = await applyAll(call, [
    ...values,
    selectionObject(selection, installed.channel),
    ...sourceObjects({ manifest, digest }, deps.registry, way.parts),
  ]);
  await removeLeftValues(call, kept, left);
  await deps.store.writeDocument("release", { ...installed, appUrl, answersDigest });
  return way.told === undefined ? result : { state: "done", detail: way.told };
}

/** Shows Flux the other place where it could not have the kept release from the one it was shown. Safe to call again. */
export async function showOtherWay(call: UpdateCall, { manifest, digest, ...kept }: KeptRelease): Promise<void> {
  if (!(await isSourceFailing(call))) return;
  const way = await findWay(call, kept);
  if (way.told !== undefined) call.progress(way.told);
  await applyAll(
    { ...call, progress: () => {} },
    sourceObjects({ manifest, digest }, call.context.deps.registry, way.parts),
  );
}

/** Values of components that only the left release has. */
async function removeLeftValues(call: UpdateCall, kept: KeptRelease, left: ReleaseManifest | undefined): Promise<void> {
  const stays = new Set(kept.values.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  for (const { valuesConfigMap: name, releaseNamespace: namespace } of left === undefined ? [] : componentsOf(left)) {
    const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace } };
    if (!stays.has(`${namespace}/${name}`)) await call.context.deps.kube.delete(refOf(map), { signal: call.signal });
  }
}
