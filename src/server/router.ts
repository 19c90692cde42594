/**
 * The route table: data from the rooms, compiled once.
 *
 * Literal parts win over `:name` parts. HEAD is answered by GET, a known address with another method is 405 with Allow,
 * and an unknown `/api/...` is 404 problem JSON, never a page.
 */
import { ApplianceError } from "../core/errors.ts";
import { problem, type Route } from "../core/http.ts";
import type { Layer } from "./exchange.ts";

interface Node {
  readonly literals: Map<string, Node>;
  named?: { readonly name: string; readonly node: Node };
  readonly routes: Map<string, Route>;
}

/** One row of the generated API reference. */
export type RouteRow = Pick<Route, "method" | "path" | "access" | "summary">;

export interface Match {
  readonly params: Readonly<Record<string, string>>;
  /** Routes of this address by method. */
  readonly routes: ReadonlyMap<string, Route>;
}

/** All routes of the API; `match` answers undefined for a path that none of them has, whatever the method. */
export interface RouteTable {
  readonly routes: readonly Route[];
  match(pathname: string): Match | undefined;
}

const MAX_PARAM_LENGTH = 200;

/** @throws {ApplianceError} internal/defect when two routes have the same method and path: a mistake of a room. */
export function compileRoutes(routes: readonly Route[]): RouteTable {
  const root = emptyNode();
  for (const route of routes) {
    const node = parts(route.path).reduce(step, root);
    if (node.routes.has(route.method)) {
      throw new ApplianceError(
        "internal/defect",
        `Cannot add route "${route.method} ${route.path}": it is there twice`,
      );
    }
    node.routes.set(route.method, route);
  }
  return { routes, match: (pathname) => find(root, parts(pathname), {}) };
}

/** What the generated API reference prints of a table, in the order of paths. */
export function describeRoutes(routes: readonly Route[]): readonly RouteRow[] {
  const rows = routes.map(({ method, path, access, summary }) => ({ method, path, access, summary }));
  return rows.sort((a, b) => (a.path === b.path ? compare(a.method, b.method) : compare(a.path, b.path)));
}

/** Finds the route of an exchange or passes to `otherwise` (pages and assets). */
export function routing(table: RouteTable, otherwise: Layer): Layer {
  return (next) => {
    const rest = otherwise(next);
    return async (exchange) => {
      const { method } = exchange.request;
      const match = table.match(exchange.url.pathname);
      if (match === undefined) {
        if (isApi(exchange.url.pathname)) throw unknown(exchange.url.pathname);
        return await rest(exchange);
      }
      const route = match.routes.get(method === "HEAD" ? "GET" : method);
      if (route === undefined) return wrongMethod(method, [...match.routes.keys()]);
      return await next({ ...exchange, route, params: match.params });
    };
  };
}

/** Answers 405 with the methods that the address knows. */
export function wrongMethod(method: string, known: readonly string[]): Response {
  const allow = [...known, ...(known.includes("GET") ? ["HEAD"] : [])].sort().join(", ");
  const thrown = new ApplianceError("http/method", `Cannot use ${method} here: one of ${allow} is wanted`);
  return problem(thrown, { allow });
}

/** The error of an address that is not there. */
export function unknown(pathname: string): ApplianceError {
  return new ApplianceError("http/not-found", `Cannot find "${pathname.slice(0, 200)}": there is no such address`);
}

function isApi(pathname: string): boolean {
  return pathname === "/api" || pathname.startsWith("/api/");
}

function emptyNode(): Node {
  return { literals: new Map(), routes: new Map() };
}

function step(node: Node, part: string): Node {
  if (part.startsWith(":")) {
    node.named ??= { name: part.slice(1), node: emptyNode() };
    return node.named.node;
  }
  const next = node.literals.get(part) ?? emptyNode();
  node.literals.set(part, next);
  return next;
}

function find(node: Node, path: readonly string[], params: Readonly<Record<string, string>>): Match | undefined {
  const [part, ...rest] = path;
  if (part === undefined) return node.routes.size === 0 ? undefined : { params, routes: node.routes };
  const literal = node.literals.get(part);
  const found = literal === undefined ? undefined : find(literal, rest, params);
  if (found !== undefined || node.named === undefined) return found;
  const value = decode(part);
  return value === undefined ? undefined : find(node.named.node, rest, { ...params, [node.named.name]: value });
}

/** A decoded part; undefined for what no name of ours can be. */
function decode(part: string): string | undefined {
  try {
    const value = decodeURIComponent(part);
    return value === "" || value.length > MAX_PARAM_LENGTH || /[\p{Cc}/\\]/u.test(value) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** Parts of a path; one slash at the end does not count. */
function parts(pathname: string): readonly string[] {
  const trimmed = pathname.endsWith("/") ? pathname.slice(1, -1) : pathname.slice(1);
  return trimmed === "" ? [] : trimmed.split("/");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
