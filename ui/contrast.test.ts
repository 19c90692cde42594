/** Measures the contrast of every pair of colors that the style sheets put together, in light and dark. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const TEXT = 4.5;
const SHAPE = 3;
const SURFACES = ["page", "surface"] as const;
const TONES = ["ready", "progressing", "failed", "attention", "unknown"] as const;

/** Foreground, background, least ratio. */
const PAIRS: readonly (readonly [string, string, number])[] = [
  ...SURFACES.flatMap((surface) => [
    ...["ink-1", "ink-2", "ink-3", "accent", ...TONES].map((ink) => [ink, surface, TEXT] as const),
    ["edge", surface, SHAPE] as const,
  ]),
  ...TONES.map((tone) => [tone, `${tone}-soft`, TEXT] as const),
  ["ink-1", "failed-soft", TEXT],
  ["ink-1", "attention-soft", TEXT],
  ["ink-2", "surface", TEXT],
  ["accent", "failed-soft", TEXT],
  ["accent", "accent-soft", TEXT],
  ["ink-1", "accent-soft", TEXT],
  ["ink-2", "accent-soft", TEXT],
  ["ready", "accent-soft", TEXT],
  ["failed", "accent-soft", SHAPE],
  ["on-accent", "accent", TEXT],
  ["on-accent", "accent-strong", TEXT],
  ["surface", "ink-1", TEXT],
];

const tokens = readTokens();

for (const [index, scheme] of (["light", "dark"] as const).entries()) {
  test(`every pair of colors is legible in the ${scheme} scheme`, () => {
    const faint = PAIRS.flatMap(([front, back, least]) => {
      const ratio = contrast(tokenOf(front, index), tokenOf(back, index));
      return ratio >= least ? [] : [`${front} on ${back}: ${ratio.toFixed(2)}, at least ${least} is wanted`];
    });
    assert.deepEqual(faint, []);
  });
}

test("docs/ui.md tells every pair with the contrast that was measured", () => {
  const written = readFileSync(new URL("../docs/ui.md", import.meta.url), "utf8").replace(/ +/g, " ");
  const rows = PAIRS.map(([front, back, least]) => {
    const [light, dark] = [0, 1].map((scheme) => contrast(tokenOf(front, scheme), tokenOf(back, scheme)).toFixed(1));
    return `| ${front} on ${back} | ${light} | ${dark} | ${least} |`;
  });
  assert.deepEqual(
    rows.filter((row) => !written.includes(row)),
    [],
  );
});

test("style sheets use colors by token only, apart from the backdrop of a dialog", () => {
  const used = ["base", "parts", "pages"].flatMap(
    (name) => read(`styles/${name}.css`).match(/#[0-9a-f]{3,8}\b|rgb\([^)]*\)/gi) ?? [],
  );
  assert.deepEqual(used, ["rgb(14 21 20 / 55%)"]);
});

test("contrast() measures black on white as 21", () => {
  assert.equal(contrast("#000000", "#ffffff"), 21);
  assert.ok(contrast("#767676", "#ffffff") > TEXT && contrast("#777777", "#ffffff") < TEXT);
});

function readTokens(): ReadonlyMap<string, readonly [string, string]> {
  const found = read("styles/tokens.css").matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g);
  return new Map([...found].map(([, name = "", light = "", dark = ""]) => [name, [light, dark] as const]));
}

function tokenOf(name: string, scheme: number): string {
  const value = tokens.get(name)?.[scheme];
  assert.ok(value, `ui/styles/tokens.css has no color "${name}"`);
  return value;
}

/** @see WCAG 2.2, "contrast ratio" */
function contrast(front: string, back: string): number {
  const [light = 0, dark = 0] = [luminance(front), luminance(back)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((start) => Number.parseInt(color.slice(start, start + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function read(name: string): string {
  return readFileSync(new URL(name, import.meta.url), "utf8");
}
