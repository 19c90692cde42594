import assert from "node:assert/strict";
import { test } from "node:test";
import { failingStatus, readyStatus } from "../../test/browser/mock-data.ts";
import { journalLine } from "./journal-line.ts";
import { failuresOf, findingsBeside } from "./overview.ts";
import { strengthOf } from "./strength.ts";
import { tidyToken } from "./token.ts";
import { fieldsUpTo, stepOfField, WIZARD } from "./wizard.ts";

test("tidyToken() forgives blanks, quotes and a whole address", () => {
  for (const typed of [" AB12 CD34\n", '"AB12CD34"', "https://box/setup?token=AB12CD34&x=1"])
    assert.equal(tidyToken(typed), "AB12CD34");
});

test("strengthOf() rates length, variety and known words", () => {
  const rate = (value: string): number => strengthOf(value, { minLength: 8, known: ["alga", "example"] }).level;
  assert.deepEqual([rate(""), rate("short"), rate("aaaaaaaaaaaaaaaa"), rate("exampleexample1")], [0, 1, 1, 1]);
  assert.ok(rate("Orchid-Lamp-9-River") >= 3);
  assert.ok(rate("kX9!vQ2#mZ7pLw@4t") === 4);
});

test("failuresOf() puts the root cause first", () => {
  const status = failingStatus();
  const [root] = status.checks;
  assert.ok(root !== undefined);
  const effect = { ...root, code: "login/no-answer" };
  const cause = { ...root, explains: ["login/no-answer"] };
  assert.deepEqual(
    failuresOf({ ...status, checks: [effect, cause] }, "login").map((check) => check.code),
    [cause.code, effect.code],
  );
});

test("failuresOf() leaves out that the operation stopped, where its cause is known", () => {
  const status = failingStatus();
  const [root] = status.checks;
  assert.ok(root !== undefined);
  const blocked = { ...root, code: "operation/blocked" };
  const codes = (checks: (typeof root)[]): string[] =>
    failuresOf({ ...status, checks }, "login").map(({ code }) => code);
  assert.deepEqual(codes([{ ...root, explains: [blocked.code] }, blocked]), [root.code]);
  assert.deepEqual(codes([blocked]), [blocked.code]);
});

test("findingsBeside() keeps what stands on no failing rung", () => {
  const status = failingStatus();
  assert.deepEqual(findingsBeside(status), []);
  assert.equal(findingsBeside({ ...readyStatus(), checks: status.checks }).length, 1);
});

test("journalLine() is one line with time, step and the rest by name", () => {
  assert.equal(
    journalLine({
      at: "2026-11-21T10:42:07.123Z",
      seq: 4,
      kind: "step-failed",
      step: "flux",
      attempt: 2,
      uptimeMs: 7,
      problem: { code: "x/y", message: "Cannot go on" },
    }),
    "10:42:07.123  flux  step-failed  attempt=2  problem=Cannot go on",
  );
});

test("every answer is asked for by one step", () => {
  const fields = WIZARD.flatMap((step) => step.fields);
  assert.equal(new Set(fields).size, fields.length);
  assert.equal(stepOfField("adminEmail")?.id, "organisation");
  assert.deepEqual(fieldsUpTo("release"), ["channel", "releaseRef", "acceptExpired"]);
});
