import assert from "node:assert/strict";
import { test } from "node:test";
import type { OperationStep, OperationView } from "../state/wire.ts";
import { rungsOf, timeLeftMs } from "./progress.ts";

const START = Date.parse("2026-11-21T10:00:00Z");

function step(id: string, state: OperationStep["state"], seconds?: readonly [number, number?]): OperationStep {
  const at = (offset: number | undefined): string | null =>
    offset === undefined ? null : new Date(START + offset * 1_000).toISOString();
  return { id, title: `Do ${id}`, state, detail: null, startedAt: at(seconds?.[0]), endedAt: at(seconds?.[1]) };
}

function run(steps: readonly OperationStep[], change: Partial<OperationView> = {}): OperationView {
  const at = new Date(START).toISOString();
  return {
    id: "1",
    kind: "setup",
    state: "running",
    step: null,
    steps: [...steps],
    progress: { done: 0, total: 1, unit: "steps" },
    startedAt: at,
    endedAt: null,
    problem: null,
    ...change,
  };
}

test("rungsOf() folds fine steps into rungs, and keeps a step it does not know", () => {
  const rungs = rungsOf(
    run(
      [
        step("preflight", "done", [0, 9]),
        step("storage", "done", [9, 20]),
        step("flux", "running", [20]),
        step("login", "pending"),
        step("polish", "pending"),
      ],
      { step: "flux" },
    ),
  );
  assert.deepEqual(
    rungs.map((rung) => [rung.id, rung.tone]),
    [
      ["checks", "ready"],
      ["base", "progressing"],
      ["login", "unknown"],
      ["polish", "unknown"],
    ],
  );
  assert.equal(rungs[1]?.line, "Do flux");
  assert.equal(rungs[1]?.startedAt, "2026-11-21T10:00:09.000Z");
});

test("rungsOf() shows where a blocked operation stopped", () => {
  const rungs = rungsOf(
    run([step("preflight", "done", [0, 9]), step("storage", "failed", [9])], { state: "blocked", step: "storage" }),
  );
  assert.deepEqual(
    rungs.map((rung) => [rung.tone, rung.here]),
    [
      ["ready", false],
      ["failed", true],
    ],
  );
});

test("rungsOf() shows a waiting step as waiting, not as failed", () => {
  const [rung] = rungsOf(run([step("preflight", "waiting", [0])], { state: "waiting", step: "preflight" }));
  assert.equal(rung?.tone, "attention");
});

test("timeLeftMs() follows the pace of the run and is silent when nothing moves", () => {
  const steps = [
    step("preflight", "done", [0, 5]),
    step("storage", "done", [5, 35]),
    step("reconcile", "running", [35]),
    step("login", "pending"),
  ];
  const left = timeLeftMs(run(steps, { step: "reconcile" }), START + 35_000);
  assert.equal(left, (480_000 + 20_000) / 2);
  assert.equal(timeLeftMs(run(steps, { state: "blocked" }), START), undefined);
});
