/** Contract cases: create, read, update, patch, delete, and what each refuses. */
import assert from "node:assert/strict";
import { fieldAt } from "../../src/kube/model.ts";
import { type Case, configMap, deployment, failureOf, refTo } from "./kubernetes-suite.ts";

export const OBJECT_CASES: readonly Case[] = [
  [
    "version and readiness answer",
    async ({ kube, raw }) => {
      const version = await kube().version();
      assert.equal(version.major, 1);
      assert.ok(version.minor >= 36);
      assert.equal((await raw("/readyz")).status, 200);
    },
  ],
  [
    "a created object has uid, version and time, and is read back",
    async ({ kube }, namespace) => {
      const made = await kube().create(configMap(namespace, "one", { a: "1" }));
      assert.match(made.metadata.uid ?? "", /^[0-9a-f-]{36}$/);
      assert.match(made.metadata.resourceVersion ?? "", /^\d+$/);
      assert.match(String(made.metadata.creationTimestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.deepEqual(await kube().get(refTo(namespace, "one")), made);
    },
  ],
  [
    "an absent object is undefined, an absent kind is a kube/not-found of a kind",
    async ({ kube }, namespace) => {
      assert.equal(await kube().get(refTo(namespace, "none")), undefined);
      const failure = await failureOf(kube().list({ apiVersion: "nobody.example.org/v1", kind: "Nothing" }));
      assert.equal(failure.code, "kube/not-found");
      assert.equal(failure.details.missing, "kind");
    },
  ],
  [
    "creating twice is a conflict AlreadyExists",
    async ({ kube }, namespace) => {
      await kube().create(configMap(namespace, "one", {}));
      const failure = await failureOf(kube().create(configMap(namespace, "one", {})));
      assert.deepEqual([failure.code, failure.details.reason], ["kube/conflict", "AlreadyExists"]);
    },
  ],
  [
    "a namespace must exist",
    async ({ kube }) => {
      for (const work of [
        () => kube().create(configMap("no-such-place", "one", {})),
        () => kube().apply(configMap("no-such-place", "one", {})),
      ]) {
        const failure = await failureOf(work());
        assert.equal(failure.code, "kube/not-found");
        assert.equal(failure.details.missing, "object");
        assert.match(failure.message, /namespaces "no-such-place" not found/);
      }
    },
  ],
  [
    "generateName gives a fresh name",
    async ({ raw }, namespace) => {
      const body = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { generateName: "made-" } });
      const headers = { "content-type": "application/json" };
      const answer = await raw(`/api/v1/namespaces/${namespace}/configmaps`, { method: "POST", body, headers });
      assert.equal(answer.status, 201);
      assert.match(String(fieldAt(await answer.json(), "metadata", "name")), /^made-[a-z0-9]{5}$/);
    },
  ],
  [
    "replacing with an old version is a conflict, with the current one it is stored",
    async ({ kube }, namespace) => {
      const made = await kube().create(configMap(namespace, "one", { a: "1" }));
      const next = await kube().replace({ ...made, data: { a: "2" } });
      assert.notEqual(next.metadata.resourceVersion, made.metadata.resourceVersion);
      const failure = await failureOf(kube().replace({ ...made, data: { a: "3" } }));
      assert.deepEqual([failure.code, failure.details.reason], ["kube/conflict", "Conflict"]);
    },
  ],
  [
    "a write that changes nothing keeps the version",
    async ({ kube }, namespace) => {
      const made = await kube().create(configMap(namespace, "one", { a: "1" }));
      const same = await kube().patch(refTo(namespace, "one"), { data: { a: "1" } });
      assert.equal(same.metadata.resourceVersion, made.metadata.resourceVersion);
    },
  ],
  [
    "merge patches set and remove, JSON patches test and replace",
    async ({ kube }, namespace) => {
      await kube().create(configMap(namespace, "one", { a: "1", b: "2" }));
      const merged = await kube().patch(refTo(namespace, "one"), { data: { a: null, c: "3" } });
      assert.deepEqual(merged.data, { b: "2", c: "3" });
      const operations = [
        { op: "test", path: "/data/b", value: "2" },
        { op: "replace", path: "/data/b", value: "4" },
        { op: "remove", path: "/data/c" },
      ];
      const patched = await kube().patch(refTo(namespace, "one"), operations, { type: "json" });
      assert.deepEqual(patched.data, { b: "4" });
      const failure = await failureOf(kube().patch(refTo(namespace, "one"), operations, { type: "json" }));
      assert.equal(failure.code, "kube/invalid");
      assert.equal((await failureOf(kube().patch(refTo(namespace, "none"), {}))).code, "kube/not-found");
    },
  ],
  [
    "a merge patch with an old version is a conflict",
    async ({ kube }, namespace) => {
      const made = await kube().create(configMap(namespace, "one", { a: "1" }));
      await kube().patch(refTo(namespace, "one"), { data: { a: "2" } });
      const stale = { metadata: { resourceVersion: made.metadata.resourceVersion }, data: { a: "3" } };
      assert.equal((await failureOf(kube().patch(refTo(namespace, "one"), stale))).code, "kube/conflict");
    },
  ],
  [
    "deleting says whether it was there, and honours preconditions",
    async ({ kube }, namespace) => {
      const made = await kube().create(configMap(namespace, "one", {}));
      const wrong = { preconditions: { uid: "00000000-0000-0000-0000-000000000000" } };
      assert.equal((await failureOf(kube().delete(refTo(namespace, "one"), wrong))).code, "kube/conflict");
      const uid = made.metadata.uid ?? "";
      assert.equal(await kube().delete(refTo(namespace, "one"), { preconditions: { uid } }), true);
      assert.equal(await kube().delete(refTo(namespace, "one")), false);
      assert.equal(await kube().get(refTo(namespace, "one")), undefined);
    },
  ],
  [
    "a finalizer holds a deleted object until it is removed",
    async ({ kube }, namespace) => {
      const held = configMap(namespace, "held", {});
      await kube().create({ ...held, metadata: { ...held.metadata, finalizers: ["contract.example.org/hold"] } });
      assert.equal(await kube().delete(refTo(namespace, "held")), true);
      const marked = await kube().get(refTo(namespace, "held"));
      assert.notEqual(marked?.metadata.deletionTimestamp, undefined);
      await kube().patch(refTo(namespace, "held"), { metadata: { finalizers: null } });
      assert.equal(await kube().get(refTo(namespace, "held")), undefined);
    },
  ],
  [
    "the generation counts changes of the specification, not of metadata or status",
    async ({ kube }, namespace) => {
      const ref = refTo(namespace, "app", "Deployment", "apps/v1");
      const made = await kube().create(deployment(namespace, "app", "example.org/app:1"));
      assert.equal(made.metadata.generation, 1);
      const labelled = await kube().patch(ref, { metadata: { labels: { a: "b" } } });
      assert.equal(labelled.metadata.generation, 1);
      const scaled = await kube().patch(ref, { spec: { replicas: 3 } });
      assert.equal(scaled.metadata.generation, 2);
      const status = { status: { observedGeneration: 2, replicas: 3 } };
      const reported = await kube().patch(ref, status, { subresource: "status" });
      assert.equal(reported.metadata.generation, 2);
      assert.equal(fieldAt(reported, "status", "replicas"), 3);
    },
  ],
  [
    "status is written only through its own path, and only status there",
    async ({ kube }, namespace) => {
      const ref = refTo(namespace, "app", "Deployment", "apps/v1");
      await kube().create(deployment(namespace, "app", "example.org/app:1"));
      const ignored = await kube().patch(ref, { status: { replicas: 7 } });
      assert.equal(fieldAt(ignored, "status", "replicas"), undefined);
      const both = { spec: { replicas: 5 }, status: { replicas: 7 } };
      const written = await kube().patch(ref, both, { subresource: "status" });
      assert.equal(fieldAt(written, "status", "replicas"), 7);
      assert.equal(fieldAt(written, "spec", "replicas"), 1);
    },
  ],
  [
    "a dry run answers and stores nothing",
    async ({ kube }, namespace) => {
      const shown = await kube().apply(configMap(namespace, "one", { a: "1" }), { dryRun: true });
      assert.deepEqual(shown.data, { a: "1" });
      assert.equal(await kube().get(refTo(namespace, "one")), undefined);
    },
  ],
];
