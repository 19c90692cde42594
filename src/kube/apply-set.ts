/**
 * Applying a set of objects in the order the API server needs: definitions first (and waited for), then namespaces, then
 * what others refer to, then the rest.
 *
 * Stops at the first failure and names the object. Nothing is rolled back: applying the same set again goes on where it
 * stopped, because each apply is idempotent. An abort leaves the objects applied so far.
 */
import { isDeepStrictEqual } from "node:util";
import { abortReason } from "../core/deadline.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { Kube } from "./calls.ts";
import { describeRef, groupOf, type KubeObject, type ObjectRef, refOf, textAt } from "./model.ts";
import { readinessOf } from "./readiness.ts";

export type AppliedAction = "created" | "changed" | "unchanged";

export interface AppliedObject {
  readonly ref: ObjectRef;
  readonly action: AppliedAction;
  readonly object: KubeObject;
}

export interface ApplySetOptions {
  /** Takes fields from other managers. Absent: a conflict stops the set. */
  readonly force?: boolean;
  readonly dryRun?: boolean;
  /** Told after each object. */
  readonly onProgress?: (applied: AppliedObject, done: number, total: number) => void;
  /** Milliseconds for all definitions to become established. Absent: 60 s. */
  readonly establishTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ApplySetResult {
  readonly applied: readonly AppliedObject[];
  readonly created: number;
  readonly changed: number;
  readonly unchanged: number;
}

/** Kinds others refer to, in the order they are wanted; kinds not named come after them, in the given order. */
const ORDER: readonly string[] = [
  "CustomResourceDefinition",
  "Namespace",
  "ResourceQuota",
  "LimitRange",
  "StorageClass",
  "PriorityClass",
  "ServiceAccount",
  "ClusterRole",
  "ClusterRoleBinding",
  "Role",
  "RoleBinding",
  "ConfigMap",
  "Secret",
  "PersistentVolume",
  "PersistentVolumeClaim",
  "NetworkPolicy",
  "Service",
];
const DEFINITION = "CustomResourceDefinition";
const ESTABLISH_TIMEOUT_MS = 60_000;
/** Between Established and served, in milliseconds; on v1.36 it is a fraction of a second. */
const SERVED_TIMEOUT_MS = 10_000;
const POLL_MS = 200;

/**
 * Applies a set. Safe to call again.
 *
 * @throws {ApplianceError} whatever the first failing apply threw, its message naming the object; kube/timeout when a
 *   definition is not established in time. `details.applied` counts the objects before it.
 */
export async function applySet(
  deps: Pick<Deps, "clock"> & { readonly kube: Kube },
  objects: readonly KubeObject[],
  options: ApplySetOptions = {},
): Promise<ApplySetResult> {
  const ordered = inApplyOrder(objects);
  const definitions = ordered.filter((object) => object.kind === DEFINITION);
  const work = { kube: deps.kube, clock: deps.clock, kinds: new Set(definitions.map(definedKind)) };
  const applied: AppliedObject[] = [];
  for (const [index, object] of ordered.entries()) {
    if (index === definitions.length && index > 0) await established(deps, definitions, options);
    const one = await applyOne(work, object, options).catch((thrown: unknown) => {
      throw withPlace(thrown, applied.length, ordered.length);
    });
    applied.push(one);
    options.onProgress?.(one, applied.length, ordered.length);
  }
  if (definitions.length === ordered.length) await established(deps, definitions, options);
  const count = (action: AppliedAction): number => applied.filter((one) => one.action === action).length;
  return { applied, created: count("created"), changed: count("changed"), unchanged: count("unchanged") };
}

/** The order of applying; equal ranks keep the given order. */
export function inApplyOrder(objects: readonly KubeObject[]): readonly KubeObject[] {
  const rank = (object: KubeObject): number => {
    const found = ORDER.indexOf(object.kind);
    return found < 0 ? ORDER.length : found;
  };
  return objects.toSorted((a, b) => rank(a) - rank(b));
}

async function applyOne(work: ApplyWork, object: KubeObject, options: ApplySetOptions): Promise<AppliedObject> {
  if (options.signal?.aborted) throw abortReason(options.signal);
  const before = await work.kube.get(refOf(object), { signal: options.signal });
  const after = await applyWhenServed(work, object, options);
  return { ref: refOf(object), action: actionOf(before, after), object: after };
}

/** A kind is served a moment after its definition says Established: kinds of this set are asked for again. */
async function applyWhenServed(work: ApplyWork, object: KubeObject, options: ApplySetOptions): Promise<KubeObject> {
  const { force = false, dryRun = false, signal } = options;
  const endsAt = work.clock.monotonic() + SERVED_TIMEOUT_MS;
  for (;;) {
    try {
      return await work.kube.apply(object, { force, dryRun, signal });
    } catch (thrown) {
      if (!isApplianceError(thrown, "kube/not-found")) throw thrown;
      // In a dry run the definition or namespace of an object may be one that this set would create.
      if (dryRun) return object;
      const comes = thrown.details.missing === "kind" && work.kinds.has(kindKey(object));
      if (!comes || work.clock.monotonic() >= endsAt) throw thrown;
      await work.clock.sleep(POLL_MS, signal);
    }
  }
}

/** What every apply of a set needs. */
interface ApplyWork {
  readonly kube: Kube;
  readonly clock: Deps["clock"];
  /** The kinds that definitions of this set make. */
  readonly kinds: ReadonlySet<string>;
}

function kindKey(object: KubeObject): string {
  return `${groupOf(object.apiVersion)}/${object.kind}`;
}

function definedKind(definition: KubeObject): string {
  return `${textAt(definition, "spec", "group") ?? ""}/${textAt(definition, "spec", "names", "kind") ?? ""}`;
}

function actionOf(before: KubeObject | undefined, after: KubeObject): AppliedAction {
  if (before === undefined) return "created";
  const content = (object: KubeObject): unknown => {
    const { managedFields: _owners, resourceVersion: _version, ...metadata } = object.metadata;
    return { ...object, metadata };
  };
  return isDeepStrictEqual(content(before), content(after)) ? "unchanged" : "changed";
}

/** Waits until all definitions are established, asking each in turn. */
async function established(
  deps: Pick<Deps, "clock"> & { readonly kube: Kube },
  definitions: readonly KubeObject[],
  options: ApplySetOptions,
): Promise<void> {
  if (options.dryRun === true) return;
  const timeoutMs = options.establishTimeoutMs ?? ESTABLISH_TIMEOUT_MS;
  const endsAt = deps.clock.monotonic() + timeoutMs;
  for (const definition of definitions) {
    while (!(await isEstablished(deps.kube, definition, options))) {
      if (deps.clock.monotonic() >= endsAt) {
        throw notEstablished(definition, `it is not established after ${Math.round(timeoutMs / 1000)} s`);
      }
      await deps.clock.sleep(POLL_MS, options.signal);
    }
  }
}

async function isEstablished(kube: Kube, definition: KubeObject, options: ApplySetOptions): Promise<boolean> {
  const live = await kube.get(refOf(definition), { signal: options.signal });
  if (live === undefined) return false;
  const found = readinessOf(live);
  if (found.state === "failed") throw notEstablished(definition, found.message);
  return found.state === "ready";
}

function notEstablished(definition: KubeObject, why: string): ApplianceError {
  return new ApplianceError(
    "kube/timeout",
    `Cannot wait longer for ${describeRef(refOf(definition))}: ${why}, a served kind is wanted`,
    { hint: `Read its conditions: kubectl describe crd ${definition.metadata.name}` },
  );
}

/** Keeps the error (its message names the object) and adds how far the set came. */
function withPlace(thrown: unknown, done: number, total: number): unknown {
  if (!(thrown instanceof ApplianceError)) return thrown;
  const details = { ...thrown.details, applied: done, total };
  const hint = thrown.hint === undefined ? {} : { hint: thrown.hint };
  return new ApplianceError(thrown.code, thrown.message, { cause: thrown, details, ...hint });
}
