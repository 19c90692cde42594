/** How strong a chosen password looks. An estimate for the eye; the box's own policy decides. Pure. */
import type { Tone } from "../parts/tone.ts";

export interface Strength {
  /** 0 (nothing typed) to 4. */
  readonly level: 0 | 1 | 2 | 3 | 4;
  readonly word:
    | "strength.none"
    | "strength.short"
    | "strength.weak"
    | "strength.fair"
    | "strength.good"
    | "strength.strong";
  readonly tone: Tone;
}

export interface StrengthOptions {
  readonly minLength: number;
  /** Words an attacker tries first: names, the address, the product. */
  readonly known: readonly string[];
}

/** Bits from which a password counts as fair, good and strong. */
const FAIR_BITS = 45;
const GOOD_BITS = 60;
const STRONG_BITS = 80;

/** Rates what was typed. Never leaves the page. */
export function strengthOf(value: string, options: StrengthOptions): Strength {
  if (value === "") return { level: 0, word: "strength.none", tone: "unknown" };
  if ([...value].length < options.minLength) return { level: 1, word: "strength.short", tone: "failed" };
  const bits = bitsOf(value, options.known);
  if (bits < FAIR_BITS) return { level: 1, word: "strength.weak", tone: "failed" };
  if (bits < GOOD_BITS) return { level: 2, word: "strength.fair", tone: "attention" };
  if (bits < STRONG_BITS) return { level: 3, word: "strength.good", tone: "ready" };
  return { level: 4, word: "strength.strong", tone: "ready" };
}

/** Bits of a guess-by-alphabet model, where repeats, runs and known words count for almost nothing. */
function bitsOf(value: string, known: readonly string[]): number {
  const lower = value.toLowerCase();
  const rest = known
    .map((word) => word.toLowerCase())
    .filter((word) => word.length >= 3)
    .reduce((left, word) => left.replaceAll(word, "*"), lower);
  const points = [...rest].map((character) => character.codePointAt(0) ?? 0);
  const surprising = points.filter((point, index) => {
    const before = points[index - 1];
    return before === undefined || Math.abs(point - before) > 1;
  });
  const distinct = new Set(surprising).size;
  return Math.min(surprising.length, distinct * 2) * Math.log2(alphabetOf(value));
}

function alphabetOf(value: string): number {
  const sets: readonly (readonly [RegExp, number])[] = [
    [/[a-z]/, 26],
    [/[A-Z]/, 26],
    [/[0-9]/, 10],
    [/[^a-zA-Z0-9]/, 33],
  ];
  return Math.max(
    2,
    sets.reduce((size, [set, count]) => (set.test(value) ? size + count : size), 0),
  );
}
