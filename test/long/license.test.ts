/** Another license key: looked at, taken by the application in a job that goes on after SIGKILL, gone back from, and told nowhere. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import type { LicensePlan, LicenseView } from "../../src/setup/license-key.ts";
import { ANSWERS, type Play, startPlay } from "../rehearsal/play.ts";

const ROUTE = "/api/settings/license";
const PATIENCE_MS = 60_000;
const FIRST = keyOf({ exp: 1_900_000_000, edition: "pro" }, "firstsignature");
const SECOND = keyOf({ exp: 4_200_000_000, edition: "premium" }, "secondsignature");
const FORGED = keyOf({ exp: 1_900_000_000 }, "forged");

describe("another license key", () => {
  let folder: string;
  let play: Play;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "alga-license-"));
    play = await startPlay({ state: folder, speed: 40 });
    await play.claim();
  });
  after(async () => {
    await play.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it("is not taken before setup is done", async () => {
    const view = (await play.ask("GET", ROUTE)).body as unknown as LicenseView;
    assert.deepEqual(view, { available: false, reason: "Setup has not been completed.", now: null, former: null });
    const { status, body } = await play.ask("POST", ROUTE, { licenseKey: FIRST });
    assert.deepEqual([status, body.code], [409, "setup/not-done"]);
    await play.start({ ...ANSWERS, editionChoice: "ee", licenseKey: FIRST });
    await play.until("everything works", ({ tiers, operation }) => {
      return tiers.full.state === "ready" && operation?.state === "done";
    });
    const { available, now, former } = (await play.ask("GET", ROUTE)).body as unknown as LicenseView;
    const facts = { edition: "pro", expiresAt: "2030-03-17T17:46:40.000Z", perpetual: false, state: "active" };
    assert.deepEqual([available, now, former], [true, facts, null]);
  });

  it("is refused by field when it is none, or the one in use", async () => {
    for (const [body, code] of [
      [{ licenseKey: "abc" }, "invalid"],
      [{}, "missing"],
      [{ licenseKey: FIRST }, "same"],
      [{ former: true }, "missing"],
    ] as const) {
      const refused = await play.ask("POST", `${ROUTE}/plan`, body);
      const [error] = refused.body.errors as { field: string; code: string }[];
      assert.deepEqual([refused.status, error?.field, error?.code], [400, "licenseKey", code]);
    }
  });

  it("that the application refuses changes nothing and ends the run", async () => {
    await play.ask("POST", ROUTE, { licenseKey: FORGED });
    const end = await ended(play);
    assert.deepEqual([end.kind, end.state, end.problem?.code], ["license", "failed", "setup/license-rejected"]);
    assert.equal(end.problem?.message, "Cannot apply the license key: it is not a key that the application accepts");
    assert.equal(await keyInCluster(play), FIRST);
    await gone(play, folder);
  });

  it("is taken by a job that goes on after SIGKILL, and then stands in the cluster", async () => {
    const planned = (await play.ask("POST", `${ROUTE}/plan`, { licenseKey: SECOND })).body as unknown as LicensePlan;
    assert.deepEqual([planned.from?.edition, planned.to.edition, planned.to.perpetual], ["pro", "premium", true]);
    const other = await play.ask("POST", ROUTE, { licenseKey: FORGED, planDigest: planned.digest });
    assert.deepEqual([other.status, other.body.code], [409, "setup/plan-changed"]);
    await play.saveCluster();
    const started = await play.ask("POST", ROUTE, { licenseKey: SECOND, planDigest: planned.digest });
    assert.equal(started.status, 202, JSON.stringify(started.body));
    await play.kill("SIGKILL");
    play = await startPlay({ state: folder, speed: 40 });
    await play.logIn();
    const end = await ended(play);
    assert.deepEqual([end.state, end.problem], ["done", null]);
    assert.equal(await keyInCluster(play), SECOND);
    const { now, former } = (await play.ask("GET", ROUTE)).body as unknown as LicenseView;
    assert.deepEqual([now?.edition, former?.edition], ["premium", "pro"]);
  });

  it("is gone back from by the same operation", async () => {
    const planned = (await play.ask("POST", `${ROUTE}/plan`, { former: true })).body as unknown as LicensePlan;
    assert.deepEqual(planned.warnings, ["This key ends before the one in use."]);
    await play.ask("POST", ROUTE, { former: true, planDigest: planned.digest });
    assert.equal((await ended(play)).state, "done");
    assert.equal(await keyInCluster(play), FIRST);
    const { former } = (await play.ask("GET", ROUTE)).body as unknown as LicenseView;
    assert.equal(former?.edition, "premium");
  });

  it("leaves nothing behind when it is cancelled", async () => {
    await play.switchOn("node-not-ready");
    const started = await play.ask("POST", ROUTE, { licenseKey: keyOf({ exp: 1_950_000_000 }, "thirdsignature") });
    assert.equal(started.status, 202, JSON.stringify(started.body));
    const { id } = started.body.operation as OperationView;
    const cancelled = await play.ask("POST", `/api/operations/${id}/cancel`);
    assert.equal(cancelled.status, 202, JSON.stringify(cancelled.body));
    await gone(play, folder);
    assert.equal(await keyInCluster(play), FIRST);
    assert.doesNotMatch(play.said.join("\n"), /(?:first|second|third)signature|forged"/);
  });
});

function keyOf(claims: object, signature: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256" })}.${part(claims)}.${signature}`;
}

async function keyInCluster(play: Play): Promise<string> {
  const secret = await play.cluster("/api/v1/namespaces/msp/secrets/appliance-license-seed");
  const { LICENSE_TOKEN = "" } = secret.data as Record<string, string>;
  return Buffer.from(LICENSE_TOKEN, "base64").toString("utf8");
}

async function ended(play: Play): Promise<OperationView> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const view = await play.operation();
    if (view.kind === "license" && ["done", "failed", "blocked", "cancelled"].includes(view.state)) return view;
    if (Date.now() > end) throw new Error(`it never ended: ${JSON.stringify(view)}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** No job, no Secret of one, no new key on the disk. */
async function gone(play: Play, folder: string): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const jobs = JSON.stringify((await play.cluster("/apis/batch/v1/namespaces/msp/jobs")).items);
    const secrets = JSON.stringify((await play.cluster("/api/v1/namespaces/msp/secrets")).items);
    const isGone =
      !/license-apply/.test(jobs + secrets) && !/forged|thirdsignature/.test(filesBelow(join(folder, "var")));
    if (isGone) return;
    if (Date.now() > end) throw new Error(`it is still there: ${jobs.slice(0, 500)}`);
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
