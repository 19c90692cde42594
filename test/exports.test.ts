/**
 * Nothing is offered that nobody takes: exports, error codes, settings and dependencies, each with its users.
 *
 * Exports are read from the text: `export function|const|class|type|interface NAME`, and who imports NAME from that file.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";
import { SETTINGS } from "../src/cli/settings.ts";
import { ERROR_CODES } from "../src/core/error-codes.ts";

const ROOT = resolve(import.meta.dirname, "..");
const FOLDERS = ["src", "ui", "embed", "scripts", "bench", "test"];

/** Offered to tests alone, with the reason why it is no part of a test. */
const FOR_TESTS: Readonly<Record<string, string>> = {
  "src/status/situations/situation.ts readSituation": "recorded observations lie beside the rules that they record",
};

/** Packages that are named by no import, with what uses them. */
const WITHOUT_IMPORT: Readonly<Record<string, string>> = {
  "@biomejs/biome": "a gate of npm run check",
  "@types/node": "types that the compiler finds by itself",
  "@types/semver": "types that the compiler finds by itself",
  bun: "runs and compiles everything",
  deno: "a gate of npm run check",
  typescript: "a gate of npm run check",
};

interface Source {
  readonly path: string;
  readonly text: string;
}

interface Offer {
  readonly name: string;
  readonly isType: boolean;
}

const sources: readonly Source[] = [
  ...FOLDERS.filter((folder) => existsSync(join(ROOT, folder))).flatMap(filesOf),
  { path: "build.ts", text: readFileSync(join(ROOT, "build.ts"), "utf8") },
];
const product = sources.filter((source) => !isTest(source.path));

function filesOf(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.m?ts$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .map((path) => ({ path, text: withoutComments(readFileSync(join(ROOT, path), "utf8")) }));
}

