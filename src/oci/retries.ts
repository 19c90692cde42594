/**
 * Retrying as a wrapper `Fetch -> Fetch`: network failures, 408, 429 and server errors of reading requests.
 *
 * An answer that asks to come back becomes an error with `details.retryAfterMs`, which `core/retry.ts` obeys within its
 * bound. Writing requests go out once, because a push that half arrived must be looked at first.
 */
import type { ApplianceError } from "../core/errors.ts";
import type { Clock, Fetch, Random } from "../core/ports.ts";
import { type RetryPolicy, retry } from "../core/retry.ts";
import { failedAnswer } from "./answers.ts";

/** Four attempts within about four seconds, more when the registry asks for it. */
export const REGISTRY_RETRY: RetryPolicy = { attempts: 4, baseMs: 500, maxMs: 8_000 };

/** How often and how long to wait; `onRetry` is told of each repeat before the wait, whose length is in milliseconds. */
export interface RetriesOptions {
  readonly policy: RetryPolicy;
  readonly onRetry?: (thrown: unknown, attempt: number, waitMs: number) => void;
}

/**
 * Makes the wrapper.
 *
 * @throws {ApplianceError} (the wrapped fetch) oci/rate-limited or oci/unavailable when the attempts are used up.
 */
export function withRetries(
  fetch: Fetch,
  deps: { readonly clock: Clock; readonly random: Random },
  options: RetriesOptions,
): Fetch {
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") return fetch(request);
    const attempt = async (): Promise<Response> => {
      const response = await fetch(request);
      if (asksToComeBack(response.status)) throw await comeBack(response, { request, clock: deps.clock });
      return response;
    };
    return retry(attempt, deps, { ...options, signal: request.signal });
  };
}

/** Tells whether an answer asks to come back later: 408, 429 and server errors but 501. */
export function asksToComeBack(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

function comeBack(
  response: Response,
  context: { readonly request: Request; readonly clock: Clock },
): Promise<ApplianceError> {
  const url = new URL(context.request.url);
  return failedAnswer(response, { what: `${url.host}${url.pathname}`, clock: context.clock });
}
