/**
 * The `Transports` port on `node:http`: the one way out of the process for HTTP, alike on Bun, compiled Bun and Deno.
 *
 * It is not the runtimes' own `fetch`, because that takes a private CA, a client certificate, a Unix socket or a proxy in
 * a different way on each of them. Redirects are not followed, nothing is decompressed, and a request goes out once; only
 * a reading request that met a kept connection which the server had just closed is sent again on a new one.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { abortReason } from "../core/deadline.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { TransportOptions, Transports } from "../core/ports.ts";
import { chooseProxy, proxyAuthorization } from "../core/proxy.ts";
import { incomingBody, type OutgoingBody, outgoingBody, sendBody } from "./fetch-body.ts";
import { createWiring, type Route, RouteAgent, type Wiring } from "./fetch-connect.ts";
import { netError } from "./fetch-errors.ts";
import { type Idle, watchIdle } from "./fetch-idle.ts";

const IDLE_MS = 30_000;
const MAX_HEADER_BYTES = 64 * 1024;
/** Origins whose connections are kept; the oldest goes first. */
const MAX_AGENTS = 32;
/** Answers that have no body whatever their headers say. @see Fetch standard, "null body status" */
const NULL_BODY: readonly number[] = [101, 103, 204, 205, 304];

interface Transport {
  readonly options: TransportOptions;
  readonly wiring: Wiring;
  /** By origin. */
  readonly agents: Map<string, RouteAgent>;
}

/**
 * Makes transports over `node:http` and `node:https`. Each keeps connections of its own for reuse and follows no redirect.
 *
 * @throws {ApplianceError} (the fetch) the `net/` code that fits: name, route, refusal, TLS, proxy, time.
 */
export function createTransports(): Transports {
  return {
    open: (options = {}) => {
      const transport: Transport = { options, wiring: createWiring(options), agents: new Map() };
      return (request) => perform(transport, request);
    },
  };
}

interface Exchange {
  readonly transport: Transport;
  readonly request: Request;
  readonly url: URL;
  readonly route: Route;
  readonly body: OutgoingBody | undefined;
}

async function perform(transport: Transport, request: Request): Promise<Response> {
  if (request.signal.aborted) throw abortReason(request.signal);
  const url = new URL(request.url);
  const route = routeTo(url, transport.options);
  const exchange: Exchange = { transport, request, url, route, body: await outgoingBody(request) };
  const first: Attempt = { wasReused: false };
  try {
    return await send(exchange, first);
  } catch (thrown) {
    const mayRepeat = exchange.body === undefined && (request.method === "GET" || request.method === "HEAD");
    const isStale = first.wasReused && isApplianceError(thrown, "net/reset", "net/tls-truncated");
    if (!mayRepeat || !isStale || request.signal.aborted) throw thrown;
    agentFor(exchange).retire();
    return await send(exchange, { wasReused: false });
  }
}

interface Attempt {
  wasReused: boolean;
}

function routeTo(url: URL, options: TransportOptions): Route {
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new ApplianceError("net/unreachable", `Cannot reach "${url.protocol}": http or https is wanted`);
  }
  const secure = url.protocol === "https:";
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
    secure,
    proxy: options.socketPath === undefined ? chooseProxy(url, options.proxy) : undefined,
  };
}

function agentFor(exchange: Exchange): RouteAgent {
  const { agents, wiring } = exchange.transport;
  const key = exchange.url.origin;
  const known = agents.get(key);
  if (known !== undefined) return known;
  const [oldest] = agents;
  if (agents.size >= MAX_AGENTS && oldest !== undefined) {
    agents.delete(oldest[0]);
    oldest[1].retire();
  }
  const agent = new RouteAgent(exchange.route, wiring);
  agents.set(key, agent);
  return agent;
}

