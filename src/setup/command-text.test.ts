import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { isApplianceError } from "../core/errors.ts";
import type { OperationView } from "../operation/model.ts";
import { EXAMPLE_ANSWERS, entryText, historyText, operationText } from "./command-text.ts";
import { answersSchema, validateAnswers } from "./model.ts";

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

const stamp = { seq: 1, at: "2026-11-21T00:00:00.000Z", uptimeMs: 0 };
const problem = { code: "x/y", message: "It is broken", hint: "Mend it", retrySafe: true, fields: [], evidence: [] };
test("each transition that says something has a line", () => {
  const titles = new Map([["flux", "Install Flux"]]);
  const text = (entry: Parameters<typeof entryText>[0]) => entryText(entry, titles);
  assert.equal(text({ ...stamp, kind: "step-started", step: "flux", attempt: 1 }), "Install Flux");
  assert.equal(text({ ...stamp, kind: "step-started", step: "flux", attempt: 2 }), "Install Flux (attempt 2)");
  assert.equal(text({ ...stamp, kind: "step-done", step: "flux", detail: "v2" }), "  done: v2");
  assert.equal(
    text({ ...stamp, kind: "step-failed", step: "flux", attempt: 1, problem, retryInMs: 15_000 }),
    "  failed: It is broken; tries again in 15 s",
  );
  assert.equal(text({ ...stamp, kind: "finished" }), undefined);
});

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
    operationText(view),
    "Operation 0001-setup is blocked: 6 of 12 steps done\n\nIt is broken\n  Pod a/b: one\n    two\nNext: Mend it\nAnswers to correct: installCode",
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
});
