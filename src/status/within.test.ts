/**
 * Within five seconds: whatever befalls Kubernetes, the status says so, keeps what it knew with its age, and recovers. The time is
 * that of a clock which the test moves, so that a slow machine cannot make it longer.
 */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { kubeDeps, MEMORY_SERVER } from "../../test/support/kubernetes.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Fetch, Network } from "../core/ports.ts";
import { createKube } from "../kube/client.ts";
import type { KubeObject } from "../kube/model.ts";
import { createApiServer } from "../rehearsal/kubernetes/api-server.ts";
import type { CheckState } from "./model.ts";
import { type BoxFacts, createStatusEngine, type StatusEngine, type StatusSources } from "./observer.ts";

const BOX: BoxFacts = {
  appliance: { id: "a", name: "box", version: "1.0.3", addresses: ["192.0.2.1"], rehearsal: false },
  claimed: true,
  installed: null,
  bootstrap: null,
  urls: { login: null, setup: null },
};
const NODE: KubeObject = { apiVersion: "v1", kind: "Node", metadata: { name: "box" }, spec: {} };
const READY = {
  status: {
    conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", lastTransitionTime: "2026-11-21T00:00:00Z" }],
  },
};
const network = {} as Network;
const closed: Fetch = () => new Promise(() => {});
const engines: StatusEngine[] = [];
after(() => {
  for (const engine of engines) engine.stop();
});

/** An engine over a cluster with one node, and time that passes when the test says so. */
async function start(more: Partial<StatusSources> = {}) {
  const box = createFakeBox();
  // Its streams end when it was asked to end them, by the same clock.
  const server = createApiServer({ ...kubeDeps, clock: box.clock }, { bookmarkMs: 60_000 });
  const trouble: { answer: ((request: Request) => Promise<Response> | undefined) | undefined; hangs: boolean } = {
    answer: undefined,
    hangs: false,
  };
  const deps = { clock: box.clock, random: kubeDeps.random, log: SILENT_LOG, network };
  const fetch: Fetch = async (request) => {
    const answer = (await trouble.answer?.(request)) ?? (await server.fetch(request));
    return request.url.includes("watch=true") ? withholding(answer, () => trouble.hangs) : answer;
  };
  const kube = createKube(deps, { server: MEMORY_SERVER, fetch, headers: async () => ({}) });
  await kube.create(NODE);
  await kube.patch({ ...NODE, name: "box" }, READY, { subresource: "status" });
  const begin = (): StatusEngine => {
    const begun = createStatusEngine(deps, { kube, box: async () => BOX, login: { outside: closed }, ...more });
    engines.push(begun);
    return begun;
  };
  const engine = begin();
  await box.pass(1_000);
  const stateOf = (code: string): CheckState | undefined =>
    engine.current().checks.find((check) => check.code === code)?.state;
  assert.deepEqual([stateOf("kube/unreachable"), stateOf("node/none")], ["ok", "ok"]);
  /** Passes time in small steps until the check is in the state, and tells how long that took. */
  const until = async (
    code: string,
    states: readonly (CheckState | undefined)[],
    limitMs = 60_000,
  ): Promise<number> => {
    for (let ms = 0; ms <= limitMs; ms += 100) {
      if (states.includes(stateOf(code))) return ms;
      await box.pass(100);
    }
    assert.fail(`${code} is ${stateOf(code)} after ${limitMs} ms`);
  };
  return { box, kube, server, engine, begin, trouble, stateOf, until };
}

/** A stream of which nothing arrives while it hangs, as behind a middle box that forgot it. */
function withholding(answer: Response, hangs: () => boolean): Response {
  const lossy = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, out) => {
      if (!hangs()) out.enqueue(chunk);
    },
  });
  return new Response(answer.body?.pipeThrough(lossy), answer);
}

const refusal = (status: number): Response =>
  new Response(JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", code: status, message: "no" }), {
    status,
    headers: { "content-type": "application/json" },
  });

const TROUBLES: readonly {
  readonly name: string;
  readonly code: string;
  readonly answer: (request: Request) => Promise<Response> | undefined;
}[] = [
  {
    name: "is away",
    code: "kube/unreachable",
    answer: async () => Promise.reject(new TypeError("connection refused")),
  },
  { name: "is silent", code: "kube/unreachable", answer: closed },
  { name: "answers with errors", code: "kube/unreachable", answer: async () => refusal(500) },
  { name: "rejects our credentials", code: "kube/unauthorized", answer: async () => refusal(401) },
  { name: "forbids everything", code: "kube/forbidden", answer: async () => refusal(403) },
  {
    name: "answers with something else",
    code: "kube/unreachable",
    answer: async () => new Response("<html>a captive portal</html>"),
  },
  {
    name: "answers in part: no watch comes back",
    code: "kube/half-answering",
    answer: (request) => (request.url.includes("/version") ? undefined : Promise.resolve(refusal(503))),
  },
];

