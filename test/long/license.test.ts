/** Another license, by key and by install code: looked at, taken by the application in a job that goes on after SIGKILL, gone back from, and told nowhere. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import type { LicensePlan, LicenseView } from "../../src/setup/license-key.ts";
import { ANSWERS, type Play, startPlay } from "../rehearsal/play.ts";

const ROUTE = "/api/settings/license";
const PATIENCE_MS = 60_000;
const FIRST = keyOf({ exp: 1_900_000_000, edition: "pro" }, "firstsignature");
const SECOND = keyOf({ exp: 4_200_000_000, edition: "premium" }, "secondsignature");
const CODE = "K7QP-M2RX";
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
    assert.deepEqual([planned.from?.edition, planned.to?.edition, planned.to?.perpetual], ["pro", "premium", true]);
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
    for (const body of [{ installCode: CODE }, { licenseKey: SECOND }]) {
      const busy = await play.ask("POST", ROUTE, body);
      assert.deepEqual([busy.status, busy.body.code], [409, "operation/busy"]);
    }
    // What the run was given is still there, and nothing of what was refused.
    assert.match(filesBelow(join(folder, "var")), /\.thirdsignature/);
    assert.equal(keptNow(folder).includes("new-install-code"), false);
    const cancelled = await play.ask("POST", `/api/operations/${id}/cancel`);
    assert.equal(cancelled.status, 202, JSON.stringify(cancelled.body));
    await gone(play, folder);
    assert.equal(await keyInCluster(play), FIRST);
    assert.doesNotMatch(play.said.join("\n"), /(?:first|second|third)signature|forged"/);
    await play.mend();
  });

  it("is brought by an install code, with all that the code brings, also after SIGKILL", async () => {
    const before = await seedOf(play);
    const planned = (await play.ask("POST", `${ROUTE}/plan`, { installCode: CODE })).body as unknown as LicensePlan;
    assert.deepEqual([planned.by, planned.to, planned.steps[0]?.id], ["code", null, "redeem"]);
    assert.match(planned.warnings.join(" "), /good once.*does not know the number of its organisation/);
    await play.saveCluster();
    const started = await play.ask("POST", ROUTE, {
      installCode: ` ${CODE.toLowerCase()} `,
      planDigest: planned.digest,
    });
    assert.equal(started.status, 202, JSON.stringify(started.body));
    await play.kill("SIGKILL");
    play = await startPlay({ state: folder, speed: 40 });
    await play.logIn();
    const end = await ended(play);
    assert.deepEqual([end.state, end.problem], ["done", null]);
    const { APPLIANCE_ID, ...seed } = await seedOf(play);
    assert.match(APPLIANCE_ID ?? "", /^appliance-/);
    const brought = { LICENSE_TOKEN: "rehearsal.rehearsal.rehearsal", APPLIANCE_CREDENTIAL: "rehearsal" };
    assert.deepEqual(seed, { EDITION_CHOICE: "ee", INSTALL_EDITION: "enterprise", ...brought });
    assert.deepEqual(keptNow(folder), ["former-license-key", "former-license-seed"]);
    assert.doesNotMatch(play.said.join("\n"), /7QP-?M2RX|K7QPM2RX/i);
    // Back to all of what was before; and the code stays used up.
    await play.ask("POST", ROUTE, { former: true });
    assert.equal((await ended(play)).state, "done");
    assert.deepEqual(await seedOf(play), before);
  });

  it("of a code that is refused, or of another organisation, changes nothing and leaves nothing behind", async () => {
    const before = await seedOf(play);
    for (const body of [{ installCode: "?" }, { installCode: CODE, licenseKey: FIRST }]) {
      const refused = await play.ask("POST", `${ROUTE}/plan`, body);
      assert.equal((refused.body.errors as { field: string }[])[0]?.field, "installCode");
    }
    await play.ask("POST", ROUTE, { installCode: "EXP-IRED" });
    assert.equal((await ended(play)).problem?.message, "Cannot use the install code: it has expired");
    await nameTenant(play, "rehearsal");
    await play.ask("POST", ROUTE, { installCode: "ANOTHER" });
    const end = await ended(play);
    assert.deepEqual(
      [end.state, end.problem?.code, end.problem?.fields],
      ["failed", "setup/license-rejected", ["installCode"]],
    );
    assert.equal(end.problem?.message, "Cannot use the install code: it belongs to another organisation");
    assert.match(end.problem?.hint ?? "", /^Nothing was changed, but the code is used up/);
    assert.deepEqual(await seedOf(play), before);
    await gone(play, folder);
    assert.deepEqual(keptNow(folder), ["former-license-key", "former-license-seed"]);
  });

  it("that a code brought and the application refuses is kept for the same code", async () => {
    const before = await seedOf(play);
    await play.ask("POST", ROUTE, { installCode: "FORGED" });
    const end = await ended(play);
    assert.deepEqual([end.state, end.problem?.fields], ["failed", ["installCode"]]);
    assert.match(end.problem?.hint ?? "", /the same code again/);
    assert.deepEqual(await seedOf(play), before);
    const planned = (await play.ask("POST", `${ROUTE}/plan`, { installCode: "forged" })).body as unknown as LicensePlan;
    assert.equal(planned.to?.edition, "enterprise");
    assert.match(planned.warnings[0] ?? "", /^This code was traded before/);
    const names = ["new-install-request", "new-license"];
    assert.deepEqual(keptNow(folder), ["former-license-key", "former-license-seed", ...names]);
  });
});

function keyOf(claims: object, signature: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256" })}.${part(claims)}.${signature}`;
}

async function keyInCluster(play: Play): Promise<string | undefined> {
  return (await seedOf(play)).LICENSE_TOKEN;
}

async function seedOf(play: Play): Promise<Readonly<Record<string, string>>> {
  const secret = await play.cluster("/api/v1/namespaces/msp/secrets/appliance-license-seed");
  const values = Object.entries(secret.data as Record<string, string>);
  return Object.fromEntries(values.map(([name, value]) => [name, Buffer.from(value, "base64").toString("utf8")]));
}

/** Makes the appliance one that knows its organisation, as one that was set up by an install code. */
async function nameTenant(play: Play, tenant: string): Promise<void> {
  const path = "/api/v1/namespaces/msp/secrets/appliance-initial-tenant?fieldManager=test";
  const body = JSON.stringify({ data: { INITIAL_TENANT_ID: Buffer.from(tenant).toString("base64") } });
  const headers = { "content-type": "application/merge-patch+json" };
  const answered = await fetch(`${play.announced.kubernetes}${path}`, { method: "PATCH", headers, body });
  assert.ok(answered.ok, await answered.text());
}

/** Names of secrets of licenses on the disk. */
function keptNow(folder: string): readonly string[] {
  const names = readdirSync(folder, { recursive: true }).map((name) => basename(String(name)));
  return names.filter((name) => /^(?:new|former)-(?:license|install)/.test(name)).sort();
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