function send(exchange: Exchange, attempt: Attempt): Promise<Response> {
  const { request, route, transport } = exchange;
  const explain = (thrown: unknown): ApplianceError =>
    netError(thrown, { target: `${exchange.url.host}`, secure: route.secure });
  return new Promise((resolve, reject) => {
    let fail = (problem: ApplianceError): void => reject(problem);
    const idleMs = transport.options.idleTimeoutMs ?? IDLE_MS;
    const stop = (problem: ApplianceError): void => {
      fail(problem);
      outgoing.destroy();
    };
    const idle = watchIdle(idleMs, () => stop(silence(exchange, idleMs)));
    const onAbort = (): void => stop(abortReason(request.signal));
    const onEnd = (): void => {
      idle.stop();
      request.signal.removeEventListener("abort", onAbort);
    };
    const outgoing = start(exchange);
    outgoing.on("socket", () => {
      attempt.wasReused = outgoing.reusedSocket;
      idle.touch();
    });
    outgoing.on("error", (thrown) => {
      onEnd();
      fail(explain(thrown));
    });
    outgoing.on("upgrade", (_message, socket) => {
      socket.destroy();
      onEnd();
      stop(malformed(exchange, new Error("101 without having been asked")));
    });
    outgoing.on("response", (message) => {
      try {
        const answer = answerOf(message, { request, idle, explain, onEnd });
        fail = answer.fail;
        resolve(answer.response);
      } catch (thrown) {
        stop(malformed(exchange, thrown));
      }
    });
    request.signal.addEventListener("abort", onAbort, { once: true });
    sendBody(outgoing, exchange.body, idle).catch((thrown) => stop(explain(thrown)));
  });
}

function start(exchange: Exchange): ClientRequest {
  const { url, route, request, transport } = exchange;
  const isPlainProxy = route.proxy !== undefined && !route.secure;
  return httpRequest({
    agent: agentFor(exchange),
    host: route.host,
    port: route.port,
    method: request.method,
    path: isPlainProxy ? `${url.origin}${url.pathname}${url.search}` : `${url.pathname}${url.search}`,
    headers: headersOf(exchange),
    setHost: false,
    maxHeaderSize: transport.options.maxHeaderBytes ?? MAX_HEADER_BYTES,
  });
}

/** Framing and hop-by-hop headers are ours to set; everything else goes as given. */
const OWN_HEADERS: readonly string[] = [
  "host",
  "connection",
  "transfer-encoding",
  "content-length",
  "proxy-authorization",
];

function headersOf(exchange: Exchange): Record<string, string> {
  const { request, url, route, body } = exchange;
  const given = [...request.headers].filter(([name]) => !OWN_HEADERS.includes(name));
  const login = route.proxy === undefined || route.secure ? undefined : proxyAuthorization(route.proxy);
  const size =
    body === undefined ? emptySize(request.method) : (body.sizeBytes ?? request.headers.get("content-length"));
  return {
    host: url.host,
    ...Object.fromEntries(given),
    ...(login === undefined ? {} : { "proxy-authorization": login }),
    ...(size === null
      ? body === undefined
        ? {}
        : { "transfer-encoding": "chunked" }
      : { "content-length": String(size) }),
  };
}

/** A method that usually has a body says that there is none. @see RFC 9110 section 8.6 */
function emptySize(method: string): number | null {
  return method === "POST" || method === "PUT" || method === "PATCH" ? 0 : null;
}

interface AnswerContext {
  readonly request: Request;
  readonly idle: Idle;
  readonly explain: (thrown: unknown) => ApplianceError;
  readonly onEnd: () => void;
}

function answerOf(
  message: IncomingMessage,
  context: AnswerContext,
): { readonly response: Response; readonly fail: (problem: ApplianceError) => void } {
  const status = message.statusCode ?? 0;
  const headers = new Headers();
  for (let at = 0; at + 1 < message.rawHeaders.length; at += 2) {
    headers.append(message.rawHeaders[at] ?? "", message.rawHeaders[at + 1] ?? "");
  }
  const init = { status, statusText: message.statusMessage ?? "", headers };
  if (context.request.method === "HEAD" || NULL_BODY.includes(status)) {
    const response = new Response(null, init);
    message.on("error", () => {});
    message.resume();
    context.onEnd();
    return { response, fail: () => {} };
  }
  const body = incomingBody(message, context);
  return { response: new Response(body.stream, init), fail: body.fail };
}

function silence(exchange: Exchange, idleMs: number): ApplianceError {
  return new ApplianceError(
    "net/timeout",
    `Cannot wait longer for "${exchange.url.host}": no byte has come for ${Math.round(idleMs / 100) / 10} s`,
    { hint: "Check the address, the firewall and the proxy" },
  );
}

function malformed(exchange: Exchange, cause: unknown): ApplianceError {
  return new ApplianceError(
    "net/malformed",
    `Cannot read the answer of "${exchange.url.host}": it is not proper HTTP`,
    {
      cause,
    },
  );
}
