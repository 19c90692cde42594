/**
 * The shapes of an HTTP edge: a route as data, answers as JSON and problems.
 *
 * Rooms describe their edge with `Route`; `server/` puts the routes into one table and adds sessions, limits, origin
 * checks and headers around them. A handler is called only after its guards passed.
 */
import { ERROR_CODES, httpStatusOf, publicError } from "./errors.ts";

/** Who may call: anybody, or the holder of a session. */
export type Access = "public" | "session";

export interface RouteRequest {
  readonly request: Request;
  readonly url: URL;
  /** Values of `:name` parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Address of the other side, as the socket says; proxies are not believed. */
  readonly peer: string;
  /** Fires when the client goes away or the server drains. */
  readonly signal: AbortSignal;
  /** Parsed JSON body of a state-changing request: bounded, strict; undefined when there was none. */
  readonly body: unknown;
}

/**
 * One path of the API as data. The server checks access, origin, size and form of the body before `handle` is called; what
 * `handle` throws becomes a problem document.
 */
export interface Route {
  readonly method: "GET" | "POST" | "DELETE" | "PUT";
  /** `/api/operations/:id`; a part is a literal or `:name`. */
  readonly path: string;
  readonly access: Access;
  /** One sentence for the generated API reference. */
  readonly summary: string;
  readonly handle: (request: RouteRequest) => Promise<Response>;
}

/** A JSON answer; never cached. */
export function json(
  value: unknown,
  init: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status: init.status ?? 200,
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store", ...init.headers },
  });
}

/** One wrong field of a request. */
export interface FieldProblem {
  /** Dotted path of the field: "adminEmail". */
  readonly field: string;
  readonly code: string;
  /** What is wrong and what to write instead. */
  readonly detail: string;
}

/**
 * An error as `application/problem+json`. Fields are taken from `details.errors` where there are any.
 *
 * @see RFC 9457 section 3
 */
export function problem(thrown: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const shown = publicError(thrown);
  const { errors, ...details } = shown.details ?? {};
  const body = {
    type: `urn:alga-appliance:error:${shown.code}`,
    title: ERROR_CODES[shown.code].about,
    status: httpStatusOf(thrown),
    detail: shown.message,
    code: shown.code,
    ...(shown.hint === undefined ? {} : { hint: shown.hint }),
    errors: Array.isArray(errors) ? errors : [],
    ...(Object.keys(details).length === 0 ? {} : { details }),
  };
  return new Response(`${JSON.stringify(body)}\n`, {
    status: body.status,
    headers: { "content-type": "application/problem+json; charset=utf-8", "cache-control": "no-store", ...headers },
  });
}
