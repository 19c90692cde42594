/** What the units start is a command of this executable, and none of them can fail for ever or in silence. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseInvocation } from "../src/cli/parse.ts";
import { NOUNS } from "../src/main.ts";
import { HOST_FILES } from "./manifests.ts";

const commands = (await Promise.all(NOUNS.map((noun) => noun.load()))).flat();
const units = Object.entries(HOST_FILES).filter(([path]) => path.endsWith(".service"));

const BOOTSTRAP = "alga-appliance-bootstrap.service";

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
    it(`${name} is closed, whatever systemd-analyze is here to say so`, () => {
      for (const wanted of [
        "NoNewPrivileges",
        "ProtectKernelModules",
        "ProtectClock",
        "RestrictNamespaces",
        "LockPersonality",
      ])
        assert.deepEqual(setting(unit, wanted), ["yes"], wanted);
      assert.equal(setting(unit, "CapabilityBoundingSet").length, 1);
      assert.ok(setting(unit, "SystemCallFilter").includes("@system-service"));
      // Silently, a Bun that may not compile runs twenty times slower: runtime-facts.md section 0.
      assert.deepEqual(setting(unit, "MemoryDenyWriteExecute"), []);
      if (name !== BOOTSTRAP) assert.deepEqual(setting(unit, "ProtectSystem"), ["strict"]);
    });
    it(`${name} lets nobody else choose what its runtime loads`, () =>
      assert.deepEqual(setting(unit, "UnsetEnvironment"), ["BUN_OPTIONS BUN_BE_BUN"]));
  }
});

describe("what older units got wrong", () => {
  const unitOf = (name: string): string => units.find(([path]) => path.endsWith(`/${name}`))?.[1] ?? "";
  const bootstrap = unitOf(BOOTSTRAP);
  const screen = unitOf("alga-appliance-console.service");
  it("a slow first start is not ended by a time of systemd's", () =>
    assert.deepEqual(setting(bootstrap, "TimeoutStartSec"), ["infinity"]));
  it("a start without a network is not waited for", () => {
    for (const name of ["After", "Wants", "Requires"])
      assert.doesNotMatch(setting(bootstrap, name).join(" "), /network-online/, name);
  });
  it("what a start says goes to its journal, and not over the screen", () =>
    assert.deepEqual(setting(bootstrap, "StandardOutput"), ["journal"]));
  it("the screen does not hang on the start of the box, which it tells of also when that fails", () => {
    for (const name of ["After", "Requires", "Requisite", "BindsTo", "PartOf"])
      assert.doesNotMatch(setting(screen, name).join(" "), /alga-appliance-bootstrap/, name);
    assert.deepEqual(setting(screen, "OnFailure"), ["getty@tty1.service"]);
  });
  it("the host service of older appliances does not run beside ours", () =>
    assert.match(setting(bootstrap, "Conflicts").join(" "), /\balga-appliance\.service\b/));
});
