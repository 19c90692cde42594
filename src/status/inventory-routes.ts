/** The HTTP edge of the inventory: pods and warnings from memory, and the end of one container's log from the cluster. */
import { withDeadline } from "../core/deadline.ts";
import { ApplianceError } from "../core/errors.ts";
import type { OpenStream } from "../core/event-stream.ts";
import { json, type Route, type RouteRequest } from "../core/http.ts";
import type { Deps } from "../core/ports.ts";
import { redactLines } from "../core/redact-lines.ts";
import type { Kube, PodRef } from "../kube/calls.ts";
import { harmless } from "./evidence.ts";
import type { InventoryPod } from "./inventory.ts";
import { logEvents, MAX_LINE } from "./log-stream.ts";
import type { StatusEngine } from "./observer.ts";

/** The end of one container's log; redacted, and without characters that steer a screen. */
export interface LogTail {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** Of the container before its last restart. */
  readonly previous: boolean;
  readonly lines: readonly string[];
  /** Earlier lines were left out. */
  readonly cut: boolean;
}

export interface InventoryEdge {
  readonly status: Pick<StatusEngine, "inventory">;
  readonly kube: Pick<Kube, "logs" | "follow">;
  readonly deps: Pick<Deps, "clock">;
}

const MAX_LINES = 2_000;
const DEFAULT_LINES = 500;
const LIMIT_BYTES = 512 * 1024;
const TIMEOUT_MS = 10_000;

/** `GET /api/inventory` and the log of a pod of it. Pods outside the product are not readable here. */
export function inventoryRoutes(edge: InventoryEdge, openStream: OpenStream): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/inventory",
      access: "session",
      summary: "Pods of the product with containers and restarts, and the cluster's warnings of the last hour",
      handle: async () => json(edge.status.inventory()),
    },
    {
      method: "GET",
      path: "/api/pods/:namespace/:pod/log",
      access: "session",
      summary: "The end of a container's log, redacted; `container`, `lines` (2000 at most) and `previous` as query",
      handle: async (call) => json(await readTail(edge, call)),
    },
    {
      method: "GET",
      path: "/api/pods/:namespace/:pod/log/stream",
      access: "session",
      summary: "Follows a container's log as events `log`, `problem` and `end`; resumes by Last-Event-ID",
      handle: async (call) => followLog(edge, call, openStream),
    },
  ];
}

function followLog({ status, kube, deps }: InventoryEdge, call: RouteRequest, openStream: OpenStream): Response {
  const ref = askedOf(status.inventory().pods, call);
  const tailLines = linesOf(call.url.searchParams.get("lines"));
  const lastEventId = call.request.headers.get("last-event-id");
  return openStream(call, (signal) => logEvents({ kube, deps }, ref, { tailLines, lastEventId, signal }));
}

/** The container that a request asks for. @throws {ApplianceError} http/not-found for one that is not of the product. */
function askedOf(pods: readonly InventoryPod[], call: RouteRequest): Required<PodRef> {
  const { namespace = "", pod = "" } = call.params;
  const found = pods.find((one) => one.namespace === namespace && one.name === pod);
  if (found === undefined) throw notThere(`pod "${namespace}/${pod}"`, "a pod of the product");
  return { namespace, pod, container: containerOf(found, call.url.searchParams.get("container")) };
}

async function readTail({ status, kube, deps }: InventoryEdge, call: RouteRequest): Promise<LogTail> {
  const { namespace, pod, container } = askedOf(status.inventory().pods, call);
  const previous = call.url.searchParams.get("previous") === "true";
  const tailLines = linesOf(call.url.searchParams.get("lines"));
  const text = await withDeadline(deps.clock, TIMEOUT_MS, {
    what: "the log",
    parent: call.signal,
    work: (signal) =>
      kube.logs({ namespace, pod, container }, { tailLines, limitBytes: LIMIT_BYTES, previous, signal }),
  });
  const lines = text.replace(/\n$/, "").split("\n").slice(-tailLines);
  return {
    namespace,
    pod,
    container,
    previous,
    lines: text === "" ? [] : safeLines(lines),
    cut: lines.length >= tailLines || text.length >= LIMIT_BYTES,
  };
}

/** Secrets are masked before the cut, so that a cut never leaves half of one. */
function safeLines(lines: readonly string[]): readonly string[] {
  return redactLines(lines.map((line) => line.slice(0, 4 * MAX_LINE))).map((line) => harmless(line).slice(0, MAX_LINE));
}

function containerOf(pod: InventoryPod, asked: string | null): string {
  const name = asked ?? pod.containers.at(-1)?.name;
  if (name !== undefined && pod.containers.some((one) => one.name === name)) return name;
  const names = pod.containers.map((one) => one.name).join(", ") || "none yet";
  throw notThere(`container "${name ?? ""}" of pod "${pod.namespace}/${pod.name}"`, `one of ${names}`);
}

function linesOf(asked: string | null): number {
  const lines = Number(asked ?? DEFAULT_LINES);
  return Number.isInteger(lines) && lines > 0 ? Math.min(lines, MAX_LINES) : DEFAULT_LINES;
}

function notThere(what: string, wanted: string): ApplianceError {
  return new ApplianceError("http/not-found", `Cannot read the log of ${what}: there is none, ${wanted} is wanted`);
}
