import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { eventually } from "../../test/support/eventually.ts";
import { kubeDeps, kubeOver, MEMORY_SERVER, memoryKube, THING_DEFINITION } from "../../test/support/kubernetes.ts";
import type { Fetch } from "../core/ports.ts";
import { createKube } from "./client.ts";
import type { KubeObject } from "./model.ts";
import { createWatchCache, type WatchCache, type WatchedKind } from "./watch-cache.ts";

const CONFIG_MAPS: WatchedKind = { key: "maps", apiVersion: "v1", kind: "ConfigMap", namespace: "default" };
const THINGS: WatchedKind = { key: "things", apiVersion: "example.org/v1", kind: "Thing" };
const open: WatchCache[] = [];
after(() => {
  for (const cache of open) cache.stop();
});

function map(name: string, data: Record<string, string> = {}): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data };
}

function start(memory: ReturnType<typeof memoryKube>, kinds: readonly WatchedKind[]): WatchCache {
  const cache = createWatchCache(memory.kube, kinds, kubeDeps, { batchMs: 5 });
  open.push(cache);
  return cache;
}

const names = (cache: WatchCache, key = "maps"): string[] =>
  cache
    .list(key)
    .items.map((item) => item.metadata.name)
    .filter((name) => name !== "kube-root-ca.crt")
    .sort();

test("lists, then follows additions, changes and deletions", async () => {
  const memory = memoryKube();
  await memory.kube.create(map("a", { x: "1" }));
  const cache = start(memory, [CONFIG_MAPS]);
  assert.equal(cache.list("maps").state, "starting");
  await cache.settled();
  assert.deepEqual([cache.list("maps").state, names(cache)], ["synced", ["a"]]);
  await memory.kube.create(map("b"));
  await memory.kube.patch({ ...CONFIG_MAPS, name: "a" }, { data: { x: "2" } });
  await eventually("b and the change of a", () => names(cache).length === 2);
  await memory.kube.delete({ ...CONFIG_MAPS, name: "a" });
  await eventually("a is gone", () => names(cache).join() === "b");
});

test("gathers many changes into few notifications, and drops managed fields", async () => {
  const memory = memoryKube();
  const cache = start(memory, [CONFIG_MAPS]);
  await cache.settled();
  const told: ReadonlySet<string>[] = [];
  const stop = cache.onChange((keys) => void told.push(keys));
  await Promise.all(Array.from({ length: 50 }, (_, index) => memory.kube.apply(map(`m${index}`))));
  await eventually("all are there", () => names(cache).length === 50);
  await eventually("it was told", () => told.length > 0);
  assert.ok(told.length < 25, `${told.length} notifications`);
  assert.deepEqual([...(told[0] ?? [])], ["maps"]);
  assert.ok(cache.list("maps").items.every((item) => item.metadata.managedFields === undefined));
  assert.equal(cache.list("maps"), cache.list("maps"));
  stop();
});

test("goes on after cut watches without listing again", async () => {
  const memory = memoryKube();
  const asked: string[] = [];
  const cache = createWatchCache(
    {
      ...memory.kube,
      list: (kind, options) => {
        asked.push("list");
        return memory.kube.list(kind, options);
      },
    },
    [CONFIG_MAPS],
    kubeDeps,
  );
  open.push(cache);
  await cache.settled();
  memory.server.cutWatches();
  await memory.kube.create(map("late"));
  await eventually("the watch was resumed", () => names(cache).includes("late"));
  assert.deepEqual(asked, ["list"]);
});

test("opens streams that hang again: at once when it is told to, else when the server should have ended them", async () => {
  const memory = memoryKube();
  const box = createFakeBox();
  const asked: string[] = [];
  let hangs = true;
  const fetch: Fetch = (request) => {
    const isWatch = request.url.includes("watch=true");
    asked.push(isWatch ? "watch" : "list");
    // It opens, and never says a word.
    return isWatch && hangs ? Promise.resolve(new Response(new ReadableStream())) : memory.server.fetch(request);
  };
  const deps = { ...kubeDeps, clock: box.clock };
  const kube = createKube(deps, { server: MEMORY_SERVER, fetch, headers: async () => ({}) });
  const cache = createWatchCache(kube, [CONFIG_MAPS], deps);
  open.push(cache);
  await cache.settled();
  await memory.kube.create(map("unseen"));
  await box.pass(5_000);
  assert.deepEqual([asked, names(cache)], [["list", "watch"], []]);
  cache.reopen();
  await box.pass(2_000);
  assert.deepEqual(asked, ["list", "watch", "watch"]);
  hangs = false;
  await box.pass(36_000);
  assert.equal(asked.length, 3, "a server that is busy ends its streams some seconds late");
  await box.pass(6_000);
  assert.deepEqual([names(cache), cache.list("maps").state], [["unseen"], "synced"]);
});

test("lists again when its version was compacted", async () => {
  const memory = memoryKube();
  const cache = start(memory, [CONFIG_MAPS]);
  await cache.settled();
  const lift = memory.server.faults.add({ path: "watch=true", status: 503 });
  memory.server.cutWatches();
  await memory.kube.create(map("unseen"));
  await eventually("it is stale", () => cache.list("maps").state === "stale");
  await memory.kube.create(map("kept"));
  await memory.kube.delete({ ...CONFIG_MAPS, name: "unseen" });
  memory.server.compact();
  lift();
  await eventually(
    "it is current again",
    () => names(cache).join() === "kept" && cache.list("maps").state === "synced",
  );
});

