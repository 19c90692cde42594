import assert from "node:assert/strict";
import { test } from "node:test";
import { buildTree } from "./tree.ts";

const HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
const POD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: n}\ndata: {x: '1', y: '2'}\n";
const tree = (files: Record<string, string>) => new Map(Object.entries(files));

test("builds resources of files and folders in their order", () => {
  const files = tree({
    "base/kustomization.yaml": `${HEAD}resources: [a.yaml, sub]\n`,
    "base/a.yaml": POD,
    "base/sub/kustomization.yaml": `${HEAD}resources: [../../other/b.yaml]\n`,
    "other/b.yaml": `${POD.replace("name: a", "name: b")}---\n${POD.replace("name: a", "name: c")}`,
  });
  assert.deepEqual(
    buildTree(files, "./base").map((object) => object.metadata.name),
    ["a", "b", "c"],
  );
});

test("merges a patch into its target only; null removes, identity stays", () => {
  const files = tree({ "base/kustomization.yaml": `${HEAD}resources: [a.yaml]\n`, "base/a.yaml": POD });
  const patch = "metadata: {name: other, labels: {l: v}}\ndata: {x: null, z: '3'}\n";
  const [hit] = buildTree(files, "base", [{ target: { kind: "ConfigMap", name: "a" }, patch }]);
  assert.deepEqual(hit?.data, { y: "2", z: "3" });
  assert.deepEqual(hit?.metadata, { name: "a", namespace: "n", labels: { l: "v" } });
  const [missed] = buildTree(files, "base", [{ target: { kind: "Secret", name: "a" }, patch }]);
  assert.deepEqual(missed?.data, { x: "1", y: "2" });
});

const refused: readonly (readonly [string, Record<string, string>, RegExp])[] = [
  [
    "a missing file",
    { "base/kustomization.yaml": `${HEAD}resources: [a.yaml]\n` },
    /base\/a.yaml.* it is not in the bundle/,
  ],
  [
    "a path out of the bundle",
    { "base/kustomization.yaml": `${HEAD}resources: [../../etc]\n` },
    /it leaves the bundle/,
  ],
  [
    "a field it does not know",
    { "base/kustomization.yaml": `${HEAD}namePrefix: x\n` },
    /its field namePrefix is not known here/,
  ],
  ["a circle", { "base/kustomization.yaml": `${HEAD}resources: [../base]\n` }, /in a circle/],
  ["another version", { "base/kustomization.yaml": "apiVersion: v2\nkind: Kustomization\n" }, /is wanted/],
];
for (const [what, files, message] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(() => buildTree(tree(files), "base"), { code: "flux/bad-artifact", message });
  });
}

test("refuses aliases that grow without bound", () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n`;
  const files = tree({ "base/kustomization.yaml": `${HEAD}resources: [a.yaml]\n`, "base/a.yaml": POD + bomb });
  assert.throws(() => buildTree(files, "base"), { code: "flux/bad-artifact" });
});
