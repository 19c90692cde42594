import assert from "node:assert/strict";
import { test } from "node:test";
import { entryText } from "./entry-text.ts";

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
  assert.equal(text({ ...stamp, kind: "pause-asked" }), "  pauses when this step has ended");
  assert.equal(text({ ...stamp, kind: "paused" }), "Paused");
  assert.equal(text({ ...stamp, kind: "finished" }), undefined);
});
