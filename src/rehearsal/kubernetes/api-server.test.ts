import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../../../test/support/eventually.ts";
import { kubeDeps, kubeOver, MEMORY_SERVER, memoryKube } from "../../../test/support/kubernetes.ts";
import { ApplianceError } from "../../core/errors.ts";
import { fieldAt, type KubeObject, type OwnerReference } from "../../kube/model.ts";
import { type ApiServerState, createApiServer } from "./api-server.ts";

function map(name: string, owner?: KubeObject, more: object = {}): KubeObject {
  const ownerReferences = owner === undefined ? {} : { ownerReferences: [ownerOf(owner)] };
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", ...ownerReferences, ...more } };
}

function ownerOf(object: KubeObject): OwnerReference {
  const { name, uid = "" } = object.metadata;
  return { apiVersion: object.apiVersion, kind: object.kind, name, uid };
}

const ref = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", namespace: "default", name });

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "done",
    (thrown: unknown) => (thrown instanceof ApplianceError ? thrown.code : String(thrown)),
  );
}

test("dependants go with their last owner", async () => {
  const { kube } = memoryKube();
  const one = await kube.create(map("one"));
  const two = await kube.create(map("two"));
  await kube.create(map("child", one));
  await kube.create(map("grandchild", await kube.create(map("between", one))));
  const shared = map("shared");
  await kube.create({ ...shared, metadata: { ...shared.metadata, ownerReferences: [ownerOf(one), ownerOf(two)] } });
  await kube.delete(ref("one"));
  for (const name of ["child", "between", "grandchild"]) assert.equal(await kube.get(ref(name)), undefined, name);
  assert.deepEqual((await kube.get(ref("shared")))?.metadata.ownerReferences, [ownerOf(two)]);
});

test("orphaned dependants stay, foreground deletion waits for dependants", async () => {
  const { kube } = memoryKube();
  await kube.create(map("child", await kube.create(map("one"))));
  await kube.delete(ref("one"), { propagation: "Orphan" });
  assert.deepEqual((await kube.get(ref("child")))?.metadata.ownerReferences ?? [], []);
  const owner = await kube.create(map("two"));
  await kube.create(map("held", owner, { finalizers: ["example.org/hold"] }));
  await kube.delete(ref("two"), { propagation: "Foreground" });
  assert.deepEqual((await kube.get(ref("two")))?.metadata.finalizers, ["foregroundDeletion"]);
  await kube.patch(ref("held"), { metadata: { finalizers: null } });
  assert.equal(await kube.get(ref("held")), undefined);
  assert.equal(await kube.get(ref("two")), undefined);
});

test("a deleted namespace takes its contents along and refuses new ones while something holds it", async () => {
  const { kube } = memoryKube();
  const place = { apiVersion: "v1", kind: "Namespace", metadata: { name: "n" } };
  await kube.create(place);
  const inside = (name: string, more: object = {}) => ({ ...map(name), metadata: { name, namespace: "n", ...more } });
  await kube.create(inside("free"));
  await kube.create(inside("held", { finalizers: ["example.org/hold"] }));
  await kube.delete({ ...place, name: "n" });
  assert.equal(fieldAt(await kube.get({ ...place, name: "n" }), "status", "phase"), "Terminating");
  assert.equal(await kube.get({ ...ref("free"), namespace: "n" }), undefined);
  assert.equal(await codeOf(kube.create(inside("late"))), "kube/conflict");
  await kube.patch({ ...ref("held"), namespace: "n" }, { metadata: { finalizers: null } });
  assert.equal(await kube.get({ ...place, name: "n" }), undefined);
  await kube.create(place);
});

test("a namespace is born with a service account and the cluster's certificate", async () => {
  const { kube } = memoryKube();
  await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "n" } });
  assert.notEqual(
    await kube.get({ apiVersion: "v1", kind: "ServiceAccount", namespace: "n", name: "default" }),
    undefined,
  );
  assert.notEqual(await kube.get({ ...ref("kube-root-ca.crt"), namespace: "n" }), undefined);
});

test("faults meet the requests they name, as often as they say", async () => {
  const { kube, server } = memoryKube();
  await kube.create(map("a"));
  for (const [status, code] of [
    [409, "kube/conflict"],
    [422, "kube/invalid"],
    [403, "kube/forbidden"],
    [500, "kube/server-error"],
  ] as const) {
    server.faults.add({ method: "POST", path: "/configmaps", status, times: 1 });
    assert.equal(await codeOf(kube.create(map(`x${status}`))), code);
  }
  assert.equal(await codeOf(kube.create(map("b"))), "done");
  const lift = server.faults.add({ unreachable: true });
  assert.equal(await codeOf(kube.create(map("c"))), "kube/unreachable");
  lift();
  assert.equal(await codeOf(kube.create(map("c"))), "done");
  server.faults.add({ method: "POST", status: 429, retryAfterSeconds: 0, times: 1 });
  assert.equal(await codeOf(kube.create(map("d"))), "done", "a throttled request is sent again");
});

