import assert from "node:assert/strict";
import { test } from "node:test";
import type { Maintenance } from "../state/wire.ts";
import { startsView } from "./starts.ts";

type Boot = Maintenance["boots"][number];
const boot = (startedAt: string, endedAt: string | null, end: Boot["end"]): Boot => ({
  ...{ bootId: startedAt, startedAt, endedAt, end },
});
const RUNS = boot("2026-11-21T08:00:00Z", null, "running");

function view(change: Partial<Maintenance>): ReturnType<typeof startsView> {
  return startsView({
    schema: "alga.appliance.maintenance/v1",
    observedAt: "2026-11-21T10:00:00Z",
    system: { os: "Ubuntu 26.04 LTS", kernel: "6.17", k3s: "v1.36.3+k3s1", appliance: "1.0.3" },
    boots: [RUNS],
    changes: [],
    uncleanShutdowns: 0,
    runs: [],
    ...change,
  });
}

test("startsView() tells each start by how it ended, the newest first", () => {
  const boots = [
    boot("2026-11-01T08:00:00Z", "2026-11-20T08:00:00Z", "clean"),
    boot("2026-11-20T08:01:00Z", "2026-11-20T08:31:00Z", "unclean"),
    boot("2026-11-20T09:00:00Z", null, "unclean"),
    // The clock was set back while it ran.
    boot("2026-11-21T07:00:00Z", "1970-01-01T00:00:00Z", "clean"),
    RUNS,
  ];
  const told = view({ boots, uncleanShutdowns: 2 });
  assert.deepEqual(
    told.starts.map(({ value }) => value),
    ["runs now", "shut down", "no shutdown, nobody knows when", "30 min, no shutdown", "19 days, then shut down"],
  );
  assert.match(told.summary, /^2 of the last 4 starts ended without a shutdown/);
  assert.equal(told.isCut, false);
});

test("startsView() sums up without an alarm", () => {
  assert.match(view({}).summary, /^This is the first start/);
  const clean = boot("2026-11-01T08:00:00Z", "2026-11-20T08:00:00Z", "clean");
  assert.equal(view({ boots: [clean, RUNS] }).summary, "Every start ended with a shutdown.");
  const unclean = { ...clean, end: "unclean" } as const;
  assert.match(view({ boots: [unclean, RUNS], uncleanShutdowns: 1 }).summary, /^The start before ended without/);
});

test("startsView() is bounded: five of each, long names cut, times that are none told as none", () => {
  const boots = Array.from({ length: 100 }, (_, at) => ({ ...boot("never", null, "unclean"), bootId: `boot ${at}` }));
  const changes = Array.from({ length: 200 }, (_, at): Maintenance["changes"][number] => ({
    at: "never",
    what: "kernel",
    from: at === 199 ? null : "6.8",
    to: "x".repeat(400),
  }));
  const told = view({ boots, changes, uncleanShutdowns: 100 });
  assert.deepEqual([told.starts.length, told.changes.length, told.isCut], [5, 5, true]);
  assert.ok(told.starts.every(({ name }) => name === "Time not known"));
  assert.equal(new Set(told.changes.map(({ key }) => key)).size, 5);
  assert.equal(told.changes[0]?.value, `Kernel: ${"x".repeat(80)}…`);
  assert.equal(told.changes[1]?.value, `Kernel: 6.8 → ${"x".repeat(80)}…`);
});
