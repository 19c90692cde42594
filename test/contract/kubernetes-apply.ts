/** Contract cases: server-side apply, its owners and its conflicts. */
import assert from "node:assert/strict";
import type { ErrorDetails } from "../../src/core/errors.ts";
import { fieldAt, type KubeObject, listAt } from "../../src/kube/model.ts";
import { type Case, configMap, deployment, failureOf, refTo } from "./kubernetes-suite.ts";

const ownersOf = (object: KubeObject): string[] =>
  (object.metadata.managedFields ?? []).map((entry) => `${entry.manager} ${entry.operation}`).sort();

const conflictsOf = (details: ErrorDetails): unknown => details.conflicts;

const containersOf = (object: KubeObject): readonly unknown[] =>
  listAt(object, "spec", "template", "spec", "containers");

export const APPLY_CASES: readonly Case[] = [
  [
    "applying creates, applying again changes nothing",
    async ({ kube }, namespace) => {
      const made = await kube().apply(configMap(namespace, "one", { a: "1" }));
      assert.deepEqual(ownersOf(made), ["alga-appliance Apply"]);
      const again = await kube().apply(configMap(namespace, "one", { a: "1" }));
      assert.equal(again.metadata.resourceVersion, made.metadata.resourceVersion);
    },
  ],
  [
    "applied fields are recorded by name",
    async ({ kube }, namespace) => {
      const made = await kube().apply({
        ...configMap(namespace, "one", { a: "1" }),
        metadata: { name: "one", namespace, labels: { l: "x" } },
      });
      assert.deepEqual(made.metadata.managedFields?.[0]?.fieldsV1, {
        "f:data": { "f:a": {} },
        "f:metadata": { "f:labels": { "f:l": {} } },
      });
    },
  ],
  [
    "a field that is no longer applied is removed, one of another manager stays",
    async ({ kube }, namespace) => {
      await kube().apply(configMap(namespace, "one", { a: "1", b: "2" }));
      await kube("other").apply(configMap(namespace, "one", { c: "3" }));
      const left = await kube().apply(configMap(namespace, "one", { a: "1" }));
      assert.deepEqual(left.data, { a: "1", c: "3" });
      assert.deepEqual(ownersOf(left), ["alga-appliance Apply", "other Apply"]);
    },
  ],
  [
    "an equal value is shared, and stays while one owner is left",
    async ({ kube }, namespace) => {
      await kube().apply(configMap(namespace, "one", { a: "1" }));
      await kube("other").apply(configMap(namespace, "one", { a: "1" }));
      const left = await kube().apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "one", namespace } });
      assert.deepEqual(left.data, { a: "1" });
      assert.deepEqual(ownersOf(left), ["other Apply"]);
    },
  ],
  [
    "another manager's field is a conflict that names it; force takes it",
    async ({ kube }, namespace) => {
      await kube("other").apply(configMap(namespace, "one", { a: "1", b: "1" }));
      const failure = await failureOf(kube().apply(configMap(namespace, "one", { a: "2" })));
      assert.equal(failure.code, "kube/conflict");
      assert.deepEqual(conflictsOf(failure.details), [{ manager: "other", field: ".data.a" }]);
      const taken = await kube().apply(configMap(namespace, "one", { a: "2" }), { force: true });
      assert.deepEqual(taken.data, { a: "2", b: "1" });
      const back = await failureOf(kube("other").apply(configMap(namespace, "one", { a: "1", b: "1" })));
      assert.deepEqual(conflictsOf(back.details), [{ manager: "alga-appliance", field: ".data.a" }]);
    },
  ],
  [
    "a field changed by an update is owned by the updater",
    async ({ kube }, namespace) => {
      await kube().apply(configMap(namespace, "one", { a: "1", b: "1" }));
      const patched = await kube("editor").patch(refTo(namespace, "one"), { data: { a: "2" } });
      assert.deepEqual(ownersOf(patched), ["alga-appliance Apply", "editor Update"]);
      const failure = await failureOf(kube().apply(configMap(namespace, "one", { a: "1", b: "1" })));
      assert.deepEqual(conflictsOf(failure.details), [{ manager: "editor", field: ".data.a" }]);
      const forced = await kube().apply(configMap(namespace, "one", { a: "1", b: "1" }), { force: true });
      assert.deepEqual([forced.data, ownersOf(forced)], [{ a: "1", b: "1" }, ["alga-appliance Apply"]]);
    },
  ],
  [
    "creating by POST owns the fields as an update",
    async ({ kube }, namespace) => {
      await kube("maker").create(configMap(namespace, "one", { a: "1" }));
      const failure = await failureOf(kube().apply(configMap(namespace, "one", { a: "2" })));
      assert.deepEqual(conflictsOf(failure.details), [{ manager: "maker", field: ".data.a" }]);
    },
  ],
  [
    "containers, ports and variables merge by their keys",
    async ({ kube }, namespace) => {
      await kube().apply(deployment(namespace, "app", "example.org/app:1"));
      const side = { name: "side", image: "example.org/side:1", env: [{ name: "A", value: "1" }] };
      const selector = { matchLabels: { app: "app" } };
      const labels = { app: "app" };
      const extra = {
        ...deployment(namespace, "app", ""),
        spec: { selector, template: { metadata: { labels }, spec: { containers: [side] } } },
      };
      const both = await kube("other").apply(extra);
      assert.deepEqual(
        containersOf(both).map((container) => fieldAt(container, "name")),
        ["app", "side"],
      );
      const failure = await failureOf(kube("other").apply(deployment(namespace, "app", "example.org/app:2")));
      assert.deepEqual(conflictsOf(failure.details), [
        { manager: "alga-appliance", field: '.spec.template.spec.containers[name="app"].image' },
      ]);
      const next = await kube().apply(deployment(namespace, "app", "example.org/app:3"));
      assert.deepEqual(
        containersOf(next).map((container) => fieldAt(container, "image")),
        ["example.org/app:3", "example.org/side:1"],
      );
      assert.equal(next.metadata.generation, 3);
    },
  ],
  [
    "a container that is no longer applied goes, with its ports",
    async ({ kube }, namespace) => {
      const one = deployment(namespace, "app", "example.org/app:1");
      const two = structuredClone(one) as { spec: { template: { spec: { containers: unknown[] } } } } & KubeObject;
      two.spec.template.spec.containers.push({ name: "side", image: "example.org/side:1" });
      await kube().apply(two);
      const left = await kube().apply(one);
      assert.deepEqual(
        containersOf(left).map((container) => fieldAt(container, "name")),
        ["app"],
      );
    },
  ],
  [
    "defaults are nobody's: they can be applied later without a conflict",
    async ({ kube }, namespace) => {
      const made = await kube("other").apply(deployment(namespace, "app", "example.org/app:1"));
      assert.equal(fieldAt(made, "spec", "replicas"), 1);
      const { selector, template } = made.spec as { selector: unknown; template: unknown };
      void template;
      const scaled = await kube().apply({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "app", namespace },
        spec: { replicas: 2, selector },
      });
      assert.equal(fieldAt(scaled, "spec", "replicas"), 2);
    },
  ],
  [
    "lists without keys are replaced whole, finalizers are a set",
    async ({ kube }, namespace) => {
      const role = (manager: string, verbs: string[], finalizer: string): Promise<KubeObject> =>
        kube(manager).apply(
          {
            apiVersion: "rbac.authorization.k8s.io/v1",
            kind: "Role",
            metadata: { name: "r", namespace, finalizers: [finalizer] },
            rules: [{ apiGroups: [""], resources: ["pods"], verbs }],
          },
          { force: true },
        );
      await role("one", ["get"], "example.org/a");
      const after = await role("two", ["list"], "example.org/b");
      assert.deepEqual(after.rules, [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }]);
      assert.deepEqual([...(after.metadata.finalizers ?? [])].sort(), ["example.org/a", "example.org/b"]);
      const ref = refTo(namespace, "r", "Role", "rbac.authorization.k8s.io/v1");
      await kube().patch(ref, { metadata: { finalizers: null } });
    },
  ],
  [
    "status is applied on its own path by its own manager",
    async ({ kube }, namespace) => {
      await kube().apply(deployment(namespace, "app", "example.org/app:1"));
      const status = {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "app", namespace },
        status: {
          observedGeneration: 1,
          conditions: [{ type: "Available", status: "True", reason: "R", message: "m" }],
        },
      };
      const seen = await kube("controller").apply(status, { subresource: "status" });
      assert.equal(fieldAt(seen, "status", "observedGeneration"), 1);
      const entry = seen.metadata.managedFields?.find((one) => one.manager === "controller");
      assert.equal(entry?.subresource, "status");
      const again = await kube().apply(deployment(namespace, "app", "example.org/app:1"));
      assert.equal(fieldAt(again, "status", "observedGeneration"), 1);
    },
  ],
  [
    "a secret applied by plain text is unchanged the second time, and a removed key goes",
    async ({ kube }, namespace) => {
      const secret = (stringData: Record<string, string>): KubeObject => ({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "s", namespace },
        stringData,
      });
      const first = await kube().apply(secret({ a: "1", b: "2" }));
      const second = await kube().apply(secret({ a: "1", b: "2" }));
      assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
      const data = (value: Record<string, string>): KubeObject => ({
        ...secret({}),
        stringData: undefined,
        data: value,
      });
      await kube().apply(data({ a: "MQ==", c: "Mw==" }), { force: true });
      const third = await kube().apply(data({ a: "MQ==" }), { force: true });
      assert.equal(fieldAt(third, "data", "c"), undefined);
      assert.equal(fieldAt(third, "data", "a"), "MQ==");
    },
  ],
  [
    "a body with managedFields, or without a manager, is refused",
    async ({ kube, raw }, namespace) => {
      const made = await kube().apply(configMap(namespace, "one", { a: "1" }));
      const path = `/api/v1/namespaces/${namespace}/configmaps/one`;
      const headers = { "content-type": "application/apply-patch+yaml" };
      const owned = await raw(`${path}?fieldManager=x`, { method: "PATCH", headers, body: JSON.stringify(made) });
      assert.equal(owned.status, 400);
      const body = JSON.stringify(configMap(namespace, "one", {}));
      assert.equal((await raw(path, { method: "PATCH", headers, body })).status, 422);
    },
  ],
  [
    "an apply in YAML is understood",
    async ({ raw }, namespace) => {
      const body = `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: in-yaml\ndata:\n  a: "1"\n`;
      const path = `/api/v1/namespaces/${namespace}/configmaps/in-yaml?fieldManager=x`;
      const headers = { "content-type": "application/apply-patch+yaml" };
      assert.equal((await raw(path, { method: "PATCH", headers, body })).status, 201);
    },
  ],
];
