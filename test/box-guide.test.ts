/** The page "The box does not come up" against what the box shows: each section has a case of the lab, and its words are on the frame. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { readGuide } from "./lab/guide.ts";
import { TROUBLES } from "./lab/units-troubles.ts";

const FRAMES = join(import.meta.dirname, "golden/units");
/** Followed on a box that works. */
const CALM = ["What does it say?", "The screen is empty"];

describe("the page of a box that does not come up", () => {
  const sections = readGuide();
  it("has a case of the lab for each section, and a section for each case", () => {
    const told = [...CALM, ...TROUBLES.map(({ section }) => section)];
    assert.deepEqual(sections.map(({ title }) => title).sort(), told.sort());
  });
  it("has something to type in each section", () => {
    for (const { title, commands } of sections) assert.ok(commands.length > 0, title);
  });
  for (const { section: title, frame, values = {} } of TROUBLES) {
    it(`quotes the screen and leaves no place open: ${title}`, () => {
      const section = sections.find((one) => one.title === title);
      const shown = readFileSync(join(FRAMES, `${frame}.txt`), "utf8");
      assert.equal(section?.says.length, 1);
      for (const words of section?.says ?? []) assert.ok(shown.includes(words), `"${words}" is not on the screen`);
      for (const [, place] of (section?.commands ?? []).join("\n").matchAll(/<([a-z ]+)>/g))
        assert.ok(place !== undefined && place in values, `nothing is known for <${place}>`);
    });
  }
});
