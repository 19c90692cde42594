/**
 * Flux's helm-controller with Helm: finds the chart in the registry, reads the values, installs the workloads of the component.
 *
 * What a chart contains is taken from the component table (the rehearsal renders no Go templates): its workloads with the image
 * that the values name, and the bootstrap job where the component has one. The image that a chart names itself is read from its
 * templates. Images are renamed after rendering, as `spec.postRenderers` says.
 */
import { parse } from "yaml";
import { digestOfValue } from "../../core/digest.ts";
import { ApplianceError } from "../../core/errors.ts";
import { isPlainObject } from "../../core/json.ts";
import { toInstant } from "../../core/time.ts";
import { REQUESTED } from "../../flux/requests.ts";
import { conditionOf, fieldAt, type KubeObject, listAt, refOf, textAt } from "../../kube/model.ts";
import { readinessOf } from "../../kube/readiness.ts";
import { parseReference } from "../../oci/reference.ts";
import type { ComponentSpec } from "../../release/components.ts";
import {
  type Actor,
  type ActorContext,
  dependenciesOf,
  type FluxNews,
  fluxConditions,
  HELM_RELEASE,
  HELM_REPOSITORY,
  isRunning,
  isTrue,
  JOB,
  listOf,
  OCI_REPOSITORY,
  tellStatus,
} from "./actor.ts";
import { type Rendering, workloadObjects } from "./chart.ts";
import type { Trees } from "./source.ts";

const INSTALL_MS = 1_200;
/** Why a release is not ready, in helm-controller's words. */
const REASONS: Readonly<Record<string, string>> = {
  "flux/bad-values": "ValuesError",
  "flux/not-ready": "SourceNotReady",
};

/** Plays helm-controller on the charts that the source actor stored. */
export function helmActor(trees: Trees): Actor {
  return {
    name: "helm-controller",
    act: async (context) => {
      if (!(await isRunning(context, "helm-controller"))) return;
      for (const release of await listOf(context, HELM_RELEASE)) await reconcile(context, release, trees);
    },
  };
}

async function reconcile(context: ActorContext, release: KubeObject, trees: Trees): Promise<void> {
  if (fieldAt(release, "spec", "suspend") === true) return;
  const component = context.components.find((one) => one.name === release.metadata.name);
  if (component === undefined)
    return await tell(context, release, {
      failed: `no chart template for "${release.metadata.name}"`,
      reason: "InstallFailed",
    });
  for (const dependency of dependenciesOf(release)) {
    const other = await context.kube.get({ ...HELM_RELEASE, ...dependency });
    if (!isTrue(other, "Ready")) {
      return await tell(context, release, {
        failed: `dependency '${dependency.namespace}/${dependency.name}' is not ready`,
        reason: "DependencyNotReady",
      });
    }
  }
  try {
    await install(context, release, { component, trees });
  } catch (thrown) {
    if (!(thrown instanceof ApplianceError)) throw thrown;
    await tell(context, release, {
      failed: thrown.message,
      reason: REASONS[thrown.code] ?? "ArtifactFailed",
    });
  }
}

async function install(
  context: ActorContext,
  release: KubeObject,
  { component, trees }: { readonly component: ComponentSpec; readonly trees: Trees },
): Promise<void> {
  const chart = await findChart(context, release);
  const values = await readValues(context, release);
  const renames = renamesOf(release);
  const revision = digestOfValue({ chart, values, renames });
  if (context.faults().stuckHelm === component.name && listAt(release, "status", "history").length === 0) {
    const failed = `Helm install failed for release ${component.targetNamespace}/${component.name} with chart ${chart}: another operation (install/upgrade/rollback) is in progress`;
    return await tell(context, release, { failed, reason: "InstallFailed" });
  }
  if (!context.passed(`helm ${release.metadata.uid} ${revision}`, INSTALL_MS)) {
    return await tell(context, release, { reconciling: `Running 'install' action with timeout of 30m0s` });
  }
  const bundled = await bundledImage(context, release, trees);
  await applyChart(context, release, { component, values, bundled, renames, revision });
  const waiting = component.disableWait ? undefined : await firstNotReady(context, component);
  if (waiting !== undefined) return await tell(context, release, { reconciling: waiting });
  const revisions = history(context, release, { component, chart, revision });
  const deed = revisions.length > 1 ? "upgrade" : "install";
  const ready = `Helm ${deed} succeeded for release ${component.targetNamespace}/${component.name}.v${revisions.length} with chart ${chart}`;
  await tell(
    context,
    release,
    { ready, reason: deed === "upgrade" ? "UpgradeSucceeded" : "InstallSucceeded" },
    { history: revisions },
  );
}

