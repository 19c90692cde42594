import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { digestOf } from "../src/core/digest.ts";
import { readBuildFacts } from "../src/publishing/image-facts.ts";
import { buildMarks } from "./facts.ts";

const ROOT = resolve(import.meta.dirname, "..");
const INPUT = { root: ROOT, version: "1.2.3", revision: "0123456789ab-dirty", commit: undefined };

describe("the facts of an executable", () => {
  it("are read back from its bytes, with the packages that the bundler took and no others", async () => {
    const markOf = await buildMarks(INPUT);
    const bytes = new TextEncoder().encode(`before\u0000${markOf("arm64")}"after`);
    const facts = readBuildFacts(bytes, { what: "it", architecture: "arm64" });
    assert.equal(facts.version, "1.2.3");
    assert.equal(facts.commit, undefined);
    assert.equal(facts.lock, digestOf(readFileSync(join(ROOT, "package-lock.json"))));
    const names = facts.packages.map((one) => one.name);
    assert.equal(names[0], "@oven/bun-linux-aarch64");
    for (const name of ["zod", "yaml", "semver", "preact", "htm"]) assert.ok(names.includes(name), name);
    for (const name of ["@kubernetes/client-node", "typescript", "bun", "fast-check"])
      assert.ok(!names.includes(name), name);
    assert.ok(facts.packages.every((one) => one.integrity !== undefined && one.license !== undefined));
  });

  it("are the same twice, and name the runtime of each target", async () => {
    const [one, two] = [await buildMarks(INPUT), await buildMarks(INPUT)];
    assert.equal(one("x64"), two("x64"));
    const bytes = new TextEncoder().encode(one("x64"));
    assert.match(
      readBuildFacts(bytes, { what: "it", architecture: "amd64" }).packages[0]?.name ?? "",
      /^@oven\/bun-linux-x64/,
    );
  });
});
