// The helm-controller stand-in: runs the real `helm` for each HelmRelease (v2) with the chart from an OCIRepository (by digest)
// or an OCI HelmRepository, and the values from `valuesFrom` and `values` in order, and sets `history`, Released and Ready as documented. It obeys
// dependsOn, disableWait, timeout, remediation retries and the RetryOnFailure strategy; when retries are used up it stalls
// until the release, its values or the reset annotation change. It differs from the real one in two things: helm's own
// records lie in the target namespace, and no HelmChart object is made.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClusterObject, type Condition, call, find, list, patchStatus, readKey } from "./cluster.ts";
import { milliseconds, runController, serveProbes } from "./controller.ts";
import { log, messageOf } from "./plumbing.ts";
import { loginIn } from "./registry.ts";

const RELEASES = "/apis/helm.toolkit.fluxcd.io/v2/helmreleases";

interface ActionSpec {
  readonly disableWait?: boolean;
  readonly createNamespace?: boolean;
  readonly remediation?: { readonly retries?: number };
  readonly strategy?: { readonly name?: string; readonly retryInterval?: string };
}

interface ChartReference {
  readonly name: string;
  readonly namespace?: string;
}

export interface ReleaseSpec {
  /** One of chart and chartRef is there. */
  readonly chartRef?: ChartReference;
  readonly chart?: {
    readonly spec: {
      readonly chart: string;
      readonly version?: string;
      readonly sourceRef: { readonly name: string; readonly namespace?: string };
    };
  };
  readonly releaseName?: string;
  readonly targetNamespace?: string;
  readonly timeout?: string;
  readonly dependsOn?: readonly { readonly name: string; readonly namespace?: string }[];
  readonly values?: unknown;
  readonly valuesFrom?: readonly {
    readonly kind: string;
    readonly name: string;
    readonly valuesKey?: string;
    readonly optional?: boolean;
  }[];
  readonly install?: ActionSpec;
  readonly upgrade?: ActionSpec;
}

interface Release {
  readonly name: string;
  readonly namespace: string;
  /** Address of the chart; its last part is the chart's name. */
  readonly chart: string;
  /** What helm is told to take: the address, with a digest where the release pins one. */
  readonly pull: string;
  readonly version: string;
  readonly values: readonly string[];
  readonly configDigest: string;
  /** Words for helm: the authority that the chart's registry is checked against, a login, HTTP without TLS. */
  readonly access: readonly string[];
}

interface Failure {
  readonly attempt: string;
  readonly count: number;
  readonly at: number;
}

const failures = new Map<string, Failure>();

export async function runHelmController(): Promise<void> {
  serveProbes([8080, 9440]);
  await runController({ collection: RELEASES, reconcile, due, remove });
}

/** A release that is not Ready is looked at on every round, and so is one whose values have changed. */
async function due(object: ClusterObject): Promise<boolean> {
  const ready = object.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True");
  if (!ready) return true;
  return (await describe(object)).configDigest !== object.status?.lastAttemptedConfigDigest;
}

async function remove(object: ClusterObject): Promise<void> {
  log(`${object.metadata.name} is being deleted`);
}

async function reconcile(object: ClusterObject, path: string): Promise<void> {
  try {
    const waiting = await unreadyDependency(object);
    if (waiting !== undefined) {
      const message = `dependency '${waiting}' is not ready`;
      return await report(object, path, [{ type: "Ready", status: "False", reason: "DependencyNotReady", message }]);
    }
    const release = await describe(object);
    if (order(object, "resetAt") !== undefined) failures.delete(path);
    if (order(object, "forceAt") === undefined) {
      if (isStalled(object, path, release)) return;
      if (isDeployed(object, release)) return await observe(object, path);
    }
    await perform(object, path, release);
  } catch (problem) {
    const message = messageOf(problem);
    const reason = problem instanceof SourceNotReady ? "SourceNotReady" : "ArtifactFailed";
    await report(object, path, [{ type: "Ready", status: "False", reason, message }]);
  }
}

async function unreadyDependency(object: ClusterObject): Promise<string | undefined> {
  for (const dependency of (object.spec as ReleaseSpec).dependsOn ?? []) {
    const namespace = dependency.namespace ?? object.metadata.namespace;
    const other = await find<ClusterObject>(
      `/apis/helm.toolkit.fluxcd.io/v2/namespaces/${namespace}/helmreleases/${dependency.name}`,
    );
    const ready = other?.status?.conditions?.find((one) => one.type === "Ready");
    const current = other?.status?.observedGeneration === other?.metadata.generation;
    if (ready?.status !== "True" || !current) return `${namespace}/${dependency.name}`;
  }
  return undefined;
}

