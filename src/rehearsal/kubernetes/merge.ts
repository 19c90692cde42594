/**
 * Values and field sets: which fields a configuration names, what changed between two objects, merging, removing.
 *
 * Pure functions over plain JSON. The rules come from `schema.ts`.
 *
 * @see structured-merge-diff v6, typed, "ToFieldSet", "Merge", "Compare", "RemoveItems"
 */
import { isDeepStrictEqual } from "node:util";
import { isPlainObject } from "../../core/json.ts";
import { EMPTY_SET, type FieldSet, fieldSet, LEAF } from "./field-set.ts";
import { effectiveRule, elementOf, type MergeRule } from "./schema.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Every field that a value names. */
export function fieldsOf(rule: MergeRule, value: unknown): FieldSet {
  const merges = effectiveRule(rule, value);
  if (merges === "map" && isPlainObject(value)) {
    return fieldSet(
      false,
      Object.entries(value).map(([name, inner]) => {
        const { rule: below, declared } = rule.field(name);
        const set = fieldsOf(below, inner);
        return [`f:${name}`, declared && !isHollow(inner) ? set : { ...set, member: true }] as const;
      }),
    );
  }
  if ((merges === "keyed" || merges === "set") && Array.isArray(value)) {
    return fieldSet(
      false,
      value.map((item) => [elementOf(rule, item), { ...fieldsOf(rule.item(), item), member: true }] as const),
    );
  }
  return LEAF;
}

/** A null or an empty map is a member, because nothing below it could be one. */
function isHollow(value: unknown): boolean {
  return value === null || (isPlainObject(value) && Object.keys(value).length === 0);
}

/** Every field of a value that comes or goes as a whole: its lists and free maps are members too. */
function wholeOf(rule: MergeRule, value: unknown): FieldSet {
  const merges = effectiveRule(rule, value);
  if (merges === "atomic") return LEAF;
  const pairs = pairsOf(rule, Array.isArray(value) ? [] : {}, value);
  const below = pairs.map(({ element, rule: inner, free, after }) => {
    const set = wholeOf(inner, after);
    return [element, free || isHollow(after) ? { ...set, member: true } : set] as const;
  });
  return fieldSet(rule.free || merges === "keyed" || merges === "set", below);
}

export interface Comparison {
  /** Fields whose value is new or another. */
  readonly changed: FieldSet;
  /** Fields that are no more. */
  readonly removed: FieldSet;
}

const SAME: Comparison = { changed: EMPTY_SET, removed: EMPTY_SET };

/** Compares two values field by field. `undefined` stands for an absent value. */
export function compare(rule: MergeRule, before: unknown, after: unknown): Comparison {
  if (isDeepStrictEqual(before, after)) return SAME;
  if (before === undefined || before === null) return { changed: wholeOf(rule, after), removed: EMPTY_SET };
  if (after === undefined) return { changed: EMPTY_SET, removed: wholeOf(rule, before) };
  const merges = effectiveRule(rule, after);
  if (merges !== effectiveRule(rule, before) || merges === "atomic") return { changed: LEAF, removed: EMPTY_SET };
  return comparePairs(pairsOf(rule, before, after));
}

interface Pair {
  readonly element: string;
  readonly rule: MergeRule;
  /** A member by itself: a list item, or a key that no schema declares. */
  readonly free: boolean;
  readonly before: unknown;
  readonly after: unknown;
}

function comparePairs(pairs: readonly Pair[]): Comparison {
  const rows = pairs.map((pair) => ({ pair, result: compare(pair.rule, pair.before, pair.after) }));
  const collect = (pick: (result: Comparison) => FieldSet, isNew: (pair: Pair) => boolean): FieldSet =>
    fieldSet(
      false,
      rows.map(({ pair, result }) => {
        const set = pick(result);
        return [pair.element, pair.free && isNew(pair) ? { ...set, member: true } : set] as const;
      }),
    );
  return {
    changed: collect(
      (result) => result.changed,
      (pair) => pair.before === undefined,
    ),
    removed: collect(
      (result) => result.removed,
      (pair) => pair.after === undefined,
    ),
  };
}

