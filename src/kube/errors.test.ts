import assert from "node:assert/strict";
import { test } from "node:test";
import { wait } from "../../test/support/eventually.ts";
import { kubeDeps, kubeOver, memoryKube } from "../../test/support/kubernetes.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { createKube } from "./client.ts";
import type { ObjectRef } from "./model.ts";

const REF: ObjectRef = { apiVersion: "v1", kind: "Secret", namespace: "msp", name: "a" };

async function failureOf(fetch: Fetch): Promise<ApplianceError> {
  try {
    await kubeOver(fetch).get(REF);
  } catch (thrown) {
    assert.ok(thrown instanceof ApplianceError);
    return thrown;
  }
  return assert.fail("a failure is wanted");
}

const answer =
  (status: number, body: unknown, headers: Record<string, string> = {}): Fetch =>
  async () =>
    new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });

const statusOf = (code: number, reason: string, message: string, details: object = {}): object => ({
  kind: "Status",
  code,
  reason,
  message,
  details,
});

const ROWS: readonly (readonly [name: string, fetch: Fetch, code: string])[] = [
  ["bad credentials", answer(401, statusOf(401, "Unauthorized", "Unauthorized")), "kube/unauthorized"],
  ["a quota", answer(403, statusOf(403, "Forbidden", "exceeded quota: compute")), "kube/forbidden"],
  ["a page of a proxy", answer(200, "<html>hello</html>"), "kube/unexpected-answer"],
  ["JSON of something else", answer(200, { hello: "world" }), "kube/unexpected-answer"],
  ["a server in trouble", answer(500, statusOf(500, "InternalError", "etcd is away")), "kube/server-error"],
  ["a gateway", answer(502, "bad gateway"), "kube/server-error"],
  ["too many requests", answer(429, "", { "retry-after": "0" }), "kube/throttled"],
  ["an endless answer", answer(200, "x".repeat(17 * 1024 * 1024)), "kube/too-large"],
];

for (const [name, fetch, code] of ROWS) {
  test(`${name} is ${code}`, async () => {
    const failure = await failureOf(fetch);
    assert.equal(failure.code, code);
    assert.match(failure.message, /^Cannot read Secret "msp\/a": /);
  });
}

test("a refused connection is kube/unreachable, an untrusted certificate kube/untrusted", async () => {
  const refuse =
    (code: "net/unreachable" | "net/tls"): Fetch =>
    () =>
      Promise.reject(new ApplianceError(code, "Cannot reach it: no"));
  assert.equal((await failureOf(refuse("net/unreachable"))).code, "kube/unreachable");
  assert.equal((await failureOf(refuse("net/tls"))).code, "kube/untrusted");
});

test("a denial names the rule, a quota does not", async () => {
  const denied = `secrets "a" is forbidden: User "x" cannot get resource "secrets" in API group "" in the namespace "msp"`;
  const failure = await failureOf(answer(403, statusOf(403, "Forbidden", denied)));
  assert.equal(failure.details.missingPermission, 'get secrets "a" in namespace "msp"');
  const quota = await failureOf(answer(403, statusOf(403, "Forbidden", "exceeded quota")));
  assert.equal(quota.details.missingPermission, undefined);
});

test("a namespace that is being deleted is a conflict, not a missing permission", async () => {
  const { kube } = memoryKube();
  const held = { name: "msp", finalizers: ["example.org/hold"] };
  await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: held });
  await kube.delete({ apiVersion: "v1", kind: "Namespace", name: "msp" });
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "a", namespace: "msp" } };
  await assert.rejects(
    kube.create(secret),
    (thrown: unknown) => thrown instanceof ApplianceError && thrown.code === "kube/conflict",
  );
});

test("reads are repeated after a server error, creations are not", async () => {
  const { kube, server } = memoryKube();
  server.faults.add({ method: "GET", status: 503, times: 2 });
  assert.equal(await kube.get({ ...REF, namespace: "default" }), undefined);
  server.faults.add({ method: "POST", status: 503, times: 1 });
  const made = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "default" } };
  await assert.rejects(
    kube.create(made),
    (thrown: unknown) => thrown instanceof ApplianceError && thrown.code === "kube/server-error",
  );
});

test("a server that never answers is kube/unreachable after the time limit; a caller's abort stays the caller's", async () => {
  const silent: Fetch = (request) =>
    new Promise((_resolve, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason)));
  let expire = (): void => {};
  const after = (_ms: number, call: () => void): (() => void) => {
    expire = call;
    return () => {};
  };
  const clock = { ...kubeDeps.clock, after, sleep: async () => {} };
  const connection = { server: "http://x.invalid", fetch: silent, headers: async () => ({}) };
  const kube = createKube({ ...kubeDeps, clock }, connection);
  const created = kube.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "b" } });
  await wait(5);
  expire();
  await assert.rejects(
    created,
    (thrown: unknown) => thrown instanceof ApplianceError && thrown.code === "kube/unreachable",
  );
  const stop = new AbortController();
  const read = kube.get(REF, { signal: stop.signal });
  stop.abort();
  await assert.rejects(
    read,
    (thrown: unknown) => thrown instanceof ApplianceError && thrown.code === "internal/aborted",
  );
});

test("an object without a namespace is refused before it is sent", async () => {
  const { kube } = memoryKube();
  const nowhere = { apiVersion: "v1", kind: "Secret", metadata: { name: "a" } };
  await assert.rejects(
    kube.apply(nowhere),
    (thrown: unknown) => thrown instanceof ApplianceError && thrown.code === "kube/bad-object",
  );
});

test("a secret in a message of the server is masked", async () => {
  const failure = await failureOf(answer(422, statusOf(422, "Invalid", "password=hunter22 is bad")));
  assert.ok(!failure.message.includes("hunter22"));
});
