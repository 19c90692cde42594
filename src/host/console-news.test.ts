/** What the console tells of claims and updates: what is on the disk, each while it is news, and never a reason to fail. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { statusWith } from "../../test/support/status.ts";
import { statePaths } from "../core/paths.ts";
import type { OperationView } from "../operation/model.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import type { ApplianceStatus } from "../status/model.ts";
import { claimNews, createUpdateNews } from "./console-news.ts";

const PATHS = statePaths("/");
const DAY_MS = 24 * 60 * 60_000;
const NOW_MS = Date.parse("2026-11-21T12:00:00Z");
const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
const RELEASE = { channel: "stable", version: "1.0.3", digest: digest("a"), verifiedBy: "none" };

function world(files = createMemoryFiles()) {
  const box = { nowMs: NOW_MS, reads: 0 };
  const read: typeof files.read = async (path, options) => {
    if (path === PATHS.history) box.reads += 1;
    return files.read(path, options);
  };
  const clock = { now: () => box.nowMs, monotonic: () => 0, sleep: async () => {}, after: () => () => {} };
  return { files, box, deps: { files: { ...files, read }, clock } };
}

const claims = (...all: readonly (readonly [string, string, "claimed" | "refused"])[]): string =>
  JSON.stringify({
    schema: "alga.appliance.claims/v1",
    claims: all.map(([at, peer, outcome]) => ({ at, peer, outcome, secure: true })),
  });

describe("claims", () => {
  it("are told: who has the box, and who tried to have it too in the last week", async () => {
    const { files, box, deps } = world();
    assert.deepEqual(await claimNews(deps, PATHS), []);
    files.garble(PATHS.adminCredential, "{}");
    files.garble(PATHS.claims, claims(["2026-11-21T09:14:33Z", "192.0.2.99", "claimed"]));
    assert.deepEqual(await claimNews(deps, PATHS), ["Claimed 2026-11-21 09:14 UTC from 192.0.2.99"]);
    files.garble(
      PATHS.claims,
      claims(
        ["2026-11-21T09:14:33Z", "192.0.2.99", "claimed"],
        ["2026-11-21T10:00:00Z", "198.51.100.7", "refused"],
        ["2026-11-21T10:02:00Z", "198.51.100.8", "refused"],
      ),
    );
    assert.deepEqual(await claimNews(deps, PATHS), [
      "Refused: somebody tried to claim this box again 2 times, last 2026-11-21 10:02 UTC from 198.51.100.8",
      "Claimed 2026-11-21 09:14 UTC from 192.0.2.99",
    ]);
    box.nowMs += 7 * DAY_MS;
    assert.deepEqual(await claimNews(deps, PATHS), ["Claimed 2026-11-21 09:14 UTC from 192.0.2.99"]);
  });
  it("of an owner whose password was lost are told no more, and then who claimed it anew", async () => {
    const { files, deps } = world();
    files.garble(PATHS.claims, claims(["2026-11-20T09:14:33Z", "192.0.2.99", "claimed"]));
    assert.deepEqual(await claimNews(deps, PATHS), []);
    files.garble(PATHS.adminCredential, "{}");
    files.garble(
      PATHS.claims,
      claims(["2026-11-20T09:14:33Z", "192.0.2.99", "claimed"], ["2026-11-21T09:14:33Z", "192.0.2.7", "claimed"]),
    );
    assert.deepEqual(await claimNews(deps, PATHS), ["Claimed 2026-11-21 09:14 UTC from 192.0.2.7"]);
  });
  it("that are damaged are no news", async () => {
    const { files, deps } = world();
    files.garble(PATHS.claims, "{");
    assert.deepEqual(await claimNews(deps, PATHS), []);
  });
});

const status = (change: Partial<ApplianceStatus> = {}): ApplianceStatus => ({
  ...statusWith(() => "ready"),
  release: RELEASE,
  operation: null,
  ...change,
});
const offer = (version: string, letter: string, channel = "stable"): string =>
  JSON.stringify({
    schema: "alga.appliance.updates/v1",
    channel,
    checkedAt: null,
    offer: { version, digest: digest(letter) },
    problem: null,
  });
const ended = (kind: string, about: object): string =>
  `${JSON.stringify({
    ...{
      schema: "alga.appliance.history/v1",
      at: "2026-11-21T10:00:00Z",
      operationId: `0002-${kind}`,
      kind,
      state: "failed",
    },
    ...{ startedAt: "2026-11-21T09:00:00Z", about },
  })}\n`;

describe("updates", () => {
  const cases: readonly (readonly [string, string, Partial<ApplianceStatus>, readonly string[]])[] = [
    ["a newer release of the channel is offered", offer("1.0.4", "b"), {}, ["An update is offered: 1.0.4"]],
    ["what is installed is no news", offer("1.0.3", "a"), {}, []],
    ["an older one is no update", offer("1.0.2", "c"), {}, []],
    ["another channel's is not this box's", offer("1.0.4", "b", "next"), {}, []],
    ["a box without a release follows none", offer("1.0.4", "b"), { release: null }, []],
    ["a document that is damaged is no news", "{", {}, []],
    ["a document of another form is no news", '{"channel":3}', {}, []],
  ];
  for (const [name, document, change, wanted] of cases) {
    it(name, async () => {
      const { files, deps } = world();
      files.garble(`${PATHS.state}/updates.json`, document);
      assert.deepEqual(await createUpdateNews(deps, PATHS).now(status(change)), wanted);
    });
  }
  it("that went back are told until the next one has ended otherwise, and while nothing runs", async () => {
    const { files, box, deps } = world();
    const names = { from: { version: "1.0.3" }, to: { version: "1.0.4" } };
    const back = ended("update", { ...names, outcome: "returned", reason: "the login page did not answer" });
    files.garble(PATHS.history, back);
    const news = createUpdateNews(deps, PATHS);
    const wanted = ["The update to 1.0.4 went back to 1.0.3: the login page did not answer"];
    assert.deepEqual(await news.now(status()), wanted);
    assert.deepEqual(await news.now(status()), wanted);
    assert.equal(box.reads, 1, "the history is read when it has grown");
    const operation = { endedAt: null } as OperationView;
    assert.deepEqual(await news.now(status({ operation })), []);
    files.garble(PATHS.history, `${back}${ended("password", {})}`);
    assert.deepEqual(await news.now(status()), wanted, "another operation does not make it good");
    files.garble(PATHS.history, `${back}${ended("update", { ...names, outcome: "installed" })}`);
    assert.deepEqual(await news.now(status()), []);
  });
});