test("keeps the last objects and says stale while the server is away", async () => {
  const memory = memoryKube();
  await memory.kube.create(map("a"));
  const cache = start(memory, [CONFIG_MAPS]);
  await cache.settled();
  const lift = memory.server.faults.add({ unreachable: true });
  memory.server.cutWatches();
  await eventually("it is stale", () => cache.list("maps").state === "stale");
  assert.deepEqual(names(cache), ["a"]);
  assert.equal(cache.list("maps").problem?.code, "kube/unreachable");
  lift();
  await eventually("it is back", () => cache.list("maps").state === "synced");
  assert.equal(cache.list("maps").problem, undefined);
});

test("a kind without definition is absent until the definition comes", async () => {
  const memory = memoryKube();
  const cache = start(memory, [THINGS, CONFIG_MAPS]);
  await cache.settled();
  assert.equal(cache.list("things").state, "absent");
  assert.equal(cache.list("maps").state, "synced");
  await memory.kube.apply(THING_DEFINITION);
  await eventually("things are served", () => cache.list("things").state === "synced");
  await memory.kube.apply({
    apiVersion: "example.org/v1",
    kind: "Thing",
    metadata: { name: "t", namespace: "default" },
  });
  await eventually("the thing is seen", () => names(cache, "things").join() === "t");
});

test("a missing permission is told, and forgotten when it is given", async () => {
  const rules = [{ verbs: ["get"], groups: [""], resources: ["configmaps"] }];
  const memory = memoryKube({ identity: { user: "me", rules } });
  const cache = start(memory, [CONFIG_MAPS]);
  await cache.settled();
  const view = cache.list("maps");
  assert.equal(view.state, "forbidden");
  assert.match(view.problem?.message ?? "", /permission to list configmaps in namespace "default" is missing/);
  rules.push({ verbs: ["list", "watch"], groups: [""], resources: ["configmaps"] });
  await eventually("it may read now", () => cache.list("maps").state === "synced");
});

test("more objects than allowed make it stale", async () => {
  const memory = memoryKube();
  const cache = start(memory, [{ ...CONFIG_MAPS, maxObjects: 3 }]);
  await cache.settled();
  for (const name of ["a", "b", "c", "d"]) await memory.kube.create(map(name));
  await eventually("it is stale", () => cache.list("maps").state === "stale");
  assert.equal(cache.list("maps").problem?.code, "kube/too-large");
});

test("reduces objects by keep", async () => {
  const memory = memoryKube();
  await memory.kube.create(map("a", { secret: "x" }));
  const keep = (object: KubeObject): KubeObject => ({
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: object.metadata,
  });
  const cache = start(memory, [{ ...CONFIG_MAPS, keep }]);
  await cache.settled();
  assert.ok(cache.list("maps").items.every((item) => item.data === undefined));
});

test("of more events than it may keep it keeps the newest, from a list and from a watch", async () => {
  const memory = memoryKube();
  const event = (index: number): KubeObject => ({
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `e-${index}`, namespace: "default" },
    involvedObject: { kind: "Pod", namespace: "default", name: "p" },
    lastTimestamp: new Date(1_790_000_000_000 + index * 1_000).toISOString(),
  });
  // The oldest come last, so that the order of the list does not help.
  for (let index = 99; index >= 0; index -= 1) await memory.kube.create(event(index));
  const timeOf = (one: KubeObject): number => Date.parse(String(one.lastTimestamp));
  const kind: WatchedKind = { key: "maps", apiVersion: "v1", kind: "Event", maxObjects: 10, timeOf };
  const cache = start(memory, [kind]);
  await cache.settled();
  assert.deepEqual([cache.list("maps").state, names(cache).length], ["synced", 10]);
  assert.ok(cache.list("maps").items.every((one) => timeOf(one) >= timeOf(event(90))));
  for (let index = 100; index < 150; index += 1) await memory.kube.create(event(index));
  await eventually("the newest is there", () => names(cache).includes("e-149"));
  assert.ok(names(cache).length <= 11, `${names(cache).length} are kept`);
  assert.equal(cache.list("maps").state, "synced");
});

test("reduces a large list page by page, before the next is read", async () => {
  const memory = memoryKube();
  for (let index = 0; index < 600; index += 1) await memory.kube.create(map(`m${index}`, { large: "x".repeat(100) }));
  let whole = 0;
  const seen: number[] = [];
  const keep = (object: KubeObject): KubeObject => {
    whole += 1;
    return { apiVersion: object.apiVersion, kind: object.kind, metadata: object.metadata };
  };
  const kube = kubeOver(async (request) => {
    if (request.url.includes("/configmaps")) seen.push(whole);
    return await memory.server.fetch(request);
  });
  const cache = createWatchCache(kube, [{ ...CONFIG_MAPS, keep }], kubeDeps);
  open.push(cache);
  await cache.settled();
  assert.deepEqual(seen.slice(0, 3), [0, 250, 500]);
});
