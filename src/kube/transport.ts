/**
 * One HTTP exchange with the API server: credentials, time limit, size limit, JSON, refusals as errors.
 *
 * The API server is the cluster's authority, so its JSON is bounded in size but not scanned for hostile keys; nothing here
 * copies keys by assignment. Tokens are asked for per request, because they rotate.
 */
import { readBody } from "../core/body.ts";
import { abortReason, deadline } from "../core/deadline.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps, Fetch } from "../core/ports.ts";
import { retry, retryAfterMs } from "../core/retry.ts";
import { type Attempt, errorOfStatus, errorOfTransport } from "./errors.ts";

/** Where an API server is and how it is spoken to. */
export interface KubeConnection {
  /** "https://10.0.0.1:6443", no slash at the end. */
  readonly server: string;
  readonly fetch: Fetch;
  /** Headers that prove who we are; read again for every request. Never logged. */
  headers(): Promise<Record<string, string>>;
}

export interface Exchange {
  readonly attempt: Attempt;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly maxBytes?: number;
  /** Milliseconds for the whole exchange. Absent: 30 s. */
  readonly timeoutMs?: number;
  /** Whether a broken connection or a server error may be answered by asking again. Absent: only for GET. */
  readonly safeToRepeat?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * HTTP to one API server. `json` and `text` read a bounded answer whole, within the exchange's time limit.
 *
 * @throws {ApplianceError} the `kube/` code that fits the status: kube/unreachable, kube/throttled, kube/forbidden and so on.
 */
export interface Transport {
  readonly server: string;
  json(exchange: Exchange): Promise<unknown>;
  text(exchange: Exchange): Promise<string>;
  /** Opens a stream: the answer's head is checked, its body is the caller's to read and to cancel. */
  open(exchange: Exchange, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;
}

/** 16 MiB: a page of 250 objects; etcd refuses objects beyond 1.5 MiB, and real ones are far smaller. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** 256 KiB: a Status with many causes. */
const MAX_ERROR_BYTES = 256 * 1024;
const TIMEOUT_MS = 30_000;
const REPEATS = { attempts: 3, baseMs: 200, maxMs: 2_000 } as const;

/**
 * Makes the transport of a connection. Nothing is sent yet.
 *
 * A throttled request is repeated after the time the server names; an unreachable server or a server error only where repeating
 * is safe. Three attempts in all.
 */
export function createTransport(deps: Pick<Deps, "clock" | "random" | "log">, connection: KubeConnection): Transport {
  const text = (exchange: Exchange): Promise<string> =>
    repeat(deps, exchange, () => exchangeOnce(deps, connection, exchange));
  return {
    server: connection.server,
    text,
    json: async (exchange) => parseAnswer(exchange.attempt, await text(exchange)),
    open: (exchange, signal) => openStream(deps, connection, exchange, signal),
  };
}

function repeat<T>(deps: Pick<Deps, "clock" | "random">, exchange: Exchange, call: () => Promise<T>): Promise<T> {
  const repeatable = exchange.safeToRepeat ?? exchange.method === "GET";
  const mayRetry = (thrown: unknown): boolean =>
    isApplianceError(thrown, "kube/throttled") ||
    (repeatable && isApplianceError(thrown, "kube/server-error", "kube/unreachable"));
  return retry(call, deps, {
    policy: REPEATS,
    mayRetry,
    ...(exchange.signal === undefined ? {} : { signal: exchange.signal }),
  });
}

async function exchangeOnce(
  deps: Pick<Deps, "clock" | "log">,
  connection: KubeConnection,
  exchange: Exchange,
): Promise<string> {
  const limit = deadline(deps.clock, exchange.timeoutMs ?? TIMEOUT_MS, {
    what: `the Kubernetes API at ${connection.server}`,
    ...(exchange.signal === undefined ? {} : { parent: exchange.signal }),
  });
  try {
    const response = await send(connection, exchange, limit.signal);
    warnOf(deps, exchange, response);
    if (!response.ok) throw await refusal(exchange, response);
    return await textOf(exchange.attempt, response, exchange.maxBytes ?? MAX_BODY_BYTES);
  } catch (thrown) {
    throw explain(exchange, thrown, connection.server, limit.signal);
  } finally {
    limit.cancel();
  }
}

async function openStream(
  deps: Pick<Deps, "clock" | "log">,
  connection: KubeConnection,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const opening = deadline(deps.clock, exchange.timeoutMs ?? TIMEOUT_MS, {
    what: `the Kubernetes API at ${connection.server}`,
    parent: signal,
  });
  try {
    const response = await send(connection, exchange, opening.signal);
    if (!response.ok) throw await refusal(exchange, response);
    return response.body ?? new Response("").body ?? new ReadableStream();
  } catch (thrown) {
    throw explain(exchange, thrown, connection.server, opening.signal);
  } finally {
    opening.cancel();
  }
}

async function send(connection: KubeConnection, exchange: Exchange, signal: AbortSignal): Promise<Response> {
  const url = new URL(`${connection.server}${exchange.path}`);
  for (const [name, value] of Object.entries(exchange.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const headers: Record<string, string> = {
    accept: exchange.accept ?? "application/json",
    "user-agent": "alga-appliance",
    ...(await connection.headers()),
  };
  if (exchange.body !== undefined) headers["content-type"] = exchange.contentType ?? "application/json";
  if (signal.aborted) throw abortReason(signal);
  const body = exchange.body === undefined ? {} : { body: JSON.stringify(exchange.body) };
  return await connection.fetch(new Request(url, { method: exchange.method, headers, signal, ...body }));
}

/** The server warns of deprecated or unknown fields in headers; the log keeps them. */
function warnOf(deps: Pick<Deps, "log">, exchange: Exchange, response: Response): void {
  const warning = response.headers.get("warning");
  if (warning !== null)
    deps.log.warn("kubernetes warned", { what: exchange.attempt.what, warning: warning.slice(0, 500) });
}

async function refusal(exchange: Exchange, response: Response): Promise<ApplianceError> {
  const text = await textOf(exchange.attempt, response, MAX_ERROR_BYTES);
  const { status } = response;
  return errorOfStatus(exchange.attempt, { status, body: parseOrText(text), retryAfterMs: retryAfterMs(response) });
}

function explain(exchange: Exchange, thrown: unknown, server: string, signal: AbortSignal): ApplianceError {
  if (thrown instanceof ApplianceError && thrown.code.startsWith("kube/")) return thrown;
  if (!signal.aborted) return errorOfTransport(exchange.attempt, thrown, server);
  const reason = abortReason(signal);
  // Our own budget for one exchange is a server that does not answer; a caller's abort is the caller's.
  const ours = reason.code === "internal/timeout" && exchange.signal?.aborted !== true;
  return ours ? errorOfTransport(exchange.attempt, asTimeout(reason), server) : reason;
}

function asTimeout(reason: ApplianceError): ApplianceError {
  return new ApplianceError("net/timeout", reason.message, { cause: reason });
}

/** Reads a body as text. @throws {ApplianceError} kube/too-large when it is longer than `maxBytes`. */
async function textOf(attempt: Attempt, response: Response, maxBytes: number): Promise<string> {
  const tooLarge = (): Error =>
    new ApplianceError(
      "kube/too-large",
      `Cannot ${attempt.doing} ${attempt.what}: the answer has more than ${maxBytes} bytes, a smaller one is wanted`,
    );
  return new TextDecoder().decode(await readBody(response.body, { maxBytes, tooLarge }));
}

function parseAnswer(attempt: Attempt, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ApplianceError(
      "kube/unexpected-answer",
      `Cannot ${attempt.doing} ${attempt.what}: the answer is not JSON, an answer of a Kubernetes API is wanted`,
      { cause, hint: "Look whether the server address of the kubeconfig is an API server" },
    );
  }
}

function parseOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
