/** Turns zod's issues into sentences that name the field, what is there and what is wanted. */
import type { z } from "zod";
import type { FieldProblem } from "../core/http.ts";
import { isPlainObject } from "../core/json.ts";

/** Fields named at most: a broken document can have thousands. */
const MAX_PROBLEMS = 20;

/** One problem a wrong field, in the order of the document's schema. */
export function fieldProblems(error: z.ZodError, document: unknown): readonly FieldProblem[] {
  return error.issues.slice(0, MAX_PROBLEMS).map((issue) => {
    const found = valueAt(document, issue.path);
    return {
      field: issue.path.length === 0 ? "document" : fieldName(issue.path),
      code: found === undefined ? "missing" : issue.code,
      detail: `is ${shown(found)}, ${wanted(issue)}`,
    };
  });
}

/** "config.digest", `profileValues["alga-core.single-node.yaml"]`, "components[2].name". */
function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    const word = String(part);
    if (!/^[A-Za-z0-9_-]+$/.test(word)) return `${text}[${JSON.stringify(word.slice(0, 100))}]`;
    return text === "" ? word : `${text}.${word}`;
  }, "");
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, part) => {
    if (Array.isArray(value)) return value[Number(part)];
    return isPlainObject(value) && Object.hasOwn(value, part) ? value[String(part)] : undefined;
  }, document);
}

/** At most 80 characters of the value: it comes from outside. */
function shown(value: unknown): string {
  if (value === undefined) return "absent";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (isPlainObject(value)) return "an object";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function wanted(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") return `${article(issue.expected)} is wanted`;
  if (issue.code === "invalid_value") return `${issue.values.map((value) => String(value)).join(" or ")} is wanted`;
  if (issue.code === "too_big") return `at most ${issue.maximum} is wanted`;
  if (issue.code === "too_small") return `at least ${issue.minimum} is wanted`;
  if (issue.code === "invalid_key") return "a shorter key is wanted";
  return issue.message;
}

function article(type: string): string {
  if (type === "record") return "an object";
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}
