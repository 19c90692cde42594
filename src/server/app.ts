/**
 * The HTTP application: `(Request, peer) => Promise<Response>`, no socket, no clock of its own.
 *
 * Requests are untrusted until they passed the guards; a handler sees only what passed. Whatever is thrown below becomes
 * problem JSON at the edge, and nothing ever leaves this function as a rejection.
 */
import { ERROR_CODES, isApplianceError, publicError } from "../core/errors.ts";
import { problem, type Route } from "../core/http.ts";
import type { Deps } from "../core/ports.ts";
import { type Exchange, type Handler, type Layer, layered } from "./exchange.ts";
import { originGuard, sessionGuard } from "./guards.ts";
import { securityHeaders } from "./headers.ts";
import { bodyGuard, type Limits, limits } from "./limits.ts";
import { compileRoutes, routing } from "./router.ts";
import type { Sessions } from "./sessions.ts";

export type App = (request: Request, peer: { readonly address: string }) => Promise<Response>;

export interface AppOptions {
  readonly routes: readonly Route[];
  readonly sessions: Pick<Sessions, "find">;
  /** Answers addresses that no route knows: files of the web application, 404. */
  readonly otherwise: Layer;
  readonly limits?: Limits;
}

/** @throws {ApplianceError} internal/defect when two routes have one address. */
export function createApp(deps: Pick<Deps, "clock" | "log">, options: AppOptions): App {
  const handle = layered(
    [
      securityHeaders(),
      errorEdge(deps.log),
      limits(deps, options.limits),
      routing(compileRoutes(options.routes), options.otherwise),
      sessionGuard(options.sessions),
      originGuard(),
      bodyGuard(deps, options.limits),
    ],
    callRoute,
  );
  return async (request, peer) => {
    const url = new URL(request.url);
    return await handle({ request, url, peer: peer.address, signal: request.signal, params: {}, body: undefined });
  };
}

const callRoute: Handler = async (exchange) => {
  if (exchange.route === undefined) throw new TypeError("the routes let an exchange without a route pass");
  return await exchange.route.handle(exchange);
};

/** Turns what was thrown into an answer and one log record. The query is never logged: it may hold a setup token. */
function errorEdge(log: Deps["log"]): Layer {
  return (next) => async (exchange) => {
    try {
      return await next(exchange);
    } catch (thrown) {
      record(log, exchange, thrown);
      return problem(thrown, retryAfter(thrown));
    }
  };
}

function record(log: Deps["log"], { request, url, peer }: Exchange, thrown: unknown): void {
  const { code } = publicError(thrown);
  // What a client did wrong is its own business; what we did wrong is written with its cause.
  const level = code === "internal/aborted" ? "debug" : ERROR_CODES[code].log;
  log[level]("request failed", { method: request.method, path: url.pathname, peer, code, error: thrown });
}

/** @see RFC 9110 section 10.2.3 */
function retryAfter(thrown: unknown): Readonly<Record<string, string>> {
  const seconds = isApplianceError(thrown) ? thrown.details.retryAfterSeconds : undefined;
  return typeof seconds === "number" ? { "retry-after": String(seconds) } : {};
}
