/** The ways in which people ask for help, and a flag in the wrong place. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Command } from "./command.ts";
import type { Noun } from "./nouns.ts";
import { type Environment, runCommandLine } from "./run.ts";

const command = (...path: string[]): Command => ({
  path,
  summary: `Summary of ${path.join(" ")}`,
  flags: [],
  examples: [],
  run: async () => assert.fail("it was run"),
});
const nouns: readonly Noun[] = [
  {
    name: "recover",
    group: "G",
    summary: "Mend",
    load: async () => [command("recover"), command("recover", "plan")],
  },
  {
    name: "host",
    group: "G",
    summary: "Host",
    load: async () => [command("host", "token", "rotate"), command("host", "facts")],
  },
];

async function type(line: string): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const seen = { out: "", err: "" };
  const say = (where: "out" | "err") => (text: string) => {
    seen[where] += text;
  };
  const environment = {
    words: line.split(" "),
    baseName: "alga-appliance",
    streams: { out: say("out"), err: say("err") },
    ...{ stdoutIsTerminal: false, stderrIsTerminal: false, columns: 80, env: {} },
    context: () => assert.fail("it was run"),
    onFailure: () => {},
  } as unknown as Environment;
  return { code: await runCommandLine(nouns, environment), ...seen };
}

describe("help", () => {
  for (const [line, wanted] of [
    ["help", /Usage: alga-appliance <noun>/],
    ["help --help", /Usage: alga-appliance <noun>/],
    ["help host", /Usage: alga-appliance host <verb>/],
    ["help host facts", /^Summary of host facts\./],
    ["help host token rotate", /^Summary of host token rotate\./],
    ["help recover", /^Summary of recover\./],
    ["recover --help", /Also:\n {2}recover plan {2}Summary of recover plan/],
  ] as const) {
    it(`${line} is found`, async () => {
      const { code, out } = await type(line);
      assert.equal(code, 0);
      assert.match(out, wanted);
    });
  }
  it("of a command without others below it lists none", async () =>
    assert.doesNotMatch((await type("host facts --help")).out, /Also:/));
  it("of what there is not is a mistake", async () => {
    const { code, err } = await type("help hots");
    assert.deepEqual([code, /there is no such command/.test(err)], [2, true]);
  });
});

it("a flag before the command is told to stand behind it", async () => {
  const { code, err } = await type("-q host facts");
  assert.equal(code, 2);
  assert.match(err, /"alga-appliance -q": a flag stands before the command, behind it is wanted/);
});
