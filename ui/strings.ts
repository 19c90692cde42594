/**
 * Every word of the page, by key: one catalogue, written page by page in `words/`. A template holds none: a test fails on a
 * literal string there.
 *
 * Short main clauses, present tense, no blame, no exclamation mark. `{name}` is filled in by `text`, and the compiler
 * asks for it. Another language is one file: a `Catalogue` with the same keys and holes, which the compiler and a test hold.
 */
import { BOX } from "./words/box.ts";
import { COMPONENTS } from "./words/components.ts";
import { FRAME } from "./words/frame.ts";
import { GATE } from "./words/gate.ts";
import { INSTALL } from "./words/install.ts";
import { KIT } from "./words/kit.ts";
import { OPERATIONS } from "./words/operations.ts";
import { OVERVIEW } from "./words/overview.ts";
import { SETTINGS } from "./words/settings.ts";
import { UPDATES } from "./words/updates.ts";
import { WIZARD_WORDS } from "./words/wizard.ts";

/** Language of the words below, as `Intl` names it. */
export const LANGUAGE = "en";

export const STRINGS = {
  ...FRAME,
  ...GATE,
  ...WIZARD_WORDS,
  ...INSTALL,
  ...OVERVIEW,
  ...COMPONENTS,
  ...BOX,
  ...OPERATIONS,
  ...SETTINGS,
  ...UPDATES,
  ...KIT,
} as const;

export type Key = keyof typeof STRINGS;
/** The same keys in any language. */
export type Catalogue = Readonly<Record<Key, string>>;

type Holes<Text extends string> = Text extends `${string}{${infer Hole}}${infer Rest}` ? Hole | Holes<Rest> : never;
type Params<K extends Key> = Holes<(typeof STRINGS)[K]>;
/** Keys of words without holes: only these may be kept in a table and said later. */
export type PlainKey = { [K in Key]: [Params<K>] extends [never] ? K : never }[Key];
type Arguments<K extends Key> = [Params<K>] extends [never]
  ? [fill?: object]
  : [fill: Readonly<Record<Params<K>, string | number>>];

/** The words of a key, with its holes filled. */
export function text<K extends Key>(key: K, ...[fill]: Arguments<K>): string {
  const words: string = STRINGS[key];
  if (fill === undefined) return words;
  const values = new Map<string, unknown>(Object.entries(fill));
  return words.replace(/\{(\w+)\}/g, (hole, name: string) => String(values.get(name) ?? hole));
}
