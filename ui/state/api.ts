/**
 * Calls the box's API. Nothing throws: an answer is a value or a problem, and a silent box is a problem of its own.
 *
 * Same origin only. A 401 of any call sends the page back to the login without losing the address.
 */
import { text } from "../strings.ts";
import { learnTime } from "./clock.ts";

export interface FieldProblem {
  readonly field: string;
  readonly code: string;
  readonly detail: string;
}

/** `application/problem+json` of the box, or what the page says when the box is silent. */
export interface Problem {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly hint?: string;
  readonly errors: readonly FieldProblem[];
  readonly details?: Readonly<Record<string, unknown>>;
}

export type Answered<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

/** Code of the problem the page makes itself when no answer came. */
export const SILENT = "ui/no-answer";

/** No call waits longer: a plan asks the registry and may take some seconds. */
const TIMEOUT_MS = 45_000;

type OnAnswer = (outcome: { status: number }) => void;
let onAnswer: OnAnswer = () => {};

/** Sets who hears the status of every answer; 0 means that none came. */
export function observeAnswers(listener: OnAnswer): void {
  onAnswer = listener;
}

/** Reads a document. Waits 45 s at most. */
export function getJson<T>(path: string): Promise<Answered<T>> {
  return call<T>("GET", path);
}

/** Asks for a deed. Waits 45 s at most; not repeated by itself. */
export function postJson<T>(path: string, body: unknown = {}): Promise<Answered<T>> {
  return call<T>("POST", path, body);
}

/** Puts a value in the place of another; twice is as once. Waits 45 s at most. */
export function putJson<T>(path: string, body: unknown): Promise<Answered<T>> {
  return call<T>("PUT", path, body);
}

/** Ends something. Waits 45 s at most. */
export function deleteJson<T>(path: string): Promise<Answered<T>> {
  return call<T>("DELETE", path, {});
}

async function call<T>(method: string, path: string, body?: unknown): Promise<Answered<T>> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    onAnswer({ status: 0 });
    return { ok: false, problem: silence() };
  }
  learnTime(response.headers.get("date"));
  onAnswer({ status: response.status });
  const value: unknown = await response.json().catch(() => undefined);
  return response.ok ? { ok: true, value: value as T } : { ok: false, problem: toProblem(response.status, value) };
}

function silence(): Problem {
  return { code: SILENT, status: 0, title: text("problem.silent"), detail: text("problem.silent"), errors: [] };
}

function toProblem(status: number, value: unknown): Problem {
  const given = typeof value === "object" && value !== null ? (value as Partial<Problem>) : {};
  return {
    code: given.code ?? "ui/unknown",
    status,
    title: given.title ?? text("problem.unknown", { status }),
    detail: given.detail ?? text("problem.unknown", { status }),
    ...(given.hint === undefined ? {} : { hint: given.hint }),
    errors: Array.isArray(given.errors) ? given.errors : [],
    ...(given.details === undefined ? {} : { details: given.details }),
  };
}

/** What is wrong with one field: every sentence the box has about it. */
export function fieldError(
  errors: readonly Pick<FieldProblem, "field" | "detail">[],
  field: string,
): string | undefined {
  const details = errors.filter((entry) => entry.field === field).map((entry) => entry.detail);
  return details.length === 0 ? undefined : details.join(" ");
}
