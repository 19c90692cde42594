/** What the units start is a command of this executable, and none of them can fail for ever or in silence. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseInvocation } from "../src/cli/parse.ts";
import { NOUNS } from "../src/main.ts";
import { HOST_FILES } from "./manifests.ts";

const commands = (await Promise.all(NOUNS.map((noun) => noun.load()))).flat();
const units = Object.entries(HOST_FILES).filter(([path]) => path.endsWith(".service"));

const setting = (unit: string, name: string): readonly string[] =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value = ""]) => value);

describe("units", () => {
  it("are there", () => assert.ok(units.length > 0));
  for (const [path, unit] of units) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    it(`${name} starts commands that there are, with flags that they know`, () => {
      const lines = ["ExecStartPre", "ExecStart", "ExecStartPost"].flatMap((one) => setting(unit, one));
      assert.ok(lines.length > 0);
      for (const line of lines) {
        const [program, ...words] = line.split(" ");
        assert.equal(program, "/usr/local/bin/alga-appliance");
        const found = commands
          .filter((command) => command.path.every((word, index) => words[index] === word))
          .sort((a, b) => b.path.length - a.path.length)[0];
        assert.ok(found !== undefined, line);
        parseInvocation(found, words.slice(found.path.length));
      }
    });
    it(`${name} is started again, and not for ever`, () => {
      assert.match(setting(unit, "Restart")[0] ?? "", /^(?:on-failure|always)$/);
      assert.equal(setting(unit, "StartLimitIntervalSec").length, 1);
      assert.ok(Number(setting(unit, "StartLimitBurst")[0]) > 0);
    });
  }
});
