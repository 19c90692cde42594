// The page "The box does not come up" as data: the lab does what stands there, word for word, so that it cannot drift from the box.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inBox } from "../../scripts/lab/box.ts";
import { REPOSITORY } from "../../scripts/lab/places.ts";

const PAGE = join(REPOSITORY, "docs/box-does-not-come-up.md");

export interface Section {
  readonly title: string;
  /** What the first screen shows then; empty where the screen is not asked. */
  readonly says: readonly string[];
  /** What is typed, in its order. */
  readonly commands: readonly string[];
}

/** The sections of the page. */
export function readGuide(text: string = readFileSync(PAGE, "utf8")): readonly Section[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((part) => ({
      title: part.slice(0, part.indexOf("\n")).trim(),
      says: [...part.matchAll(/^The screen says: `(.+)`$/gm)].map((found) => found[1] ?? ""),
      commands: [...part.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap((block) => commandsOf(block[1] ?? "")),
    }));
}

function commandsOf(block: string): readonly string[] {
  return block
    .split("\n")
    .map((line) => line.replace(/ {2,}# .*$/, "").trim())
    .filter((line) => line !== "");
}

/** The section of a title. @throws {Error} when the page has none */
export function sectionOf(title: string): Section {
  const found = readGuide().find((section) => section.title === title);
  assert.ok(found !== undefined, `the page has no section "${title}"`);
  return found;
}

/**
 * Types the commands of a section on the box, each to its end.
 * @param values What stands for `<unit>` and the like
 * @throws {Error} with what a command said when it failed, or for a place that has no value
 */
export function follow(section: Section, values: Readonly<Record<string, string>> = {}): void {
  for (const command of section.commands) {
    const typed = command.replaceAll(/<([a-z ]+)>/g, (place, name: string) => values[name] ?? place);
    assert.doesNotMatch(typed, /<[a-z ]+>/, `nothing is known for a place of "${command}"`);
    const { code, stdout, stderr } = inBox(["sh", "-c", typed], { timeoutMs: 180_000 });
    assert.equal(code, 0, `"${typed}" ended with ${code}: ${stderr}${stdout}`.slice(0, 2_000));
  }
}
