/** Contract cases: custom kinds by their definition, reviews of access, and denials. */
import assert from "node:assert/strict";
import { fieldAt, type KubeObject, listAt, textAt } from "../../src/kube/model.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import { type Case, failureOf, type Subject } from "./kubernetes-suite.ts";

/** A definition in the manner of Flux': required fields, patterns, defaults, a keyed list, a status. */
export function definition(group: string): KubeObject {
  const text = { type: "string" };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `sources.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind: "Source", plural: "sources" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: {
                spec: {
                  type: "object",
                  required: ["interval", "url"],
                  properties: {
                    url: { type: "string", pattern: "^oci://.*$" },
                    interval: { type: "string", pattern: "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" },
                    provider: { type: "string", enum: ["generic", "aws"], default: "generic" },
                    retries: { type: "integer", minimum: 0, maximum: 5 },
                    values: { "x-kubernetes-preserve-unknown-fields": true },
                    parts: {
                      type: "array",
                      items: { type: "object", required: ["name"], properties: { name: text, value: text } },
                      "x-kubernetes-list-type": "map",
                      "x-kubernetes-list-map-keys": ["name"],
                    },
                  },
                },
                status: {
                  type: "object",
                  properties: {
                    observedGeneration: { type: "integer" },
                    conditions: {
                      type: "array",
                      items: {
                        type: "object",
                        required: ["status", "type"],
                        properties: { type: text, status: text, reason: text, message: text, lastTransitionTime: text },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      ],
    },
  };
}

/** Serves a definition of a group of its own and gives a maker of its objects. */
async function serve({ kube }: Subject, namespace: string): Promise<(name: string, spec: unknown) => KubeObject> {
  const group = `${namespace}.example.org`;
  const applied = await kube().apply(definition(group));
  for (let tries = 0; tries < 200; tries += 1) {
    const live = await kube().get({ apiVersion: applied.apiVersion, kind: applied.kind, name: applied.metadata.name });
    if (live !== undefined && readinessOf(live).state === "ready") break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const make = (name: string, spec: unknown): KubeObject => ({
    apiVersion: `${group}/v1`,
    kind: "Source",
    metadata: { name, namespace },
    spec,
  });
  await untilServed(() => kube().list({ apiVersion: `${group}/v1`, kind: "Source" }));
  return make;
}

/** Established comes a moment before the handler is there. */
async function untilServed(ask: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await ask();
      return;
    } catch (thrown) {
      if (tries > 100) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const GOOD = { url: "oci://example.org/a", interval: "1m" };

export const CUSTOM_CASES: readonly Case[] = [
  [
    "a kind is served once its definition is established, and gone with it",
    async (subject, namespace) => {
      const { kube } = subject;
      const early = {
        apiVersion: `${namespace}.example.org/v1`,
        kind: "Source",
        metadata: { name: "a", namespace },
        spec: GOOD,
      };
      const failure = await failureOf(kube().apply(early));
      assert.deepEqual([failure.code, failure.details.missing], ["kube/not-found", "kind"]);
      const make = await serve(subject, namespace);
      const made = await kube().apply(make("a", GOOD));
      assert.equal(made.metadata.generation, 1);
      const name = `sources.${namespace}.example.org`;
      await kube().delete({ apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", name });
      for (let tries = 0; tries < 200; tries += 1) {
        const gone = await kube().get({
          apiVersion: "apiextensions.k8s.io/v1",
          kind: "CustomResourceDefinition",
          name,
        });
        if (gone === undefined) break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.equal(await kube().get({ ...early, name: "a", namespace }), undefined);
    },
  ],
  [
    "a custom object gets defaults and loses unknown fields",
    async (subject, namespace) => {
      const make = await serve(subject, namespace);
      const values = { any: { thing: [1, "two"] } };
      const made = await subject.kube().create(make("a", { ...GOOD, unknown: 1, values }));
      assert.deepEqual(made.spec, { ...GOOD, provider: "generic", values });
    },
  ],
  [
    "a custom object is checked against its schema",
    async (subject, namespace) => {
      const make = await serve(subject, namespace);
      const refused = async (spec: unknown): Promise<string[]> => {
        const failure = await failureOf(subject.kube().create(make("a", spec)));
        assert.equal(failure.code, "kube/invalid");
        return listAt(failure.details, "causes")
          .map((cause) => `${textAt(cause, "reason")} ${textAt(cause, "field")}`)
          .filter((line) => !line.includes("<nil>"))
          .sort();
      };
      assert.deepEqual(await refused({ interval: "1m" }), ["FieldValueRequired spec.url"]);
      assert.deepEqual(await refused({ ...GOOD, url: "https://x" }), ["FieldValueInvalid spec.url"]);
      assert.deepEqual(await refused({ ...GOOD, provider: "gcp" }), ["FieldValueNotSupported spec.provider"]);
      assert.deepEqual(await refused({ ...GOOD, retries: 9 }), ["FieldValueInvalid spec.retries"]);
      assert.deepEqual(await refused({ ...GOOD, retries: "x" }), ["FieldValueTypeInvalid spec.retries"]);
      assert.deepEqual(await refused({ ...GOOD, parts: [{ value: "1" }] }), ["FieldValueRequired spec.parts[0].name"]);
    },
  ],
  [
    "keyed lists of a custom kind merge, their conflicts name the key",
    async (subject, namespace) => {
      const { kube } = subject;
      const make = await serve(subject, namespace);
      await kube().apply(make("a", { ...GOOD, parts: [{ name: "x", value: "1" }] }));
      const both = await kube("other").apply(make("a", { ...GOOD, parts: [{ name: "y", value: "2" }] }));
      assert.deepEqual(fieldAt(both, "spec", "parts"), [
        { name: "x", value: "1" },
        { name: "y", value: "2" },
      ]);
      const failure = await failureOf(kube("other").apply(make("a", { ...GOOD, parts: [{ name: "x", value: "9" }] })));
      assert.deepEqual(failure.details.conflicts, [
        { manager: "alga-appliance", field: '.spec.parts[name="x"].value' },
      ]);
    },
  ],
  [
    "status of a custom object is its own resource and does not count as a generation",
    async (subject, namespace) => {
      const { kube } = subject;
      const make = await serve(subject, namespace);
      const made = await kube().apply(make("a", GOOD));
      const ref = { apiVersion: made.apiVersion, kind: made.kind, namespace, name: "a" };
      const status = { status: { observedGeneration: 1, conditions: [{ type: "Ready", status: "True" }] } };
      assert.equal((await kube().patch(ref, status)).status, undefined);
      const seen = await kube("controller").patch(ref, status, { subresource: "status" });
      assert.deepEqual([seen.metadata.generation, fieldAt(seen, "status", "observedGeneration")], [1, 1]);
      const next = await kube().apply(make("a", { ...GOOD, interval: "2m" }));
      assert.deepEqual([next.metadata.generation, fieldAt(next, "status", "observedGeneration")], [2, 1]);
    },
  ],
  [
    "an apply with a field that the schema does not know is refused as invalid",
    async (subject, namespace) => {
      const make = await serve(subject, namespace);
      const unknown = await failureOf(subject.kube().apply(make("a", { ...GOOD, unknown: 1 })));
      assert.equal(unknown.code, "kube/invalid");
      assert.match(unknown.message, /\.spec\.unknown: field not declared in schema/);
      const mistyped = await failureOf(subject.kube().apply(make("a", { ...GOOD, retries: "many" })));
      assert.deepEqual([mistyped.code, mistyped.details.status], ["kube/invalid", 500]);
    },
  ],
  [
    "a version that is too old to watch from is kube/gone",
    async (subject, namespace) => {
      const make = await serve(subject, namespace);
      const made = await subject.kube().create(make("a", GOOD));
      const resourceVersion = await subject.ancientVersion();
      const kind = { apiVersion: made.apiVersion, kind: made.kind, namespace };
      const read = async (): Promise<void> => {
        for await (const _event of subject.kube().watch(kind, { resourceVersion, timeoutSeconds: 5 }));
      };
      assert.equal((await failureOf(read())).code, "kube/gone");
    },
  ],
  [
    "replacing a custom object needs its version",
    async (subject, namespace) => {
      const make = await serve(subject, namespace);
      await subject.kube().create(make("a", GOOD));
      assert.equal((await failureOf(subject.kube().replace(make("a", GOOD)))).code, "kube/invalid");
    },
  ],
  [
    "a review of access answers yes to everything for an administrator",
    async ({ kube }, namespace) => {
      const asked = { verb: "create", group: "apps", resource: "deployments", namespace };
      assert.equal((await kube().canI(asked)).allowed, true);
    },
  ],
  [
    "somebody without rules is denied, and the missing rule is named",
    async ({ nobody }, namespace) => {
      const asked = { verb: "create", group: "apps", resource: "deployments", namespace };
      assert.equal((await nobody().canI(asked)).allowed, false);
      const read = await failureOf(nobody().get({ apiVersion: "v1", kind: "Secret", namespace, name: "a" }));
      assert.equal(read.code, "kube/forbidden");
      assert.equal(read.details.missingPermission, `get secrets "a" in namespace "${namespace}"`);
      const listed = await failureOf(nobody().list({ apiVersion: "apps/v1", kind: "Deployment" }));
      assert.equal(listed.details.missingPermission, "list deployments.apps in the whole cluster");
      const applied = await failureOf(
        nobody().apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace } }),
      );
      assert.equal(applied.details.missingPermission, `patch configmaps "a" in namespace "${namespace}"`);
    },
  ],
];