test("latency delays an answer and ends with the caller's abort", async () => {
  const { kube, server } = memoryKube();
  server.faults.add({ latencyMs: 60_000 });
  const stop = new AbortController();
  const read = kube.get(ref("a"), { signal: stop.signal });
  setTimeout(() => stop.abort(), 10);
  assert.equal(await codeOf(read), "internal/aborted");
});

test("the state survives a round trip through JSON, and watches resume with a relist", async () => {
  const first = memoryKube();
  await first.kube.create(map("a"));
  await first.kube.apply({ ...map("b"), data: { x: "1" } });
  const state: ApiServerState = JSON.parse(JSON.stringify(first.server.snapshot()));
  const second = createApiServer(kubeDeps, { state });
  const kube = kubeOver(second.fetch);
  assert.deepEqual(await kube.get(ref("b")), await first.kube.get(ref("b")));
  assert.equal(second.revision(), first.server.revision());
  const made = await kube.create(map("c"));
  assert.ok(Number(made.metadata.resourceVersion) > first.server.revision());
});

test("logs are kept by container, read from their end, and turned at a restart", async () => {
  const { kube, server } = memoryKube();
  const containers = [{ name: "app", image: "x:1" }];
  await kube.create({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "default" },
    spec: { containers },
  });
  const place = { namespace: "default", pod: "p", container: "app" };
  server.logs.append(place, "one\ntwo\nthree\n");
  assert.equal(await kube.logs({ namespace: "default", pod: "p" }, { tailLines: 2, limitBytes: 1000 }), "two\nthree\n");
  assert.equal(await kube.logs(place, { tailLines: 9, limitBytes: 5 }), "one\nt");
  server.logs.restart(place);
  server.logs.append(place, "again\n");
  assert.equal(await kube.logs(place, { tailLines: 9, limitBytes: 100 }), "again\n");
  assert.equal(await kube.logs(place, { tailLines: 1, limitBytes: 100, previous: true }), "three\n");
  assert.equal(await codeOf(kube.logs({ ...place, container: "no" }, { tailLines: 1, limitBytes: 9 })), "kube/invalid");
  assert.equal(await codeOf(kube.logs({ ...place, pod: "no" }, { tailLines: 1, limitBytes: 9 })), "kube/not-found");
});

test("rules allow by verb, group, resource, namespace and name; reviews say the same", async () => {
  const { server, kube } = memoryKube();
  await kube.create(map("mine"));
  const rules = [
    { verbs: ["get"], groups: [""], resources: ["configmaps"], namespaces: ["default"], names: ["mine"] },
    { verbs: ["*"], groups: ["apps"], resources: ["*"] },
  ];
  const me = kubeOver(server.as({ user: "system:serviceaccount:a:b", rules }));
  assert.equal((await me.get(ref("mine")))?.metadata.name, "mine");
  assert.equal(await codeOf(me.get(ref("other"))), "kube/forbidden");
  assert.equal(await codeOf(me.list({ apiVersion: "v1", kind: "ConfigMap" })), "kube/forbidden");
  assert.equal(await codeOf(me.list({ apiVersion: "apps/v1", kind: "Deployment" })), "done");
  const asked = { verb: "get", group: "", resource: "configmaps", namespace: "default" };
  assert.equal((await me.canI({ ...asked, name: "mine" })).allowed, true);
  assert.equal((await me.canI(asked)).allowed, false);
});

test("events are found by the object they are about", async () => {
  const { kube } = memoryKube();
  const event = (name: string, about: string) => ({
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace: "default" },
    involvedObject: { kind: "Pod", name: about, namespace: "default" },
    reason: "Failed",
  });
  await kube.create(event("e1", "a"));
  await kube.create(event("e2", "b"));
  const kind = { apiVersion: "v1", kind: "Event", namespace: "default" };
  const found = await kube.list(kind, { fieldSelector: "involvedObject.kind=Pod,involvedObject.name=b" });
  assert.deepEqual(
    found.items.map((item) => item.metadata.name),
    ["e2"],
  );
});

test("a watcher that does not read is ended instead of growing without bound", async () => {
  const { kube, server } = memoryKube({ history: 10_000 });
  const answer = await server.fetch(new Request(`${MEMORY_SERVER}/api/v1/configmaps?watch=true&resourceVersion=1`));
  for (let index = 0; index < 5_100; index += 1)
    await kube.patch(ref("kube-root-ca.crt"), { data: { n: String(index) } });
  let lines = 0;
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
    if (done) break;
    lines += value?.split("\n").length ?? 0;
  }
  assert.ok(lines > 4_000);
});

test("an abandoned watch leaves nothing behind", async () => {
  const { server, kube } = memoryKube();
  const answer = await server.fetch(new Request(`${MEMORY_SERVER}/api/v1/configmaps?watch=true`));
  await answer.body?.cancel();
  await kube.create(map("a"));
  server.cutWatches();
  await eventually("it still serves", async () => (await kube.get(ref("a"))) !== undefined);
});