async function describe(object: ClusterObject): Promise<Release> {
  const spec = object.spec as ReleaseSpec;
  const source = spec.chartRef === undefined ? await fromRepository(object) : await fromSource(object, spec.chartRef);
  const values = await valuesOf(object);
  const configDigest = `sha256:${createHash("sha256").update(JSON.stringify(values)).digest("hex")}`;
  return {
    name: spec.releaseName ?? object.metadata.name,
    namespace: spec.targetNamespace ?? object.metadata.namespace,
    values,
    configDigest,
    ...source,
  };
}

type ChartSource = Pick<Release, "chart" | "pull" | "version" | "access">;

// A chart by digest: helm takes it from the registry itself and checks it; the real controller takes what source-controller
// has stored, and adds the digest to the version as is done here.
async function fromSource(object: ClusterObject, ref: ChartReference): Promise<ChartSource> {
  const [namespace, name] = [ref.namespace ?? object.metadata.namespace, ref.name];
  const title = `OCIRepository '${namespace}/${name}'`;
  const source = await find<ClusterObject>(
    `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/ocirepositories/${name}`,
  );
  if (source === undefined) throw new Error(`could not get Source object: ${title} not found`);
  const { url, ref: wanted } = source.spec as { url: string; ref?: { digest?: string; tag?: string } };
  const digest = wanted?.digest ?? "";
  const artifact = source.status?.artifact as { revision?: string } | undefined;
  const ready = source.status?.conditions?.find((one) => one.type === "Ready");
  if (digest === "" || artifact?.revision?.includes(digest) !== true) {
    throw new SourceNotReady(`${title} is not ready: ${ready?.message ?? "does not have an artifact"}`);
  }
  return {
    chart: url,
    pull: `${url}@${digest}`,
    version: `${wanted?.tag ?? ""}+${digest.slice("sha256:".length, "sha256:".length + 12)}`,
    access: await accessOf(source),
  };
}

async function fromRepository(object: ClusterObject): Promise<ChartSource> {
  const chart = (object.spec as ReleaseSpec).chart?.spec;
  if (chart === undefined) throw new Error("neither a chart nor a chart reference is there");
  const source = `${chart.sourceRef.namespace ?? object.metadata.namespace}/${chart.sourceRef.name}`;
  const [namespace, name] = source.split("/");
  const repository = await find<ClusterObject>(
    `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/helmrepositories/${name}`,
  );
  if (repository === undefined) throw new Error(`could not get Source object: HelmRepository '${source}' not found`);
  const url = `${(repository.spec as { url: string }).url}/${chart.chart}`;
  return { chart: url, pull: url, version: chart.version ?? "*", access: await accessOf(repository) };
}

class SourceNotReady extends Error {}

async function accessOf(source: ClusterObject): Promise<string[]> {
  const { url, insecure, secretRef } = source.spec as {
    url: string;
    insecure?: boolean;
    secretRef?: { name: string };
  };
  const authority = await authorityOf(source);
  const secret =
    secretRef === undefined
      ? undefined
      : await readKey("Secret", source.metadata.namespace, secretRef.name, ".dockerconfigjson");
  const login = loginIn(secret, url);
  return [
    ...(authority === undefined ? [] : [`--ca-file=${authority}`]),
    ...(insecure === true ? ["--plain-http"] : []),
    ...(login === undefined ? [] : [`--username=${login.username}`, `--password=${login.password}`]),
  ];
}

async function authorityOf(source: ClusterObject): Promise<string | undefined> {
  const secret = (source.spec as { certSecretRef?: { name: string } }).certSecretRef?.name;
  if (secret === undefined) return undefined;
  const pem = await readKey("Secret", source.metadata.namespace, secret, "ca.crt");
  if (pem === undefined) throw new Error(`could not get the certificate Secret '${secret}' of the chart's source`);
  const file = join("/tmp", `${source.metadata.namespace}-${secret}.crt`);
  writeFileSync(file, pem);
  return file;
}

async function valuesOf(object: ClusterObject): Promise<string[]> {
  const spec = object.spec as ReleaseSpec;
  const values: string[] = [];
  for (const from of spec.valuesFrom ?? []) {
    const text = await readKey(from.kind, object.metadata.namespace, from.name, from.valuesKey ?? "values.yaml");
    if (text !== undefined) values.push(text);
    else if (from.optional !== true) {
      throw new Error(
        `could not resolve ${from.kind} chart values reference '${object.metadata.namespace}/${from.name}' with key '${from.valuesKey}'`,
      );
    }
  }
  return spec.values === undefined ? values : [...values, JSON.stringify(spec.values)];
}

