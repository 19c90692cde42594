/** Holds the words together: none in a template, none unused, none in the wrong tone. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { type Catalogue, STRINGS, text } from "./strings.ts";

const SOURCES = ["parts", "pages", "."].flatMap((folder) =>
  readdirSync(new URL(folder, import.meta.url))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => ({
      name: `${folder}/${name}`,
      code: readFileSync(new URL(`${folder}/${name}`, import.meta.url), "utf8"),
    })),
);

/** Attributes that people see or hear; their values come from the catalogue too. */
const SPOKEN = /\b(?:aria-label|title|placeholder|alt|label|help|about|sentence|line|deed|message)="[^"$]*[\p{L}]/u;

test("no template holds a literal word", () => {
  const found = SOURCES.flatMap(({ name, code }) =>
    templatesOf(code).flatMap((template) => literalsOf(template).map((words) => `${name}: ${words}`)),
  );
  assert.deepEqual(found, []);
});

test("literalsOf() finds words between tags and in spoken attributes", () => {
  assert.deepEqual(literalsOf('<p class="x">\u0000</p>'), []);
  assert.deepEqual(literalsOf("<p>Hello \u0000</p>"), ["Hello"]);
  assert.deepEqual(literalsOf('<a title="Open it">\u0000</a>'), ['title="Open it']);
});

test("no part or page holds a sentence outside its templates either", () => {
  const found = SOURCES.filter(
    ({ name }) => name !== "pages/kit.ts" && !name.endsWith("/strings.ts") && !name.endsWith("/build.ts"),
  ).flatMap(({ name, code }) => (code.match(/"[A-Z][a-z]+ [a-z]+[^"\n]*"/g) ?? []).map((words) => `${name}: ${words}`));
  assert.deepEqual(found, []);
});

test("every key is used", () => {
  const all =
    SOURCES.map(({ code }) => code).join("\n") +
    readdirSync(new URL("model", import.meta.url))
      .filter((name) => !name.endsWith(".test.ts"))
      .map((name) => readFileSync(new URL(`model/${name}`, import.meta.url), "utf8"))
      .join("\n") +
    readFileSync(new URL("state/api.ts", import.meta.url), "utf8");
  const uses = all.replace(readFileSync(new URL("strings.ts", import.meta.url), "utf8"), "");
  const families = [...uses.matchAll(/text\(`([\w-]+\.)\$\{/g)].map(([, family]) => family ?? "");
  const idle = Object.keys(STRINGS).filter(
    (key) => !uses.includes(`"${key}"`) && !families.some((family) => key.startsWith(family)),
  );
  assert.deepEqual(idle, []);
});

test("no key stands in two files of words", () => {
  const keys = readdirSync(new URL("words", import.meta.url)).flatMap((name) => [
    ...readFileSync(new URL(`words/${name}`, import.meta.url), "utf8").matchAll(/^ {2}"([^"]+)":/gm),
  ]);
  assert.equal(keys.length, Object.keys(STRINGS).length);
  assert.equal(new Set(keys.map(([, key]) => key)).size, keys.length);
});

test("faultsOf() holds another language to the keys and holes of this one", () => {
  const backwards = Object.fromEntries(
    Object.entries(STRINGS).map(([key, words]) => [
      key,
      words
        .split(/(?=\{)|(?<=\})/)
        .reverse()
        .join(""),
    ]),
  ) as Catalogue;
  assert.deepEqual(faultsOf(backwards), []);
  assert.deepEqual(faultsOf({ ...backwards, "app.title": "Alga" }), ["app.title"]);
});

/** Keys whose holes differ from those of the words here. */
function faultsOf(catalogue: Catalogue): readonly string[] {
  const holes = (words: string): string => (words.match(/\{\w+\}/g) ?? []).sort().join();
  return Object.entries(STRINGS)
    .filter(([key, words]) => holes(words) !== holes(catalogue[key as keyof Catalogue]))
    .map(([key]) => key);
}

test("the words are calm: no exclamation mark, no please, no error occurred", () => {
  const loud = Object.entries(STRINGS).filter(([, words]) =>
    /!|please|error occurred|oops|sorry|failed to/i.test(words),
  );
  assert.deepEqual(loud, []);
});

test("text() fills every hole", () => {
  assert.equal(text("review.deed", { version: "1.0.3" }), "Install release 1.0.3");
  assert.equal(text("wizard.back"), "Back");
});

/** The contents of each template, with every `${...}` replaced by one NUL; nested templates are taken out on their own. */
function templatesOf(code: string): readonly string[] {
  return [...code.matchAll(/(?<![\w.])html`/g)].map((match) => readTemplate(code, match.index + match[0].length));
}

function readTemplate(code: string, start: number): string {
  let result = "";
  for (let at = start; at < code.length; at += 1) {
    if (code[at] === "`") return result;
    if (code.startsWith("${", at)) {
      at = endOfHole(code, at + 2);
      result += "\u0000";
    } else result += code[at];
  }
  return result;
}

/** The position of the brace that closes a hole; templates inside of it are stepped over. */
function endOfHole(code: string, start: number): number {
  let depth = 1;
  for (let at = start; at < code.length; at += 1) {
    if (code[at] === "`") at = endOfTemplate(code, at + 1);
    else if (code[at] === "{") depth += 1;
    else if (code[at] === "}") depth -= 1;
    if (depth === 0) return at;
  }
  return code.length;
}

function endOfTemplate(code: string, start: number): number {
  for (let at = start; at < code.length; at += 1) {
    if (code[at] === "`") return at;
    if (code.startsWith("${", at)) at = endOfHole(code, at + 2);
  }
  return code.length;
}

function literalsOf(template: string): readonly string[] {
  const words = template
    .replace(/<[^>]*>/g, "\u0000")
    .split("\u0000")
    .map((part) => part.trim())
    .filter((part) => /\p{L}/u.test(part));
  return [...words, ...(SPOKEN.exec(template) ?? [])];
}
