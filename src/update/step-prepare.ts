/** The steps before anything is touched: is it still so, is everything there and whole, and keep what is installed. */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import type { KubeObject } from "../kube/model.ts";
import { type StepResult, stepError } from "../operation/step.ts";
import { openRegistryOfBox } from "../release/answered-registry.ts";
import { askForAll } from "../release/ask.ts";
import { partsOf } from "../release/kept-parts.ts";
import { componentsOf, type ReleaseManifest } from "../release/model.ts";
import type { ResolvedArtifact } from "../release/resolved.ts";
import { note, readNotes, type UpdateCall } from "./context.ts";
import { clearShelf, partsOfInstalled } from "./parts.ts";
import { keepPrevious } from "./previous.ts";
import { installedNow, wantedOf } from "./release-of-run.ts";
import { resolveInstalled } from "./releases.ts";

/** Bytes of a chart or a bundle at most; they are kilobytes. */
const MAX_PART_BYTES = 64 * 1024 * 1024;

/** The plan was made of what is installed; the platform must be there. */
export async function check(call: UpdateCall): Promise<StepResult> {
  const { plan, deps } = call.context;
  const installed = await installedNow(call);
  if (installed.digest !== plan.from.digest) {
    throw new ApplianceError(
      "update/plan-changed",
      `Cannot go on: ${installed.version} is installed, the plan was made for ${plan.from.version}`,
      { hint: "Look at the plan again and start that one", details: { retrySafe: false } },
    );
  }
  const status = await deps.observe(call.signal);
  const { platform } = status.tiers;
  if (platform.state === "failed") {
    throw stepError({
      code: "update/cluster-not-ready",
      message: `Cannot update now: the platform is not ready (${platform.reason})`,
      hint: status.summary.next,
      retrySafe: false,
      fields: [],
      evidence: [],
    });
  }
  const failed = status.checks.filter((one) => one.state === "failed").map(({ code }) => code);
  await note(call.context, { failedBefore: [...new Set(failed)].sort() });
  return { state: "done", detail: failed.length === 0 ? "All is well" : `${failed.length} checks failed before` };
}

/**
 * Asks the registry for every part again and reads bundle, charts and Flux whole: their bytes have their digests. Bundle and
 * charts stay on the box, and those of the installed release with them: the line may be cut from here on.
 */
export async function fetchParts(call: UpdateCall): Promise<StepResult> {
  const { context, signal } = call;
  const { deps } = context;
  const release = await wantedOf(call);
  const registry = await openRegistryOfBox(deps);
  const { base } = deps.registry.place;
  const now = await askForAll(registry, release.manifest, { base, signal });
  for (const part of now.artifacts) assertSame(part, release.artifacts);
  const parts = partsOf({ ...release, artifacts: now.artifacts }, base);
  await clearShelf(call, parts);
  const onProgress = (name: string, done: number): void => call.progress(`${done + 1} of ${parts.length}: ${name}`);
  let bytes = await deps.parts.keep(registry, parts, { base, signal, onProgress });
  for (const part of now.artifacts.filter(({ kind }) => kind === "flux"))
    bytes += await readWhole(call, registry, part);
  const fetched = (await readNotes(context)).fetched ?? { parts: 0, images: null, present: 0 };
  await note(context, { fetched: { ...fetched, parts: fetched.parts + bytes } });
  await fetchInstalled(call, registry);
  const count = now.artifacts.filter(({ kind }) => kind !== "image").length;
  return { state: "done", detail: `${count} parts, ${humanBytes(bytes)} fetched, all as the release pins them` };
}

async function readWhole(
  { signal }: UpdateCall,
  registry: Awaited<ReturnType<typeof openRegistryOfBox>>,
  part: ResolvedArtifact,
): Promise<number> {
  const repository = repositoryOf(part, registry.registry);
  const { manifest } = await registry.manifest(repository, part.digest, { signal });
  const sizes = manifest.layers.map(async (layer) => {
    return (await registry.blob(repository, layer, { maxBytes: MAX_PART_BYTES, signal })).length;
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** The installed release's own, where they are not there from its own update. A registry that has them no more is told by "keep". */
async function fetchInstalled(
  call: UpdateCall,
  registry: Awaited<ReturnType<typeof openRegistryOfBox>>,
): Promise<void> {
  const { deps } = call.context;
  const parts = await partsOfInstalled(deps);
  try {
    await deps.parts.keep(registry, parts ?? [], { base: deps.registry.place.base, signal: call.signal });
  } catch (thrown) {
    if (!isApplianceError(thrown, "oci/not-found", "oci/forbidden", "oci/unauthorized")) throw thrown;
    deps.log.warn("parts of the installed release are not in the registry any more", { error: thrown });
  }
}

/** A tag that means something else than when the plan was made is no release that anybody saw. */
function assertSame(part: ResolvedArtifact, seen: readonly ResolvedArtifact[]): void {
  const before = seen.find(({ name, reference }) => name === part.name && reference === part.reference);
  if (before === undefined || before.digest === part.digest) return;
  throw new ApplianceError(
    "oci/tag-moved",
    `Cannot use ${part.name} "${part.reference}": it is ${part.digest} now, it was ${before.digest} in the plan`,
    { hint: "Look at the plan again: somebody has moved a tag", details: { retrySafe: false } },
  );
}

/** The repository within the registry, of a reference with or without tag and digest. */
export function repositoryOf({ reference }: ResolvedArtifact, registry: string): string {
  const path = reference.slice(`${registry}/`.length);
  return path.replace(/@sha256:[0-9a-f]{64}$/, "").replace(/:[^:/]*$/, "");
}

/** Keeps the installed release with its values as they stand in the cluster: what a way back needs, without a network. */
export async function keep(call: UpdateCall): Promise<StepResult> {
  const { plan, deps, settings } = call.context;
  if (plan.from.digest === plan.to.digest) return { state: "skipped", detail: "The same release is installed again" };
  const installed = await installedNow(call);
  const release = await resolveInstalled(deps, installed, { settings, signal: call.signal });
  if (release === undefined) {
    throw new ApplianceError("update/no-return", "Cannot update: the installed release is not known any more", {
      hint: "Open the way to the registry once, so that its manifest can be read again",
    });
  }
  const values = await valuesInCluster(call, release.manifest);
  const wanted = partsOf(release, deps.registry.place.base);
  const lacking = await deps.parts.lacking(wanted, call.signal);
  const parts = lacking.length === 0 ? wanted : [];
  await keepPrevious(deps.store, { digest: installed.digest, installed, manifest: release.manifest, values, parts });
  const how = lacking.length === 0 ? ", also without the registry" : `, as long as the registry has its ${lacking[0]}`;
  return { state: "done", detail: `${installed.version} can be gone back to${how}` };
}

/** Only what we wrote: names, labels and texts. */
async function valuesInCluster(call: UpdateCall, manifest: ReleaseManifest): Promise<KubeObject[]> {
  const kept: KubeObject[] = [];
  for (const { valuesConfigMap: name, releaseNamespace: namespace } of componentsOf(manifest)) {
    const ref = { apiVersion: "v1", kind: "ConfigMap", namespace, name };
    const found = await call.context.deps.kube.get(ref, { signal: call.signal });
    if (found === undefined) continue;
    const { labels } = found.metadata;
    const metadata = { name, namespace, ...(labels === undefined ? {} : { labels }) };
    kept.push({ apiVersion: "v1", kind: "ConfigMap", metadata, data: found.data });
  }
  return kept;
}
