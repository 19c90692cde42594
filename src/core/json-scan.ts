/**
 * One pass over JSON text that finds what `JSON.parse` would let through: duplicate keys, `__proto__`, and nesting.
 *
 * It does not check the grammar (the parser does that afterwards); it only has to agree with it on where strings,
 * objects and keys are. Knows nothing of documents; used by `json.ts` alone.
 */
import type { ErrorCode } from "./errors.ts";

export interface JsonProblem {
  readonly code: ErrorCode;
  readonly what: string;
  /** Index of the character, from 0. */
  readonly at: number;
}

interface Frame {
  /** Keys seen so far; undefined in an array. */
  readonly keys: Set<string> | undefined;
  expectsKey: boolean;
}

/** Finds the first problem, or nothing. Time is linear in the text; memory is the set of open keys. */
export function scanJson(text: string, maxDepth: number): JsonProblem | undefined {
  const open: Frame[] = [];
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') {
      const end = endOfString(text, at);
      const frame = open.at(-1);
      const problem = frame?.expectsKey ? takeKey(frame, text.slice(at, end + 1), at) : undefined;
      if (problem !== undefined) return problem;
      at = end;
      continue;
    }
    takePunctuation(open, text[at]);
    if (open.length > maxDepth) return { code: "json/too-deep", what: `it nests deeper than ${maxDepth}`, at };
  }
  return undefined;
}

function takePunctuation(open: Frame[], char: string | undefined): void {
  if (char === "{") open.push({ keys: new Set(), expectsKey: true });
  else if (char === "[") open.push({ keys: undefined, expectsKey: false });
  else if (char === "}" || char === "]") open.pop();
  else if (char === ",") {
    const frame = open.at(-1);
    if (frame?.keys !== undefined) frame.expectsKey = true;
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

function takeKey(frame: Frame, literal: string, at: number): JsonProblem | undefined {
  frame.expectsKey = false;
  const key = decodeLiteral(literal);
  if (key === "__proto__") return { code: "json/unsafe-key", what: 'it has the key "__proto__"', at };
  if (key === undefined || frame.keys === undefined) return undefined;
  if (frame.keys.has(key))
    return { code: "json/duplicate-key", what: `the key ${literal.slice(0, 80)} stands twice`, at };
  frame.keys.add(key);
  return undefined;
}

/** A key may be written with escapes ("\u0061" is "a"), so it is compared decoded; bad escapes are left to the parser. */
function decodeLiteral(literal: string): string | undefined {
  try {
    const value: unknown = JSON.parse(literal);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}
