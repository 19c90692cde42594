/** Patches as values: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902). Nothing is changed in place. */
import { isDeepStrictEqual } from "node:util";
import { isPlainObject } from "../../core/json.ts";
import { badRequest, Refusal } from "./refusal.ts";

/** @see RFC 7396 section 2 */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isPlainObject(patch)) return patch;
  const base = isPlainObject(target) ? target : {};
  const kept = Object.entries(base).filter(([name]) => !Object.hasOwn(patch, name));
  const changed = Object.entries(patch)
    .filter(([, value]) => value !== null)
    .map(
      ([name, value]) => [name, applyMergePatch(Object.hasOwn(base, name) ? base[name] : undefined, value)] as const,
    );
  return Object.fromEntries([...kept, ...changed]);
}

/**
 * Applies operations in order; all or none.
 *
 * @throws {Refusal} 400 for what is no patch, 422 when a test fails or a path does not exist.
 * @see RFC 6902 section 4
 */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest("json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  return patch.reduce((value: unknown, operation: unknown) => applyOperation(value, operation), target);
}

function applyOperation(target: unknown, operation: unknown): unknown {
  if (!isPlainObject(operation) || typeof operation.path !== "string")
    throw badRequest("a JSON patch operation has no path");
  const path = pointer(operation.path);
  switch (operation.op) {
    case "test":
      if (!isDeepStrictEqual(valueAt(target, path), operation.value))
        throw unprocessable(`testing value ${operation.path} failed`);
      return target;
    case "add":
      return edit(target, path, { insert: operation.value });
    case "replace":
      valueAt(target, path);
      return edit(target, path, { replace: operation.value });
    case "remove":
      valueAt(target, path);
      return edit(target, path, {});
    case "move":
    case "copy": {
      const from = pointer(String(operation.from ?? ""));
      const value = valueAt(target, from);
      const base = operation.op === "move" ? edit(target, from, {}) : target;
      return edit(base, path, { insert: value });
    }
    default:
      throw badRequest(`Unexpected kind: ${String(operation.op)}`);
  }
}

/** @see RFC 6901 section 4 */
function pointer(text: string): readonly string[] {
  return text
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce((at: unknown, name) => {
    const found = Array.isArray(at)
      ? at[Number(name)]
      : isPlainObject(at) && Object.hasOwn(at, name)
        ? at[name]
        : undefined;
    if (found === undefined) throw unprocessable(`the path /${path.join("/")} does not exist`);
    return found;
  }, value);
}

/** What stands at the place afterwards: an inserted value, another value, or (neither) nothing. */
interface Edit {
  readonly insert?: unknown;
  readonly replace?: unknown;
}

function edit(value: unknown, path: readonly string[], what: Edit): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return what.insert ?? what.replace;
  if (Array.isArray(value)) return editList(value, name, { rest, what });
  if (!isPlainObject(value)) throw unprocessable(`the path /${path.join("/")} does not exist`);
  const others = Object.entries(value).filter(([key]) => key !== name);
  const inner = Object.hasOwn(value, name) ? value[name] : undefined;
  if (rest.length === 0) {
    const gone = !("insert" in what) && !("replace" in what);
    return Object.fromEntries(gone ? others : [...others, [name, what.insert ?? what.replace]]);
  }
  return Object.fromEntries([...others, [name, edit(inner, rest, what)]]);
}

function editList(
  list: readonly unknown[],
  name: string,
  deeper: { readonly rest: readonly string[]; readonly what: Edit },
): readonly unknown[] {
  const index = name === "-" ? list.length : Number(name);
  if (!Number.isInteger(index) || index < 0 || index > list.length)
    throw unprocessable(`index ${name} is out of bounds`);
  if (deeper.rest.length > 0) return list.with(index, edit(list[index], deeper.rest, deeper.what));
  if ("insert" in deeper.what) return list.toSpliced(index, 0, deeper.what.insert);
  return "replace" in deeper.what ? list.with(index, deeper.what.replace) : list.toSpliced(index, 1);
}

function unprocessable(message: string): Refusal {
  return new Refusal(422, "Invalid", `the server rejected our request due to an error in our request: ${message}`);
}
