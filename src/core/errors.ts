/**
 * The one error class of the product and its table of codes.
 *
 * A code is `area/kind`. The table alone turns a code into an HTTP status, an exit code and a log level; the
 * reference page `docs/errors.md` is generated from it. Messages follow one grammar:
 * `Cannot <verb> <object> "<value>": <what is>, <what is wanted>`, with no final period. The hint is the next
 * command or click. The cause is for the log only and never reaches the operator's screen.
 */
import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";

export { ERROR_CODES, type ErrorCode } from "./error-codes.ts";

/** Process exit codes, as `interfaces.md` promises them to scripts. */
export const EXIT = { done: 0, failed: 1, usage: 2, notReady: 3, denied: 4, conflict: 5 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Plain data that helps a person: shown on screens and in JSON, so it never holds a secret. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface ErrorOptions {
  /** What went wrong below; kept for the log, never shown. */
  readonly cause?: unknown;
  /** The next command to type or the next thing to click. */
  readonly hint?: string;
  readonly details?: ErrorDetails;
}

/** An error with a code of the closed table, a message for people and the next step. */
export class ApplianceError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ApplianceError";
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** What leaves the process about an error: code, message, hint and details, never the cause or a stack. */
export interface PublicError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly details?: ErrorDetails;
}

/**
 * Reduces anything thrown to what may be shown to an operator.
 *
 * A foreign error becomes `internal/defect` with a fixed sentence, because its message may hold anything.
 */
export function publicError(thrown: unknown): PublicError {
  if (!(thrown instanceof ApplianceError)) {
    return {
      code: "internal/defect",
      message: "Cannot go on: the executable met a state that it does not know",
      hint: "Look into the log of the process, and send its last lines to support",
    };
  }
  return {
    code: thrown.code,
    message: thrown.message,
    ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
    ...(Object.keys(thrown.details).length === 0 ? {} : { details: thrown.details }),
  };
}

/** Tells whether a thrown value is an `ApplianceError`, optionally of one of the given codes. */
export function isApplianceError(thrown: unknown, ...codes: readonly ErrorCode[]): thrown is ApplianceError {
  return thrown instanceof ApplianceError && (codes.length === 0 || codes.includes(thrown.code));
}

/** HTTP status for anything thrown; 500 for what is not ours. */
export function httpStatusOf(thrown: unknown): number {
  return thrown instanceof ApplianceError ? ERROR_CODES[thrown.code].status : 500;
}

/** Exit code for anything thrown; 1 for what is not ours. */
export function exitCodeOf(thrown: unknown): ExitCode {
  return thrown instanceof ApplianceError ? ERROR_CODES[thrown.code].exit : EXIT.failed;
}

/** Tells whether the same call may simply be made again later, by the table. */
export function isRetryable(thrown: unknown): boolean {
  return thrown instanceof ApplianceError && ERROR_CODES[thrown.code].retry;
}