/** The chart as `name@version`, once its source has it. */
async function findChart(context: ActorContext, release: KubeObject): Promise<string> {
  const name = textAt(release, "spec", "chartRef", "name");
  const namespace = textAt(release, "spec", "chartRef", "namespace") ?? release.metadata.namespace ?? "";
  if (name === undefined) return await findByVersion(context, release);
  const source = await context.kube.get({ ...OCI_REPOSITORY, namespace, name });
  const title = `OCIRepository '${namespace}/${name}'`;
  if (source === undefined)
    throw new ApplianceError("kube/not-found", `could not get Source object: ${title} not found`);
  // What source-controller has stored is used on: an installed chart does not need the registry.
  const stored = textAt(source, "status", "artifact", "revision") ?? "";
  if (stored === "" || !stored.endsWith(textAt(source, "spec", "ref", "digest") ?? "")) {
    const message = conditionOf(source, "Ready")?.message ?? "building artifact";
    throw new ApplianceError("flux/not-ready", `${title} is not ready: ${message}`);
  }
  const chart = (textAt(source, "spec", "url") ?? "").split("/").at(-1) ?? "";
  return `${chart}@${chartVersion(source)}`;
}

/** helm-controller adds the digest to the version, so that other content is another version. */
function chartVersion(source: KubeObject): string {
  const version = textAt(source, "spec", "ref", "tag") ?? "";
  const digest = (textAt(source, "spec", "ref", "digest") ?? "").slice("sha256:".length, "sha256:".length + 12);
  return digest === "" ? version : `${version}+${digest}`;
}

/** The older form: a version in a HelmRepository. */
async function findByVersion(context: ActorContext, release: KubeObject): Promise<string> {
  const chart = textAt(release, "spec", "chart", "spec", "chart") ?? "";
  const version = textAt(release, "spec", "chart", "spec", "version") ?? "";
  const sourceName = textAt(release, "spec", "chart", "spec", "sourceRef", "name") ?? "";
  const namespace =
    textAt(release, "spec", "chart", "spec", "sourceRef", "namespace") ?? release.metadata.namespace ?? "";
  const source = await context.kube.get({ ...HELM_REPOSITORY, namespace, name: sourceName });
  const url = textAt(source, "spec", "url");
  if (url === undefined)
    throw new ApplianceError("kube/not-found", `HelmRepository '${namespace}/${sourceName}' not found`);
  // What source-controller has stored is used on: an installed chart does not need the registry.
  const stored = listAt(release, "status", "history")[0];
  if (textAt(stored, "chartName") === chart && textAt(stored, "chartVersion") === version) return `${chart}@${version}`;
  if (context.faults().registryDown)
    throw new ApplianceError("net/unreachable", `failed to download chart: dial tcp: connect: connection refused`);
  const reference = parseReference(`${url}/${chart}:${version}`);
  await context.registry.resolve(reference.repository, version);
  return `${chart}@${version}`;
}

async function readValues(context: ActorContext, release: KubeObject): Promise<Record<string, unknown>> {
  const merged: Record<string, unknown> = {};
  for (const from of listAt(release, "spec", "valuesFrom")) {
    const name = textAt(from, "name") ?? "";
    const key = textAt(from, "valuesKey") ?? "values.yaml";
    const map = await context.kube.get({
      apiVersion: "v1",
      kind: "ConfigMap",
      namespace: release.metadata.namespace ?? "",
      name,
    });
    const text = textAt(map, "data", key);
    if (text === undefined)
      throw new ApplianceError(
        "flux/bad-values",
        `could not resolve ConfigMap chart values reference '${release.metadata.namespace}/${name}' with key '${key}': not found`,
      );
    const values: unknown = parse(text);
    if (isPlainObject(values)) Object.assign(merged, values);
  }
  return merged;
}

interface Chart extends Rendering {
  readonly component: ComponentSpec;
  readonly renames: readonly Rename[];
  readonly revision: string;
}

interface Rename {
  readonly name: string;
  readonly to: string;
}

/** Rows of the post renderers. @see kustomize, "images" */
function renamesOf(release: KubeObject): readonly Rename[] {
  return listAt(release, "spec", "postRenderers")
    .flatMap((one) => listAt(one, "kustomize", "images"))
    .map((row) => ({
      name: textAt(row, "name") ?? "",
      to: `${textAt(row, "newName") ?? ""}@${textAt(row, "digest") ?? ""}`,
    }));
}

