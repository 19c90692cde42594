/** Flux's kustomize-controller: applies a path of the bundle in the order of dependsOn, prunes, and waits for health. */
import { ApplianceError } from "../../core/errors.ts";
import { buildTree, type Patch } from "../../flux/tree.ts";
import { fieldAt, groupOf, type KubeObject, listAt, type ObjectRef, refOf, textAt } from "../../kube/model.ts";
import { readinessOf } from "../../kube/readiness.ts";
import {
  type Actor,
  type ActorContext,
  dependenciesOf,
  fluxConditions,
  isRunning,
  isTrue,
  KUSTOMIZATION,
  listOf,
  OCI_REPOSITORY,
  tellStatus,
} from "./actor.ts";
import type { Tree, Trees } from "./source.ts";

const BUILD_MS = 800;
/** `spec.interval` of our Kustomizations: after it everything is applied again, so that drift is put right. */
const INTERVAL_MS = 300_000;

interface Memory {
  readonly trees: Trees;
  /** What was applied last, by build. Lost in a restart: then it is applied again, as the real one does. */
  readonly applied: Map<string, readonly KubeObject[]>;
}

/**
 * Plays kustomize-controller on the trees that the source actor stored. What it applied last is kept in memory only: after a
 * restart everything is applied again, which changes nothing.
 */
export function kustomizeActor(trees: Trees): Actor {
  const memory: Memory = { trees, applied: new Map() };
  return {
    name: "kustomize-controller",
    act: async (context) => {
      if (!(await isRunning(context, "kustomize-controller"))) return;
      for (const kustomization of await listOf(context, KUSTOMIZATION)) await reconcile(context, kustomization, memory);
    },
  };
}

async function reconcile(context: ActorContext, kustomization: KubeObject, memory: Memory): Promise<void> {
  if (fieldAt(kustomization, "spec", "suspend") === true) return;
  const waits = await whatItWaitsFor(context, kustomization, memory.trees);
  if ("failed" in waits) return await tellStatus(context, kustomization, { conditions: fluxConditions(waits) });
  const { tree, revision } = waits;
  const build = `${kustomization.metadata.uid} ${revision} ${kustomization.metadata.generation}`;
  if (!context.passed(`build ${build}`, BUILD_MS)) {
    return await tellStatus(context, kustomization, {
      conditions: fluxConditions({ reconciling: `Building manifests for revision ${revision}` }),
    });
  }
  try {
    const applied = lastApplied(context, memory, build) ?? (await applyAll(context, kustomization, tree));
    memory.applied.set(build, applied);
    await tellHealth(context, kustomization, { applied, revision });
  } catch (thrown) {
    if (!(thrown instanceof ApplianceError)) throw thrown;
    await tellStatus(context, kustomization, {
      conditions: fluxConditions({ failed: thrown.message, reason: "BuildFailed" }),
    });
  }
}

function lastApplied(context: ActorContext, memory: Memory, build: string): readonly KubeObject[] | undefined {
  if (!context.passed(`interval ${build}`, INTERVAL_MS)) return memory.applied.get(build);
  context.forget(`interval ${build}`);
  return undefined;
}

type Waits = { readonly failed: string; readonly reason: string } | { readonly tree: Tree; readonly revision: string };

async function whatItWaitsFor(context: ActorContext, kustomization: KubeObject, trees: Trees): Promise<Waits> {
  const namespace = kustomization.metadata.namespace ?? "flux-system";
  const source = await context.kube.get({
    ...OCI_REPOSITORY,
    namespace,
    name: textAt(kustomization, "spec", "sourceRef", "name") ?? "",
  });
  const tree = trees.get(textAt(source, "status", "artifact", "digest") ?? "");
  const revision = textAt(source, "status", "artifact", "revision");
  if (source === undefined || !isTrue(source, "Ready") || tree === undefined || revision === undefined) {
    return { failed: "Source artifact not found, retrying in 30s", reason: "ArtifactFailed" };
  }
  for (const dependency of dependenciesOf(kustomization)) {
    const other = await context.kube.get({ ...KUSTOMIZATION, ...dependency });
    if (!isTrue(other, "Ready") || textAt(other, "status", "lastAppliedRevision") !== revision) {
      return {
        failed: `dependency '${dependency.namespace}/${dependency.name}' is not ready`,
        reason: "DependencyNotReady",
      };
    }
  }
  return { tree, revision };
}

