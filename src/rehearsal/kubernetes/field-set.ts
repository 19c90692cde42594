/**
 * Sets of fields, as managedFields writes them (FieldsV1), and the algebra on them.
 *
 * A set is a tree; a node may be a member itself and have members below it. Sets are never changed, only made.
 *
 * @see structured-merge-diff v6, fieldpath, "Set"
 */
import { isPlainObject } from "../../core/json.ts";

export interface FieldSet {
  readonly member: boolean;
  /** Path element ("f:spec", `k:{"name":"a"}`, `v:"x"`) to what lies below. */
  readonly below: ReadonlyMap<string, FieldSet>;
}

export const EMPTY_SET: FieldSet = { member: false, below: new Map() };
export const LEAF: FieldSet = { member: true, below: new Map() };

/** Tells whether a set has no member. */
export function isEmptySet(set: FieldSet): boolean {
  return !set.member && set.below.size === 0;
}

/** Makes a node, dropping what is empty below it. */
export function fieldSet(member: boolean, below: Iterable<readonly [string, FieldSet]>): FieldSet {
  return { member, below: new Map([...below].filter(([, set]) => !isEmptySet(set))) };
}

/** Members of `a` or of `b`. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  const names = new Set([...a.below.keys(), ...b.below.keys()]);
  return fieldSet(
    a.member || b.member,
    [...names].map((name) => [name, union(a.below.get(name) ?? EMPTY_SET, b.below.get(name) ?? EMPTY_SET)] as const),
  );
}

/** Members of `a` that are no members of `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return fieldSet(
    a.member && !b.member,
    [...a.below].map(([name, set]) => [name, difference(set, b.below.get(name) ?? EMPTY_SET)] as const),
  );
}

/** Members of both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return fieldSet(
    a.member && b.member,
    [...a.below].map(([name, set]) => [name, intersection(set, b.below.get(name) ?? EMPTY_SET)] as const),
  );
}

/** Tells whether two sets have the same members, however their trees were built. */
export function equalSets(a: FieldSet, b: FieldSet): boolean {
  return isEmptySet(difference(a, b)) && isEmptySet(difference(b, a));
}

/** The set with every named field on the way to a member made a member too, so that emptied parents can be found. */
export function withParents(set: FieldSet, name = ""): FieldSet {
  const below = [...set.below].map(([element, inner]) => [element, withParents(inner, element)] as const);
  return fieldSet(set.member || (name.startsWith("f:") && set.below.size > 0), below);
}

/** Paths of all members, each a list of path elements. */
export function pathsOf(set: FieldSet, at: readonly string[] = []): readonly (readonly string[])[] {
  const own = set.member && at.length > 0 ? [at] : [];
  return [...own, ...[...set.below].flatMap(([name, below]) => pathsOf(below, [...at, name]))];
}

/** The wire form: `{"f:spec":{"f:replicas":{}}}`, with "." for a member that has members below. */
export function toFieldsV1(set: FieldSet): Record<string, unknown> {
  const self = set.member && set.below.size > 0 ? [[".", {}] as const] : [];
  const below = [...set.below].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, toFieldsV1(v)] as const);
  return Object.fromEntries([...self, ...below]);
}

/** Reads the wire form; whatever is no object counts as empty. `top` is the root, which is no member itself. */
export function fromFieldsV1(value: unknown, top = true): FieldSet {
  const entries = isPlainObject(value) ? Object.entries(value) : [];
  const below = entries.filter(([name]) => name !== ".");
  const member = !top && (below.length === 0 || below.length < entries.length);
  return fieldSet(
    member,
    below.map(([name, inner]) => [name, fromFieldsV1(inner, false)] as const),
  );
}

/** The path as people and conflict causes write it: `.spec.containers[name="app"].image`. */
export function formatPath(path: readonly string[]): string {
  return path.map(formatElement).join("");
}

function formatElement(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith("f:")) return `.${rest}`;
  if (element.startsWith("v:")) return `[=${rest}]`;
  const keys: unknown = JSON.parse(rest);
  const pairs = isPlainObject(keys) ? Object.entries(keys).map(([k, v]) => `${k}=${JSON.stringify(v)}`) : [];
  return `[${pairs.join(",")}]`;
}
