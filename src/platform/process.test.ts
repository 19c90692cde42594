/** The process of a command: settings count from the file, also those that the log needs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";

const MAIN = resolve(import.meta.dirname, "../main.ts");
const root = mkdtempSync(join(tmpdir(), "alga-process-"));
after(() => rmSync(root, { recursive: true, force: true }));
mkdirSync(join(root, "etc/alga-appliance"), { recursive: true });

function run(settings: string, ...words: readonly string[]) {
  writeFileSync(join(root, "etc/alga-appliance/config.yaml"), settings);
  const env = { ALGA_APPLIANCE_ROOT: root, PATH: process.env.PATH };
  return spawnSync(process.execPath, [MAIN, ...words], { cwd: root, env, encoding: "utf8", timeout: 60_000 });
}

test("the log level of the settings file counts; one that there is not is told by doctor and refused by what works", () => {
  const good = run("log:\n  level: error\n", "doctor", "--settings", "-o", "json");
  assert.equal(good.status, 0, good.stderr);
  assert.match(good.stdout, /"key": "log\.level",\s*"value": "error"/);
  const told = run("log:\n  level: loud\n", "doctor", "--settings");
  assert.equal(told.status, 3);
  assert.match(
    told.stderr,
    /^Cannot use settings file ".*": log\.level is "loud", one of debug, info, warn, error is wanted/,
  );
  const refused = run("log:\n  level: loud\n", "status");
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /^Cannot use log level "loud": one of debug, info, warn, error is wanted/);
});

test("a settings file that was asked for has to be there", () => {
  const lost = run("", "doctor", "--settings", "--config", join(root, "none.yaml"));
  assert.equal(lost.status, 2);
  assert.match(lost.stderr, /^Cannot use settings file ".*none\.yaml": there is no such file/);
});