function renamed(object: KubeObject, renames: readonly Rename[]): KubeObject {
  const copy = structuredClone(object);
  for (const container of listAt(copy, "spec", "template", "spec", "containers")) {
    const target = renames.find((one) => one.name === textAt(container, "image"));
    if (target !== undefined) Object.assign(container as object, { image: target.to });
  }
  return copy;
}

/** The first image that stands in the chart's templates as it is; of a chart that is not stored, one that nobody looks up. */
async function bundledImage(context: ActorContext, release: KubeObject, trees: Trees): Promise<string> {
  const name = textAt(release, "spec", "chartRef", "name") ?? "";
  const namespace = textAt(release, "spec", "chartRef", "namespace") ?? release.metadata.namespace ?? "";
  const source = name === "" ? undefined : await context.kube.get({ ...OCI_REPOSITORY, namespace, name });
  const tree = trees.get(textAt(source, "status", "artifact", "digest") ?? "") ?? new Map<string, string>();
  const written = [...tree].flatMap(([path, text]) =>
    path.includes("/templates/")
      ? [...text.matchAll(/^\s*image: "?([^"{}\s]+)"?$/gm)].map(([, image = ""]) => image)
      : [],
  );
  return written[0] ?? "bundled.invalid/chart:chart";
}

async function applyChart(context: ActorContext, release: KubeObject, chart: Chart): Promise<void> {
  const { component, revision } = chart;
  const requested = release.metadata.annotations?.[REQUESTED];
  const handled = textAt(release, "status", "lastHandledReconcileAt");
  const fresh = textAt(release, "status", "lastAttemptedConfigDigest") !== revision || handled !== requested;
  // Without drift detection a release is touched again only when its chart or values change, or when it is asked to.
  if (!fresh) return;
  for (const object of workloadObjects(component, chart).map((one) => renamed(one, chart.renames))) {
    if (object.kind === "Job" && (await keepsJob(context, object))) continue;
    await context.kube.apply(object, { force: true });
  }
  const status = {
    lastAttemptedConfigDigest: revision,
    ...(requested === undefined ? {} : { lastHandledReconcileAt: requested }),
  };
  await context.kube.patch(refOf(release), { status }, { subresource: "status" });
}

/** A job that is there is immutable: Helm leaves it alone. */
async function keepsJob(context: ActorContext, job: KubeObject): Promise<boolean> {
  return (
    (await context.kube.get({ ...JOB, namespace: job.metadata.namespace ?? "", name: job.metadata.name })) !== undefined
  );
}

async function firstNotReady(context: ActorContext, component: ComponentSpec): Promise<string | undefined> {
  for (const workload of component.workloads) {
    const object = await context.kube.get({
      apiVersion: "apps/v1",
      kind: workload.kind,
      namespace: component.targetNamespace,
      name: workload.name,
    });
    const readiness = object === undefined ? undefined : readinessOf(object);
    if (readiness?.state !== "ready")
      return `${workload.kind}/${component.targetNamespace}/${workload.name} not ready: ${readiness?.message ?? "not found"}`;
  }
  return undefined;
}

function history(
  context: ActorContext,
  release: KubeObject,
  one: { component: ComponentSpec; chart: string; revision: string },
): readonly unknown[] {
  const known = listAt(release, "status", "history");
  if (textAt(known[0], "configDigest") === one.revision) return known;
  const [chartName, chartVersion] = one.chart.split("@");
  const entry = {
    name: one.component.name,
    namespace: one.component.targetNamespace,
    version: known.length + 1,
    status: "deployed",
    chartName,
    chartVersion,
    digest: digestOfValue(one.chart),
    configDigest: one.revision,
    firstDeployed: toInstant(context.clock.now()),
    lastDeployed: toInstant(context.clock.now()),
  };
  return [entry, ...known].slice(0, 5);
}

async function tell(
  context: ActorContext,
  release: KubeObject,
  news: FluxNews,
  fields: Record<string, unknown> = {},
): Promise<void> {
  const released =
    news.ready === undefined
      ? []
      : [{ type: "Released", status: "True" as const, reason: news.reason ?? "InstallSucceeded", message: news.ready }];
  await tellStatus(context, release, { conditions: [...fluxConditions(news), ...released], fields });
}