async function applyAll(context: ActorContext, kustomization: KubeObject, tree: Tree): Promise<readonly KubeObject[]> {
  const patches = listAt(kustomization, "spec", "patches") as readonly Patch[];
  const objects = buildTree(tree, textAt(kustomization, "spec", "path") ?? "./", patches);
  const owner = {
    "kustomize.toolkit.fluxcd.io/name": kustomization.metadata.name,
    "kustomize.toolkit.fluxcd.io/namespace": kustomization.metadata.namespace ?? "",
  };
  const applied: KubeObject[] = [];
  for (const object of objects) {
    applied.push(
      await context.kube.apply(
        { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...owner } } },
        { force: true },
      ),
    );
  }
  await prune(context, kustomization, applied);
  return applied;
}

async function prune(context: ActorContext, kustomization: KubeObject, applied: readonly KubeObject[]): Promise<void> {
  if (fieldAt(kustomization, "spec", "prune") !== true) return;
  const kept = new Set(applied.map(inventoryId));
  for (const raw of listAt(kustomization, "status", "inventory", "entries")) {
    const id = textAt(raw, "id") ?? "";
    if (!kept.has(id)) await context.kube.delete(refOfInventory(id, textAt(raw, "v") ?? "v1"));
  }
}

/** Flux's form: <namespace>_<name>_<group>_<kind>. */
function inventoryId(object: KubeObject): string {
  return [object.metadata.namespace ?? "", object.metadata.name, groupOf(object.apiVersion), object.kind].join("_");
}

function refOfInventory(id: string, version: string): ObjectRef {
  const [namespace = "", name = "", group = "", kind = ""] = id.split("_");
  return {
    apiVersion: group === "" ? version : `${group}/${version}`,
    kind,
    name,
    ...(namespace === "" ? {} : { namespace }),
  };
}

async function tellHealth(
  context: ActorContext,
  kustomization: KubeObject,
  done: { readonly applied: readonly KubeObject[]; readonly revision: string },
): Promise<void> {
  const entries = done.applied.map((object) => ({
    id: inventoryId(object),
    v: object.apiVersion.split("/").at(-1) ?? "v1",
  }));
  const fields = { inventory: { entries }, lastAttemptedRevision: done.revision };
  const unhealthy =
    fieldAt(kustomization, "spec", "wait") === true ? await firstNotReady(context, done.applied) : undefined;
  if (unhealthy === undefined) {
    return await tellStatus(context, kustomization, {
      conditions: fluxConditions({ ready: `Applied revision: ${done.revision}` }),
      fields: { ...fields, lastAppliedRevision: done.revision },
    });
  }
  if (unhealthy.failed !== undefined) {
    const conditions = fluxConditions({
      failed: `health check failed: ${unhealthy.failed}`,
      reason: "HealthCheckFailed",
    });
    return await tellStatus(context, kustomization, { conditions, fields });
  }
  await tellStatus(context, kustomization, {
    conditions: fluxConditions({ reconciling: "Running health checks for revision" }),
    fields,
  });
}

async function firstNotReady(
  context: ActorContext,
  applied: readonly KubeObject[],
): Promise<{ readonly failed?: string } | undefined> {
  let waiting: { readonly failed?: string } | undefined;
  for (const object of applied) {
    const now = await context.kube.get(refOf(object));
    const readiness = now === undefined ? undefined : readinessOf(now);
    if (readiness?.state === "ready") continue;
    const ref = `${object.kind}/${object.metadata.namespace ?? ""}/${object.metadata.name}`;
    if (readiness?.state === "failed") return { failed: `${ref} status: 'Failed': ${readiness.message}` };
    waiting = {};
  }
  return waiting;
}
