/** Contract cases: what the server refuses, with the reason and the field of each cause. */
import assert from "node:assert/strict";
import type { ApplianceError } from "../../src/core/errors.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../../src/kube/model.ts";
import { type Case, configMap, deployment, failureOf, refTo } from "./kubernetes-suite.ts";

const fieldsOf = (failure: ApplianceError): string[] =>
  listAt(failure.details, "causes")
    .map((cause) => `${textAt(cause, "reason")} ${textAt(cause, "field")}`)
    .sort();

/** Sets a value deep in a copy of an object. */
function changed(object: KubeObject, path: readonly (string | number)[], value: unknown): KubeObject {
  // Not structuredClone: it keeps shared labels shared.
  const copy: unknown = JSON.parse(JSON.stringify(object));
  let at = copy as Record<string | number, unknown>;
  for (const part of path.slice(0, -1)) at = at[part] as Record<string | number, unknown>;
  const last = path.at(-1) ?? "";
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy as KubeObject;
}

const CONTAINER = ["spec", "template", "spec", "containers", 0] as const;

interface Wrong {
  readonly name: string;
  readonly object: (namespace: string) => KubeObject;
  readonly fields: readonly string[];
}

const WRONG: readonly Wrong[] = [
  {
    name: "a name with capitals",
    object: (namespace) => configMap(namespace, "Upper", {}),
    fields: ["FieldValueInvalid metadata.name"],
  },
  {
    name: "a namespace with a dot",
    object: () => ({ apiVersion: "v1", kind: "Namespace", metadata: { name: "a.b" } }),
    fields: ["FieldValueInvalid metadata.name"],
  },
  {
    name: "a label value with a blank",
    object: (namespace) => ({
      ...configMap(namespace, "a", {}),
      metadata: { name: "a", namespace, labels: { a: "b c" } },
    }),
    fields: ["FieldValueInvalid metadata.labels"],
  },
  {
    name: "a data key with a slash",
    object: (namespace) => configMap(namespace, "a", { "a/b": "1" }),
    fields: ["FieldValueInvalid data[a/b]"],
  },
  {
    name: "a container without image",
    object: (namespace) => changed(deployment(namespace, "a", "x"), [...CONTAINER, "image"], undefined),
    fields: ["FieldValueRequired spec.template.spec.containers[0].image"],
  },
  {
    name: "no containers",
    object: (namespace) => changed(deployment(namespace, "a", "x"), ["spec", "template", "spec", "containers"], []),
    fields: ["FieldValueRequired spec.template.spec.containers"],
  },
  {
    name: "a selector that does not fit the template",
    object: (namespace) => changed(deployment(namespace, "a", "x"), ["spec", "selector", "matchLabels", "app"], "z"),
    fields: ["FieldValueInvalid spec.template.metadata.labels"],
  },
  {
    name: "a mount without its volume",
    object: (namespace) =>
      changed(deployment(namespace, "a", "x"), [...CONTAINER, "volumeMounts"], [{ name: "v", mountPath: "/v" }]),
    fields: ["FieldValueNotFound spec.template.spec.containers[0].volumeMounts[0].name"],
  },
  {
    name: "a job that restarts always",
    object: (namespace) => ({
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "j", namespace },
      spec: { template: { spec: { restartPolicy: "Always", containers: [{ name: "c", image: "x" }] } } },
    }),
    fields: ["FieldValueRequired spec.template.spec.restartPolicy"],
  },
  {
    name: "a service without ports",
    object: (namespace) => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "s", namespace },
      spec: { selector: { a: "b" } },
    }),
    fields: ["FieldValueRequired spec.ports"],
  },
  {
    name: "a claim without access modes and size",
    object: (namespace) => ({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "p", namespace },
      spec: {},
    }),
    fields: ["FieldValueRequired spec.accessModes", "FieldValueRequired spec.resources[storage]"],
  },
];

