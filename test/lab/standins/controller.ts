// The loop that both controller stand-ins run, with the manners of a Flux controller: a generation is handled once, then
// again after `interval` or when asked by annotation; `suspend` stops it; the annotation `lab.alga/behave` makes it fail,
// stall or lag by order, so that a test can play a controller's bad day.

import { createServer } from "node:http";
import { type ClusterObject, list, patchStatus } from "./cluster.ts";
import { answer, log, messageOf, pause } from "./plumbing.ts";

export interface FluxSpec {
  readonly suspend?: boolean;
  readonly interval?: string;
}

export interface Handler {
  /** Collection of all namespaces, for example `/apis/helm.toolkit.fluxcd.io/v2/helmreleases`. */
  readonly collection: string;
  readonly reconcile: (object: ClusterObject, path: string) => Promise<void>;
  /** Called with objects that are being deleted. */
  readonly remove?: (object: ClusterObject, path: string) => Promise<void>;
  /** True when an object that was handled before must be handled again now, besides interval and annotation. */
  readonly due?: (object: ClusterObject) => Promise<boolean>;
}

interface Memory {
  handled: string;
  next: number;
  busy: boolean;
}

/** Answers the probes of the Deployment that the official manifests describe. */
export function serveProbes(ports: readonly number[]): void {
  for (const port of ports) createServer((_, response) => answer(response, 200, "ok", "text/plain")).listen(port);
}

/** Runs for ever; each object is worked on by itself, so a slow one holds up no other. */
export async function runController(handler: Handler): Promise<void> {
  const memories = new Map<string, Memory>();
  for (;;) {
    try {
      for (const object of await list<ClusterObject>(handler.collection)) void visit(handler, object, memories);
    } catch (problem) {
      log(`list: ${messageOf(problem)}`);
    }
    await pause(500);
  }
}

async function visit(handler: Handler, object: ClusterObject, memories: Map<string, Memory>): Promise<void> {
  const path = pathOf(handler.collection, object);
  const memory = memories.get(path) ?? { handled: "", next: 0, busy: false };
  memories.set(path, memory);
  if (memory.busy) return;
  memory.busy = true;
  try {
    await work(handler, object, path, memory);
  } catch (problem) {
    memory.next = Date.now() + 2_000;
    log(`${path}: ${messageOf(problem)}`);
  } finally {
    memory.busy = false;
  }
}

async function work(handler: Handler, object: ClusterObject, path: string, memory: Memory): Promise<void> {
  const spec = object.spec as FluxSpec;
  if (object.metadata.deletionTimestamp !== undefined) return handler.remove?.(object, path);
  if (spec.suspend === true) return;
  const asked = object.metadata.annotations?.["reconcile.fluxcd.io/requestedAt"] ?? "";
  const wanted = `${object.metadata.generation} ${asked} ${behavior(object)}`;
  if (memory.handled === wanted && Date.now() < memory.next && !(await handler.due?.(object))) return;
  if (await behaves(object, path)) await handler.reconcile(object, path);
  if (asked !== "") await patchStatus(path, object, { lastHandledReconcileAt: asked });
  memory.handled = wanted;
  memory.next = Date.now() + milliseconds(spec.interval ?? "1m");
}

// "fail" and "stall" replace the work by their condition; "lag=<seconds>" only delays it.
async function behaves(object: ClusterObject, path: string): Promise<boolean> {
  const [order, argument] = behavior(object).split("=");
  if (order === "lag") await pause(Number(argument) * 1000);
  if (order !== "fail" && order !== "stall") return true;
  const message = `told to ${order} by annotation`;
  const conditions = [{ type: "Ready", status: "False" as const, reason: "LabOrder", message }];
  const stalled = { type: "Stalled", status: "True" as const, reason: "LabOrder", message };
  await patchStatus(path, object, { conditions: order === "stall" ? [...conditions, stalled] : conditions });
  return false;
}

function behavior(object: ClusterObject): string {
  return object.metadata.annotations?.["lab.alga/behave"] ?? "";
}

function pathOf(collection: string, object: ClusterObject): string {
  const cut = collection.lastIndexOf("/");
  return `${collection.slice(0, cut)}/namespaces/${object.metadata.namespace}${collection.slice(cut)}/${object.metadata.name}`;
}

/** Reads a Go duration ("1m30s", "10m", "1h") in milliseconds. */
export function milliseconds(duration: string): number {
  const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  let total = 0;
  for (const [, amount, unit] of duration.matchAll(/([\d.]+)(ms|s|m|h)/g))
    total += Number(amount) * (units[unit ?? ""] ?? 0);
  return total;
}
