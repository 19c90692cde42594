/** Which images may go, and that nothing goes where anything about them cannot be told. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { commandContext } from "../../test/support/command-context.ts";
import type { Listen } from "../cli/command.ts";
import { statePaths } from "../core/paths.ts";
import type { Exec } from "../core/ports.ts";
import { createFileStore } from "../operation/file-store.ts";
import { JOURNAL_SCHEMA, type JournalEntry } from "../operation/journal.ts";
import { systemMachine } from "../platform/machine.ts";
import { systemNetwork } from "../platform/network.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { STORAGE_IMAGES } from "../release/appliance-images.ts";
import { commands } from "./agent-command.ts";
import { type NodeImage, pruneImages, unneeded } from "./agent-prune.ts";

const hex = (digit: number): string => `sha256:${String(digit).repeat(64)}`;
const image = (digit: number, more: Partial<NodeImage> = {}): NodeImage => ({
  id: hex(digit),
  repoTags: [`ghcr.io/nine-minds/app:${digit}`],
  repoDigests: [`ghcr.io/nine-minds/app@${hex(digit)}`],
  pinned: false,
  ...more,
});

describe("unneeded()", () => {
  const goes = (images: readonly NodeImage[], used: readonly string[], kept: readonly string[]): readonly string[] =>
    unneeded(images, { used: new Set(used), kept: new Set(kept) }).map(({ id }) => id);
  const cases: readonly (readonly [string, readonly NodeImage[], readonly string[], readonly string[], boolean])[] = [
    ["nothing uses and nobody keeps", [image(1)], [], [], true],
    ["has no name any more", [image(1, { repoTags: [], repoDigests: [] })], [], ["ghcr.io/nine-minds/app:1"], true],
    ["has the repository of a kept one, and another tag", [image(1)], [], ["ghcr.io/nine-minds/app:2"], true],
    ["is of another registry than a kept one", [image(1)], [], ["registry.test:5000/nine-minds/app:1"], true],
    ["a container uses by its identity", [image(1)], [hex(1)], [], false],
    ["a container uses by its digest", [image(1)], [`ghcr.io/nine-minds/app@${hex(1)}`], [], false],
    ["a container uses by its tag", [image(1)], ["ghcr.io/nine-minds/app:1"], [], false],
    ["is kept by its tag", [image(1)], [], ["ghcr.io/nine-minds/app:1"], false],
    ["is kept by its digest", [image(1)], [], [`ghcr.io/nine-minds/app@${hex(1)}`], false],
    [
      "is kept by both, and has the tag alone",
      [image(1, { repoDigests: [] })],
      [],
      [`ghcr.io/nine-minds/app:1@${hex(1)}`],
      false,
    ],
    [
      "is kept by both, and has the digest alone",
      [image(1, { repoTags: [] })],
      [],
      [`ghcr.io/nine-minds/app:1@${hex(1)}`],
      false,
    ],
    [
      "is kept by a registry with a port",
      [image(1, { repoTags: ["r.test:5000/app:1"] })],
      [],
      [`r.test:5000/app:1@${hex(9)}`],
      false,
    ],
    ["somebody pinned", [image(1, { pinned: true })], [], [], false],
    ["is the sandbox of every pod", [image(1, { repoTags: ["registry.k8s.io/pause:3.10"] })], [], [], false],
    ["is k3s' sandbox", [image(1, { repoTags: ["docker.io/rancher/mirrored-pause:3.6"] })], [], [], false],
  ];
  for (const [what, images, used, kept, isGone] of cases) {
    it(`${isGone ? "takes" : "leaves"} an image that ${what}`, () =>
      assert.deepEqual(goes(images, used, kept), isGone ? [images[0]?.id] : []));
  }
});

const IMAGES = { images: [image(1), image(2), image(3), image(4, { repoTags: [], repoDigests: [] })] };
const CONTAINERS = { containers: [{ image: { image: hex(1) }, imageRef: `ghcr.io/nine-minds/app@${hex(1)}` }] };

function world(says: Readonly<Record<string, object | string>> = {}) {
  const ran: string[] = [];
  const exec: Exec = async ([, ...words]) => {
    const line = words.join(" ");
    ran.push(line);
    const answer: object | string =
      { "crictl images": IMAGES, "crictl ps": CONTAINERS, ...says }[words.slice(0, 2).join(" ")] ?? "";
    const isFailing = answer === "fails";
    const stdout = typeof answer === "string" ? answer : JSON.stringify(answer);
    return { code: isFailing ? 1 : 0, stdout, stderr: isFailing ? "no containerd" : "", truncated: answer === "cut" };
  };
  const deps = { exec, files: createMemoryFiles() };
  const prune = (kept: (signal: AbortSignal) => Promise<ReadonlySet<string>>): Promise<readonly string[]> =>
    pruneImages(deps, statePaths("/"), { kept, signal: new AbortController().signal });
  return { ran, prune, deps };
}
const kept = async (): Promise<ReadonlySet<string>> => new Set([`ghcr.io/nine-minds/app:2@${hex(2)}`]);

describe("pruneImages()", () => {
  it("removes by identity what no container uses and no way back needs, and tells the names", async () => {
    const { ran, prune } = world();
    assert.deepEqual(await prune(kept), ["ghcr.io/nine-minds/app:3", hex(4)]);
    assert.deepEqual(ran, [
      "crictl images --output json",
      "crictl ps --all --output json",
      `crictl rmi ${hex(3)} ${hex(4)}`,
    ]);
  });
  it("removes nothing where all is needed", async () => {
    const { ran, prune } = world({ "crictl images": { images: [image(1), image(2)] } });
    assert.deepEqual(await prune(kept), []);
    assert.equal(ran.length, 2);
  });
  it("hands many over in several commands", async () => {
    const many = Array.from({ length: 450 }, (_one, at) => ({
      ...image(1),
      id: `sha256:${String(at).padStart(64, "0")}`,
    }));
    const { ran, prune } = world({ "crictl images": { images: many }, "crictl ps": { containers: [] } });
    assert.equal((await prune(async () => new Set())).length, 450);
    assert.deepEqual(
      ran.slice(2).map((line) => line.split(" ").length - 2),
      [200, 200, 50],
    );
  });
  it("asks containerd nothing where nobody can tell what must stay", async () => {
    const { ran, prune } = world();
    await assert.rejects(
      prune(() => Promise.reject(new Error("damaged"))),
      /damaged/,
    );
    assert.deepEqual(ran, []);
  });
  const answers: readonly (readonly [string, Readonly<Record<string, object | string>>, string])[] = [
    ["fails", { "crictl images": "fails" }, "exec/failed"],
    ["fails at the containers", { "crictl ps": "fails" }, "exec/failed"],
    ["is no JSON", { "crictl ps": "CONTAINER  IMAGE" }, "json/shape"],
    ["is cut", { "crictl images": "cut" }, "json/shape"],
    ["is another document", { "crictl images": { containers: [] } }, "json/shape"],
    ["names an image by a flag", { "crictl images": { images: [{ ...image(3), id: "--all" }] } }, "json/shape"],
  ];
  for (const [what, says, code] of answers) {
    it(`removes nothing where containerd's answer ${what}`, async () => {
      const { ran, prune } = world(says);
      await assert.rejects(prune(kept), { code });
      assert.ok(!ran.some((line) => line.startsWith("crictl rmi")), ran.join("\n"));
    });
  }
});

describe("the daemon", () => {
  const storage = { ...image(3), repoTags: [STORAGE_IMAGES.helper], repoDigests: [] };
  const prune = async (entries: readonly JournalEntry[]) => {
    const { deps, ran } = world({ "crictl images": { images: [storage, image(4)] } });
    const box = { ...deps, ...createFakeBox({ instant: true }), machine: systemMachine, network: systemNetwork };
    const [first, ...rest] = entries;
    const store = createFileStore(box, statePaths("/"));
    if (first !== undefined) await store.createJournal("0001-update", first);
    for (const entry of rest) await store.appendJournal("0001-update", entry);
    const { context } = commandContext({ deps: box, env: { ALGA_APPLIANCE_ROOT: "/" } });
    const stop = new AbortController();
    const seen: { status?: number; body?: Readonly<Record<string, unknown>> } = {};
    const listen: Listen = async ({ handle, identify }) => {
      assert.equal(identify, true);
      const request = new Request("http://host-agent/v1/images/prune", { method: "POST" });
      const answer = await handle(request, { address: "unix", identity: { pid: 1, uid: 10_001, gid: 10_001 } });
      seen.status = answer.status;
      seen.body = (await answer.json()) as Readonly<Record<string, unknown>>;
      stop.abort();
      return { address: "", port: 0, close: async () => {} };
    };
    await commands[0]?.run({ ...context, signal: stop.signal, listen });
    return { ...seen, ran };
  };
  const stamp = (seq: number) => ({ seq, at: "2026-11-21T10:00:00.000Z", uptimeMs: seq });
  const planned: JournalEntry = {
    ...stamp(1),
    ...{ kind: "planned", schema: JOURNAL_SCHEMA, operation: "update", bootId: "b", plan: null },
    steps: [{ id: "images", title: "Fetch images" }],
  };

  it("keeps what this box needs, as its own files tell", async () => {
    const { body, ran } = await prune([]);
    assert.deepEqual(body?.removed, ["ghcr.io/nine-minds/app:4"]);
    assert.ok(ran.includes(`crictl rmi ${hex(4)}`));
  });
  it("removes nothing while an operation has not ended, also one that rests", async () => {
    for (const entries of [[planned], [planned, { ...stamp(2), kind: "paused" } as const]]) {
      const { status, body, ran } = await prune(entries);
      assert.deepEqual([status, body?.code, ran], [409, "operation/busy", []]);
    }
  });
  it("removes again when it has", async () => {
    const done: JournalEntry = { ...stamp(2), kind: "step-done", step: "images", detail: null };
    const { body } = await prune([planned, done, { ...stamp(3), kind: "finished" }]);
    assert.deepEqual(body?.removed, ["ghcr.io/nine-minds/app:4"]);
  });
});
