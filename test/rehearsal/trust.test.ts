/**
 * What a box that believes in a publisher says and takes, from the wizard's first page to the end of a setup: the strongest form
 * on a good day, and an operator's decision about metadata that has expired. The command line reads the same files of the box.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runWords } from "../support/command-line.ts";
import { ANSWERS, type Answer, brief, MANAGEMENT_PASSWORD, type Play, runAppliance, startPlay } from "./play.ts";

const DAY_MS = 86_400_000;

interface Offer {
  readonly name: string;
  readonly version: string;
  readonly verifiedBy: string;
  readonly expired?: string;
}

interface Refused {
  readonly code?: string;
  readonly detail?: string;
  readonly hint?: string;
}

/** The command line of the box beside the page: the same registry, keys and root. */
function onTheBox(play: Play, root: string, words: readonly string[]) {
  return runWords([...words, "--registry", play.announced.registry], { root });
}

describe("a box that believes in a publisher", () => {
  const folder = mkdtempSync(join(tmpdir(), "alga-trust-"));
  let play: Play;
  let offers: readonly Offer[];
  before(async () => {
    play = await startPlay({ state: folder });
    await play.claim();
    offers = (await play.ask("GET", "/api/setup/config")).body.channels as readonly Offer[];
  });
  after(async () => {
    await play.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it("offers what signed metadata says, by the key that stands for it, on the page and on the command line", async () => {
    assert.deepEqual(
      offers.slice(0, 2).map(({ name, version, expired }) => [name, version, expired]),
      [
        ["stable", "1.0.3", undefined],
        ["nightly", "1.1.0-nightly.4", undefined],
      ],
    );
    const [stable] = offers;
    assert.match(stable?.verifiedBy ?? "", /^[0-9a-f]{64}$/);
    const { code, stdout } = await onTheBox(play, folder, ["release", "resolve", "-o", "json"]);
    assert.equal(code, 0);
    const resolved = JSON.parse(stdout) as { verifiedBy: string; goodUntil: string };
    assert.equal(resolved.verifiedBy, stable?.verifiedBy);
    assert.ok(Date.parse(resolved.goodUntil) > Date.now(), "the metadata was asked, and is fresh");
  });

  it("refuses what turns bad while it is looking, with the same code everywhere, and takes it again when it is mended", async () => {
    const cases = [
      ["metadata-expired", "trust/expired"],
      ["metadata-rolled-back", "trust/rollback"],
      ["foreign-key", "trust/untrusted-signature"],
    ] as const;
    for (const [scenario, code] of cases) {
      assert.equal((await play.switchOn(scenario)).status, 200);
      const planned = (await play.ask("POST", "/api/setup/plan", ANSWERS)).body as Refused;
      assert.equal(planned.code, code, JSON.stringify(planned));
      assert.ok((planned.detail ?? "") !== "" && (planned.hint ?? "") !== "");
      const resolved = await onTheBox(play, folder, ["release", "resolve"]);
      assert.equal(resolved.code, 1, scenario);
      assert.ok(resolved.stderr.includes(planned.hint ?? "?"), resolved.stderr);
      await play.mend();
      assert.equal((await play.ask("POST", "/api/setup/plan", ANSWERS)).status, 200, scenario);
    }
  });
});

describe("metadata that has expired", () => {
  const folder = mkdtempSync(join(tmpdir(), "alga-expired-"));
  const until = new Date(Date.now() + 7 * DAY_MS).toISOString();
  let play: Play;
  let refused: Answer;
  before(async () => {
    play = await startPlay({ scenario: "metadata-expired", state: folder });
    await play.claim();
  });
  after(async () => {
    await play.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it("is shown with the release that it was and its age, and no plan is made of it", async () => {
    const { body } = await play.ask("GET", "/api/setup/config");
    const [stable] = body.channels as readonly Offer[];
    assert.deepEqual([stable?.version, stable?.expired], ["1.0.3", "timestamp metadata expired 3 days ago"]);
    assert.equal((body.channelsProblem as Refused).code, "trust/expired");
    refused = await play.ask("POST", "/api/setup/plan", ANSWERS);
    assert.deepEqual([refused.status, refused.body.code], [502, "trust/expired"]);
    const past = { ...ANSWERS, acceptExpired: new Date(Date.now() - DAY_MS).toISOString() };
    assert.equal((await play.ask("POST", "/api/setup/plan", past)).body.code, "trust/expired", "the instant is past");
    const wrong = await play.ask("POST", "/api/setup/plan", { ...ANSWERS, acceptExpired: "next week" });
    assert.deepEqual([wrong.status, wrong.body.code], [400, "setup/invalid-answers"]);
  });

  it("stops a setup with the answer to correct; decided, that goes on to its end and every record says so", async () => {
    await play.start();
    const stopped = await play.until("setup has stopped", ({ operation }) => operation?.state === "blocked");
    assert.deepEqual(stopped.operation?.problem?.fields, ["acceptExpired"], brief(stopped));
    const words = ["status", "--url", play.announced.url, "--password-stdin"];
    assert.match((await runAppliance(words, MANAGEMENT_PASSWORD)).out, /expired 3 days ago[\s\S]*acceptExpired/);
    const corrected = await play.ask("POST", "/api/setup", { ...ANSWERS, acceptExpired: until });
    assert.equal(corrected.status, 202, JSON.stringify(corrected.body));
    const end = await play.until("everything works", ({ operation, tiers }) => {
      return operation?.state === "done" && tiers.full.state === "ready";
    });
    const details = end.operation?.steps.map(({ id, detail }) => `${id}: ${detail}`) ?? [];
    for (const step of ["preflight", "release"]) {
      const said = details.find((one) => one.startsWith(`${step}:`));
      assert.match(said ?? "", /timestamp metadata expired 3 days ago/, details.join("\n"));
    }
    const answers = JSON.parse(readFileSync(join(folder, "var/lib/alga-appliance/answers.json"), "utf8"));
    assert.equal(answers.answers.acceptExpired, until);
    assert.match(end.release?.verifiedBy ?? "", /^[0-9a-f]{64}$/);
  });

  it("is decided on the command line by a flag, for as long as that says", async () => {
    const look = (words: readonly string[]) => onTheBox(play, folder, ["release", "resolve", ...words]);
    const bare = await look([]);
    assert.equal(bare.code, 1);
    assert.match(bare.stderr, /expired 3 days ago[\s\S]*--accept-expired/);
    const decided = await look(["--accept-expired", until]);
    assert.equal(decided.code, 0, decided.stderr);
    assert.match(
      decided.stdout,
      /verified by key [0-9a-f]{12}, accepted although timestamp metadata expired 3 days ago/,
    );
  });
});
