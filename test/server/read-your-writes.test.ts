/** A script that asks for the operation and then for the status: who read "done" never reads "installing" after it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import { startPlay } from "../rehearsal/play.ts";

const PATIENCE_MS = 60_000;

describe("who saw an operation move", () => {
  it("finds a status that is as new, at every step and at the end", async () => {
    const play = await startPlay({ speed: 40 });
    try {
      await play.claim();
      const id = ((await play.start()).body.operation as OperationView).id;
      const endMs = Date.now() + PATIENCE_MS;
      for (let done = false; !done; ) {
        assert.ok(Date.now() < endMs, "the rehearsal does not end");
        const operation = (await play.ask("GET", `/api/operations/${id}`)).body.operation as OperationView;
        const status = (await play.ask("GET", "/api/status")).body as unknown as ApplianceStatus;
        assert.ok(
          rankOf(status.operation) >= rankOf(operation),
          `${shown(operation)} and then ${shown(status.operation)}`,
        );
        done = operation.state === "done";
        if (!done) continue;
        const { body: health } = await play.ask("GET", "/healthz");
        assert.deepEqual([status.phase, status.release?.version, health.mode], ["running", "1.0.3", "status"]);
        for (const tier of ["platform", "core", "bootstrap", "login"] as const)
          assert.equal(status.tiers[tier].state, "ready", `${tier}: ${status.tiers[tier].reason}`);
      }
    } finally {
      await play.kill();
    }
  });
});

/** How far a run is: steps that are done, and one more for its end. */
function rankOf(operation: OperationView | null): number {
  if (operation === null) return -1;
  return operation.progress.done + (operation.endedAt === null ? 0 : 1);
}

function shown(operation: OperationView | null): string {
  return operation === null ? "no operation" : `${operation.state} with ${operation.progress.done} steps done`;
}
