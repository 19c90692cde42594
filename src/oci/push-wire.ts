/**
 * How a push speaks to its registry: one attempt of a request, and attempts around a piece of work.
 *
 * Writing requests are never repeated blindly: whoever repeats looks first at what has arrived (a HEAD, the status of the
 * upload). A registry that asks to come back later (429) is asked by nobody until then, whoever of the workers heard it.
 */
import { abortReason, deadline } from "../core/deadline.ts";
import { type ApplianceError, isApplianceError } from "../core/errors.ts";
import { type RetryPolicy, retry } from "../core/retry.ts";
import { failedAnswer } from "./answers.ts";
import { type Connection, leaving } from "./connection.ts";
import { asksToComeBack } from "./retries.ts";

/** Eight attempts within about a minute; each piece that arrives begins them anew. */
const PUSH_RETRY: RetryPolicy = { attempts: 8, baseMs: 500, maxMs: 16_000 };
/** One request with its answer, the bytes of one chunk included: 4 MiB in it are a line of 7 kB/s. */
const REQUEST_MS = 10 * 60_000;

/** One request of a push. */
export interface PushRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes go out with their length; a stream needs a content-length of its own in `headers`. */
  readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  /** What it is about, for messages: "host/repository@digest". */
  readonly what: string;
  /** Milliseconds for all of it; default 10 min. 0: only silence ends it. */
  readonly totalMs?: number | undefined;
}

export interface PushWire {
  readonly connection: Connection;
  readonly signal: AbortSignal;
  /** The same wire for a worker that may be stopped by itself. */
  with(signal: AbortSignal): PushWire;
  /** The address of a path of the registry. */
  url(path: string): URL;
  /**
   * Sends a request once.
   *
   * @returns Every answer that is final, whatever its status.
   * @throws {ApplianceError} a code that may be retried when the registry asks to come back or cannot be reached;
   *   internal/timeout, and oci/unauthorized.
   */
  send(request: PushRequest): Promise<Response>;
  /** Repeats work that looks first; throws its last failure. */
  attempts<T>(work: (attempt: number) => Promise<T>): Promise<T>;
  /** The error for an answer that is none of the wanted ones. */
  refusal(response: Response, what: string): Promise<ApplianceError>;
}

/** Makes the wire. Nothing is sent yet. */
export function createPushWire(connection: Connection, signal: AbortSignal): PushWire {
  const { deps, options } = connection;
  const policy = options.retry ?? PUSH_RETRY;
  const gate = createGate(connection, policy);
  const onRetry = (thrown: unknown, attempt: number, waitMs: number): void =>
    deps.log.info("push is tried again", {
      registry: connection.base.host,
      attempt,
      waitMs,
      error: leaving(connection, thrown),
    });
  const make = (own: AbortSignal): PushWire => ({
    connection,
    signal: own,
    with: make,
    url: (path) => new URL(path, connection.base),
    refusal: (response, what) => failedAnswer(response, { what, clock: deps.clock, verb: "push" }),
    send: async (request) => {
      await gate.pass(own);
      try {
        return await sendOnce(connection, request, own);
      } catch (thrown) {
        gate.hear(thrown);
        throw thrown;
      }
    },
    attempts: (work) => retry(work, deps, { policy, signal: own, onRetry }),
  });
  return make(signal);
}

/** Shuts for everybody while the registry wants to be left alone. */
function createGate(
  { deps: { clock } }: Connection,
  policy: RetryPolicy,
): { readonly pass: (signal: AbortSignal) => Promise<void>; readonly hear: (thrown: unknown) => void } {
  let shutUntilMs = 0;
  return {
    pass: async (signal) => {
      const restMs = shutUntilMs - clock.monotonic();
      if (restMs > 0) await clock.sleep(restMs, signal);
      if (signal.aborted) throw abortReason(signal);
    },
    hear: (thrown) => {
      if (!isApplianceError(thrown, "oci/rate-limited")) return;
      const { retryAfterMs } = thrown.details;
      const waitMs = Math.min(typeof retryAfterMs === "number" ? retryAfterMs : policy.baseMs, policy.maxMs * 4);
      shutUntilMs = Math.max(shutUntilMs, clock.monotonic() + waitMs);
    },
  };
}

async function sendOnce(connection: Connection, request: PushRequest, signal: AbortSignal): Promise<Response> {
  const { clock } = connection.deps;
  const what = request.what;
  const totalMs = request.totalMs ?? REQUEST_MS;
  const limit =
    totalMs === 0 ? { signal, cancel: () => {} } : deadline(clock, totalMs, { what: `"${what}"`, parent: signal });
  try {
    const response = await connection.once(requestOf(request, limit.signal));
    if (!asksToComeBack(response.status)) return response;
    throw await failedAnswer(response, { what, clock, verb: "push" });
  } finally {
    limit.cancel();
  }
}

type BodyInit = RequestInit & { readonly duplex?: "half" };

function requestOf({ method, url, headers, body }: PushRequest, signal: AbortSignal): Request {
  const length = body instanceof Uint8Array ? { "content-length": String(body.length) } : {};
  const init: BodyInit = {
    method,
    headers: { "accept-encoding": "identity", ...length, ...headers },
    signal,
    ...(body === undefined ? {} : { body }),
    ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
  };
  return new Request(url, init);
}
