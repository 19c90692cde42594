/** The silence of kubelets is counted by what arrives, and only what is theirs. The time is that of a clock which the test moves. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { ApplianceError, type ErrorCode } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import type { KubeObject } from "../kube/model.ts";
import { askKubelet, createKubeletWatch, type KubeletSources } from "./kubelet-watch.ts";
import type { KubeletPort } from "./observation.ts";

const never = new AbortController().signal;

function lease(name: string, renewTime: string): KubeObject {
  const metadata = { namespace: "kube-node-lease", name };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec: { renewTime } };
}

function start(more: Partial<KubeletSources> = {}) {
  const box = createFakeBox();
  const state = {
    watched: [lease("box", "one")] as readonly KubeObject[] | undefined,
    there: undefined as readonly KubeObject[] | "fails" | undefined,
    reachable: true,
    port: "answers" as KubeletPort,
    reads: 0,
    hangs: 0,
  };
  const watch = createKubeletWatch(box.clock, {
    watched: () => state.watched,
    isReachable: () => state.reachable,
    read: async () => {
      state.reads += 1;
      if (state.there === "fails") throw new ApplianceError("kube/server-error", "Cannot list leases: not now");
      return state.there ?? state.watched ?? [];
    },
    port: async () => state.port,
    watchHangs: () => {
      state.hangs += 1;
    },
    ...more,
  });
  const live = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      await box.pass(1_000);
      await watch.look(never);
    }
  };
  return { box, state, watch, live, quietMs: () => watch.current()[0]?.quietMs };
}

describe("the silence of a kubelet", () => {
  test("is counted from its last renewal, and ends with the next", async () => {
    const { state, live, quietMs, watch } = start();
    await live(1);
    assert.equal(quietMs(), 0);
    await live(8);
    assert.equal(quietMs(), 8_000);
    assert.equal(state.reads, 0, "who is on time is not asked for");
    state.watched = [lease("box", "two")];
    await live(1);
    assert.equal(quietMs(), 0);
    state.port = "refuses";
    await live(16);
    assert.deepEqual(
      watch.current().map(({ node, quietMs: ms, port }) => [node, ms, port]),
      [["box", 16_000, "refuses"]],
    );
    assert.ok(state.reads > 0, "nobody is accused by the watch alone");
    state.watched = [lease("box", "three")];
    await live(1);
    assert.deepEqual([quietMs(), watch.current()[0]?.port], [0, "unknown"]);
  });

  test("is not that of a watch which hangs: the renewal is there, and the watches are opened again", async () => {
    const { state, live, quietMs } = start();
    await live(5);
    state.there = [lease("box", "two")];
    await live(8);
    assert.equal(state.hangs, 1);
    assert.ok((quietMs() ?? 0) <= 1_000, `${quietMs()} ms`);
  });

  test("begins anew when Kubernetes was away, for then nothing could be renewed", async () => {
    const { state, live, quietMs } = start();
    await live(10);
    state.reachable = false;
    await live(60);
    assert.equal(quietMs(), undefined);
    state.reachable = true;
    await live(1);
    assert.equal(quietMs(), 0);
  });

  test("stands still while the watch is broken, while Leases cannot be read, and while this process slept", async () => {
    const { box, state, watch, live, quietMs } = start();
    await live(6);
    state.watched = undefined;
    await live(60);
    assert.equal(quietMs(), 5_000, "the watch is broken");
    state.watched = [lease("box", "one")];
    await box.pass(60_000);
    await watch.look(never);
    assert.equal(quietMs(), 5_000, "this process slept");
    state.there = "fails";
    await live(30);
    assert.ok((quietMs() ?? 0) <= 11_000, `${quietMs()} ms: the Leases cannot be read`);
  });

  test("is told since the last renewal, also by a process that began after it", async () => {
    const { box, state, live, watch } = start();
    const renewedMs = box.clock.now() - 300_000;
    state.watched = [lease("box", new Date(renewedMs).toISOString())];
    await live(5);
    assert.deepEqual(
      watch.current().map(({ heardAtMs, quietMs }) => [heardAtMs, quietMs]),
      [[renewedMs, 4_000]],
    );
    state.watched = [lease("box", new Date(box.clock.now() + 86_400_000).toISOString())];
    await live(1);
    assert.equal(watch.current()[0]?.heardAtMs, box.clock.now(), "nobody has renewed tomorrow");
  });

  test("knows nothing of the wall clock", async () => {
    const { box, live, quietMs } = start();
    await live(3);
    box.setWall(box.clock.now() + 86_400_000);
    await live(1);
    box.setWall(box.clock.now() - 2 * 86_400_000);
    await live(1);
    assert.equal(quietMs(), 4_000);
  });

  test("costs little when it lasts: a dead node of many is read every ten seconds", async () => {
    const { state, live, watch } = start();
    state.watched = [lease("box", "one"), lease("other", "one")];
    await live(300);
    const before = state.reads;
    await live(100);
    assert.ok(state.reads - before <= 10, `${state.reads - before} reads`);
    assert.deepEqual(
      watch.current().map(({ port }) => port),
      ["unknown", "unknown"],
      "with two nodes nobody knows whose port it is",
    );
    state.watched = [lease("other", "one")];
    await live(1);
    assert.deepEqual(
      watch.current().map(({ node }) => node),
      ["other"],
      "a node that was removed is silent for good",
    );
  });

  test("is nobody's where no Lease is known", async () => {
    const { state, live, watch } = start();
    state.watched = [];
    await live(60);
    assert.deepEqual([watch.current(), state.reads], [[], 0]);
  });
});

describe("askKubelet()", () => {
  const { clock } = createFakeBox();
  const failing =
    (code: ErrorCode): Fetch =>
    async () =>
      Promise.reject(new ApplianceError(code, "Cannot connect"));
  const rows: readonly (readonly [string, Fetch, KubeletPort])[] = [
    ["is well", async () => new Response("ok"), "answers"],
    ["is not well", async () => new Response("not ok", { status: 500 }), "silent"],
    ["does not listen", failing("net/unreachable"), "refuses"],
    ["does not answer", failing("net/timeout"), "silent"],
  ];
  for (const [what, fetch, port] of rows) {
    test(`tells a kubelet that ${what}`, async () => assert.equal(await askKubelet(clock, fetch, never), port));
  }

  test("gives up after a moment", async () => {
    const box = createFakeBox();
    const asked = askKubelet(box.clock, () => new Promise(() => {}), never);
    await box.pass(1_600);
    assert.equal(await asked, "silent");
  });
});

describe("a process that has just begun", () => {
  const at = (secondsAgo: number): string => new Date(Date.UTC(2026, 10, 21) - secondsAgo * 1_000).toISOString();
  const begin = (leases: readonly KubeObject[], more: Partial<KubeletSources> = {}) => {
    const serverNow = (): number => Date.UTC(2026, 10, 21);
    const world = start({ ages: { ready: Promise.resolve(), serverNow }, ...more });
    world.state.watched = leases;
    return world;
  };

  test("knows at its first look since when a kubelet is silent, by the API server's own time", async () => {
    const { watch, state, live, quietMs } = begin([lease("box", at(31))]);
    await watch.look(never);
    assert.equal(quietMs(), 31_000);
    await live(2);
    assert.equal(quietMs(), 33_000);
    state.watched = [lease("box", at(-3))];
    await live(1);
    assert.equal(quietMs(), 0, "a renewal ends it");
    state.watched = [lease("box", at(40))];
    await live(1);
    assert.equal(quietMs(), 0, "later only what arrives counts");
  });

  test("knows it also while the watch has not told anything yet", async () => {
    const { watch, state, quietMs } = begin([]);
    state.watched = undefined;
    state.there = [lease("box", at(31))];
    await watch.look(never);
    assert.equal(quietMs(), 31_000);
  });

  test("accuses nobody of more nodes, of a time to come, without a time, or where Kubernetes is away", async () => {
    const quiet = async (leases: readonly KubeObject[], more: Partial<KubeletSources> = {}): Promise<number> => {
      const { watch } = begin(leases, more);
      await watch.look(never);
      return Math.max(0, ...watch.current().map(({ quietMs }) => quietMs));
    };
    const ready = Promise.resolve();
    assert.equal(await quiet([lease("box", at(31)), lease("other", at(31))]), 0);
    assert.equal(await quiet([lease("box", at(-3_600))]), 0);
    assert.equal(await quiet([lease("box", "")]), 0);
    assert.equal(await quiet([lease("box", at(31))], { ages: { ready, serverNow: () => undefined } }), 0);
    assert.equal(await quiet([lease("box", at(31))], { isReachable: () => false }), 0);
    assert.equal(await quiet([lease("box", at(31))], { ages: undefined }), 0);
  });
});
