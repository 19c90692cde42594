/**
 * Updates in a rehearsal, driven over HTTP as a script does it: one whose image is missing, one that crashes, one that is
 * good, and the way back. One box lives through all of them, as a real one does.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import type { UpdatePlan, UpdatesView } from "../../src/update/model.ts";
import { type Answer, brief, type Play, startPlay } from "./play.ts";

/** Milliseconds until an update must have ended; generous, because CI machines are busy. */
const PATIENCE_MS = 90_000;

describe("updates in a rehearsal", () => {
  let play: Play;
  let installedDigest: string;

  before(async () => {
    play = await startPlay({ speed: 20 });
    assert.equal((await play.claim()).status, 200);
  });
  after(() => play.kill());

  it("are refused while nothing is installed", async () => {
    const { status, body } = await plan(play, "next");
    assert.deepEqual([status, body.code], [409, "update/nothing-installed"]);
    assert.equal((await view(play)).installed, null);
  });

  it("follow the channel of the installation", async () => {
    await play.start();
    await play.until("it is installed", isWhole);
    const { body } = await play.ask("POST", "/api/updates/check", {});
    const { installed, channel, offered, previous, notNow } = body as unknown as UpdatesView;
    assert.deepEqual([installed?.version, channel.name, channel.state], ["1.0.3", "stable", "current"]);
    assert.deepEqual([offered, previous, notNow], [null, null, []]);
    assert.ok(channel.checkedAt !== null);
    installedDigest = installed?.digest ?? "";
  });

  it("of which an image is missing change nothing", async () => {
    const untouched = await footprint(play);
    const { body } = await plan(play, "next-missing");
    assert.deepEqual([body.unknownSizes, body.notNow], [["image algaCore"], []]);
    const operation = await run(play, body.digest);
    assert.deepEqual([operation.state, operation.problem?.code], ["failed", "update/image-unavailable"]);
    assert.match(operation.problem?.message ?? "", /alga-psa-ee:1\.3\.0/);
    assert.equal(stepOf(operation, "switch")?.state, "pending");
    assert.deepEqual(await footprint(play), untouched, "something was touched");
    const [record] = (await view(play)).history;
    assert.deepEqual([record?.outcome, record?.verdict, record?.to.version], ["untouched", null, "1.3.0"]);
    await play.until("all is as before", isWhole);
  });

  it("that crash are taken back by themselves, and the login page answers again", async () => {
    const untouched = await footprint(play);
    const { body } = await plan(play, "next-crash");
    const operation = await run(play, body.digest);
    assert.deepEqual([operation.state, operation.problem?.code], ["failed", "update/returned"]);
    assert.match(operation.problem?.message ?? "", /^The update to 1\.2\.0 failed and 1\.0\.3 is installed again: /);
    assert.match(stepOf(operation, "reconcile")?.detail ?? "", /^failed: .*keeps stopping/);
    const { installed, history } = await view(play);
    assert.deepEqual([installed?.version, installed?.digest, installed?.channel], ["1.0.3", installedDigest, "stable"]);
    assert.deepEqual([history[0]?.outcome, history[0]?.verdict], ["returned", "failed"]);
    const status = await play.until("the release before works", isWhole);
    assert.equal(status.release?.version, "1.0.3");
    assert.deepEqual(await footprint(play), untouched, "it is not what it was");
  });

  it("that are good are planned, run once, judged and remembered", async () => {
    const { body } = await plan(play, "next");
    assert.deepEqual([body.kind, body.to.version, body.to.channel, body.notNow], ["update", "1.1.0", "next", []]);
    assert.deepEqual(
      body.components.map(({ name }) => name),
      ["alga-core", "workflow-worker", "email-service", "temporal-worker"],
    );
    const started = await play.ask("POST", "/api/updates", { planDigest: body.digest });
    assert.equal(started.status, 202);
    const first = (started.body.operation as OperationView).id;
    const second = await play.ask("POST", "/api/updates", { planDigest: body.digest });
    assert.deepEqual([second.status, second.body.code], [409, "operation/busy"]);
    assert.deepEqual(second.body.details, { operation: first });
    const operation = await ended(play);
    assert.deepEqual([operation.state, operation.problem, stepOf(operation, "judge")?.detail], ["done", null, "ok"]);
    assert.equal(stepOf(operation, "return")?.state, "skipped");
    const { installed, previous, history } = await view(play);
    assert.deepEqual([installed?.version, installed?.channel], ["1.1.0", "next"]);
    assert.deepEqual([previous?.version, previous?.canReturn], ["1.0.3", true]);
    assert.deepEqual(
      [history[0]?.outcome, history[0]?.verdict, history[0]?.planDigest],
      ["installed", "ok", body.digest],
    );
    assert.match(JSON.stringify(await pods(play)), /alga-psa-ee:1\.1\.0/);
  });

  it("refuse a plan that does not hold any more, and say what changed", async () => {
    const { body } = await plan(play, "next-crash");
    const back = await play.ask("POST", "/api/updates/rollback", {});
    assert.equal(back.status, 202);
    const operation = await ended(play);
    assert.deepEqual([operation.kind, operation.state, operation.problem], ["rollback", "done", null]);
    const late = await play.ask("POST", "/api/updates", { planDigest: body.digest });
    assert.deepEqual([late.status, late.body.code], [409, "update/plan-changed"]);
    const { changed } = late.body.details as { changed: string[] };
    assert.deepEqual(changed, ["1.0.3 is installed now, not 1.1.0"]);
  });

  it("can be gone back from: release, values and channel are those of before", async () => {
    const { installed, previous, history } = await view(play);
    assert.deepEqual([installed?.version, installed?.digest, installed?.channel], ["1.0.3", installedDigest, "stable"]);
    assert.equal(previous, null);
    assert.deepEqual([history[0]?.kind, history[0]?.outcome, history.length], ["rollback", "returned", 4]);
    await play.until("the release before works", isWhole);
    assert.match(JSON.stringify(await pods(play)), /alga-psa-ee:1\.0\.3/);
    const again = await play.ask("POST", "/api/updates/rollback", {});
    assert.deepEqual([again.status, again.body.code], [409, "update/no-return"]);
  });

  it("pin the box where a version is named, and mend it where it is the same", async () => {
    const { body } = await play.ask("POST", "/api/updates/plan", { version: "1.0.3" });
    assert.deepEqual([body.kind, body.components], ["repair", []]);
    assert.equal((await run(play, String(body.digest))).state, "done");
    const { installed, channel } = await view(play);
    assert.deepEqual([installed?.version, installed?.channel, channel.state], ["1.0.3", null, "pinned"]);
  });

  it("read requests field by field", async () => {
    const both = await play.ask("POST", "/api/updates/plan", { channel: "next", version: "1.1.0" });
    assert.deepEqual([both.status, both.body.code], [400, "http/bad-request"]);
    const policy = await play.ask("POST", "/api/updates/policy", { automatic: "patch" });
    assert.deepEqual([policy.status, (policy.body.errors as { field: string }[])[0]?.field], [400, "window"]);
    const unknown = await play.ask("POST", "/api/updates", { planDigest: `sha256:${"0".repeat(64)}` });
    assert.deepEqual([unknown.status, unknown.body.code], [404, "update/unknown-plan"]);
  });
});

