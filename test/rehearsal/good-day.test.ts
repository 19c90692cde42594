/** A rehearsed installation on a good day: what the person, the cluster and the disk get, and that no secret leaves. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { JournalEntry } from "../../src/operation/journal.ts";
import { type ApplianceStatus, applianceStatusSchema } from "../../src/status/model.ts";
import { SETUP_STEP_IDS } from "../support/setup-steps.ts";
import type { ServerEvent } from "./events.ts";
import { ANSWERS, type Answer, brief, MANAGEMENT_PASSWORD, type Play, runAppliance, startPlay } from "./play.ts";

describe("a rehearsed installation on a good day", () => {
  let folder: string;
  let play: Play;
  const events: ServerEvent[] = [];
  let started: Answer;
  let again: Answer;
  let end: ApplianceStatus;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "alga-good-day-"));
    play = await startPlay({ state: folder, speed: 20 });
    assert.equal((await play.claim()).status, 200);
  });
  after(async () => {
    await play.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it("offers the channels and plans without writing anything", async () => {
    const { body: config } = await play.ask("GET", "/api/setup/config");
    assert.deepEqual([config.mode, config.rehearsal, config.channelsProblem], ["setup", true, null]);
    assert.deepEqual((config.channels as { name: string }[]).map(({ name }) => name).sort(), [
      "next",
      "next-crash",
      "next-missing",
      "nightly",
      "stable",
    ]);
    const { body: plan } = await play.ask("POST", "/api/setup/plan", ANSWERS);
    assert.deepEqual(
      (plan.steps as { id: string }[]).map(({ id }) => id),
      SETUP_STEP_IDS,
    );
    assert.equal((plan.release as { version: string }).version, "1.0.3");
    assert.match((plan.release as { verifiedBy: string }).verifiedBy, /^[0-9a-f]{64}$/);
    assert.ok((plan.changes as { action: string }[]).every(({ action }) => action === "create"));
    const { items } = await play.cluster("/api/v1/namespaces");
    assert.ok(!JSON.stringify(items).includes("flux-system"), "the plan has written to the cluster");
  });

  it("runs to the end, and a second start is refused", async () => {
    const reading = readEvents(play, events);
    started = await play.start();
    again = await play.ask("POST", "/api/setup", ANSWERS);
    end = await play.until(
      "everything works",
      ({ tiers, operation }) => tiers.full.state === "ready" && operation?.state === "done",
    );
    await play.ask("GET", "/api/status");
    await reading;
    assert.equal(started.status, 202);
    assert.deepEqual([again.status, again.body.code], [409, "operation/busy"]);
    const late = await play.ask("POST", "/api/setup", ANSWERS);
    assert.deepEqual([late.status, late.body.code], [409, "setup/already-done"]);
  });

  it("ends with the answer, the ladder and the login link", () => {
    applianceStatusSchema.parse(end);
    assert.deepEqual([end.phase, end.summary.state, end.summary.message], ["running", "ready", "Everything works"]);
    assert.equal(end.urls.login, "https://psa.example.com");
    assert.equal(end.release?.version, "1.0.3");
    assert.match(end.release?.verifiedBy ?? "", /^[0-9a-f]{64}$/);
    assert.ok(
      end.components.every(({ state }) => state === "ready"),
      JSON.stringify(end.components),
    );
  });

  it("never says that something failed or waits, at no moment", () => {
    const statuses = events.filter(({ type }) => type === "status").map(({ data }) => data as ApplianceStatus);
    assert.ok(statuses.length > 10, `${statuses.length} statuses were streamed`);
    for (const status of statuses) {
      assert.ok(!status.checks.some((check) => check.state === "failed"), brief(status));
      assert.ok(!Object.values(status.tiers).some((tier) => tier.state === "failed"), brief(status));
      assert.notEqual(status.summary.state, "failed", brief(status));
      assert.doesNotMatch(status.summary.message, /waits:|stopped|cannot/, brief(status));
    }
  });

  it("climbs the ladder rung by rung and never down", () => {
    const order = ["unknown", "progressing", "ready"];
    const reached: Record<string, number> = {};
    for (const { type, data } of events) {
      if (type !== "status" || (data as ApplianceStatus).phase === "unclaimed") continue;
      for (const [name, { state, reason }] of Object.entries((data as ApplianceStatus).tiers)) {
        const rank = order.indexOf(state);
        assert.ok(
          rank >= (reached[name] ?? 0),
          `${name} fell to ${state}: ${reason}; ${brief(data as ApplianceStatus)}`,
        );
        reached[name] = rank;
      }
    }
  });

  it("streams every line of the journal once, also over a lost connection", () => {
    const entries = events
      .filter(({ type }) => type === "journal")
      .map(({ data }) => (data as { entry: JournalEntry }).entry);
    assert.deepEqual(
      entries.map(({ seq }) => seq),
      entries.map((_entry, index) => index + 1),
    );
    assert.equal(entries.at(-1)?.kind, "finished");
    const done = entries.flatMap((entry) =>
      entry.kind === "step-done" || entry.kind === "step-skipped" ? entry.step : [],
    );
    assert.deepEqual(done, SETUP_STEP_IDS);
  });

  it("keeps the run and its journal for later", async () => {
    const operation = await play.operation();
    assert.deepEqual(
      [operation.state, operation.problem, operation.progress.done],
      ["done", null, SETUP_STEP_IDS.length],
    );
    assert.ok(
      operation.steps.every(({ state }) => state === "done"),
      JSON.stringify(operation.steps),
    );
    const { body } = await play.ask("GET", `/api/operations/${operation.id}`);
    assert.equal((body.journal as JournalEntry[])[0]?.kind, "planned");
  });

  it("writes the objects that the application reads", async () => {
    const tenant = await secret(play, "appliance-initial-tenant");
    assert.deepEqual(Object.keys(tenant).sort(), [
      "INITIAL_ADMIN_EMAIL",
      "INITIAL_ADMIN_FIRST_NAME",
      "INITIAL_ADMIN_LAST_NAME",
      "INITIAL_ADMIN_PASSWORD_ALGORITHM",
      "INITIAL_ADMIN_PASSWORD_HASH",
      "INITIAL_ADMIN_PASSWORD_ITERATIONS",
      "INITIAL_ADMIN_PASSWORD_KEY_LENGTH",
      "INITIAL_TENANT_NAME",
    ]);
    assert.equal(tenant.INITIAL_ADMIN_EMAIL, "ada@example.com");
    assert.match(tenant.INITIAL_ADMIN_PASSWORD_HASH ?? "", /^[0-9a-f]+:[0-9a-f]+$/);
    assert.match((await secret(play, "alga-psa-shared")).ALGA_AUTH_KEY ?? "", /^[\w-]{40,}$/);
    assert.equal((await secret(play, "appliance-license-seed")).EDITION_CHOICE, "ce");
    const { items } = (await play.cluster("/api/v1/namespaces/alga-system/configmaps")) as { items: ConfigMap[] };
    const names = items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith("appliance-values-"));
    assert.equal(names.length, 6);
    assert.ok(JSON.stringify(items).includes("https://psa.example.com"));
    const selection = items.find(({ metadata }) => metadata.name === "appliance-release-selection");
    assert.deepEqual([selection?.data.releaseVersion, selection?.data.selectedChannel], ["1.0.3", "stable"]);
  });

  it("records what is installed, and that it was", () => {
    const state = join(folder, "var/lib/alga-appliance");
    const release = JSON.parse(readFileSync(join(state, "release.json"), "utf8"));
    assert.deepEqual([release.version, release.channel, release.digest], ["1.0.3", "stable", end.release?.digest]);
    assert.ok(Date.parse(release.installedAt) > 0);
    const history = readFileSync(join(state, "history.ndjson"), "utf8").trim().split("\n");
    assert.equal(history.length, 1);
    assert.equal(JSON.parse(history[0] ?? "").state, "done");
  });

  it("is told alike by the command line", async () => {
    const words = ["status", "--url", play.announced.url, "--password-stdin"];
    const json = await runAppliance([...words, "-o", "json"], `${MANAGEMENT_PASSWORD}\n`);
    assert.equal(json.code, 0, json.err);
    const { observedAt: _then, generation: _counted, host: box, ...told } = JSON.parse(json.out);
    const { observedAt: _now, generation: _counts, host, ...shown } = await play.status();
    assert.deepEqual(box.disks, host?.disks);
    assert.deepEqual(told, shown);
    const text = await runAppliance(words, MANAGEMENT_PASSWORD);
    assert.match(text.out, /^Everything works\n/);
    assert.match(text.out, /This is a rehearsal/);
    assert.match(text.out, /Disk 41 GB of 118 GB used · memory 6\.2 GB of 16 GB used · clock in step/);
    play.said.push(json.err, text.out, text.err);
  });

  it("gives no password and no token to the cluster, the disk, an answer or a log", async () => {
    await play.ask("GET", "/api/setup/config");
    const cluster = await dumpOf(play);
    const disk = filesIn(folder).map((file) => `${file}\n${readFileSync(file, "latin1")}`);
    const announcement = JSON.stringify(play.announced.token ?? "");
    const said = play.said.map((text) => text.replaceAll(announcement, "").replaceAll(play.announced.setupUrl, ""));
    for (const hidden of [ANSWERS.adminPassword, MANAGEMENT_PASSWORD, play.announced.token ?? "no token"]) {
      for (const [place, texts] of Object.entries({ cluster, disk, said })) {
        const found = texts.find((text) => text.includes(hidden));
        assert.ok(found === undefined, `${place} holds ${hidden}: ${found?.slice(0, 200)}`);
      }
    }
  });

  it("ends on SIGTERM with 0", async () => assert.equal(await play.kill(), 0));
});

/** Reads the stream until the run has ended and everything works; leaves it once midway and comes back. */
async function readEvents(play: Play, events: ServerEvent[]): Promise<void> {
  let last: string | undefined;
  const first = play.events();
  for await (const event of first) {
    events.push(event);
    last = event.id === "" ? last : event.id;
    if (event.type === "operation" && (event.data as { step: string }).step === "values") break;
  }
  await new Promise((done) => setTimeout(done, 300));
  for await (const event of play.events(last)) {
    events.push(event);
    if (event.type === "status" && (event.data as ApplianceStatus).summary.message === "Everything works") return;
  }
}

interface ConfigMap {
  readonly metadata: { readonly name: string };
  readonly data: Readonly<Record<string, string>>;
}

async function secret(play: Play, name: string): Promise<Record<string, string>> {
  const { data } = (await play.cluster(`/api/v1/namespaces/msp/secrets/${name}`)) as { data: Record<string, string> };
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
}

/** Everything that may hold text in the cluster; Secrets also decoded. */
async function dumpOf(play: Play): Promise<string[]> {
  const kinds = ["secrets", "configmaps", "pods", "events", "namespaces"].map((kind) => `/api/v1/${kind}`);
  const texts = await Promise.all(
    [...kinds, "/apis/batch/v1/jobs", "/apis/apps/v1/deployments"].map(async (path) =>
      JSON.stringify(await play.cluster(path)),
    ),
  );
  const { items } = (await play.cluster("/api/v1/secrets")) as { items: { data?: Record<string, string> }[] };
  const decoded = items.flatMap(({ data = {} }) =>
    Object.values(data).map((value) => Buffer.from(value, "base64").toString()),
  );
  assert.ok(decoded.length > 8, "no Secret was read");
  return [...texts, ...decoded];
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile());
}
