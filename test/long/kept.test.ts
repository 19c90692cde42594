/** A rehearsal that is kept in a folder: killed in the middle, started again, it goes on where it was; and wrong words. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { JournalEntry } from "../../src/operation/journal.ts";
import type { OperationView } from "../../src/operation/model.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import type { UpdatePlan } from "../../src/update/model.ts";
import { type Play, runAppliance, startPlay } from "../rehearsal/play.ts";

describe("a rehearsal that is kept in a folder", () => {
  let folder: string;
  let play: Play;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "alga-kept-"));
  });
  after(async () => {
    await play.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it("goes on after SIGKILL in the middle, with the same cluster, and finishes", async () => {
    play = await startPlay({ state: folder, speed: 20 });
    const registry = play.announced.registry;
    await play.claim();
    assert.equal((await play.start()).status, 202);
    await play.until("Flux has the release", ({ operation }) => operation?.step === "reconcile");
    await play.saveCluster();
    const uid = await namespaceUid(play);
    const { id } = await play.operation();
    await play.kill("SIGKILL");

    play = await startPlay({ state: folder, speed: 20 });
    assert.deepEqual([play.announced.token, play.announced.registry], [null, registry]);
    assert.equal((await play.logIn()).status, 200);
    const end = await play.until("everything works", isFinished);
    assert.deepEqual([end.operation?.id, end.operation?.state, end.summary.message], [id, "done", "Everything works"]);
    assert.equal(await namespaceUid(play), uid);
    const { body } = await play.ask("GET", `/api/operations/${id}`);
    const kinds = (body.journal as JournalEntry[]).map(({ kind }) => kind);
    assert.equal(kinds.filter((kind) => kind === "recovered").length, 1);
    assert.equal(kinds.at(-1), "finished");
  });

  it("shows the finished installation when it is opened again", async () => {
    assert.equal(await play.kill(), 0);
    play = await startPlay({ state: folder, speed: 20 });
    await play.logIn();
    const { summary, operation } = await play.until("everything works", isFinished);
    assert.deepEqual([summary.message, operation?.state], ["Everything works", "done"]);
  });

  it("stays paused after SIGKILL, says so and what is next, and goes on or ends by a command beside it", async () => {
    const { body: offered } = await play.ask("POST", "/api/updates/plan", { channel: "next" });
    const { digest } = (offered as unknown as UpdatePlan).to;
    const { body: plan } = await play.ask("POST", "/api/updates/plan", { digest });
    await play.switchOn("registry-unreachable");
    const started = await play.ask("POST", "/api/updates", { planDigest: plan.digest });
    assert.equal(started.status, 202, JSON.stringify(started.body));
    const { id } = started.body.operation as OperationView;
    await play.until("it waits for the registry", ({ operation }) => operation?.state === "waiting");
    const paused = await runAppliance(["update", "pause"], "", folder);
    assert.deepEqual([paused.code, paused.err], [0, ""]);
    assert.match(
      paused.out,
      new RegExp(`^The update ${id} (?:is paused before|pauses when) the step "Fetch and verify`),
    );
    assert.match(paused.out, /Next: alga-appliance update resume/);
    const now = await play.until("it is paused", ({ operation }) => operation?.state === "paused");
    assert.match(now.summary.message, /; the update is paused before the step "Fetch and verify the release"$/);
    await play.kill("SIGKILL");

    play = await startPlay({ state: folder, speed: 20 });
    await play.logIn();
    const still = await play.until("people can log in", ({ tiers }) => tiers.login.state === "ready");
    assert.deepEqual([still.operation?.id, still.operation?.state, still.phase], [id, "paused", "updating"]);
    assert.match(still.summary.next ?? "", /alga-appliance update resume/);
    const busy = await play.ask("POST", "/api/updates", { planDigest: plan.digest, digest });
    assert.deepEqual([busy.status, busy.body.code, busy.body.details], [409, "operation/busy", { operation: id }]);
    await play.switchOn("registry-unreachable");
    await play.resume();
    await play.until("it waits for the registry again", ({ operation }) => operation?.state === "waiting");
    const cancelled = await runAppliance(["update", "cancel", "--yes"], "", folder);
    assert.deepEqual([cancelled.code, cancelled.err], [0, ""]);
    assert.equal((await play.operation()).state, "cancelled");
    await play.mend();
  });

  it("goes on with an update after SIGKILL once the release was handed over, and ends in the new one", async () => {
    const { body: plan } = await play.ask("POST", "/api/updates/plan", { channel: "next" });
    assert.equal((await play.ask("POST", "/api/updates", { planDigest: plan.digest })).status, 202);
    await play.until("it was handed over", ({ operation }) => /^(?:reconcile|judge)$/.test(operation?.step ?? ""));
    await play.kill("SIGKILL");

    play = await startPlay({ state: folder, speed: 20 });
    await play.logIn();
    const end = await play.until("the update has ended", (status) => isFinished(status) && isUpdate(status));
    assert.equal(end.release?.version, "1.1.0");
    const { history } = (await play.ask("GET", "/api/updates")).body as { history: { outcome: string }[] };
    assert.deepEqual(
      history.map(({ outcome }) => outcome),
      ["installed", "stopped"],
    );
  });
});

function isUpdate({ operation }: ApplianceStatus): boolean {
  return operation?.kind === "update";
}

function isFinished({ tiers, operation }: ApplianceStatus): boolean {
  return tiers.full.state === "ready" && operation?.state === "done";
}

async function namespaceUid(play: Play): Promise<string> {
  const { metadata } = (await play.cluster("/api/v1/namespaces/msp")) as { metadata: { uid: string } };
  return metadata.uid;
}

describe("wrong words", () => {
  const cases: readonly { readonly words: readonly string[]; readonly code: number; readonly says: RegExp }[] = [
    {
      words: ["--scenario", "flood"],
      code: 2,
      says: /--scenario is "flood", one of registry-unreachable, .*full-disk, .*foreign-key is wanted/,
    },
    {
      words: ["--speed", "fast"],
      code: 2,
      says: /Cannot play at speed "fast": a number above 0 and up to 1000 is wanted/,
    },
    { words: ["--speed", "0"], code: 2, says: /Cannot play at speed "0"/ },
    { words: ["--port", "99999"], code: 2, says: /Cannot listen on port "99999": a number from 0 to 65535 is wanted/ },
  ];
  for (const { words, code, says } of cases) {
    it(`${words.join(" ")} ends with ${code} and what is wanted`, async () => {
      const ended = await runAppliance(["rehearse", ...words]);
      assert.equal(ended.code, code);
      assert.match(ended.err, says);
    });
  }

  it("a port that is taken ends with 5 and what to do", async () => {
    const play = await startPlay();
    try {
      const port = new URL(play.announced.url).port;
      const ended = await runAppliance(["rehearse", "--port", port, "-o", "json"]);
      assert.equal(ended.code, 5);
      assert.equal(JSON.parse(ended.out).error.code, "http/cannot-listen");
      assert.match(JSON.parse(ended.out).error.hint, /another port/);
    } finally {
      await play.kill();
    }
  });

  it("--help shows every scenario and examples", async () => {
    const { out, code } = await runAppliance(["rehearse", "--help"]);
    assert.equal(code, 0);
    for (const word of ["image-missing", "stuck-helm", "--state <folder>", "--port 0 -o json"])
      assert.ok(out.includes(word), word);
  });
});
