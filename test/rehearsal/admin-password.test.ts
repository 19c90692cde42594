/** The first administrator's password is set anew: who it is stands in the cluster, and the password nowhere afterwards. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import { ANSWERS, type Play, startPlay } from "./play.ts";

const ROUTE = "/api/settings/admin-password";
const PASSWORD = "Another-Lighthouse-42!";
const BOTH = { password: PASSWORD, passwordConfirm: PASSWORD };

describe("a new password for the administrator of setup", () => {
  let folder: string;
  let play: Play;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "alga-password-"));
    play = await startPlay({ state: folder, speed: 40 });
    await play.claim();
  });
  after(async () => {
    await play.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it("is not there before setup is done", async () => {
    const { body } = await play.ask("GET", ROUTE);
    assert.deepEqual(body, { available: false, email: null, reason: "Setup has not been completed." });
    const { status, body: problem } = await play.ask("POST", ROUTE, BOTH);
    assert.deepEqual([status, problem.code], [409, "setup/not-done"]);
    await play.start({ ...ANSWERS, editionChoice: "ee", installCode: "K7QP-M2RX" });
    await play.until("everything works", isSettled);
    assert.deepEqual((await play.ask("GET", ROUTE)).body, { available: true, email: "ada@example.com", reason: null });
  });

  it("is refused by field when it is weak or typed differently, and leaves nothing", async () => {
    for (const [body, field, code] of [
      [{ password: "short", passwordConfirm: "short" }, "password", "weak"],
      [{ password: PASSWORD, passwordConfirm: `${PASSWORD}x` }, "passwordConfirm", "different"],
      [{}, "password", "missing"],
    ] as const) {
      const refused = await play.ask("POST", ROUTE, body);
      const [error] = refused.body.errors as { field: string; code: string }[];
      assert.deepEqual([refused.status, error?.field, error?.code], [400, field, code]);
    }
    assert.equal((await play.operation()).kind, "setup");
    assert.doesNotMatch(filesBelow(folder), /Another-Lighthouse/);
  });

  it("is set by a job that goes on after SIGKILL, while the application goes on as it is", async () => {
    await play.saveCluster();
    const application = await identityOf(play);
    const { status, body } = await play.ask("POST", ROUTE, BOTH);
    assert.equal(status, 202, JSON.stringify(body));
    const { id } = body.operation as OperationView;
    await play.kill("SIGKILL");
    play = await startPlay({ state: folder, speed: 40 });
    await play.logIn();
    const isSet = (now: ApplianceStatus): boolean => now.operation?.id === id && now.operation.state === "done";
    // A process that has just begun asks the login page first.
    const end = await play.until("it is set", (now) => isSet(now) && now.tiers.login.state === "ready");
    assert.equal(end.phase, "running");
    assert.deepEqual(await identityOf(play), application, "the application was touched");
  });

  it("leaves nothing behind: no job, no Secret, no password on the disk or in an answer", async () => {
    const jobs = await play.cluster("/apis/batch/v1/namespaces/msp/jobs");
    const secrets = await play.cluster("/api/v1/namespaces/msp/secrets");
    for (const list of [jobs, secrets]) assert.doesNotMatch(JSON.stringify(list.items), /password-reset/);
    assert.doesNotMatch(play.said.join("\n"), /Another-Lighthouse/);
    assert.doesNotMatch(filesBelow(join(folder, "var")), /Another-Lighthouse/);
  });

  it("leaves nothing behind when it is cancelled", async () => {
    await play.switchOn("node-not-ready");
    const started = await play.ask("POST", ROUTE, BOTH);
    const { id } = started.body.operation as OperationView;
    const cancelled = await play.ask("POST", `/api/operations/${id}/cancel`);
    assert.equal(cancelled.status, 202, JSON.stringify(cancelled.body));
    await gone(play, folder);
  });
});

function isSettled({ tiers, operation }: ApplianceStatus): boolean {
  return tiers.full.state === "ready" && operation?.state === "done";
}

/** Which Deployment the application is, and which spec of it. */
async function identityOf(play: Play): Promise<{ readonly uid: unknown; readonly generation: unknown }> {
  const { metadata } = await play.cluster("/apis/apps/v1/namespaces/msp/deployments/alga-core-sebastian");
  const { uid, generation } = metadata as { readonly uid: string; readonly generation: number };
  return { uid, generation };
}

/** The remains of a cancelled run are removed right after it. */
async function gone(play: Play, folder: string): Promise<void> {
  const end = Date.now() + 30_000;
  for (;;) {
    const jobs = JSON.stringify((await play.cluster("/apis/batch/v1/namespaces/msp/jobs")).items);
    const secrets = JSON.stringify((await play.cluster("/api/v1/namespaces/msp/secrets")).items);
    const isGone =
      !/password-reset/.test(jobs + secrets) && !/Another-Lighthouse/.test(filesBelow(join(folder, "var")));
    if (isGone) return;
    if (Date.now() > end) throw new Error(`it is still there: ${jobs.slice(0, 500)} ${secrets.slice(0, 500)}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

function filesBelow(folder: string): string {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
}
