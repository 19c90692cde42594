/** The first administrator's password is set anew: who it is stands in the cluster, and the password nowhere afterwards. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import { filesBelow, isSettled, keptPlay } from "./kept-play.ts";
import { ANSWERS, type Play } from "./play.ts";

const ROUTE = "/api/settings/admin-password";
const PASSWORD = "Another-Lighthouse-42!";
const BOTH = { password: PASSWORD, passwordConfirm: PASSWORD };

describe("a new password for the administrator of setup", () => {
  const kept = keptPlay();

  it("is not there before setup is done", async () => {
    const { body } = await kept.play.ask("GET", ROUTE);
    assert.deepEqual(body, { available: false, email: null, reason: "Setup has not been completed." });
    const { status, body: problem } = await kept.play.ask("POST", ROUTE, BOTH);
    assert.deepEqual([status, problem.code], [409, "setup/not-done"]);
    await kept.play.start({ ...ANSWERS, editionChoice: "ee", installCode: "K7QP-M2RX" });
    await kept.play.until("everything works", isSettled);
    assert.deepEqual((await kept.play.ask("GET", ROUTE)).body, {
      available: true,
      email: "ada@example.com",
      reason: null,
    });
  });

  it("is refused by field when it is weak or typed differently, and leaves nothing", async () => {
    for (const [body, field, code] of [
      [{ password: "short", passwordConfirm: "short" }, "password", "weak"],
      [{ password: PASSWORD, passwordConfirm: `${PASSWORD}x` }, "passwordConfirm", "different"],
      [{}, "password", "missing"],
    ] as const) {
      const refused = await kept.play.ask("POST", ROUTE, body);
      const [error] = refused.body.errors as { field: string; code: string }[];
      assert.deepEqual([refused.status, error?.field, error?.code], [400, field, code]);
    }
    assert.equal((await kept.play.operation()).kind, "setup");
    assert.doesNotMatch(filesBelow(kept.folder), /Another-Lighthouse/);
  });

  it("is set by a job that goes on after SIGKILL, while the application goes on as it is", async () => {
    await kept.play.saveCluster();
    const application = await identityOf(kept.play);
    const { status, body } = await kept.play.ask("POST", ROUTE, BOTH);
    assert.equal(status, 202, JSON.stringify(body));
    const { id } = body.operation as OperationView;
    await kept.cutPower();
    const isSet = (now: ApplianceStatus): boolean => now.operation?.id === id && now.operation.state === "done";
    // A process that has just begun asks the login page first.
    const end = await kept.play.until("it is set", (now) => isSet(now) && now.tiers.login.state === "ready");
    assert.equal(end.phase, "running");
    assert.deepEqual(await identityOf(kept.play), application, "the application was touched");
  });

  it("leaves nothing behind: no job, no Secret, no password on the disk or in an answer", async () => {
    const jobs = await kept.play.cluster("/apis/batch/v1/namespaces/msp/jobs");
    const secrets = await kept.play.cluster("/api/v1/namespaces/msp/secrets");
    for (const list of [jobs, secrets]) assert.doesNotMatch(JSON.stringify(list.items), /password-reset/);
    assert.doesNotMatch(kept.play.said.join("\n"), /Another-Lighthouse/);
    assert.doesNotMatch(filesBelow(join(kept.folder, "var")), /Another-Lighthouse/);
  });

  it("leaves nothing behind when it is cancelled", async () => {
    await kept.play.switchOn("node-not-ready");
    const started = await kept.play.ask("POST", ROUTE, BOTH);
    const { id } = started.body.operation as OperationView;
    const cancelled = await kept.play.ask("POST", `/api/operations/${id}/cancel`);
    assert.equal(cancelled.status, 202, JSON.stringify(cancelled.body));
    await kept.untilGone({ inCluster: /password-reset/, onDisk: /Another-Lighthouse/ });
  });
});

/** Which Deployment the application is, and which spec of it. */
async function identityOf(play: Play): Promise<{ readonly uid: unknown; readonly generation: unknown }> {
  const { metadata } = await play.cluster("/apis/apps/v1/namespaces/msp/deployments/alga-core-sebastian");
  const { uid, generation } = metadata as { readonly uid: string; readonly generation: number };
  return { uid, generation };
}
