/** The grammar of error messages (design.md section 6), read from the sources: what an operator sees at night is one language. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { commands as doctor } from "../src/cli/doctor-command.ts";
import { commands as agent } from "../src/host/agent-command.ts";
import { commands as bootstrap } from "../src/host/bootstrap-command.ts";
import { commands as host } from "../src/host/command.ts";
import { commands as consoles } from "../src/host/console-command.ts";
import { recoverCommands } from "../src/host/recover-command.ts";
import { commands as reset } from "../src/host/reset-command.ts";
import { commands as release } from "../src/publishing/commands.ts";
import { commands as rehearse } from "../src/rehearsal/command.ts";
import { commands as serve } from "../src/server/command.ts";
import { setupCommands } from "../src/setup/command.ts";
import { commands as consoleSetup } from "../src/setup/console-command.ts";
import { commands as status } from "../src/status/command.ts";
import { updateCommands } from "../src/update/command.ts";

/** Commands that other rooms work for; nothing is run here. */
const ROOMS = { lost: never, rebuild: never, writeOwnImage: never };
const SOURCES = join(import.meta.dirname, "../src");

/** Actors of the rehearsal speak with the words of Flux and Helm, because operators must learn to read those. */
const SPEAKS_AS_OTHERS = ["rehearsal/actors/helm.ts", "rehearsal/actors/source.ts"];

/** `new ApplianceError(code, "text"` or with a template; a message that is a variable is checked where it is made. */
const MESSAGE =
  /new ApplianceError\(\s*(?:[^,"'`]+|"[^"]+"),\s*(`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')/g;
const HINT = /\bhint:\s*(`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')/g;

const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts") && !SPEAKS_AS_OTHERS.includes(path))
  .map((path) => ({ path, text: readFileSync(join(SOURCES, path), "utf8") }));

function never(): Promise<never> {
  return Promise.reject(new Error("nothing is run here"));
}

function found(pattern: RegExp): readonly { readonly place: string; readonly words: string }[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].map((match) => ({
      place: `${path}:${text.slice(0, match.index).split("\n").length}`,
      words: (match[1] ?? "").slice(1, -1),
    })),
  );
}

test("every error message says what cannot be done, and ends without a period", () => {
  const messages = found(MESSAGE);
  assert.ok(messages.length > 150, `only ${messages.length} messages were found`);
  const wrong = messages.filter(({ words }) => !/^Cannot (?:[a-z]|\$\{)/.test(words) || /[.!\s]$/.test(words));
  assert.deepEqual(wrong, []);
});

test("every error message fits on a line of a console, and shows no stack and no type", () => {
  const wrong = found(MESSAGE).filter(({ words }) => /\\n|\[object/.test(words) || words.length > 300);
  assert.deepEqual(wrong, []);
});

test("every hint is a next step: a sentence or a command, without a final period", () => {
  const hints = found(HINT);
  assert.ok(hints.length > 60, `only ${hints.length} hints were found`);
  assert.deepEqual(
    hints.filter(({ words }) => words.trim() === "" || /[.!\s]$/.test(words)),
    [],
  );
});

test("every command that a text tells to type is there, with its flags", () => {
  const commands = [
    ...agent,
    ...bootstrap,
    ...consoles,
    ...consoleSetup,
    ...doctor,
    ...host,
    ...recoverCommands(ROOMS),
    ...rehearse,
    ...release,
    ...reset,
    ...serve,
    ...setupCommands(never),
    ...status,
    ...updateCommands(never),
  ];
  const known = new Map(commands.map((command) => [command.path.join(" "), command]));
  const wrong = found(/(`(?:[^`\\]|\\.)*`|"(?:[^"\\\n]|\\.)*")/g).flatMap(({ place, words }) =>
    [
      ...words.matchAll(
        /alga-appliance ([a-z]+(?:-[a-z]+)*)(?: ([a-z-]+(?: (?:init|rotate|refresh|sign|finish|import|check|install))?))?((?: --[a-z-]+)*)/g,
      ),
    ].flatMap(([typed, noun, verb, flags]) => {
      if (noun === "completion" || noun === "version") return [];
      const command = known.get(`${noun} ${verb}`) ?? known.get(noun ?? "");
      const unknown = (flags ?? "")
        .split(" --")
        .slice(1)
        .filter((flag) => !command?.flags.some(({ name }) => name === flag));
      return command === undefined || unknown.length > 0 ? [`${place}: ${typed}`] : [];
    }),
  );
  assert.deepEqual(wrong, []);
});
