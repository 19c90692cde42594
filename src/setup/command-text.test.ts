import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { isApplianceError } from "../core/errors.ts";
import type { OperationView } from "../operation/model.ts";
import { runText } from "../operation/run-text.ts";
import { EXAMPLE_ANSWERS, historyText } from "./command-text.ts";
import { answersSchema } from "./model.ts";
import { validateAnswers } from "./validate.ts";

test("the example answers name every field, and only the password is missing", () => {
  const example: unknown = parse(EXAMPLE_ANSWERS);
  assert.ok(typeof example === "object" && example !== null);
  const wanted = Object.keys(answersSchema.shape).filter((field) => field !== "adminPasswordConfirm");
  assert.deepEqual(Object.keys(example).sort(), wanted.sort());
  assert.throws(
    () => validateAnswers(example),
    (thrown) => {
      assert.ok(isApplianceError(thrown, "setup/invalid-answers"));
      assert.deepEqual(
        (thrown.details.errors as { field: string }[]).map(({ field }) => field),
        ["adminPassword"],
      );
      return true;
    },
  );
});

const problem = { code: "x/y", message: "It is broken", hint: "Mend it", retrySafe: true, fields: [], evidence: [] };
test("a blocked setup is told with cause, evidence, next step and the answers to correct", () => {
  const view: OperationView = {
    id: "0001-setup",
    kind: "setup",
    state: "blocked",
    step: "secrets",
    steps: [],
    progress: { done: 6, total: 12, unit: "steps" },
    startedAt: "",
    endedAt: null,
    problem: {
      ...problem,
      attempt: 1,
      nextAttemptAt: null,
      fields: ["installCode"],
      evidence: [{ ref: "Pod a/b", text: "one\ntwo" }],
    },
  };
  assert.equal(
    runText(view),
    "Setup 0001-setup is blocked: 6 of 12 steps done\n\nIt is broken\n  Pod a/b: one\n    two\nNext: Mend it\nAnswers to correct: installCode",
  );
});

test("history is a line an operation, or a sentence", () => {
  assert.equal(historyText([]), "Nothing has been done yet");
  const record = {
    schema: "alga.appliance.history/v1",
    at: "A",
    operationId: "0001-setup",
    kind: "setup",
    state: "done",
    startedAt: "",
    about: { version: "1.0.3" },
  } as const;
  assert.equal(historyText([record]), "A  0001-setup  done       1.0.3");
  const claim = { at: "2026-11-20T00:00:00.000Z", peer: "192.0.2.7", secure: true, outcome: "claimed" } as const;
  const refused = { ...claim, at: "2026-11-22T00:00:00.000Z", secure: false, outcome: "refused" } as const;
  const dated = { ...record, at: "2026-11-21T00:00:00.000Z" };
  assert.equal(
    historyText([dated], [claim, refused]),
    [
      "2026-11-20T00:00:00.000Z  claim       claimed    from 192.0.2.7, over TLS",
      "2026-11-21T00:00:00.000Z  0001-setup  done       1.0.3",
      "2026-11-22T00:00:00.000Z  claim       refused    from 192.0.2.7, not encrypted",
    ].join("\n"),
  );
});