function isDeployed(object: ClusterObject, release: Release): boolean {
  const latest = (
    object.status?.history as { status?: string; chartVersion?: string; configDigest?: string }[] | undefined
  )?.[0];
  return (
    latest?.status === "deployed" &&
    latest.configDigest === release.configDigest &&
    latest.chartVersion === release.version
  );
}

// An order by annotation counts once, and only together with requestedAt of the same value (Flux, "Forcing a release").
function order(object: ClusterObject, verb: "forceAt" | "resetAt"): string | undefined {
  const value = object.metadata.annotations?.[`reconcile.fluxcd.io/${verb}`];
  const handled = object.status?.[verb === "forceAt" ? "lastHandledForceAt" : "lastHandledResetAt"];
  const isAsked = value === object.metadata.annotations?.["reconcile.fluxcd.io/requestedAt"];
  return value !== undefined && isAsked && value !== handled ? value : undefined;
}

/** What the status notes of the orders that this attempt has obeyed. */
function handledOrders(object: ClusterObject): Record<string, string> {
  const forced = order(object, "forceAt");
  const reset = order(object, "resetAt");
  return {
    ...(forced === undefined ? {} : { lastHandledForceAt: forced }),
    ...(reset === undefined ? {} : { lastHandledResetAt: reset }),
  };
}

// A new generation whose chart and values are deployed already needs no action, only the note that it was seen.
async function observe(object: ClusterObject, path: string): Promise<void> {
  if (object.status?.observedGeneration === object.metadata.generation) return;
  const conditions = object.status?.conditions?.filter((one) => one.type === "Ready" || one.type === "Released") ?? [];
  await patchStatus(path, object, { conditions, observedGeneration: object.metadata.generation });
}

// Retries used up: nothing more happens until something changes (Flux' reset annotation counts as a change).
function isStalled(object: ClusterObject, path: string, release: Release): boolean {
  const failure = failures.get(path);
  if (failure === undefined || failure.attempt !== attemptOf(object, release)) return false;
  const action = actionOf(object);
  if (action.strategy?.name === "RetryOnFailure")
    return Date.now() < failure.at + milliseconds(action.strategy.retryInterval ?? "5m");
  const retries = action.remediation?.retries ?? 0;
  return retries >= 0 && failure.count > retries;
}

function attemptOf(object: ClusterObject, release: Release): string {
  return `${object.metadata.generation} ${release.configDigest}`;
}

function actionOf(object: ClusterObject): ActionSpec {
  const spec = object.spec as ReleaseSpec;
  return (isUpgrade(object) ? spec.upgrade : spec.install) ?? {};
}

function isUpgrade(object: ClusterObject): boolean {
  return (
    (object.status?.history as { status?: string }[] | undefined)?.some(
      (one) => one.status === "deployed" || one.status === "superseded",
    ) ?? false
  );
}

async function perform(object: ClusterObject, path: string, release: Release): Promise<void> {
  const verb = isUpgrade(object) ? "upgrade" : "install";
  const timeout = (object.spec as ReleaseSpec).timeout ?? "5m";
  const orders = handledOrders(object);
  const message = `Running '${verb}' action with timeout of ${timeout}`;
  await report(object, path, [
    { type: "Ready", status: "Unknown", reason: "Progressing", message },
    { type: "Reconciling", status: "True", reason: "Progressing", message },
  ]);
  if (Object.keys(orders).length > 0) await patchStatus(path, object, orders);
  await releaseLock(release);
  const outcome = await helm(argumentsOf(object, release, timeout));
  const current = (await find<ClusterObject>(path)) ?? object;
  if (outcome.code === 0) await succeeded(current, path, release, verb);
  else await failed(current, path, release, verb, outcome.output);
}

// A helm that was killed midway leaves its record "pending", and the next one refuses to start: the record is removed, as
// the real controller unlocks it.
async function releaseLock(release: Release): Promise<void> {
  const secrets = `/api/v1/namespaces/${release.namespace}/secrets`;
  const selector = encodeURIComponent(`owner=helm,name=${release.name},status in (pending-install,pending-upgrade)`);
  for (const record of await list<ClusterObject>(`${secrets}?labelSelector=${selector}`)) {
    await call("DELETE", `${secrets}/${record.metadata.name}`);
    log(`unlocked ${release.namespace}/${release.name}: removed ${record.metadata.name}`);
  }
}

