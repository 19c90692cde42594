/**
 * The renderings that reach a cluster, as files under golden/. `UPDATE_GOLDEN=1 bun test src/flux` writes them anew; the
 * difference is then read like any other change.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { FLUX_TEMPLATES } from "../../embed/templates.ts";
import { parseDigest } from "../core/digest.ts";
import { fieldAt, type KubeObject } from "../kube/model.ts";
import { readReleaseManifest } from "../release/model.ts";
import { sourceObjects } from "./source.ts";
import { buildTree, type Patch } from "./tree.ts";
import { renderValues } from "./values.ts";

const GOLDEN = join(import.meta.dirname, "golden");
const TREE = new Map(Object.entries(FLUX_TEMPLATES));
const PROFILE = "profiles/single-node/values/";
const PLACE = { registry: "ghcr.io", base: "nine-minds" };
const RELEASE = {
  manifest: readReleaseManifest({
    schema: "alga.appliance.release/v1",
    version: "1.0.3",
    channel: "stable",
    images: { algaCore: "62cdce38", workflowWorker: "a2cbb43", emailService: "61e4a00e", temporalWorker: "a2cbb43" },
    config: { repository: "ghcr.io/nine-minds/alga-appliance-config", digest: `sha256:${"c".repeat(64)}` },
    charts: { sebastian: "0.0.1", temporal: "0.1.0", "email-service": "0.1.0" },
    profileValues: Object.fromEntries(
      [...TREE].filter(([path]) => path.startsWith(PROFILE)).map(([path, text]) => [path.slice(PROFILE.length), text]),
    ),
  }),
  digest: parseDigest(`sha256:${"d".repeat(64)}`),
};

/** Every apiVersion that our objects may have; anything older or beta is a mistake. */
const API_VERSIONS: Readonly<Record<string, string>> = {
  Namespace: "v1",
  ConfigMap: "v1",
  Secret: "v1",
  ClusterRole: "rbac.authorization.k8s.io/v1",
  RoleBinding: "rbac.authorization.k8s.io/v1",
  OCIRepository: "source.toolkit.fluxcd.io/v1",
  HelmRepository: "source.toolkit.fluxcd.io/v1",
  Kustomization: "kustomize.toolkit.fluxcd.io/v1",
  HelmRelease: "helm.toolkit.fluxcd.io/v2",
};

function compare(name: string, objects: readonly KubeObject[]): void {
  const text = objects.map((object) => stringify(object, { lineWidth: 0 })).join("---\n");
  const path = join(GOLDEN, name);
  if (process.env.UPDATE_GOLDEN === "1") {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  assert.ok(existsSync(path), `${name} is missing: run UPDATE_GOLDEN=1 bun test src/flux`);
  assert.equal(text, readFileSync(path, "utf8"));
}

function build(folder: string, patches?: unknown): readonly KubeObject[] {
  return buildTree(TREE, folder, (patches ?? []) as readonly Patch[]);
}

test("values ConfigMaps", () => {
  const settings = { appUrl: "https://psa.example.com", host: "psa.example.com", place: PLACE };
  compare("values.yaml", renderValues(RELEASE.manifest, settings));
});

test("source and parent Kustomization, at home and behind a mirror", () => {
  compare("source.yaml", sourceObjects(RELEASE, { place: PLACE }));
  const mirror = { place: { registry: "harbor.example:5000", base: "alga" }, plainHttp: true, ca: "PEM" };
  compare("source-mirror.yaml", sourceObjects(RELEASE, mirror));
});

test("what the parent and each child build from the bundle", () => {
  const parent = sourceObjects(RELEASE, { place: PLACE }).find((object) => object.kind === "Kustomization");
  assert.ok(parent !== undefined);
  const top = build("./base", fieldAt(parent, "spec", "patches"));
  compare("base.yaml", top);
  for (const child of top.filter((object) => object.kind === "Kustomization")) {
    const folder = String(fieldAt(child, "spec", "path"));
    compare(`${child.metadata.name}.yaml`, build(folder, fieldAt(child, "spec", "patches")));
  }
});

test("the profile builds whole, and every object has the version that we promise", () => {
  const objects = build("profiles/single-node");
  for (const object of objects) assert.equal(object.apiVersion, API_VERSIONS[object.kind], object.metadata.name);
  const names = objects.filter((object) => object.kind === "HelmRelease").map((object) => object.metadata.name);
  assert.deepEqual(names.sort(), [
    "alga-core",
    "email-service",
    "pgbouncer",
    "temporal",
    "temporal-worker",
    "workflow-worker",
  ]);
});

test("every file of the tree is used, and every file is embedded", () => {
  const texts = [...TREE.values()].join("\n");
  for (const path of TREE.keys()) {
    if (path.endsWith("/kustomization.yaml")) continue;
    assert.ok(texts.includes(path.slice(path.lastIndexOf("/") + 1)), `${path} stands in no kustomization.yaml`);
  }
  const onDisk = readdirSync(join(import.meta.dirname, "../../flux"), { recursive: true, encoding: "utf8" });
  assert.deepEqual([...TREE.keys()].sort(), onDisk.filter((path) => path.endsWith(".yaml")).sort());
});
