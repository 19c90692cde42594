/** The HTTP edge of the status: the document, its reasons for not being ready, and metrics. All from memory. */
import { digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import { problem, type Route, type RouteRequest } from "../core/http.ts";
import { writeMetrics } from "./metrics.ts";
import type { ApplianceStatus } from "./model.ts";
import type { StatusEngine } from "./observer.ts";
import { saying } from "./saying.ts";

export interface StatusRouteOptions {
  /** Tells whether a request from elsewhere carries a valid session; absent: metrics are for loopback only. */
  readonly hasSession?: (request: Request) => Promise<boolean>;
}

/** `GET /api/status` and `GET /metrics`. `/readyz` is the server's; `statusReadiness` gives its part of the answer. */
export function statusRoutes(
  engine: Pick<StatusEngine, "current">,
  options: StatusRouteOptions = {},
): readonly Route[] {
  const tagOf = createTags();
  const bytesOf = createBytes();
  return [
    {
      method: "GET",
      path: "/api/status",
      access: "session",
      summary: "The status document; with If-None-Match 304 while it says the same",
      handle: async ({ request }) => answerStatus(engine.current(), { request, tagOf, bytesOf }),
    },
    {
      method: "GET",
      path: "/metrics",
      access: "public",
      summary: "Tiers, checks and the operation as Prometheus text; for loopback or with a session",
      handle: async (call) => ((await mayRead(call, options)) ? answerMetrics(engine.current()) : denied()),
    },
  ];
}

/** What keeps the process from being ready, as far as the status knows; empty when nothing does. */
export function statusReadiness(engine: Pick<StatusEngine, "current">): readonly string[] {
  return engine
    .current()
    .checks.filter((check) => check.code.startsWith("kube/") && check.state === "failed")
    .map((check) => check.title);
}

function answerStatus(
  status: ApplianceStatus,
  given: {
    readonly request: Request;
    readonly tagOf: (status: ApplianceStatus) => string;
    readonly bytesOf: (status: ApplianceStatus) => Uint8Array<ArrayBuffer>;
  },
): Response {
  const etag = given.tagOf(status);
  const known = (given.request.headers.get("if-none-match") ?? "").split(",").map((tag) => tag.trim());
  if (known.includes(etag) || known.includes("*")) {
    return new Response(null, { status: 304, headers: { etag, "cache-control": "no-store" } });
  }
  const headers = { etag, "cache-control": "no-store", "content-type": "application/json; charset=utf-8" };
  return new Response(given.bytesOf(status), { headers });
}

/** Documents as bytes, written once for all who ask before the next fold. */
function createBytes(): (status: ApplianceStatus) => Uint8Array<ArrayBuffer> {
  let last: { readonly status: ApplianceStatus; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;
  return (status) => {
    if (last?.status !== status) last = { status, bytes: new TextEncoder().encode(`${JSON.stringify(status)}\n`) };
    return last.bytes;
  };
}

/**
 * Tags by content, so that another process with the same news has the same tag. Made once per generation. Weak, because
 * `observedAt` and figures of the host move while nothing else does.
 */
function createTags(): (status: ApplianceStatus) => string {
  let last = { generation: Number.NaN, tag: "" };
  return (status) => {
    if (status.generation !== last.generation) {
      const digest = digestOf(saying(status));
      last = { generation: status.generation, tag: `W/"${digest.slice("sha256:".length, "sha256:".length + 32)}"` };
    }
    return last.tag;
  };
}

function answerMetrics(status: ApplianceStatus): Response {
  return new Response(writeMetrics(status), {
    headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" },
  });
}

async function mayRead(call: RouteRequest, options: StatusRouteOptions): Promise<boolean> {
  return isLoopbackHost(call.peer) || (await options.hasSession?.(call.request)) === true;
}

function denied(): Response {
  return problem(
    new ApplianceError(
      "session/required",
      "Cannot read the metrics: a session or a request from the box itself is wanted",
      {
        hint: "Log in, or ask on the box: curl http://127.0.0.1:8080/metrics",
      },
    ),
  );
}
