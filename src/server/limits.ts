/**
 * Bounds on what callers may cost: requests at once, time of a handler, size and time of a body.
 *
 * `/healthz` passes beside the count, so that a busy server is not taken for a dead one.
 */
import { readBody } from "../core/body.ts";
import { withDeadline } from "../core/deadline.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import { type Exchange, isSafe, type Layer } from "./exchange.ts";

/** Longest JSON body; answers of an operator are a few hundred bytes. */
const MAX_BODY_BYTES = 64 * 1024;
const BODY_MS = 10_000;
const MAX_BODY_DEPTH = 16;
/** Handlers at once; each may hold a registry or cluster call. More than the two hundred pages that may open their streams together. */
const MAX_RUNNING = 256;
/** Time of one handler; longer work is an operation, not a request. */
const HANDLER_MS = 120_000;

export interface Limits {
  readonly maxRunning?: number;
  readonly handlerMs?: number;
  readonly bodyMs?: number;
}

/** Refuses with http/busy when too many handlers run, and ends one that takes too long. */
export function limits(deps: Pick<Deps, "clock">, options: Limits = {}): Layer {
  const maxRunning = options.maxRunning ?? MAX_RUNNING;
  let running = 0;
  return (next) => async (exchange) => {
    if (exchange.url.pathname === "/healthz") return await next(exchange);
    if (running >= maxRunning) {
      throw new ApplianceError(
        "http/busy",
        `Cannot take the request: ${running} others are under way, come back later`,
      );
    }
    running += 1;
    try {
      return await withDeadline(deps.clock, options.handlerMs ?? HANDLER_MS, {
        what: "the answer to a request",
        parent: exchange.signal,
        work: (signal) => next({ ...exchange, signal }),
      });
    } finally {
      running -= 1;
    }
  };
}

/**
 * Reads the JSON body of a state-changing request.
 *
 * No body at all is `undefined` and needs no content type; anything else must be JSON in UTF-8, at most 64 KiB, complete
 * within 10 s, without duplicate keys.
 */
export function bodyGuard(deps: Pick<Deps, "clock">, options: Limits = {}): Layer {
  return (next) => async (exchange) => {
    if (isSafe(exchange.request.method)) return await next(exchange);
    assertJson(exchange.request);
    const bytes = await bodyOf(exchange, deps, options.bodyMs ?? BODY_MS);
    if (bytes.length === 0) return await next(exchange);
    if (exchange.request.headers.get("content-type") === null) throw wrongType("none");
    const body = parseJson(bytes, { what: "the request body", maxBytes: MAX_BODY_BYTES, maxDepth: MAX_BODY_DEPTH });
    return await next({ ...exchange, body });
  };
}

function assertJson(request: Request): void {
  const type = request.headers.get("content-type");
  if (type !== null && !/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type)) throw wrongType(type);
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") {
    throw new ApplianceError("http/media-type", "Cannot read the request body: it is compressed, plain JSON is wanted");
  }
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge();
}

function wrongType(type: string): ApplianceError {
  const shown = type.slice(0, 80);
  return new ApplianceError(
    "http/media-type",
    `Cannot read the request body: its content type is "${shown}", application/json is wanted`,
  );
}

function tooLarge(): ApplianceError {
  return new ApplianceError(
    "http/too-large",
    `Cannot read the request body: it is larger than ${MAX_BODY_BYTES / 1024} KiB`,
  );
}

async function bodyOf(exchange: Exchange, deps: Pick<Deps, "clock">, bodyMs: number): Promise<Uint8Array> {
  try {
    return await withDeadline(deps.clock, bodyMs, {
      what: "a request body",
      parent: exchange.signal,
      work: (signal) => readBody(exchange.request.body, { maxBytes: MAX_BODY_BYTES, tooLarge, signal }),
    });
  } catch (thrown) {
    throw isApplianceError(thrown, "internal/timeout") ? tooSlow(bodyMs) : thrown;
  }
}

function tooSlow(bodyMs: number): ApplianceError {
  return new ApplianceError("http/slow", `Cannot read the request body: it did not arrive within ${bodyMs / 1000} s`);
}
