import assert from "node:assert/strict";
import { test } from "node:test";
import type { OperationStep, OperationView } from "../state/wire.ts";
import { BAR_WIDTH, barsOf } from "./bars.ts";

const START = Date.parse("2026-11-21T10:00:00Z");
const at = (seconds: number): string => new Date(START + seconds * 1_000).toISOString();

function step(id: string, change: Partial<OperationStep>): OperationStep {
  return { id, title: id, state: "done", detail: null, startedAt: null, endedAt: null, ...change };
}

function run(steps: readonly OperationStep[], endedAt: string | null): OperationView {
  return {
    id: "1",
    kind: "setup",
    state: endedAt === null ? "running" : "done",
    step: null,
    steps: [...steps],
    progress: { done: 0, total: steps.length, unit: "steps" },
    startedAt: at(0),
    endedAt,
    problem: null,
  };
}

test("barsOf() lays the steps out on the time of the operation", () => {
  const steps = [
    step("a", { startedAt: at(0), endedAt: at(25) }),
    step("b", { startedAt: at(25), endedAt: at(100) }),
    step("c", { state: "pending" }),
  ];
  const bars = barsOf(run(steps, at(100)), START);
  assert.deepEqual(
    bars.map(({ from, width, took }) => [from, width, took]),
    [
      [0, 250, "25 s"],
      [250, 750, "1 min 15 s"],
      [0, 0, ""],
    ],
  );
  assert.equal(bars[2]?.word, "Still ahead");
});

test("barsOf() lets a running step grow to now, and keeps every bar inside and visible", () => {
  const steps = [
    step("short", { startedAt: at(0), endedAt: at(0.01) }),
    step("runs", { state: "running", startedAt: at(1) }),
    step("late", { state: "running", startedAt: at(500) }),
  ];
  const bars = barsOf(run(steps, null), START + 100_000);
  for (const { from, width } of bars)
    assert.ok(from >= 0 && width >= 6 && from + width <= BAR_WIDTH, `${from} ${width}`);
  assert.deepEqual([bars[0]?.took, bars[1]?.took], ["less than 1 s", "1 min 39 s"]);
});

test("barsOf() survives an operation that has just begun, and clocks that jump back", () => {
  const bars = barsOf(run([step("a", { startedAt: at(5), endedAt: at(2) })], null), START - 60_000);
  assert.ok(bars.every(({ from, width }) => Number.isFinite(from) && width <= BAR_WIDTH));
});