function isTest(path: string): boolean {
  return path.startsWith("test/") || path.endsWith(".test.ts");
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

function offersOf({ text }: Source): Offer[] {
  const found = text.matchAll(/^export (?:declare )?(?:async )?(function\*?|const|class|interface|type) (\w+)/gm);
  return [...found].map(([, kind = "", name = ""]) => ({ name, isType: kind === "interface" || kind === "type" }));
}

/** "file name" of everything that a file takes from others. A lazy import takes every name that the file writes. */
function takenBy({ path, text }: Source, offers: ReadonlyMap<string, readonly Offer[]>): string[] {
  const fileOf = (target: string): string => relative(ROOT, resolve(ROOT, dirname(path), target));
  const named = text.matchAll(/\b(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s*from\s*"(\.[^"]+)"/g);
  const byName = [...named].flatMap(([, names = "", target = ""]) =>
    names.split(",").map(
      (one) =>
        `${fileOf(target)} ${one
          .trim()
          .replace(/^type /, "")
          .split(" as ")[0]
          ?.trim()}`,
    ),
  );
  const whole = text.matchAll(/(?:\bimport\(\s*|\*(?: as \w+)? from )"(\.[^"]+)"/g);
  const byWord = [...whole].flatMap(([, target = ""]) =>
    (offers.get(fileOf(target)) ?? [])
      .filter(({ name }) => new RegExp(`\\b${name}\\b`).test(text))
      .map(({ name }) => `${fileOf(target)} ${name}`),
  );
  return [...byName, ...byWord];
}

function uses(text: string, name: string): number {
  return text.match(new RegExp(`\\b${name}\\b`, "g"))?.length ?? 0;
}

/** What is wrong with the offers of the rooms. */
function needless(all: readonly Source[], allowed: Readonly<Record<string, string>>): string[] {
  const offers = new Map(all.map((source) => [source.path, offersOf(source)]));
  const taken = new Set(all.filter(({ path }) => !isTest(path)).flatMap((source) => takenBy(source, offers)));
  const tested = new Set(all.filter(({ path }) => isTest(path)).flatMap((source) => takenBy(source, offers)));
  const judge = (source: Source, { name, isType }: Offer): string[] => {
    const key = `${source.path} ${name}`;
    const isUsedHere = uses(source.text, name) > 1;
    if (taken.has(key) || (isUsedHere && (isType || tested.has(key))) || allowed[key] !== undefined) return [];
    return [`${key}: ${isUsedHere ? "no other file takes it" : "nothing uses it"}`];
  };
  return all
    .filter(({ path }) => /^(?:src|embed)\//.test(path) && !isTest(path))
    .flatMap((source) => (offers.get(source.path) ?? []).flatMap((offer) => judge(source, offer)));
}

describe("exports", () => {
  it("have a user outside their file", () => assert.deepEqual(needless(sources, FOR_TESTS), []));

  it("of the table of exceptions are there, and are still exceptions", () => {
    const found = needless(sources, {}).map((line) => line.split(":")[0] ?? "");
    assert.deepEqual(
      Object.keys(FOR_TESTS).filter((key) => !found.includes(key)),
      [],
    );
  });

  const made = (text: string, user = ""): Source[] => [
    { path: "src/a.ts", text },
    { path: "src/b.ts", text: user },
    { path: "src/a.test.ts", text: 'import { tested } from "./a.ts";' },
  ];
  const cases: readonly (readonly [string, readonly Source[], number])[] = [
    ["a function that nobody uses", made("export function lost() {}"), 1],
    ["a constant for its own file", made("export const LIMIT = 1;\nif (LIMIT) {}"), 1],
    ["a type that nobody uses", made("export type Lost = string;"), 1],
    ["what tests alone use", made("export function tested() {}"), 1],
    ["not what is taken", made("export const a = 1;", 'import { a as b } from "./a.ts";'), 0],
    ["not what is taken lazily", made("export const a = 1;", 'const { a } = await import("./a.ts");'), 0],
    ["not a part that is tested by itself", made("export function tested() {}\ntested();"), 0],
    ["not the type of an offer", made("export interface Options {}\nfunction x(o: Options) {}"), 0],
  ];
  for (const [name, all, count] of cases) {
    it(`the rule finds ${name}`, () => assert.equal(needless(all, {}).length, count));
  }
});

describe("tables", () => {
  const texts = product.filter(({ path }) => path !== "src/core/error-codes.ts").map(({ text }) => text);
  const isNamed = (word: string): boolean => texts.some((text) => text.includes(`"${word}"`));

  it("have no error code that nothing throws or answers", () => {
    assert.deepEqual(
      Object.keys(ERROR_CODES).filter((code) => !isNamed(code)),
      [],
    );
  });

  it("have no setting that nothing reads", () => {
    const read = new Set(
      texts.flatMap((text) => [...text.matchAll(/\bget\(\s*"([\w.]+)"\s*\)/g)].map(([, key]) => key)),
    );
    assert.deepEqual(
      SETTINGS.map((setting) => setting.key).filter((key) => !read.has(key)),
      [],
    );
  });

  it("have no package that nothing uses, and no user of a package that is not listed", () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const used = new Set(sources.flatMap(packagesOf));
    const listed = Object.keys({ ...dependencies, ...devDependencies });
    assert.deepEqual(
      listed.filter((name) => !used.has(name) && WITHOUT_IMPORT[name] === undefined),
      [],
    );
    assert.deepEqual(
      [...used].filter((name) => !listed.includes(name)),
      [],
    );
    const shipped = new Set(product.filter(({ path }) => /^(?:src|ui|embed)\//.test(path)).flatMap(packagesOf));
    assert.deepEqual(
      [...shipped].filter((name) => dependencies[name] === undefined),
      [],
    );
  });
});

/** Packages that a file imports, asks the place of, or has as its types. */
function packagesOf({ text }: Source): string[] {
  const named = text.matchAll(
    /(?:\bfrom |\bimport |\bimport\(|\brequire(?:\.resolve)?\(|\bimport\.meta\.resolve\()\s*"((?:@[\w-]+\/)?[a-z][\w.-]*)[^"]*"/g,
  );
  return [...named].map(([, name = ""]) => name).filter((name) => !name.startsWith("node:") && name !== "node");
}
