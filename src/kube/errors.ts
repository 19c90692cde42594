/**
 * Refusals of the API server in our words: `Status` in, `ApplianceError` of the area `kube/` out.
 *
 * The server's reason, its causes and, for a denial, the RBAC rule that is missing go into `details`; its message is kept
 * because it names fields and values an engineer needs. The message is bounded: it may quote whole objects.
 *
 * @see Kubernetes API conventions, "Response Status Kind"
 */
import { ApplianceError, type ErrorCode, isApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import { redactText } from "../core/redact.ts";
import { listAt, numberAt, textAt } from "./model.ts";

/** What was tried: enough to name the object and the permission. */
export interface Attempt {
  /** Verb of the message: "apply". */
  readonly doing: string;
  /** `Deployment "msp/alga-core"`. */
  readonly what: string;
  /** The permission the call needs, as an RBAC rule would name it. Absent for calls without a resource. */
  readonly rule?: AccessRule | undefined;
}

export interface AccessRule {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** A field that another manager owns. */
export interface FieldConflict {
  readonly manager: string;
  readonly field: string;
}

const MAX_MESSAGE_CHARS = 1500;
const MAX_CAUSES = 50;

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: "kube/invalid",
  401: "kube/unauthorized",
  403: "kube/forbidden",
  404: "kube/not-found",
  405: "kube/invalid",
  406: "kube/unexpected-answer",
  409: "kube/conflict",
  410: "kube/gone",
  413: "kube/invalid",
  415: "kube/invalid",
  422: "kube/invalid",
  429: "kube/throttled",
};

/** A refusal as it came. */
export interface Refusal {
  readonly status: number;
  /** The parsed answer, or its text when it was no JSON. */
  readonly body: unknown;
  /** What Retry-After asks for; absent when it asks for nothing. */
  readonly retryAfterMs?: number | undefined;
}

/** Turns a refusal into an error. */
export function errorOfStatus(attempt: Attempt, { status, body, retryAfterMs }: Refusal): ApplianceError {
  const reason = textAt(body, "reason") ?? "";
  const causes = causesOf(body);
  const code = isPlainRefusal(status, body) ? "kube/invalid" : codeOf(status, causes);
  const conflicts = conflictsOf(causes);
  const said = bounded(
    textAt(body, "message") ?? (typeof body === "string" && body !== "" ? body : `status ${status}`),
  );
  const wait = retryAfterMs ?? secondsToMs(numberAt(body, "details", "retryAfterSeconds"));
  const rule = isDenial(code, said) ? attempt.rule : undefined;
  return new ApplianceError(code, `Cannot ${attempt.doing} ${attempt.what}: ${explain({ said, rule, conflicts })}`, {
    ...hintOf(code, rule, conflicts),
    details: {
      status,
      reason,
      ...(causes.length === 0 ? {} : { causes }),
      ...(conflicts.length === 0 ? {} : { conflicts }),
      ...(rule === undefined ? {} : { missingPermission: describeRule(rule) }),
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
      ...(code === "kube/not-found" ? { missing: missingOf(body) } : {}),
    },
  });
}

/** Turns a failure below HTTP into an error; ours that are about the work itself (abort, budget) pass unchanged. */
export function errorOfTransport(attempt: Attempt, thrown: unknown, server: string): ApplianceError {
  if (isApplianceError(thrown, "internal/aborted", "internal/timeout")) return thrown;
  if (thrown instanceof ApplianceError && thrown.code.startsWith("kube/")) return thrown;
  const network = thrown instanceof ApplianceError ? thrown.code : "unknown";
  const why = thrown instanceof ApplianceError ? thrown.message : "the connection failed";
  const code: ErrorCode = network === "net/tls" ? "kube/untrusted" : "kube/unreachable";
  return new ApplianceError(
    code,
    `Cannot ${attempt.doing} ${attempt.what}: the Kubernetes API at ${server} does not answer (${bounded(why)})`,
    {
      cause: thrown,
      hint:
        code === "kube/untrusted"
          ? "Compare the certificate authority of the kubeconfig with the one of the API server"
          : "Look whether the k3s service runs: systemctl status k3s",
      details: { network, server },
    },
  );
}

/** The rule as one line: `patch deployments.apps in namespace "msp"`. */
export function describeRule(rule: AccessRule): string {
  const resource = rule.group === "" ? rule.resource : `${rule.resource}.${rule.group}`;
  const name = rule.name === undefined ? "" : ` "${rule.name}"`;
  const place = rule.namespace === undefined ? "in the whole cluster" : `in namespace "${rule.namespace}"`;
  return `${rule.verb} ${resource}${name} ${place}`;
}

function codeOf(status: number, causes: readonly StatusCause[]): ErrorCode {
  // A namespace that is being deleted is refused with 403, but no permission helps: it has to be gone first.
  if (status === 403 && causes.some((cause) => cause.reason === "NamespaceTerminating")) return "kube/conflict";
  const known = CODES[status];
  if (known !== undefined) return known;
  return status >= 500 ? "kube/server-error" : "kube/unexpected-answer";
}

/**
 * A configuration that does not fit its schema is answered by server-side apply with a bare 500 (seen on v1.36), although
 * asking again cannot help.
 */
function isPlainRefusal(status: number, body: unknown): boolean {
  const said = textAt(body, "message") ?? "";
  return status === 500 && /^(failed to create typed patch object|resourceVersion should not be set)/.test(said);
}

/** 403 is also said by quotas and admission; only the authorizer's own sentence means a missing rule. */
function isDenial(code: ErrorCode, said: string): boolean {
  return code === "kube/forbidden" && /\bcannot \w+ (resource|path)\b/.test(said);
}

function explain(known: {
  readonly said: string;
  readonly rule: AccessRule | undefined;
  readonly conflicts: readonly FieldConflict[];
}): string {
  if (known.rule !== undefined) return `the permission to ${describeRule(known.rule)} is missing`;
  if (known.conflicts.length === 0) return known.said;
  const shown = known.conflicts.slice(0, 5).map(({ manager, field }) => `${field} is owned by "${manager}"`);
  const more = known.conflicts.length > 5 ? ` and ${known.conflicts.length - 5} more` : "";
  return `${shown.join(", ")}${more}, free fields or another decision are wanted`;
}

function hintOf(
  code: ErrorCode,
  rule: AccessRule | undefined,
  conflicts: readonly FieldConflict[],
): { readonly hint?: string } {
  if (rule !== undefined) return { hint: `Allow it: a role with the rule "${describeRule(rule)}"` };
  if (conflicts.length > 0) return { hint: "Remove the fields from the other manager's configuration" };
  if (code === "kube/unauthorized") return { hint: "Renew the token or the client certificate of the kubeconfig" };
  return {};
}

function causesOf(body: unknown): readonly StatusCause[] {
  return listAt(body, "details", "causes")
    .filter(isPlainObject)
    .slice(0, MAX_CAUSES)
    .map((raw) => ({
      reason: textAt(raw, "reason") ?? "",
      message: bounded(textAt(raw, "message") ?? ""),
      field: textAt(raw, "field") ?? "",
    }));
}

/** Reads the owners out of the causes; the manager stands only in the sentence: `conflict with "kubectl" using apps/v1`. */
function conflictsOf(causes: readonly StatusCause[]): readonly FieldConflict[] {
  return causes
    .filter((cause) => cause.reason === "FieldManagerConflict")
    .map((cause) => ({ field: cause.field, manager: /conflict with "([^"]*)"/.exec(cause.message)?.[1] ?? "unknown" }));
}

/** A 404 that names an object is about the object (or its namespace); any other says that the kind is not served. */
function missingOf(body: unknown): "object" | "kind" {
  return (textAt(body, "details", "name") ?? "") === "" ? "kind" : "object";
}

function secondsToMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

function bounded(text: string): string {
  const masked = redactText(text.trim());
  return masked.length <= MAX_MESSAGE_CHARS ? masked : `${masked.slice(0, MAX_MESSAGE_CHARS)}…`;
}
