/** What a request for updates may say: untrusted values read field by field. */
import { z } from "zod";
import { isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { ReleaseRef } from "../release/resolved.ts";
import { readVersion } from "../release/version.ts";
import { policySchema, type UpdatePolicy } from "./model.ts";

const name = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, "a channel name is wanted");
const version = z
  .string()
  .max(128)
  .refine((text) => readVersion(text) !== undefined, "a version like 1.0.3 is wanted");
const digest = z.string().refine(isDigest, "sha256: and 64 lower-case hex digits are wanted");
const instant = z.iso.datetime("an instant like 2026-12-31T00:00:00Z is wanted");

const refSchema = z.looseObject({
  channel: name.optional(),
  version: version.optional(),
  digest: digest.optional(),
  /** The operator takes expired metadata until then. */
  acceptExpired: instant.optional(),
});
const startSchema = refSchema.extend({ planDigest: digest });

/** Which release, and what the operator takes all the same. */
export interface UpdateRequest {
  /** Absent: the channel that is followed. */
  readonly ref: ReleaseRef | undefined;
  readonly acceptExpired: string | undefined;
}

/**
 * Reads which release is meant.
 * @throws {ApplianceError} http/bad-request naming the field, or when more than one release is named.
 */
export function readRequest(body: unknown): UpdateRequest {
  return requestOf(parsed(refSchema, body ?? {}));
}

/** Reads which plan is to run, and where it is named again, of which release. Throws as `readRequest` does. */
export function readStart(body: unknown): UpdateRequest & { readonly planDigest: string } {
  const value = parsed(startSchema, body ?? {});
  return { ...requestOf(value), planDigest: value.planDigest };
}

/** Reads a policy; `window` is wanted where anything is automatic. Throws as `readRequest` does. */
export function readPolicy(body: unknown): UpdatePolicy {
  const policy = parsed(policySchema, body);
  if (policy.automatic !== "never" && policy.window === null) {
    throw bad([{ field: "window", code: "missing", detail: "Say when an update may begin by itself." }]);
  }
  return policy;
}

function requestOf(value: z.output<typeof refSchema>): UpdateRequest {
  const refs: ReleaseRef[] = [];
  if (value.channel !== undefined) refs.push({ channel: value.channel });
  if (value.version !== undefined) refs.push({ version: value.version });
  if (value.digest !== undefined && isDigest(value.digest)) refs.push({ digest: value.digest });
  if (refs.length > 1) throw bad([{ field: "version", code: "invalid", detail: "Name one release, not several." }]);
  return { ref: refs[0], acceptExpired: value.acceptExpired };
}

function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw bad(
    result.error.issues.map(({ path, message }) => ({
      field: path.join(".") || "body",
      code: "invalid",
      detail: `${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`,
    })),
  );
}

function bad(errors: readonly { readonly field: string; readonly code: string; readonly detail: string }[]) {
  const [first] = errors;
  return new ApplianceError(
    "http/bad-request",
    `Cannot read field "${first?.field}" of the request: ${first?.detail.replace(/\.$/, "") ?? "it has another form"}`,
    { details: { errors } },
  );
}
