/**
 * Turning a registry's refusal into one of our errors, with what the registry itself said.
 *
 * @see OCI distribution-spec v1.1.1, "Error Codes"
 */
import { ApplianceError, type ErrorCode } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import type { Clock } from "../core/ports.ts";
import { redactText } from "../core/redact.ts";
import { retryAfterMs } from "../core/retry.ts";
import { readBytes } from "./body.ts";

/** 64 KiB: an error body is text for people. */
const MAX_ERROR_BYTES = 64 * 1024;

export interface RefusalContext {
  /** What was asked for: a reference or the registry. */
  readonly what: string;
  readonly clock: Clock;
  /** What cannot be done now. Default "read". */
  readonly verb?: "read" | "push";
}

/** Makes the error for an answer that is not a success. Reads and closes its body, at most 64 KiB of it. */
export async function failedAnswer(response: Response, context: RefusalContext): Promise<ApplianceError> {
  const waitMs = retryAfterMs(response, context.clock.now());
  const said = await whatItSaid(response, context);
  const code = codeOf(response.status);
  const words = said === undefined ? "" : ` (${said})`;
  return new ApplianceError(
    code,
    `Cannot ${context.verb ?? "read"} ${quoted(context.what)}: the registry answers ${response.status}${words}`,
    {
      details: {
        status: response.status,
        ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
      },
      ...hintFor(code),
    },
  );
}

function quoted(what: string): string {
  return what.includes('"') ? what : `"${what}"`;
}

function codeOf(status: number): ErrorCode {
  if (status === 401) return "oci/unauthorized";
  if (status === 403) return "oci/forbidden";
  if (status === 404) return "oci/not-found";
  if (status === 429) return "oci/rate-limited";
  if (status === 408 || (status >= 500 && status !== 501)) return "oci/unavailable";
  if (status >= 300 && status < 400) return "oci/bad-redirect";
  return "oci/unexpected-answer";
}

function hintFor(code: ErrorCode): { readonly hint?: string } {
  if (code === "oci/unauthorized" || code === "oci/forbidden") {
    return { hint: "Give --username and --password-stdin, or a file with --registry-config" };
  }
  return code === "oci/not-found" ? { hint: "Check the registry, the repository and the tag or digest" } : {};
}

/** The first error of the registry's JSON, redacted and short; undefined when it sent something else. */
async function whatItSaid(response: Response, context: RefusalContext): Promise<string | undefined> {
  try {
    const bytes = await readBytes(response, {
      what: "error",
      maxBytes: MAX_ERROR_BYTES,
      clock: context.clock,
      idleMs: 5_000,
    });
    const value = parseJson(bytes, { what: "error", maxDepth: 16 });
    const first: unknown = isPlainObject(value) && Array.isArray(value.errors) ? value.errors[0] : undefined;
    if (!isPlainObject(first) || typeof first.code !== "string") return undefined;
    const message = typeof first.message === "string" ? `: ${first.message}` : "";
    return redactText(`${first.code}${message}`.replace(/[\u0000-\u001f\u007f]/g, " ")).slice(0, 200);
  } catch {
    return undefined;
  }
}
