// What the first screen of a box showed, compared with golden frames: as paragraphs, without what differs from box to box.
// `ALGA_LAB_FRAMES=write` writes them anew.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "../../scripts/lab/places.ts";

const FOLDER = join(REPOSITORY, "test/golden/units");

const DIFFERENT: readonly (readonly [RegExp, string])[] = [
  [/\b\d{4}(?:-\d{4}){4}\b/g, "<token>"],
  [/\b(?:[0-9A-F]{2}:){5,}[0-9A-F]{2}\b/g, "<fingerprint>"],
  [/(alga-admin with )\S+(?: \S{4})*(?= \()/g, "$1<password>"],
  [/\bprocess \d+/g, "process <number>"],
  [/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\S*Z/g, "<time>"],
  [/\b[\d.]+ (?:bytes|kB|MB)\b/g, "<size>"],
  [/Alga Appliance \d\S*/g, "Alga Appliance <version>"],
  [/\d{4}-\d{2}-\d{2} \d{2}:\d{2} UTC/g, "<time>"],
  [/\bRelease \d\S*/g, "Release <version>"],
  // It is tried some times before it stands: which of both is shown is a matter of when one looks.
  [/^(?:The start waits|The box cannot start) at step \d+ of \d+/gm, "The start stands at step <number>"],
];

/** The paragraphs of a screen, each on one line. */
export function paragraphsOf(lines: readonly string[]): string {
  const text = lines.map((line) => line.trim()).join("\n");
  const paragraphs = text.split(/\n{2,}/).map((paragraph) => paragraph.replaceAll(/\s+/g, " ").trim());
  const shown = paragraphs.filter((paragraph) => paragraph !== "").join("\n\n");
  return `${DIFFERENT.reduce((told, [pattern, word]) => told.replaceAll(pattern, word), shown)}\n`;
}

/** @throws {Error} with both texts when the screen is another one */
export function assertFrame(name: string, lines: readonly string[]): void {
  const path = join(FOLDER, `${name}.txt`);
  const shown = paragraphsOf(lines);
  if (process.env.ALGA_LAB_FRAMES === "write") writeFileSync(path, shown);
  assert.ok(existsSync(path), `there is no golden frame ${name}; the screen shows:\n${shown}`);
  assert.equal(shown, readFileSync(path, "utf8"), `the screen is not the golden frame ${name}`);
}
