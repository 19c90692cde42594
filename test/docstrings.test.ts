/**
 * Whatever a file of src offers others to call says in words what it does: functions, classes, arrow constants, and interfaces
 * with methods (by themselves, or method by method). What the words must say is a matter of reading; that they are there is not.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";

const ROOT = resolve(import.meta.dirname, "..");

const OFFER = /^export (?:default )?(?:abstract )?(?:async )?(function\*?|class|interface|const) (\w+)/;
const ARROW = /^export const \w+(?:: [^=]+)? =\s+(?:async )?(?:<[^>]*>)?(?:\([^)]*\)|\w+)(?:: [^=]+)? =>/;
const METHOD = /^ {2}(?:readonly )?\w+\??(?:<[^>]*>)?(?:\(|: (?:<[^>]*>)?\()/;

/** What the text of a file offers without a word about it, as `line name`. */
function silent(text: string): string[] {
  const lines = text.split("\n");
  const isSaid = (index: number): boolean => lines[index - 1]?.trim().endsWith("*/") ?? false;
  return lines.flatMap((line, index) => {
    const [, kind, name] = OFFER.exec(line) ?? [];
    if (name === undefined || isSaid(index)) return [];
    if (kind === "const" && !ARROW.test(lines.slice(index, index + 3).join("\n"))) return [];
    if (kind === "interface" && methodsOf(lines, index).every(isSaid)) return [];
    return [`${index + 1} ${name}`];
  });
}

/** Indexes of the lines of an interface that declare a method. */
function methodsOf(lines: readonly string[], start: number): number[] {
  const end = lines.findIndex((line, index) => index >= start && line.startsWith("}"));
  return lines.flatMap((line, index) => (index > start && index < end && METHOD.test(line) ? [index] : []));
}

function filesOf(room: string): string[] {
  return readdirSync(join(ROOT, "src", room), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => `src/${room}/${name}`);
}

describe("offers to other files", () => {
  const rooms = readdirSync(join(ROOT, "src"), { withFileTypes: true }).flatMap((one) =>
    one.isDirectory() ? [one.name] : [],
  );
  for (const room of rooms) {
    it(`say what they do: src/${room}`, () => {
      const found = filesOf(room).flatMap((path) =>
        silent(readFileSync(join(ROOT, path), "utf8")).map((one) => `${path}:${one}`),
      );
      assert.deepEqual(found, []);
    });
  }
});

describe("the rule can fail", () => {
  for (const [what, text, found] of [
    ["a function", "export async function a(): void {\n", ["1 a"]],
    ["an arrow", "export const a = (one: string): string => one;\n", ["1 a"]],
    ["an arrow that begins on the next line", "export const a =\n  (one: string): string => one;\n", ["1 a"]],
    ["a class", "export abstract class A {\n", ["1 A"]],
    [
      "an interface with a silent method",
      "export interface A {\n  /** Yes. */\n  a(): void;\n  b(): void;\n}\n",
      ["1 A"],
    ],
    ["not a value", "export const a = 5;\n", []],
    ["not an interface of fields", "export interface A {\n  readonly a: string;\n}\n", []],
    ["not an interface that tells its methods", "export interface A {\n  /** Yes. */\n  a(): void;\n}\n", []],
    ["not what is told", "/** Does. */\nexport function a(): void {\n/** Is. */\nexport class A {\n", []],
  ] as const) {
    it(`finds ${what}`, () => assert.deepEqual(silent(text), found));
  }
});
