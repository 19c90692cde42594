/**
 * How the in-memory API server says no: `Status` objects with the reasons, codes and sentences of the real one.
 *
 * @see Kubernetes apimachinery v0.36, pkg/api/errors "StatusError"
 */
import type { Kind } from "./kinds.ts";

export interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly Cause[];
  readonly retryAfterSeconds?: number;
}

/** A refusal on its way to the edge, where it becomes a response. */
export class Refusal extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails;

  constructor(code: number, reason: string, message: string, details: StatusDetails = {}) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  /** The wire form. */
  status(): Record<string, unknown> {
    const { code, message, details } = this;
    const reason = this.reason === "" ? {} : { reason: this.reason };
    return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, ...reason, details, code };
  }
}

/** "deployments.apps" or "configmaps": how the real server names a resource in sentences. */
function qualified(kind: Pick<Kind, "plural" | "group">): string {
  return kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`;
}

function about(kind: Pick<Kind, "plural" | "group">, name: string): StatusDetails {
  return { ...(name === "" ? {} : { name }), ...(kind.group === "" ? {} : { group: kind.group }), kind: kind.plural };
}

/** 404: the resource is served, the object is not there. */
export function notFound(kind: Pick<Kind, "plural" | "group">, name: string): Refusal {
  return new Refusal(404, "NotFound", `${qualified(kind)} "${name}" not found`, about(kind, name));
}

/** The group is known, the resource is not. */
export function notServed(): Refusal {
  return new Refusal(404, "NotFound", "the server could not find the requested resource");
}

/** 409: a create of a name that is taken. */
export function alreadyExists(kind: Kind, name: string): Refusal {
  return new Refusal(409, "AlreadyExists", `${qualified(kind)} "${name}" already exists`, about(kind, name));
}

/** 409: the caller looked at another state; `why` is the second half of the sentence. */
export function conflict(kind: Kind, name: string, why: string): Refusal {
  const message = `Operation cannot be fulfilled on ${qualified(kind)} "${name}": ${why}`;
  return new Refusal(409, "Conflict", message, about(kind, name));
}

export const MODIFIED_MEANWHILE =
  "the object has been modified; please apply your changes to the latest version and try again";

/** 400: the request cannot be understood. */
export function badRequest(message: string): Refusal {
  return new Refusal(400, "BadRequest", message);
}

/** 415: a patch of a type that the server does not take. */
export function unsupportedMedia(): Refusal {
  return new Refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type");
}

/** Some checks of the real server are plain errors: they become 500 without a reason, although nothing is broken. */
export function plainError(message: string): Refusal {
  return new Refusal(500, "", message);
}

/** 405: the resource knows no such verb. */
export function methodNotAllowed(): Refusal {
  return new Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
}

/** 422 with one cause a field. */
export function invalid(kind: Pick<Kind, "kind" | "group">, name: string, causes: readonly Cause[]): Refusal {
  const sentences = causes.map((cause) => `${cause.field ?? ""}: ${cause.message}`);
  const list = sentences.length === 1 ? sentences[0] : `[${sentences.join(", ")}]`;
  const typed = kind.group === "" ? kind.kind : `${kind.kind}.${kind.group}`;
  return new Refusal(422, "Invalid", `${typed} "${name}" is invalid: ${list}`, {
    name,
    ...(kind.group === "" ? {} : { group: kind.group }),
    kind: kind.kind,
    causes,
  });
}

/** 410: the revision or the continue token is too old; the caller lists again. */
export function expired(message: string): Refusal {
  return new Refusal(410, "Expired", message);
}

/** 403: the caller lacks a permission; name "" speaks of the whole collection. */
export function forbidden(kind: Pick<Kind, "plural" | "group">, name: string, why: string): Refusal {
  const object = name === "" ? qualified(kind) : `${qualified(kind)} "${name}"`;
  return new Refusal(403, "Forbidden", `${object} is forbidden: ${why}`, about(kind, name));
}
