/** The address of an appliance that is set up is changed, killed in the middle, and changed back. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import { isSettled, keptPlay } from "./kept-play.ts";
import { ANSWERS, type Play } from "./play.ts";

const NEW = "https://desk.example.org:8443";
const ROUTE = "/api/settings/app-url";

describe("another address for an appliance that is set up", () => {
  const kept = keptPlay();
  let uid: string;

  it("is refused before setup is done, and by field when it is no address", async () => {
    assert.deepEqual((await kept.play.ask("GET", ROUTE)).body, { url: null, former: null });
    const early = await kept.play.ask("POST", `${ROUTE}/plan`, { appHostname: NEW });
    assert.deepEqual([early.status, early.body.code], [409, "setup/not-done"]);
    await kept.play.start();
    await kept.play.until("everything works", isSettled);
    for (const [appHostname, code] of [
      ["", "missing"],
      ["ftp://desk.example.org", "scheme"],
      ["https://desk.example.org/login", "path"],
      [ANSWERS.appHostname, "same"],
    ]) {
      const refused = await kept.play.ask("POST", ROUTE, { appHostname });
      const [error] = refused.body.errors as { field: string; code: string }[];
      assert.deepEqual([refused.status, error?.field, error?.code], [400, "appHostname", code]);
    }
    assert.equal((await kept.play.operation()).kind, "setup");
  });

  it("is planned without changing anything", async () => {
    const before = await valuesOf(kept.play, "alga-core");
    const { status, body } = await kept.play.ask("POST", `${ROUTE}/plan`, { appHostname: NEW.toUpperCase() });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual([body.from, body.to], [ANSWERS.appHostname, NEW]);
    assert.deepEqual(body.components, ["alga-core", "temporal-worker"]);
    assert.equal(await valuesOf(kept.play, "alga-core"), before);
    const other = await kept.play.ask("POST", ROUTE, { appHostname: "https://other.example", planDigest: body.digest });
    assert.deepEqual([other.status, other.body.code], [409, "setup/plan-changed"]);
  });

  it("goes on after SIGKILL in the middle, and the application has it", async () => {
    uid = await deploymentUid(kept.play);
    await kept.play.saveCluster();
    const { body: plan } = await kept.play.ask("POST", `${ROUTE}/plan`, { appHostname: NEW });
    const started = await kept.play.ask("POST", ROUTE, { appHostname: NEW, planDigest: plan.digest });
    assert.equal(started.status, 202, JSON.stringify(started.body));
    const { id } = started.body.operation as OperationView;
    await kept.cutPower();
    const end = await kept.play.until("the change is done", isSettled);
    assert.deepEqual([end.operation?.id, end.operation?.kind, end.urls.login], [id, "address", NEW]);
    const values = await valuesOf(kept.play, "alga-core");
    assert.match(values, /appUrl: "https:\/\/desk\.example\.org:8443"/);
    assert.match(values, /host: "desk\.example\.org:8443"/);
    assert.equal(await deploymentUid(kept.play), uid, "the application was made anew instead of rolled out");
    assert.deepEqual((await kept.play.ask("GET", ROUTE)).body, { url: NEW, former: ANSWERS.appHostname });
    const { defaults } = (await kept.play.ask("GET", "/api/setup/config")).body as {
      defaults: { appHostname: string };
    };
    assert.equal(defaults.appHostname, NEW);
    await everyReleaseHandled(kept.play, id);
  });

  it("is undone by the same change with the former address", async () => {
    const { former } = (await kept.play.ask("GET", ROUTE)).body as { former: string };
    const { status, body } = await kept.play.ask("POST", ROUTE, { appHostname: former });
    assert.equal(status, 202, JSON.stringify(body));
    const { id } = body.operation as OperationView;
    const end = await kept.play.until("it is back", (now) => now.operation?.id === id && isSettled(now));
    assert.equal(end.urls.login, ANSWERS.appHostname);
    assert.match(await valuesOf(kept.play, "alga-core"), /appUrl: "https:\/\/psa\.example\.com"/);
  });
});

async function valuesOf(play: Play, component: string): Promise<string> {
  const path = `/api/v1/namespaces/alga-system/configmaps/appliance-values-${component}`;
  return Object.values((await play.cluster(path)).data as Record<string, string>).join("\n");
}

async function deploymentUid(play: Play): Promise<string> {
  const path = "/apis/apps/v1/namespaces/msp/deployments/alga-core-sebastian";
  return ((await play.cluster(path)).metadata as { uid: string }).uid;
}

/** The releases that use the address were made of the new values before the change was called done. */
async function everyReleaseHandled(play: Play, id: string): Promise<void> {
  for (const name of ["alga-core", "temporal-worker"]) {
    const path = `/apis/helm.toolkit.fluxcd.io/v2/namespaces/alga-system/helmreleases/${name}`;
    const { status } = (await play.cluster(path)) as { status: { lastHandledReconcileAt: string; history: unknown[] } };
    assert.deepEqual([status.lastHandledReconcileAt, status.history.length], [id, 2]);
  }
}
