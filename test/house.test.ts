/**
 * The rules of the repository that no compiler holds: commands with examples and a reference, rooms on the map, links that
 * lead somewhere, tests that look at something, and nothing of the machine on which a file was written.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, it } from "node:test";
import { runCommandLine } from "../src/cli/run.ts";
import { NOUNS } from "../src/main.ts";

const ROOT = resolve(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const commands = (await Promise.all(NOUNS.map((noun) => noun.load()))).flat();

/** Every text file that the repository holds, as git knows them; without git, what stands in the usual folders. */
const files = trackedFiles().filter((path) => /\.(?:ts|mjs|json|md|ya?ml|sh|css|html)$/.test(path));
const testFiles = files.filter((path) => path.endsWith(".test.ts"));

function trackedFiles(): string[] {
  const known = existsSync(join(ROOT, ".git"))
    ? execFileSync("git", ["ls-files"], { cwd: ROOT, encoding: "utf8" }).split("\n")
    : ["src", "ui", "test", "docs", "scripts"].flatMap((folder) =>
        readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((path) => join(folder, path)),
      );
  return known.filter((path) => path !== "" && existsSync(join(ROOT, path)));
}

/** Hosts that packages come from: which one is used is the matter of whoever builds. */
const PACKAGE_HOSTS =
  /\b(?:registry\.npmjs\.org|registry\.yarnpkg\.com|npm\.jsr\.io|proxy\.golang\.org|sum\.golang\.org)\b/;
/** Folders of the people who write here. The home of root is a path of a box in the tests of its files. */
const OWN_FOLDERS = /(?<![\w.~-])\/(?:work|workspace|home\/\w+|Users\/\w+)\/[\w.-]/;
const ASSERTS = /\bassert\b|\bexpect\(/;
const LEFT_BEHIND = /\b(?:test|it|describe)\.(?:only|skip|todo)\b|\{\s*(?:only|todo):/;

const named = (pattern: RegExp, text: string): string[] => [...text.matchAll(pattern)].map(([, name = ""]) => name);

describe("commands", () => {
  const reference = read("docs/cli.md");
  for (const command of commands) {
    const name = command.path.join(" ");
    it(`${name} has examples of itself, a section of the reference, and plain words`, () => {
      assert.ok(command.examples.length > 0, "an example is wanted");
      for (const example of command.examples) assert.match(example.command, new RegExp(`\\balga-appliance ${name}\\b`));
      assert.ok(reference.includes(`\n## ${name}\n`), "npm run docs");
      for (const { summary } of [command, ...command.flags]) assert.match(summary, /^[A-Z].*[^.]$/);
    });
  }
  it("are each what their own words run", async () => {
    for (const { path } of commands) {
      const seen: string[] = [];
      const code = await runCommandLine(NOUNS, {
        words: [...path, "--help"],
        baseName: "alga-appliance",
        streams: { out: (text) => void seen.push(text), err: (text) => void seen.push(text) },
        stdoutIsTerminal: false,
        stderrIsTerminal: false,
        columns: 120,
        env: {},
        bare: { build: { version: "1", revision: "1", target: "linux-x64" }, runtime: "bun" },
        context: () => Promise.reject(new Error("help needs no ports")),
        onFailure: (thrown) => assert.fail(String(thrown)),
      });
      assert.equal(code, 0, path.join(" "));
      assert.match(seen.join(""), new RegExp(`^Usage: alga-appliance ${path.join(" ")}(?: [<\\[]|$)`, "m"));
    }
  });
  it("are found by every noun of the overview", () => {
    for (const { name } of NOUNS)
      assert.ok(
        commands.some((command) => command.path[0] === name),
        name,
      );
  });
});

describe("documents", () => {
  it("show every room on the map", () => {
    const rooms = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const map = read("docs/architecture.md");
    assert.deepEqual(
      rooms.map(({ name }) => name).filter((name) => !map.includes(`| \`${name}/\``)),
      [],
    );
  });
  it("name the two commands that a stranger needs", () => {
    for (const command of ["npm start", "npm test"]) assert.ok(read("README.md").includes(`\n${command}\n`), command);
  });
  it("name only scripts that there are", () => {
    const { scripts } = JSON.parse(read("package.json"));
    const texts = files.filter((path) => path.endsWith(".md")).map(read);
    const wanted = texts.flatMap((text) => named(/\bnpm run ([\w:-]+)/g, text));
    assert.deepEqual(
      wanted.filter((name) => scripts[name] === undefined),
      [],
    );
  });
  it("link to files that there are", () => {
    const dead = files
      .filter((path) => path.endsWith(".md"))
      .flatMap((path) =>
        named(/\]\((?!https?:)([^)#\s]+)/g, read(path))
          .filter((target) => !existsSync(join(ROOT, dirname(path), target)))
          .map((target) => `${path}: ${target}`),
      );
    assert.deepEqual(dead, []);
  });
});

describe("files", () => {
  const holding = (pattern: RegExp): string[] =>
    files.filter((path) => path !== "test/house.test.ts" && pattern.test(read(path)));
  it("name no host that packages come from", () => assert.deepEqual(holding(PACKAGE_HOSTS), []));
  it("lock packages by their digest, wherever they come from", () => {
    const { packages } = JSON.parse(read("package-lock.json"));
    const locked = Object.entries<Record<string, unknown>>(packages).filter(([path]) => path !== "");
    assert.deepEqual(
      locked.filter(([, one]) => one.resolved !== undefined || (one.integrity === undefined && one.optional !== true)),
      [],
    );
  });
  it("name no folder of the machine they were written on", () => assert.deepEqual(holding(OWN_FOLDERS), []));
});

/** Tells whether a test asserts, itself or in a suite of test/ that it hands its subject to. */
function looks(path: string): boolean {
  const text = read(path);
  const suites = named(/from "(\.[^"]+)"/g, text).map((target) => join(dirname(path), target));
  return ASSERTS.test(text) || suites.some((suite) => suite.startsWith("test/") && looks(suite));
}

describe("tests", () => {
  it("look at something", () =>
    assert.deepEqual(
      testFiles.filter((path) => !looks(path)),
      [],
    ));
  it("are all run", () =>
    assert.deepEqual(
      testFiles.filter((path) => path !== "test/house.test.ts" && LEFT_BEHIND.test(read(path))),
      [],
    ));
  it("are each in a lane of npm test or in a leg of CI", () => {
    const runs = `${read("scripts/test.ts")}${read("scripts/ci.ts")}`;
    const places = named(/"(?:\.\/)?((?:src|ui|embed|test)(?:\/[\w.-]+)*)"/g, runs);
    const isRun = (path: string): boolean =>
      path.endsWith(".interop.test.ts") || places.some((place) => path === place || path.startsWith(`${place}/`));
    assert.deepEqual(
      testFiles.filter((path) => !isRun(path)),
      [],
    );
  });
});

describe("the patterns can fail", () => {
  const cases: readonly (readonly [string, RegExp, string])[] = [
    ["a package host", PACKAGE_HOSTS, "https://registry.npmjs.org/zod"],
    ["a folder of a person", OWN_FOLDERS, 'cd "/home/ada/appliance"'],
    ["a work folder", OWN_FOLDERS, `see /${"work"}/main`],
    ["one test alone", LEFT_BEHIND, "it.only("],
    ["a test for later", LEFT_BEHIND, "{ todo: true }"],
  ];
  for (const [name, pattern, text] of cases) it(`find ${name}`, () => assert.match(text, pattern));
  it("let addresses pass", () => assert.doesNotMatch("https://x.test/work/a /rework/b ./work/c", OWN_FOLDERS));
});