function argumentsOf(object: ClusterObject, release: Release, timeout: string): string[] {
  const folder = join("/tmp/values", object.metadata.namespace, object.metadata.name);
  mkdirSync(folder, { recursive: true });
  const files = release.values.map((text, index) => {
    writeFileSync(join(folder, `${index}.yaml`), text);
    return `--values=${join(folder, `${index}.yaml`)}`;
  });
  const wait = actionOf(object).disableWait === true ? "hookOnly" : "watcher";
  return [
    "upgrade",
    "--install",
    release.name,
    release.pull,
    ...(release.pull === release.chart ? [`--version=${release.version}`] : []),
    `--namespace=${release.namespace}`,
    "--create-namespace",
    `--wait=${wait}`,
    `--timeout=${timeout}`,
    ...release.access,
    ...files,
  ];
}

async function succeeded(
  object: ClusterObject,
  path: string,
  release: Release,
  verb: "install" | "upgrade",
): Promise<void> {
  failures.delete(path);
  const history = (object.status?.history as Record<string, unknown>[] | undefined) ?? [];
  const version = Number(history[0]?.version ?? 0) + 1;
  const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const chartName = release.chart.split("/").at(-1) ?? "";
  const entry = {
    name: release.name,
    namespace: release.namespace,
    version,
    status: "deployed",
    chartName,
    chartVersion: release.version,
    configDigest: release.configDigest,
    digest: release.configDigest,
    firstDeployed: (history[0]?.firstDeployed as string | undefined) ?? now,
    lastDeployed: now,
  };
  const older = history.slice(0, 4).map((one) => (one.status === "deployed" ? { ...one, status: "superseded" } : one));
  const message = `Helm ${verb} succeeded for release ${release.namespace}/${release.name}.v${version} with chart ${chartName}@${release.version}`;
  const reason = verb === "install" ? "InstallSucceeded" : "UpgradeSucceeded";
  await report(
    object,
    path,
    [
      { type: "Ready", status: "True", reason, message },
      { type: "Released", status: "True", reason, message },
    ],
    {
      history: [entry, ...older],
      lastAttemptedConfigDigest: release.configDigest,
      lastAttemptedRevision: release.version,
      lastAttemptedGeneration: object.metadata.generation,
      lastAttemptedReleaseAction: verb,
      storageNamespace: release.namespace,
      installFailures: null,
      upgradeFailures: null,
      failures: null,
    },
  );
  log(message);
}

async function failed(
  object: ClusterObject,
  path: string,
  release: Release,
  verb: "install" | "upgrade",
  output: string,
): Promise<void> {
  const attempt = attemptOf(object, release);
  const before = failures.get(path);
  const count = before?.attempt === attempt ? before.count + 1 : 1;
  failures.set(path, { attempt, count, at: Date.now() });
  const chartName = release.chart.split("/").at(-1) ?? "";
  const message = `Helm ${verb} failed for release ${release.namespace}/${release.name} with chart ${chartName}@${release.version}: ${output.trim().slice(-600)}`;
  const reason = verb === "install" ? "InstallFailed" : "UpgradeFailed";
  const conditions: Condition[] = [
    { type: "Ready", status: "False", reason, message },
    { type: "Released", status: "False", reason, message },
  ];
  const stalled = `Failed to ${verb} after ${count} attempt(s)`;
  if (isStalled(object, path, release) && actionOf(object).strategy?.name !== "RetryOnFailure") {
    conditions.push({ type: "Stalled", status: "True", reason: "RetriesExceeded", message: stalled });
  }
  await report(object, path, conditions, {
    lastAttemptedConfigDigest: release.configDigest,
    lastAttemptedGeneration: object.metadata.generation,
    failures: count,
    [verb === "install" ? "installFailures" : "upgradeFailures"]: count,
  });
  log(message);
}

async function report(
  object: ClusterObject,
  path: string,
  conditions: Condition[],
  more: Record<string, unknown> = {},
): Promise<void> {
  const known = object.status?.conditions?.find((one) => one.type === "Ready");
  const [ready] = conditions;
  const unchanged =
    known?.status === ready?.status && known?.reason === ready?.reason && known?.message === ready?.message;
  if (unchanged && Object.keys(more).length === 0 && object.status?.observedGeneration === object.metadata.generation)
    return;
  await patchStatus(path, object, { ...more, conditions, observedGeneration: object.metadata.generation });
}

function helm(args: readonly string[]): Promise<{ code: number; output: string }> {
  const folders = {
    HELM_CACHE_HOME: "/tmp/cache",
    HELM_CONFIG_HOME: "/tmp/config",
    HELM_DATA_HOME: "/tmp/data",
    HOME: "/tmp",
  };
  return new Promise((resolve) => {
    const child = spawn("/helm", args, { env: { ...process.env, ...folders }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("error", (problem) => resolve({ code: 1, output: problem.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}
