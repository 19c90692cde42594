/**
 * The registry goes away in the middle of an update that does not work: the release before comes back from what the box keeps,
 * and the next good update leads back to the registry. Real HTTP; Flux is played, and asks where its source says.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import { PARTS_HOST } from "../../src/release/parts-registry.ts";
import type { UpdatesView } from "../../src/update/model.ts";
import { type Play, startPlay } from "../rehearsal/play.ts";

/** Milliseconds until an update must have ended; generous, because CI machines are busy. */
const PATIENCE_MS = 120_000;
const SOURCES = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/ocirepositories";
const FLUX_LOGIN = "/api/v1/namespaces/flux-system/secrets/alga-appliance-parts-auth";

describe("a way back without the registry", () => {
  let play: Play;
  let folder = "";
  after(async () => {
    await play.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it("brings the release before from the box, also when the process is killed on the way", async () => {
    folder = await mkdtemp(join(tmpdir(), "alga-offline-return-"));
    play = await startPlay({ speed: 20, state: folder });
    await play.claim();
    await play.start();
    await play.until("it is installed", ({ tiers, operation }) => {
      return tiers.full.state === "ready" && operation?.state === "done";
    });
    assert.equal((await ask(play)).status, 404, "something is served before anybody needs it");
    const kept = JSON.parse(readFileSync(join(folder, "var/lib/alga-appliance/kept/index.json"), "utf8"));
    assert.ok(kept.manifests.length > 3, "setup has kept nothing of the release");
    const plan = await play.ask("POST", "/api/updates/plan", { channel: "next-crash" });
    const started = await play.ask("POST", "/api/updates", { planDigest: plan.body.digest });
    assert.equal(started.status, 202, JSON.stringify(started.body));
    await reaches(play, "reconcile");
    // The images are on the node: what a pod still waits for would wait for ever without the registry, whatever the release.
    await allStarted(play);
    await play.switchOn("registry-unreachable");
    await reaches(play, "return-watch");
    await play.saveCluster();
    await play.kill();
    play = await startPlay({ speed: 20, state: folder, scenario: "registry-unreachable" });
    await play.logIn();
    let end = await ended(play);
    // A busy machine may be slower than the patience of the box: then the operator lets it go on.
    for (let turn = 0; turn < 5 && end.state === "blocked"; turn += 1) {
      await play.resume();
      end = await ended(play);
    }
    assert.deepEqual([end.state, end.problem?.code], ["failed", "update/returned"], JSON.stringify(end.problem));
    assert.equal(
      end.steps.find(({ id }) => id === "return")?.detail,
      "The registry has no answer: Flux reads 1.0.3 from this box until the next good update",
    );
    await play.until("people can log in", ({ tiers, release }) => {
      return tiers.login.state === "ready" && release?.version === "1.0.3";
    });
    const urls = await sourceUrls(play);
    assert.ok(urls.length > 1);
    for (const url of urls) assert.match(url, new RegExp(`^oci://${PARTS_HOST.replaceAll(".", "\\.")}/`));
    assert.equal((await ask(play)).status, 401, "what is kept is open to everybody");
  });

  it("leads back to the registry with the next good update, and then serves nobody any more", async () => {
    await play.mend();
    const plan = await play.ask("POST", "/api/updates/plan", { channel: "next" });
    assert.equal(plan.status, 200, JSON.stringify(plan.body));
    assert.equal((await play.ask("POST", "/api/updates", { planDigest: plan.body.digest })).status, 202);
    const end = await ended(play);
    assert.deepEqual([end.state, end.problem], ["done", null]);
    for (const url of await sourceUrls(play)) assert.ok(url.startsWith(`oci://${play.announced.registry}/`), url);
    assert.equal((await play.cluster(FLUX_LOGIN)).code, 404);
    assert.equal((await ask(play)).status, 404);
    const view = (await play.ask("GET", "/api/updates")).body as unknown as UpdatesView;
    assert.deepEqual([view.installed?.version, view.previous?.version], ["1.1.0", "1.0.3"]);
  });
});

/** Anybody's knock at the registry of the control plane. */
function ask(play: Play): Promise<Response> {
  return fetch(`${play.announced.url}/v2/`);
}

async function sourceUrls(play: Play): Promise<readonly string[]> {
  const { items } = (await play.cluster(SOURCES)) as { items: { spec: { url: string } }[] };
  return items.map(({ spec }) => spec.url);
}

/** Every pod has its image, and the application is that of the release that crashes. */
async function allStarted(play: Play): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const { items } = (await play.cluster("/api/v1/namespaces/msp/pods")) as {
      items: { metadata: { name: string }; spec: unknown; status?: { phase?: string } }[];
    };
    const crashes = items.filter(({ spec }) => JSON.stringify(spec).includes("1.2.0-crashes"));
    if (crashes.length > 1 && items.every(({ status }) => (status?.phase ?? "Pending") !== "Pending")) return;
    if (Date.now() > end) throw new Error(`never; last: ${JSON.stringify(items.map(({ status }) => status))}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function reaches(play: Play, step: string): Promise<void> {
  await until(play, ({ steps }) => steps.some(({ id, state }) => id === step && state !== "pending"));
}

function ended(play: Play): Promise<OperationView> {
  return until(play, ({ state }) => state === "done" || state === "failed" || state === "blocked");
}

async function until(play: Play, holds: (view: OperationView) => boolean): Promise<OperationView> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const view = await play.operation();
    if (holds(view)) return view;
    if (Date.now() > end) throw new Error(`never; last: ${JSON.stringify(view)}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
