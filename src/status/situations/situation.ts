/**
 * A recorded situation: observations and what must be said of them.
 *
 * A situation is whole, or names another one it starts from and what is different: `observe` and `lists` are merged
 * into it (RFC 7396 for each object, objects found by "namespace/name", null removes; an operation is taken whole). Fields ending in `Ms` take
 * durations from now ("-30s", "+2h"), so that a file can be read without arithmetic.
 */
import { parse } from "yaml";
import { parseDuration } from "../../core/duration.ts";
import { isPlainObject } from "../../core/json.ts";
import type { KubeObject } from "../../kube/model.ts";
import { DEFAULT_COMPONENTS } from "../../release/components.ts";
import type { CheckState, Phase, State, TierName } from "../model.ts";
import { LIST_KINDS, type ListKey, type Observations } from "../observation.ts";

export interface Expected {
  readonly phase?: Phase;
  readonly summary: string;
  readonly state: State;
  readonly next?: string | null;
  readonly tiers: Readonly<Partial<Record<TierName, State>>>;
  /** Code of the first failed check; null: none has failed. */
  readonly top: string | null;
  /** Text that the title or cause of that check holds. */
  readonly cause?: string;
  /** Codes that it must explain. */
  readonly explains?: readonly string[];
  readonly checks?: Readonly<Record<string, CheckState>>;
  readonly components?: Readonly<Record<string, string>>;
}

export interface Situation {
  readonly about: string;
  readonly nowMs: number;
  readonly observations: Observations;
  readonly expect: Expected;
}

/** What a file leaves out was not seen. */
const NOTHING = {
  components: DEFAULT_COMPONENTS,
  operation: null,
  installed: null,
  bootstrap: null,
  login: null,
  registry: null,
  clock: null,
  dns: null,
  host: null,
} as const;

type Tree = Readonly<Record<string, unknown>>;

/** Reads a situation; `load` gives the parsed document of the one it starts from. */
export function readSituation(text: string, load: (name: string) => unknown): Situation {
  const own = tree(parse(text));
  const isWhole = typeof own.from !== "string";
  const base = isWhole ? own : tree(load(String(own.from)));
  const changes = isWhole ? {} : own;
  const nowMs = Date.parse(String(own.now ?? base.now));
  const { operation, ...observed } = tree(changes.observe);
  const merged = { ...tree(merge(tree(base.observe), observed)), operation: operation ?? null };
  const observe = times(merged, nowMs);
  const lists = mergeLists({ base: tree(base.lists), own: tree(changes.lists), states: tree(own.listStates) }, nowMs);
  const observations = { ...NOTHING, ...(observe as Omit<Observations, "components" | "lists">), lists };
  return { about: String(own.about), nowMs, observations, expect: own.expect as Expected };
}

function mergeLists(
  given: { readonly base: Tree; readonly own: Tree; readonly states: Tree },
  nowMs: number,
): Observations["lists"] {
  const lists: Record<string, unknown> = {};
  for (const key of Object.keys(LIST_KINDS) as ListKey[]) {
    const state = times(tree(given.states[key]), nowMs);
    if (given.states[key] === null) continue;
    const items = given.own[key] === null ? [] : mergeItems(key, given.base[key], tree(given.own[key]));
    lists[key] = { state: "synced", sinceMs: nowMs - 60_000, items, ...tree(state) };
  }
  return lists as Observations["lists"];
}

function mergeItems(key: ListKey, base: unknown, own: Tree): KubeObject[] {
  const byId = new Map<string, unknown>((Array.isArray(base) ? base : []).map((item) => [idOf(item), item]));
  for (const [id, change] of Object.entries(own)) {
    if (change === null) byId.delete(id);
    else byId.set(id, merge(byId.get(id) ?? named(key, id), change));
  }
  return [...byId.values()] as KubeObject[];
}

function idOf(item: unknown): string {
  const { name, namespace } = tree(tree(item).metadata);
  return namespace === undefined ? String(name) : `${namespace}/${name}`;
}

function named(key: ListKey, id: string): Tree {
  const [first = "", second] = id.split("/");
  return { ...LIST_KINDS[key], metadata: second === undefined ? { name: first } : { namespace: first, name: second } };
}

/** @see RFC 7396 section 2 */
function merge(target: unknown, patch: unknown): unknown {
  if (!isPlainObject(patch)) return patch;
  const result: Record<string, unknown> = isPlainObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

function times(value: unknown, nowMs: number): unknown {
  if (Array.isArray(value)) return value.map((item) => times(item, nowMs));
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key.endsWith("Ms") && typeof inner === "string" ? relative(inner, nowMs) : times(inner, nowMs),
    ]),
  );
}

function relative(text: string, nowMs: number): number {
  const sign = text.startsWith("-") ? -1 : 1;
  return nowMs + sign * parseDuration(text.replace(/^[-+]/, ""));
}

function tree(value: unknown): Tree {
  return isPlainObject(value) ? value : {};
}