describe("within five seconds the status says that Kubernetes", () => {
  for (const { name, code, answer } of TROUBLES) {
    test(name, async () => {
      const { server, engine, trouble, stateOf, until } = await start();
      trouble.answer = (request) => answer(request);
      server.cutWatches();
      const tookMs = await until(code, ["failed", "progressing"]);
      assert.ok(tookMs <= 5_000, `${tookMs} ms`);
      assert.notEqual(stateOf("node/none"), "failed", "what was seen is not gone because nobody can look");
      trouble.answer = undefined;
      await until(code, ["ok"]);
      await until("node/none", ["ok"]);
      assert.equal(
        engine.current().checks.some((check) => check.state === "failed"),
        false,
      );
    });
  }

  test("is slow: an answer that takes ten seconds is none", async () => {
    const { box, trouble, until } = await start();
    trouble.answer = async () => {
      await box.clock.sleep(10_000);
      return undefined as never;
    };
    assert.ok((await until("kube/unreachable", ["failed"])) <= 5_000);
    trouble.answer = undefined;
    await until("kube/unreachable", ["ok"]);
  });

  test("restarts, and is back without a word of failure when that takes a moment", async () => {
    const { box, server, trouble, stateOf } = await start();
    trouble.answer = async () => refusal(503);
    server.cutWatches();
    await box.pass(400);
    trouble.answer = undefined;
    await box.pass(3_000);
    assert.deepEqual([stateOf("kube/unreachable"), stateOf("kube/half-answering")], ["ok", "ok"]);
  });

  test("no longer lets us read one kind, with the rule that lacks, and what is known of it is old news", async () => {
    const { server, engine, trouble, until } = await start();
    trouble.answer = (request) => (request.url.includes("/pods") ? Promise.resolve(refusal(403)) : undefined);
    server.cutWatches();
    assert.ok((await until("kube/forbidden", ["failed"])) <= 5_000);
    const check = engine.current().checks.find(({ code }) => code === "kube/forbidden");
    assert.match(check?.cause ?? "", /verbs get, list and watch on pods/);
    assert.equal(engine.current().tiers.platform.state === "failed", false, "not to see is not to have failed");
    trouble.answer = undefined;
    await until("kube/forbidden", ["ok"]);
  });
});

describe("a kubelet", () => {
  const LEASE = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" } as const;
  const ref = { ...LEASE, namespace: "kube-node-lease", name: "box" };

  /** An engine that hears the kubelet of its node; `renew` passes seconds in which it is renewed at every tenth. */
  async function startHeard(port: () => "answers" | "refuses") {
    const started = await start({ kubelet: async () => port() });
    const { box, kube } = started;
    let count = 0;
    const renew = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second += 1) {
        if (second % 10 === 0) {
          count += 1;
          const renewTime = new Date(box.clock.now() + count).toISOString();
          await (count === 1
            ? kube.create({ ...LEASE, metadata: { namespace: ref.namespace, name: "box" }, spec: { renewTime } })
            : kube.patch(ref, { spec: { renewTime } }));
        }
        await box.pass(1_000);
      }
    };
    await renew(60);
    assert.equal(started.stateOf("node/silent"), "ok");
    return { ...started, renew };
  }

  test("that was stopped is told within 16 s of its last sign of life, with what it does not answer", async () => {
    const { engine, until, renew } = await startHeard(() => "refuses");
    // The last renewal was ten seconds ago.
    assert.ok((await until("node/silent", ["failed"])) <= 6_500);
    const check = engine.current().checks.find(({ code }) => code === "node/silent");
    assert.match(check?.evidence[0]?.text ?? "", /Nothing listens on the health port/);
    assert.match(check?.next ?? "", /^Start the kubelet/);
    assert.equal(engine.current().tiers.platform.state, "failed");
    await renew(2);
    assert.equal((await until("node/silent", ["ok"])) <= 2_000, true);
  });

  test("that hangs is told by its Lease alone, long before Kubernetes does", async () => {
    const { until } = await startHeard(() => "answers");
    assert.ok((await until("node/silent", ["failed"])) <= 16_500);
  });

  test("is not accused when Kubernetes restarts, and the restart is what is told", async () => {
    const { box, server, trouble, stateOf, renew } = await startHeard(() => "refuses");
    trouble.answer = async () => Promise.reject(new TypeError("connection refused"));
    server.cutWatches();
    await box.pass(40_000);
    assert.deepEqual([stateOf("kube/unreachable"), stateOf("node/silent")], ["failed", "unknown"]);
    trouble.answer = undefined;
    for (let second = 0; second < 8; second += 1) {
      await box.pass(1_000);
      assert.notEqual(stateOf("node/silent"), "failed");
    }
    await renew(20);
    assert.equal(stateOf("node/silent"), "ok");
  });

  test("is not accused for a watch that hangs, which is opened again with all others", async () => {
    const { box, kube, trouble, stateOf, renew } = await startHeard(() => "refuses");
    const opened: string[] = [];
    // From now on each stream that is opened is seen; those that are open hang.
    trouble.answer = (request) => {
      if (request.url.includes("watch=true")) opened.push(new URL(request.url).pathname);
      return undefined;
    };
    trouble.hangs = true;
    await kube.patch(ref, { spec: { renewTime: "2026-11-21T12:00:00.000000Z" } });
    await box.pass(4_000);
    trouble.hangs = false;
    assert.ok(opened.some((path) => path.endsWith("/leases")) && opened.some((path) => path.endsWith("/pods")));
    assert.notEqual(stateOf("node/silent"), "failed");
    await renew(20);
    assert.equal(stateOf("node/silent"), "ok");
  });
});