type Planned = Answer & { readonly body: UpdatePlan & Record<string, unknown> };

async function plan(play: Play, channel: string): Promise<Planned> {
  return (await play.ask("POST", "/api/updates/plan", { channel })) as Planned;
}

async function view(play: Play): Promise<UpdatesView> {
  return (await play.ask("GET", "/api/updates")).body as unknown as UpdatesView;
}

async function run(play: Play, planDigest: string): Promise<OperationView> {
  const started = await play.ask("POST", "/api/updates", { planDigest });
  assert.equal(started.status, 202, JSON.stringify(started.body));
  return ended(play);
}

/** The newest operation once it has ended or needs somebody. */
async function ended(play: Play): Promise<OperationView> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const operation = await play.operation();
    if (operation.endedAt !== null || operation.state === "blocked") return operation;
    if (Date.now() > end) throw new Error(`never ended: ${JSON.stringify(operation)}; ${brief(await play.status())}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

function stepOf(operation: OperationView, id: string) {
  return operation.steps.find((step) => step.id === id);
}

function isWhole({ tiers, operation }: Awaited<ReturnType<Play["status"]>>): boolean {
  return tiers.full.state === "ready" && operation?.endedAt !== null;
}

/** What an update would change: the source, the values and the selection, as the cluster has them. */
async function footprint(play: Play): Promise<unknown> {
  const source = (await play.cluster(
    "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/ocirepositories/alga-appliance",
  )) as { spec: unknown };
  const { items } = (await play.cluster("/api/v1/namespaces/alga-system/configmaps")) as {
    items: { metadata: { name: string }; data: unknown }[];
  };
  return [source.spec, items.map(({ metadata, data }) => [metadata.name, data])];
}

async function pods(play: Play): Promise<readonly unknown[]> {
  const { items } = (await play.cluster("/api/v1/namespaces/msp/pods")) as { items: { spec: unknown }[] };
  return items.map(({ spec }) => spec);
}
