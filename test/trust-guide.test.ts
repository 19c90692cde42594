/** docs/trust.md explains every code of trust once, and the ten attacks of the specification by the codes that their tests hold. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { ERROR_CODES } from "../src/core/error-codes.ts";
import { SCENARIOS } from "../src/rehearsal/faults.ts";

const ROOT = resolve(import.meta.dirname, "..");
const GUIDE = readFileSync(resolve(ROOT, "docs/trust.md"), "utf8");
const ATTACKS = readFileSync(resolve(ROOT, "src/trust/attacks.test.ts"), "utf8");

/** TUF 1.0.33, section 1.5.2, in its order; the words before the colon of a test's name. */
const NAMES = [
  "arbitrary software",
  "rollback",
  "indefinite freeze",
  "endless data",
  "extraneous dependencies",
  "mix and match",
  "wrong software",
  "malicious mirror",
  "key compromise",
  "slow retrieval",
];

/** Cells of the rows of the tables, without their marks. */
const rows = GUIDE.split("\n")
  .filter((line) => line.startsWith("|"))
  .map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")));

describe("the guide to trust", () => {
  it("has one row with cause and next step for every code", () => {
    const codes = Object.keys(ERROR_CODES).filter((code) => code.startsWith("trust/"));
    for (const code of codes) {
      const found = rows.filter((cells) => cells.includes(code));
      assert.equal(found.length, 1, code);
      assert.ok(
        found[0]?.slice(-3).every((cell, at) => at === 2 || cell.length > 10),
        code,
      );
    }
  });

  it("tells the ten attacks by ten codes, each held by a test that tries it", () => {
    const told = NAMES.map((name) => rows.find(([, attack]) => attack === name)?.[2] ?? "");
    assert.equal(new Set(told).size, NAMES.length, told.join(", "));
    for (const [at, name] of NAMES.entries()) {
      const title = name === "key compromise" ? "compromise of one role's key" : name;
      const tests = ATTACKS.split(/^ {2}it\("/m).filter((one) => one.startsWith(title));
      assert.ok(tests.length > 0, `no test is called ${title}`);
      assert.ok(
        tests.some((one) => one.includes(`code: "${told[at]}"`)),
        `${name}: ${told[at]}`,
      );
    }
  });

  it("names scenarios that there are", () => {
    for (const name of ["metadata-expired", "metadata-rolled-back", "foreign-key"]) {
      assert.ok(GUIDE.includes(`\`${name}\``) && SCENARIOS.some((one) => one.name === name), name);
    }
  });
});
