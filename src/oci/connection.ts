/**
 * What every call of the registry client shares: the address, the wrappers around the transport, the budget.
 *
 * The order of the wrappers, outermost first: retries, redirects, login, count. A redirect makes a new request, so each
 * hop is logged in on its own or not at all.
 */
import { deadline } from "../core/deadline.ts";
import { isDigest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import type { Deps, Fetch } from "../core/ports.ts";
import type { RetryPolicy } from "../core/retry.ts";
import { withAuth } from "./auth.ts";
import type { Credentials } from "./credentials.ts";
import { createEchoGuard, type EchoGuard } from "./echo.ts";
import { withRedirects } from "./redirects.ts";
import { isRegistryHost, isRepository, isTag } from "./reference.ts";
import { REGISTRY_RETRY, withRetries } from "./retries.ts";

export type RegistryDeps = Pick<Deps, "clock" | "random" | "log"> & {
  /** A transport that reaches the registry. */
  readonly fetch: Fetch;
};

export interface RegistryOptions {
  /** `host[:port]`. */
  readonly registry: string;
  /** Speak without TLS. Absent: only to loopback. */
  readonly plainHttp?: boolean;
  /** Absent: anonymous. */
  readonly credentials?: Credentials | undefined;
  /** Next step for the operator when the registry denies access, instead of the usual one. */
  readonly loginHint?: string | undefined;
  readonly retry?: RetryPolicy;
  /** Milliseconds for one call with all its retries; default 2 min. A blob has 30 min. */
  readonly totalMs?: number;
  readonly blobTotalMs?: number;
  /** Milliseconds without a byte inside a body; default 30 s. */
  readonly idleMs?: number;
}

const TOTAL_MS = 120_000;

export interface Connection {
  readonly deps: RegistryDeps;
  readonly options: RegistryOptions;
  readonly base: URL;
  /** The transport, counted. */
  readonly raw: Fetch;
  /** With login, redirects and retries. */
  readonly fetch: Fetch;
  /** With login and redirects, one attempt. */
  readonly once: Fetch;
  readonly policy: RetryPolicy;
  /** Knows the logins that went out; every error leaves through it. */
  readonly guard: EchoGuard;
  /** Round trips so far. */
  readonly requests: () => number;
}

/**
 * Puts the wrappers together. Nothing is sent yet.
 *
 * @param more.isPushing Logs in for writing from the first request on, so that one login serves a whole push.
 * @throws {ApplianceError} oci/bad-reference when the registry is not `host[:port]`.
 */
export function connect(
  deps: RegistryDeps,
  options: RegistryOptions,
  more: { readonly isPushing?: boolean } = {},
): Connection {
  const base = registryUrl(options);
  const guard = createEchoGuard(options.credentials);
  let count = 0;
  const counted: Fetch = (request) => {
    count += 1;
    guard.learn(request);
    const { host, pathname } = new URL(request.url);
    deps.log.debug("registry request", { method: request.method, host, path: guard.mask(pathname) });
    return deps.fetch(request);
  };
  const policy = options.retry ?? REGISTRY_RETRY;
  const once = withRedirects(withAuth(counted, deps, { ...more, registry: base, credentials: options.credentials }));
  const onRetry = (error: unknown, attempt: number, waitMs: number): void =>
    deps.log.info("registry request is retried", { registry: base.host, attempt, waitMs, error: guard.clean(error) });
  return {
    deps,
    options,
    base,
    raw: counted,
    once,
    policy,
    guard,
    fetch: withRetries(once, deps, { policy, onRetry }),
    requests: () => count,
  };
}

function registryUrl(options: RegistryOptions): URL {
  if (!isRegistryHost(options.registry)) {
    throw new ApplianceError(
      "oci/bad-reference",
      `Cannot use registry "${options.registry.slice(0, 200)}": a host with an optional port is wanted`,
    );
  }
  const plain = options.plainHttp ?? isLoopbackHost(options.registry);
  return new URL(`${plain ? "http" : "https"}://${options.registry.toLowerCase()}/`);
}

export interface Address {
  readonly repository: string;
  readonly reference: string;
}

/**
 * Checks a repository and a tag or digest before they become part of an address.
 *
 * @throws {ApplianceError} oci/bad-reference when either has another form.
 */
export function address(repository: string, reference: string): Address {
  if (!isDigest(reference) && !isTag(reference)) {
    throw new ApplianceError(
      "oci/bad-reference",
      `Cannot use reference "${reference.slice(0, 200)}": a tag or a sha256 digest is wanted`,
    );
  }
  return { repository: checkRepository(repository), reference };
}

/** Answers a repository's name unchanged. @throws {ApplianceError} oci/bad-reference when it is none. */
export function checkRepository(repository: string): string {
  if (isRepository(repository)) return repository;
  throw new ApplianceError(
    "oci/bad-reference",
    `Cannot use repository "${repository.slice(0, 200)}": lower-case words joined by / . _ - are wanted`,
  );
}

/** Whole name for people and messages: `host/repository:tag` or `host/repository@digest`. Holds no login. */
export function nameOf(connection: Connection, { repository, reference }: Address): string {
  return `${connection.base.host}/${repository}${isDigest(reference) ? "@" : ":"}${reference}`;
}

/** Runs one call under its total budget; what it throws shows nothing of our login. */
export async function budgeted<T>(
  connection: Connection,
  call: { readonly what: string; readonly signal: AbortSignal | undefined },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = deadline(connection.deps.clock, connection.options.totalMs ?? TOTAL_MS, {
    what: `"${call.what}"`,
    ...(call.signal === undefined ? {} : { parent: call.signal }),
  });
  try {
    return await work(limit.signal);
  } catch (thrown) {
    throw leaving(connection, thrown);
  } finally {
    limit.cancel();
  }
}

/** What may leave the client: without our login, and with the hint on the login that the caller has. */
export function leaving({ guard, options }: Connection, thrown: unknown): unknown {
  const clean = guard.clean(thrown);
  if (options.loginHint === undefined || !isApplianceError(clean, "oci/unauthorized", "oci/forbidden")) return clean;
  const { code, message, cause, details } = clean;
  return new ApplianceError(code, message, { cause, details, hint: options.loginHint });
}

/** A request to a path of the registry. Compression is refused, since digests and sizes are of the bytes as stored. */
export function get(
  connection: Connection,
  path: string,
  init: { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly signal: AbortSignal },
): Request {
  return new Request(new URL(path, connection.base), {
    method: init.method ?? "GET",
    headers: { "accept-encoding": "identity", ...init.headers },
    signal: init.signal,
  });
}
