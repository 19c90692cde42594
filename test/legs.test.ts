/** A test that no leg of CI runs holds nothing: each file of tests is named by `npm test` or by a leg, itself or with its folder. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const TESTS = /\.test\.tsx?$/;

/** Places that the two scripts name: folders and files, as they are given to the runner. */
function places(): readonly string[] {
  const scripts = ["scripts/test.ts", "scripts/ci.ts"].map((path) => readFileSync(join(ROOT, path), "utf8")).join("\n");
  return [...scripts.matchAll(/"(?:\.\/)?((?<=\.\/)(?:src|ui|embed)|test\/[\w./-]+)"/g)].map(([, place = ""]) => place);
}

/** The contract's own rule: found by the end of their names. */
const isInterop = (path: string): boolean => /^test\/contract\/.*\.interop\.test\.ts$/.test(path);

function isRun(path: string, named: readonly string[]): boolean {
  return isInterop(path) || named.some((place) => path === place || path.startsWith(`${place}/`));
}

test("every file of tests is run by a leg", () => {
  const named = places();
  assert.ok(named.length > 15, named.join(" "));
  const files = ["src", "ui", "embed", "test"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => TESTS.test(path) && !path.includes("node_modules"))
      .map((path) => `${folder}/${path}`),
  );
  assert.ok(files.length > 200);
  assert.deepEqual(
    files.filter((path) => !isRun(path, named)),
    [],
    "add it to a lane of scripts/test.ts or to a leg of scripts/ci.ts",
  );
});

test("one that is named nowhere is found", () => {
  assert.equal(isRun("test/nobody.test.ts", places()), false);
  assert.equal(isRun("test/contract/nobody.test.ts", places()), false);
});