function pairsOf(rule: MergeRule, before: unknown, after: unknown): readonly Pair[] {
  if (isPlainObject(before) && isPlainObject(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].map((name) => {
      const { rule: below, declared } = rule.field(name);
      return { element: `f:${name}`, rule: below, free: !declared, before: own(before, name), after: own(after, name) };
    });
  }
  const left = byElement(rule, before);
  const right = byElement(rule, after);
  return [...new Set([...left.keys(), ...right.keys()])].map((element) => ({
    element,
    rule: rule.item(),
    free: true,
    before: left.get(element),
    after: right.get(element),
  }));
}

function byElement(rule: MergeRule, list: unknown): ReadonlyMap<string, unknown> {
  return new Map((Array.isArray(list) ? list : []).map((item) => [elementOf(rule, item), item] as const));
}

function own(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** Lays an applied configuration over a live value. */
export function merge(rule: MergeRule, live: unknown, applied: unknown): unknown {
  if (live === undefined || live === null) return applied;
  const merges = effectiveRule(rule, applied);
  if (merges !== effectiveRule(rule, live)) return applied;
  if (merges === "map" && isPlainObject(live) && isPlainObject(applied)) return mergeMaps(rule, live, applied);
  if ((merges === "keyed" || merges === "set") && Array.isArray(live) && Array.isArray(applied)) {
    return mergeLists(rule, live, applied);
  }
  return applied;
}

function mergeMaps(rule: MergeRule, live: Fields, applied: Fields): Fields {
  const merged = Object.entries(applied).map(
    ([name, value]) => [name, merge(rule.field(name).rule, own(live, name), value)] as const,
  );
  return Object.fromEntries([...Object.entries(live), ...merged]);
}

function mergeLists(rule: MergeRule, live: readonly unknown[], applied: readonly unknown[]): readonly unknown[] {
  const before = byElement(rule, live);
  const wanted = byElement(rule, applied);
  return mergedOrder([...before.keys()], [...wanted.keys()]).map((element) =>
    wanted.has(element) ? merge(rule.item(), before.get(element), wanted.get(element)) : before.get(element),
  );
}

/**
 * Walks both lists at once: live items that nobody applies stay where they are, items of both stand in the applied order,
 * new items stand before the live item they were applied before.
 */
function mergedOrder(live: readonly string[], applied: readonly string[]): readonly string[] {
  const shared = applied.filter((element) => live.includes(element));
  const merged: string[] = [];
  let rest = live;
  for (const element of applied) {
    rest = takeUnwanted(rest, { until: shared[0], applied, merged });
    if (rest[0] === element) rest = rest.slice(1);
    merged.push(element);
    if (shared[0] === element) shared.shift();
  }
  return [...merged, ...rest.filter((element) => !applied.includes(element))];
}

/** Moves live items that nobody applies over, up to the next item of both lists; others of both wait for their turn. */
function takeUnwanted(
  live: readonly string[],
  at: { readonly until: string | undefined; readonly applied: readonly string[]; readonly merged: string[] },
): readonly string[] {
  const [first] = live;
  if (first === undefined || first === at.until) return live;
  if (!at.applied.includes(first)) at.merged.push(first);
  else if (at.until === undefined && !at.merged.includes(first)) return live;
  return takeUnwanted(live.slice(1), at);
}

/** Takes the members of a set out of a value, with everything below them. */
export function remove(rule: MergeRule, value: unknown, set: FieldSet): unknown {
  if (isPlainObject(value)) {
    const kept = Object.entries(value).flatMap(([name, inner]) =>
      keepEntry(rule.field(name).rule, inner, set.below.get(`f:${name}`)).map((left) => [name, left] as const),
    );
    return Object.fromEntries(kept);
  }
  const merges = effectiveRule(rule, value);
  if ((merges === "keyed" || merges === "set") && Array.isArray(value)) {
    return value.flatMap((item) => keepEntry(rule.item(), item, set.below.get(elementOf(rule, item))));
  }
  return value;
}

function keepEntry(rule: MergeRule, value: unknown, set: FieldSet | undefined): readonly unknown[] {
  if (set === undefined) return [value];
  return set.member ? [] : [remove(rule, value, set)];
}
