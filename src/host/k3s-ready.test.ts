/** Waiting for Kubernetes: one that is told to start anew still answers for a moment, and its node is ready. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createFakeHost } from "../../test/crash/fake-host.ts";
import { runBootstrap } from "./bootstrap.ts";
import { waitForK3s } from "./k3s-ready.ts";

describe("waiting for Kubernetes", () => {
  it("does not take the one that stops for the one that starts", async () => {
    const host = createFakeHost(createFakeBox({ instant: true }));
    const { signal } = new AbortController();
    const { state } = await runBootstrap({ deps: host.deps(), settings: host.settings() }, { signal });
    assert.equal(state, "done");
    host.state.k3s = "deactivating";
    const told: string[] = [];
    const progress = (detail: string): void => {
      told.push(detail);
      // It has ended, and systemd starts it again.
      if (told.length === 3) host.state.k3s = "active";
    };
    const done = await waitForK3s({ deps: host.deps(), settings: host.settings(), progress, signal });
    assert.deepEqual([done.state, told.length], ["done", 3]);
    assert.match(told[0] ?? "", /stops before it starts anew/);
  });
});