export const VALIDATION_CASES: readonly Case[] = [
  ...WRONG.map(
    ({ name, object, fields }): Case => [
      `${name} is refused, by create and by apply`,
      async ({ kube }, namespace) => {
        for (const work of [() => kube().create(object(namespace)), () => kube().apply(object(namespace))]) {
          const failure = await failureOf(work());
          assert.deepEqual(
            [failure.code, failure.details.reason, fieldsOf(failure)],
            ["kube/invalid", "Invalid", fields],
          );
        }
      },
    ],
  ),
  [
    "a selector never changes",
    async ({ kube }, namespace) => {
      await kube().apply(deployment(namespace, "a", "x"));
      const other = changed(deployment(namespace, "a", "x"), ["spec", "selector", "matchLabels"], {
        app: "a",
        more: "b",
      });
      const fitting = changed(other, ["spec", "template", "metadata", "labels"], { app: "a", more: "b" });
      const failure = await failureOf(kube().apply(fitting));
      assert.deepEqual(fieldsOf(failure), ["FieldValueInvalid spec.selector"]);
    },
  ],
  [
    "a secret takes base64 and plain text, and keeps its type",
    async ({ kube }, namespace) => {
      const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "s", namespace } };
      const made = await kube().apply({ ...secret, stringData: { a: "plain" }, data: { b: "Yg==" } });
      assert.deepEqual([made.data, made.stringData, made.type], [{ a: "cGxhaW4=", b: "Yg==" }, undefined, "Opaque"]);
      const wrong = await failureOf(kube().create({ ...secret, metadata: { name: "t", namespace }, data: { a: "§" } }));
      assert.equal(wrong.code, "kube/invalid");
      const retyped = await failureOf(kube().patch(refTo(namespace, "s", "Secret"), { type: "example.org/other" }));
      assert.deepEqual(fieldsOf(retyped), ["FieldValueInvalid type"]);
    },
  ],
  [
    "an immutable config map refuses other data",
    async ({ kube }, namespace) => {
      await kube().create({ ...configMap(namespace, "a", { a: "1" }), immutable: true });
      const failure = await failureOf(kube().patch(refTo(namespace, "a"), { data: { a: "2" } }));
      assert.equal(failure.code, "kube/invalid");
    },
  ],
  [
    "address and body must agree",
    async ({ raw }, namespace) => {
      const headers = { "content-type": "application/json" };
      const post = (body: unknown): Promise<Response> =>
        raw(`/api/v1/namespaces/${namespace}/configmaps`, { method: "POST", headers, body: JSON.stringify(body) });
      assert.equal((await post({ ...configMap("default", "a", {}) })).status, 400);
      assert.equal((await post({ apiVersion: "v1", kind: "Secret", metadata: { name: "a" } })).status, 400);
      assert.equal((await post({ apiVersion: "v1", kind: "ConfigMap", metadata: {} })).status, 422);
    },
  ],
  [
    "what is not there answers 404, what may not be done 405, what is not understood 415",
    async ({ raw }, namespace) => {
      assert.equal((await raw("/apis/none.example.org/v1/things")).status, 404);
      assert.equal((await raw(`/api/v1/namespaces/${namespace}/things`)).status, 404);
      assert.equal(
        (await raw(`/api/v1/namespaces/${namespace}/configmaps`, { method: "PUT", body: "{}" })).status,
        405,
      );
      const path = `/api/v1/namespaces/${namespace}/configmaps/kube-root`;
      const answer = await raw(path, { method: "PATCH", headers: { "content-type": "text/plain" }, body: "{}" });
      assert.equal(answer.status, 415);
    },
  ],
  [
    "discovery lists what is served",
    async ({ raw }) => {
      const apps = await (await raw("/apis/apps/v1")).json();
      const row = listAt(apps, "resources").find((one) => textAt(one, "name") === "deployments");
      assert.deepEqual([fieldAt(row, "kind"), fieldAt(row, "namespaced")], ["Deployment", true]);
      const groups = await (await raw("/apis")).json();
      assert.ok(listAt(groups, "groups").some((group) => textAt(group, "name") === "apps"));
    },
  ],
];
