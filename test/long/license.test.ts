/** Another license, by key and by install code: looked at, taken by the application in a job that goes on after SIGKILL, gone back from, and told nowhere. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import type { LicensePlan, LicenseView } from "../../src/setup/license-key.ts";
import { filesBelow, isSettled, keptPlay } from "../rehearsal/kept-play.ts";
import { ANSWERS, type Play } from "../rehearsal/play.ts";

const ROUTE = "/api/settings/license";
const PATIENCE_MS = 60_000;
const FIRST = keyOf({ exp: 1_900_000_000, edition: "pro" }, "firstsignature");
const SECOND = keyOf({ exp: 4_200_000_000, edition: "premium" }, "secondsignature");
const CODE = "K7QP-M2RX";
/** What a run must not leave: its job, the Secret of it, and a key that was not taken. */
const LEFT = { inCluster: /license-apply/, onDisk: /forged|thirdsignature/ };
const FORGED = keyOf({ exp: 1_900_000_000 }, "forged");

describe("another license key", () => {
  const kept = keptPlay();

  it("is not taken before setup is done", async () => {
    const view = (await kept.play.ask("GET", ROUTE)).body as unknown as LicenseView;
    assert.deepEqual(view, { available: false, reason: "Setup has not been completed.", now: null, former: null });
    const { status, body } = await kept.play.ask("POST", ROUTE, { licenseKey: FIRST });
    assert.deepEqual([status, body.code], [409, "setup/not-done"]);
    await kept.play.start({ ...ANSWERS, editionChoice: "ee", licenseKey: FIRST });
    await kept.play.until("everything works", isSettled);
    const { available, now, former } = (await kept.play.ask("GET", ROUTE)).body as unknown as LicenseView;
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
      const refused = await kept.play.ask("POST", `${ROUTE}/plan`, body);
      const [error] = refused.body.errors as { field: string; code: string }[];
      assert.deepEqual([refused.status, error?.field, error?.code], [400, "licenseKey", code]);
    }
  });

  it("that the application refuses changes nothing and ends the run", async () => {
    await kept.play.ask("POST", ROUTE, { licenseKey: FORGED });
    const end = await ended(kept.play);
    assert.deepEqual([end.kind, end.state, end.problem?.code], ["license", "failed", "setup/license-rejected"]);
    assert.equal(end.problem?.message, "Cannot apply the license key: it is not a key that the application accepts");
    assert.equal(await keyInCluster(kept.play), FIRST);
    await kept.untilGone(LEFT);
  });

  it("is taken by a job that goes on after SIGKILL, and then stands in the cluster", async () => {
    const planned = (await kept.play.ask("POST", `${ROUTE}/plan`, { licenseKey: SECOND }))
      .body as unknown as LicensePlan;
    assert.deepEqual([planned.from?.edition, planned.to?.edition, planned.to?.perpetual], ["pro", "premium", true]);
    const other = await kept.play.ask("POST", ROUTE, { licenseKey: FORGED, planDigest: planned.digest });
    assert.deepEqual([other.status, other.body.code], [409, "setup/plan-changed"]);
    await kept.play.saveCluster();
    const started = await kept.play.ask("POST", ROUTE, { licenseKey: SECOND, planDigest: planned.digest });
    assert.equal(started.status, 202, JSON.stringify(started.body));
    await kept.cutPower();
    const end = await ended(kept.play);
    assert.deepEqual([end.state, end.problem], ["done", null]);
    assert.equal(await keyInCluster(kept.play), SECOND);
    const { now, former } = (await kept.play.ask("GET", ROUTE)).body as unknown as LicenseView;
    assert.deepEqual([now?.edition, former?.edition], ["premium", "pro"]);
  });

  it("is gone back from by the same operation", async () => {
    const planned = (await kept.play.ask("POST", `${ROUTE}/plan`, { former: true })).body as unknown as LicensePlan;
    assert.deepEqual(planned.warnings, ["This key ends before the one in use."]);
    await kept.play.ask("POST", ROUTE, { former: true, planDigest: planned.digest });
    assert.equal((await ended(kept.play)).state, "done");
    assert.equal(await keyInCluster(kept.play), FIRST);
    const { former } = (await kept.play.ask("GET", ROUTE)).body as unknown as LicenseView;
    assert.equal(former?.edition, "premium");
  });

  it("leaves nothing behind when it is cancelled", async () => {
    await kept.play.switchOn("node-not-ready");
    const started = await kept.play.ask("POST", ROUTE, { licenseKey: keyOf({ exp: 1_950_000_000 }, "thirdsignature") });
    assert.equal(started.status, 202, JSON.stringify(started.body));
    const { id } = started.body.operation as OperationView;
    for (const body of [{ installCode: CODE }, { licenseKey: SECOND }]) {
      const busy = await kept.play.ask("POST", ROUTE, body);
      assert.deepEqual([busy.status, busy.body.code], [409, "operation/busy"]);
    }
    // What the run was given is still there, and nothing of what was refused.
    assert.match(filesBelow(join(kept.folder, "var")), /\.thirdsignature/);
    assert.equal(keptNow(kept.folder).includes("new-install-code"), false);
    const cancelled = await kept.play.ask("POST", `/api/operations/${id}/cancel`);
    assert.equal(cancelled.status, 202, JSON.stringify(cancelled.body));
    await kept.untilGone(LEFT);
    assert.equal(await keyInCluster(kept.play), FIRST);
    assert.doesNotMatch(kept.play.said.join("\n"), /(?:first|second|third)signature|forged"/);
    await kept.play.mend();
  });

  it("is brought by an install code, with all that the code brings, also after SIGKILL", async () => {
    const before = await seedOf(kept.play);
    const planned = (await kept.play.ask("POST", `${ROUTE}/plan`, { installCode: CODE }))
      .body as unknown as LicensePlan;
    assert.deepEqual([planned.by, planned.to, planned.steps[0]?.id], ["code", null, "redeem"]);
    assert.match(planned.warnings.join(" "), /good once.*does not know the number of its organisation/);
    await kept.play.saveCluster();
    const started = await kept.play.ask("POST", ROUTE, {
      installCode: ` ${CODE.toLowerCase()} `,
      planDigest: planned.digest,
    });
    assert.equal(started.status, 202, JSON.stringify(started.body));
    await kept.cutPower();
    const end = await ended(kept.play);
    assert.deepEqual([end.state, end.problem], ["done", null]);
    const { APPLIANCE_ID, ...seed } = await seedOf(kept.play);
    assert.match(APPLIANCE_ID ?? "", /^appliance-/);
    const brought = { LICENSE_TOKEN: "rehearsal.rehearsal.rehearsal", APPLIANCE_CREDENTIAL: "rehearsal" };
    assert.deepEqual(seed, { EDITION_CHOICE: "ee", INSTALL_EDITION: "enterprise", ...brought });
    assert.deepEqual(keptNow(kept.folder), ["former-license-key", "former-license-seed"]);
    assert.doesNotMatch(kept.play.said.join("\n"), /7QP-?M2RX|K7QPM2RX/i);
    // Back to all of what was before; and the code stays used up.
    await kept.play.ask("POST", ROUTE, { former: true });
    assert.equal((await ended(kept.play)).state, "done");
    assert.deepEqual(await seedOf(kept.play), before);
  });

  it("of a code that is refused, or of another organisation, changes nothing and leaves nothing behind", async () => {
    const before = await seedOf(kept.play);
    for (const body of [{ installCode: "?" }, { installCode: CODE, licenseKey: FIRST }]) {
      const refused = await kept.play.ask("POST", `${ROUTE}/plan`, body);
      assert.equal((refused.body.errors as { field: string }[])[0]?.field, "installCode");
    }
    await kept.play.ask("POST", ROUTE, { installCode: "EXP-IRED" });
    assert.equal((await ended(kept.play)).problem?.message, "Cannot use the install code: it has expired");
    await nameTenant(kept.play, "rehearsal");
    await kept.play.ask("POST", ROUTE, { installCode: "ANOTHER" });
    const end = await ended(kept.play);
    assert.deepEqual(
      [end.state, end.problem?.code, end.problem?.fields],
      ["failed", "setup/license-rejected", ["installCode"]],
    );
    assert.equal(end.problem?.message, "Cannot use the install code: it belongs to another organisation");
    assert.match(end.problem?.hint ?? "", /^Nothing was changed, but the code is used up/);
    assert.deepEqual(await seedOf(kept.play), before);
    await kept.untilGone(LEFT);
    assert.deepEqual(keptNow(kept.folder), ["former-license-key", "former-license-seed"]);
  });

  it("that a code brought and the application refuses is kept for the same code", async () => {
    const before = await seedOf(kept.play);
    await kept.play.ask("POST", ROUTE, { installCode: "FORGED" });
    const end = await ended(kept.play);
    assert.deepEqual([end.state, end.problem?.fields], ["failed", ["installCode"]]);
    assert.match(end.problem?.hint ?? "", /the same code again/);
    assert.deepEqual(await seedOf(kept.play), before);
    const planned = (await kept.play.ask("POST", `${ROUTE}/plan`, { installCode: "forged" }))
      .body as unknown as LicensePlan;
    assert.equal(planned.to?.edition, "enterprise");
    assert.match(planned.warnings[0] ?? "", /^This code was traded before/);
    const names = ["new-install-request", "new-license"];
    assert.deepEqual(keptNow(kept.folder), ["former-license-key", "former-license-seed", ...names]);
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
