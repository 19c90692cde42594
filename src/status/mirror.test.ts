/** The mirror in kubectl: what it writes, how seldom, and what it does without a permission or a cluster. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { eventually, wait } from "../../test/support/eventually.ts";
import { kubeDeps, kubeOver, memoryKube } from "../../test/support/kubernetes.ts";
import { statusOf } from "../../test/support/situations.ts";
import { createLog, type LogRecord } from "../core/log.ts";
import { type KubeObject, textAt } from "../kube/model.ts";
import { startMirror } from "./mirror.ts";
import { configMapOf, eventNameIn, eventNameOf, eventOf, MIRROR, newsOf, reasonOf } from "./mirror-objects.ts";
import type { ApplianceStatus } from "./model.ts";

const NOW = "2026-11-21T09:00:00Z";
const LATER = "2026-11-21T10:00:00Z";
const healthy = statusOf("healthy");
const crashing = statusOf("database-crashes");
const REF = { apiVersion: "v1", kind: "ConfigMap", ...MIRROR };

interface Condition {
  readonly status: string;
  readonly reason: string;
  readonly lastTransitionTime: string;
}

const readyOf = (map: KubeObject): Condition => JSON.parse(textAt(map, "data", "conditions") ?? "")[0];

describe("the objects of the mirror", () => {
  it("say the state with a condition, a ladder and the next step", () => {
    const map = configMapOf(crashing, { before: undefined, now: NOW });
    assert.equal(textAt(map, "data", "summary"), crashing.summary.message);
    assert.equal(textAt(map, "data", "state"), "failed");
    assert.match(textAt(map, "data", "tiers") ?? "", /^Platform {9}ready/m);
    assert.deepEqual([readyOf(map).status, readyOf(map).lastTransitionTime], ["False", NOW]);
    assert.equal(eventNameIn(map), eventNameOf(crashing));
  });

  it("keep the time of a transition while the state is the same, whatever somebody wrote into the object", () => {
    const before = configMapOf(healthy, { before: undefined, now: NOW });
    assert.equal(readyOf(configMapOf(healthy, { before, now: LATER })).lastTransitionTime, NOW);
    assert.equal(newsOf(configMapOf(healthy, { before, now: LATER })), newsOf(before));
    assert.equal(readyOf(configMapOf(crashing, { before, now: LATER })).lastTransitionTime, LATER);
    for (const conditions of ["", "{", "[1]", "null", `[${'{"type":"Ready"},'.repeat(20)}{}]`, "[[[[[["]) {
      const broken = { ...before, data: { conditions } };
      assert.equal(readyOf(configMapOf(healthy, { before: broken, now: LATER })).lastTransitionTime, LATER, conditions);
      assert.equal(eventNameIn(broken), undefined);
    }
  });

  it("name the root cause as Kubernetes writes reasons", () => {
    const top = crashing.checks.find((check) => check.state === "failed");
    assert.equal(reasonOf(crashing).toLowerCase(), top?.code.replace(/[^a-z]/g, ""));
    const reasons = [
      "healthy",
      "installing",
      "fresh-box",
      "source-unauthorized",
      "kube-gone-long",
      "update-blocked",
    ].map((name) => reasonOf(statusOf(name)));
    assert.ok(
      reasons.every((reason) => /^[A-Z][A-Za-z0-9]{2,}$/.test(reason)),
      reasons.join(),
    );
    assert.equal(new Set(reasons).size, reasons.length, reasons.join());
  });

  it("count an event again, and keep a message within what Kubernetes takes", () => {
    const about = configMapOf(crashing, { before: undefined, now: NOW });
    const first = eventOf(crashing, { about, before: undefined, now: NOW });
    const again = eventOf(crashing, { about, before: first, now: LATER });
    assert.deepEqual([first.type, first.count, again.count], ["Warning", 1, 2]);
    assert.deepEqual([again.firstTimestamp, again.lastTimestamp], [NOW, LATER]);
    assert.equal(eventOf(healthy, { about, before: { ...first, count: "x" }, now: NOW }).count, 1);
    const long = { ...crashing, summary: { ...crashing.summary, message: "x".repeat(5_000) } };
    assert.ok(String(eventOf(long, { about, before: undefined, now: NOW }).message).length <= 1_000);
  });
});

const ends: AbortController[] = [];
after(() => {
  for (const end of ends) end.abort();
});

function start(memory: ReturnType<typeof memoryKube>, first: ApplianceStatus, kube = memory.kube) {
  const records: LogRecord[] = [];
  const log = createLog({ now: Date.now, level: "debug", write: (record) => records.push(record) });
  const end = new AbortController();
  ends.push(end);
  let current = first;
  let tell = (_status: ApplianceStatus): void => {};
  const clock = {
    ...kubeDeps.clock,
    sleep: (ms: number, signal?: AbortSignal) => kubeDeps.clock.sleep(ms / 500, signal),
  };
  const status = {
    current: () => current,
    observe: async () => current,
    subscribe: (call: (status: ApplianceStatus) => void) => {
      tell = call;
      return () => {};
    },
  };
  startMirror({ clock, log }, { kube, status }, end.signal);
  return {
    records,
    end,
    becomes: (next: ApplianceStatus) => {
      current = next;
      tell(next);
    },
  };
}

async function withNamespace(options: Parameters<typeof memoryKube>[0] = {}) {
  const memory = memoryKube(options);
  const admin = kubeOver(memory.server.as({ user: "admin" }));
  await admin.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: MIRROR.namespace } });
  const map = () => admin.get(REF);
  const events = async () =>
    (await admin.list({ apiVersion: "v1", kind: "Event", namespace: MIRROR.namespace })).items.filter(
      (one) => textAt(one, "involvedObject", "name") === MIRROR.name,
    );
  const says = async (status: ApplianceStatus) =>
    await eventually(status.summary.message, async () => {
      const told = (await events()).some((one) => one.metadata.name === eventNameOf(status));
      return told && textAt(await map(), "data", "summary") === status.summary.message;
    });
  return { memory, admin, map, events, says };
}

describe("startMirror()", () => {
  it("writes what is new, and nothing while nothing is", async () => {
    const { memory, admin, says, events } = await withNamespace();
    const mirror = start(memory, healthy);
    await says(healthy);
    const revision = memory.server.revision();
    for (let index = 0; index < 20; index += 1) {
      mirror.becomes({ ...healthy, generation: index, observedAt: LATER });
      await wait(2);
    }
    await wait(60);
    assert.equal(memory.server.revision(), revision);
    await admin.patch(REF, { data: { summary: "a lie" } });
    mirror.becomes(crashing);
    await says(crashing);
    assert.equal((await events()).length, 2);
  });

  it("tells no event for words that change while state and reason stay", async () => {
    const { memory, says, events, map } = await withNamespace();
    const installing = statusOf("installing");
    const mirror = start(memory, installing);
    await says(installing);
    for (let left = 7; left > 0; left -= 1) {
      mirror.becomes({ ...installing, summary: { ...installing.summary, message: `about ${left} minutes left` } });
    }
    await eventually(
      "the newest words are there",
      async () => textAt(await map(), "data", "summary") === "about 1 minutes left",
    );
    const told = await events();
    assert.deepEqual([told.length, told[0]?.count], [1, 1]);
  });

  it("tells nothing anew after a restart, but what changed meanwhile", async () => {
    const { memory, says, events } = await withNamespace();
    const first = start(memory, healthy);
    await says(healthy);
    first.end.abort();
    const second = start(memory, healthy);
    await wait(60);
    assert.deepEqual(
      (await events()).map((one) => one.count),
      [1],
    );
    second.end.abort();
    start(memory, crashing);
    await says(crashing);
  });

  it("says once that a permission is missing, and goes on when it is there", async () => {
    const rules = [{ verbs: ["get"], groups: [""], resources: ["configmaps"] }];
    const { memory, says } = await withNamespace({ identity: { user: "me", rules } });
    const mirror = start(memory, healthy);
    const warned = () => mirror.records.filter((record) => record.level === "warn");
    await eventually("it was told", () => warned().length > 0);
    for (let index = 0; index < 5; index += 1) {
      mirror.becomes(index % 2 === 0 ? crashing : healthy);
      await wait(25);
    }
    assert.equal(warned().length, 1);
    assert.match(JSON.stringify(warned()[0]), /patch configmaps/);
    rules.push({ verbs: ["get", "create", "patch"], groups: [""], resources: ["configmaps", "events"] });
    mirror.becomes(healthy);
    await says(healthy);
  });

  it("waits for a namespace and a cluster that are not there", async () => {
    const memory = memoryKube();
    const mirror = start(memory, healthy);
    const lift = memory.server.faults.add({ unreachable: true });
    mirror.becomes(crashing);
    await eventually("it was tried", () => mirror.records.length > 1);
    lift();
    await memory.kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: MIRROR.namespace } });
    mirror.becomes(healthy);
    await eventually("it is there", async () => (await memory.kube.get(REF)) !== undefined);
    assert.ok(mirror.records.every((record) => record.level === "debug"));
  });
});