test("a permission that is taken away while its watch goes on is told at the end of that watch, and nothing is lost before", async () => {
  const { box, kube, engine, trouble, until } = await start();
  // What the open stream still brings is true: nothing has to be doubted yet.
  const conditions = [{ type: "Ready", status: "False", reason: "x", lastTransitionTime: "2026-11-20T23:10:00Z" }];
  await kube.patch({ ...NODE, name: "box" }, { status: { conditions } }, { subresource: "status" });
  trouble.answer = (request) => (request.url.includes("/nodes") ? Promise.resolve(refusal(403)) : undefined);
  await box.pass(2_000);
  assert.equal(engine.current().checks.find(({ code }) => code === "node/not-ready")?.state, "failed");
  assert.ok((await until("kube/forbidden", ["failed"])) <= 32_000);
});

describe("since", () => {
  test("is what Kubernetes tells, also of a process that began to look an hour later", async () => {
    const { box, kube, engine, begin, until } = await start();
    const condition = { type: "Ready", status: "False", reason: "KubeletNotReady", message: "no network yet" };
    const conditions = [{ ...condition, lastTransitionTime: "2026-11-20T23:10:00Z" }];
    await kube.patch({ ...NODE, name: "box" }, { status: { conditions } }, { subresource: "status" });
    await until("node/not-ready", ["failed"]);
    const said = ({ checks, tiers }: ReturnType<StatusEngine["current"]>) => [
      checks.filter(({ state }) => state === "failed").map(({ code, since }) => [code, since]),
      Object.entries(tiers).map(([tier, { since }]) => [tier, since]),
    ];
    const before = said(engine.current());
    assert.deepEqual(before[0]?.[0], ["node/not-ready", "2026-11-20T23:10:00.000Z"]);
    engine.stop();
    await box.pass(3_600_000);
    const restarted = begin();
    await box.pass(5_000);
    assert.deepEqual(said(restarted.current()), before);
  });
});

describe("a clock that is set", () => {
  test("is told within five seconds, not at the next look at the registry", async () => {
    let real = (): number => 0;
    let looks = 0;
    const registry = {
      registry: "ghcr.io",
      ping: async () => {
        looks += 1;
        return { serverTimeMs: real(), authenticated: true };
      },
    };
    const { box, until } = await start({ registry: () => registry });
    const before = box.clock.now() - box.clock.monotonic();
    real = () => box.clock.monotonic() + before;
    await box.pass(120_000);
    const quiet = looks;
    await box.pass(50_000);
    assert.ok(looks - quiet <= 1, `${looks - quiet} looks in a quiet minute`);
    box.setWall(box.clock.now() + 3_600_000);
    assert.ok((await until("host/clock-skew", ["failed"])) <= 5_000);
    box.setWall(box.clock.now() - 3_600_000);
    assert.ok((await until("host/clock-skew", ["ok"])) <= 5_000);
  });
});
