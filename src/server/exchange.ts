/**
 * One request on its way through the layers, and the shape of a layer.
 *
 * A layer wraps the next handler; it may answer by itself, pass on an exchange that knows more, or change the answer.
 */
import type { Route } from "../core/http.ts";

export interface Exchange {
  readonly request: Request;
  readonly url: URL;
  readonly peer: string;
  readonly signal: AbortSignal;
  /** Set by the routes. */
  readonly route?: Route;
  readonly params: Readonly<Record<string, string>>;
  /** Set by the body guard. */
  readonly body: unknown;
}

export type Handler = (exchange: Exchange) => Promise<Response>;
export type Layer = (next: Handler) => Handler;

/** Puts layers around a handler, the first outermost. */
export function layered(layers: readonly Layer[], handler: Handler): Handler {
  return layers.reduceRight((next, layer) => layer(next), handler);
}

/** Tells whether a method only looks. */
export function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD";
}
