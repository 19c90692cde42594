/** Retrying with exponential backoff and full jitter: the delays are a pure function, the loop takes clock and random. */
import { ApplianceError, isRetryable } from "./errors.ts";
import type { Clock, Random } from "./ports.ts";
import { parseInstant } from "./time.ts";

export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number;
  /** Upper bound of the first delay, in milliseconds; doubles each time. */
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Delay before attempt `attempt` (2 for the first retry): a random part of an exponentially growing bound. */
export function backoffMs(policy: RetryPolicy, attempt: number, fraction: number): number {
  const boundMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.max(0, attempt - 2));
  return Math.round(boundMs * (0.5 + fraction / 2));
}

export interface RetryOptions {
  readonly policy: RetryPolicy;
  readonly signal?: AbortSignal;
  /** Which failures are worth another attempt; default: those the table of codes marks. */
  readonly mayRetry?: (thrown: unknown) => boolean;
  /** Told before each wait. */
  readonly onRetry?: (thrown: unknown, attempt: number, waitMs: number) => void;
}

/**
 * Calls until it succeeds, the attempts are used up, or the failure is final. Rejects with the last failure.
 *
 * A failure may ask for a longer wait by `details.retryAfterMs` (Retry-After); it is obeyed up to `policy.maxMs` times
 * four, because a registry must not be able to hold an operation for hours.
 */
export async function retry<T>(
  call: (attempt: number) => Promise<T>,
  deps: { readonly clock: Clock; readonly random: Random },
  options: RetryOptions,
): Promise<T> {
  const mayRetry = options.mayRetry ?? isRetryable;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(attempt);
    } catch (thrown) {
      if (attempt >= options.policy.attempts || !mayRetry(thrown) || options.signal?.aborted) throw thrown;
      const waitMs = Math.max(
        askedWaitMs(thrown, options.policy),
        backoffMs(options.policy, attempt + 1, deps.random.fraction()),
      );
      options.onRetry?.(thrown, attempt, waitMs);
      await deps.clock.sleep(waitMs, options.signal);
    }
  }
}

function askedWaitMs(thrown: unknown, policy: RetryPolicy): number {
  const asked = thrown instanceof ApplianceError ? thrown.details.retryAfterMs : undefined;
  return typeof asked === "number" ? Math.min(asked, policy.maxMs * 4) : 0;
}

/**
 * Milliseconds that Retry-After asks for, from seconds or a date; undefined when it is absent or odd.
 *
 * A date is held against the answer's own Date where there is one, because clocks differ.
 *
 * @param nowMs For an answer without a Date. Absent: a date cannot be read then.
 * @see RFC 9110 section 10.2.3
 */
export function retryAfterMs({ headers }: Response, nowMs?: number): number | undefined {
  const asked = headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,6}$/.test(asked)) return Number(asked) * 1_000;
  // Date.parse takes "-1" for a year; every form of an HTTP date begins with the name of a day.
  const at = /^[A-Z][a-z]{2}/.test(asked) ? parseInstant(asked) : undefined;
  const from = parseInstant(headers.get("date")) ?? nowMs;
  return at === undefined || from === undefined ? undefined : Math.max(0, at - from);
}
