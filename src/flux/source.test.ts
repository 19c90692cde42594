import assert from "node:assert/strict";
import { test } from "node:test";
import { FLUX_TEMPLATES } from "../../embed/templates.ts";
import { parseDigest } from "../core/digest.ts";
import { Secret } from "../core/secret.ts";
import { fieldAt, type KubeObject } from "../kube/model.ts";
import { readReleaseManifest } from "../release/model.ts";
import { isChartSource, type SourceAccess, sourceObjects } from "./source.ts";
import { buildTree, type Patch } from "./tree.ts";

const DIGEST = parseDigest(`sha256:${"b".repeat(64)}`);
const TREE = new Map(Object.entries(FLUX_TEMPLATES));
const HOME: SourceAccess = { place: { registry: "ghcr.io", base: "nine-minds" } };
const MIRROR: SourceAccess = {
  place: { registry: "harbor.example:5000", base: "alga" },
  plainHttp: true,
  ca: "-----BEGIN CERTIFICATE-----",
  credentials: { kind: "password", username: "robot", password: new Secret("hunter2") },
};

function release(change: object = {}) {
  const manifest = readReleaseManifest({
    version: "1.0.3",
    images: { algaCore: "abc" },
    config: { repository: "ghcr.io/nine-minds/alga-appliance-config", digest: DIGEST },
    charts: { sebastian: "0.0.2", temporal: "0.3.0" },
    ...change,
  });
  return { manifest, digest: DIGEST };
}

/** Plays kustomize-controller: the parent, then every child with the patches that it got. */
function reconcile(objects: readonly KubeObject[]): readonly KubeObject[] {
  const parent = find(objects, "Kustomization", "alga-appliance");
  const top = buildTree(TREE, "./base", patchesOf(parent));
  const children = top.filter((object) => object.kind === "Kustomization");
  return [
    ...top,
    ...children.flatMap((child) => buildTree(TREE, String(fieldAt(child, "spec", "path")), patchesOf(child))),
  ];
}

function patchesOf(object: KubeObject): readonly Patch[] {
  return (fieldAt(object, "spec", "patches") ?? []) as readonly Patch[];
}

function find(objects: readonly KubeObject[], kind: string, name: string): KubeObject {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  assert.ok(found !== undefined, `${kind} ${name}`);
  return found;
}

test("pins the bundle by digest and applies ./base with pruning, without waiting", () => {
  const objects = sourceObjects(release(), HOME);
  assert.deepEqual(
    objects.map((object) => `${object.apiVersion} ${object.kind}`),
    ["source.toolkit.fluxcd.io/v1 OCIRepository", "kustomize.toolkit.fluxcd.io/v1 Kustomization"],
  );
  const source = find(objects, "OCIRepository", "alga-appliance");
  assert.deepEqual(fieldAt(source, "spec", "ref"), { digest: DIGEST });
  assert.equal(fieldAt(source, "spec", "url"), "oci://ghcr.io/nine-minds/alga-appliance-config");
  assert.equal(fieldAt(source, "spec", "insecure"), undefined);
});

test("the chart versions of the release win over those in the bundle", () => {
  const built = reconcile(sourceObjects(release(), HOME));
  const version = (name: string) => fieldAt(find(built, "HelmRelease", name), "spec", "chart", "spec", "version");
  assert.equal(version("alga-core"), "0.0.2");
  assert.equal(version("temporal"), "0.3.0");
  assert.equal(version("pgbouncer"), "0.1.0");
  const chart = fieldAt(find(built, "HelmRelease", "alga-core"), "spec", "chart", "spec", "chart");
  assert.equal(chart, "sebastian");
});

test("another registry, its CA, its credentials and plain HTTP reach the source and the charts", () => {
  const objects = sourceObjects(release(), MIRROR);
  const built = reconcile(objects);
  for (const object of [
    find(objects, "OCIRepository", "alga-appliance"),
    find(built, "HelmRepository", "alga-charts"),
  ]) {
    assert.equal(fieldAt(object, "spec", "insecure"), true);
    assert.deepEqual(fieldAt(object, "spec", "certSecretRef"), { name: "alga-appliance-registry-ca" });
    assert.deepEqual(fieldAt(object, "spec", "secretRef"), { name: "alga-appliance-registry-auth" });
  }
  assert.equal(
    fieldAt(find(built, "HelmRepository", "alga-charts"), "spec", "url"),
    "oci://harbor.example:5000/alga/charts",
  );
  assert.equal(
    fieldAt(find(objects, "OCIRepository", "alga-appliance"), "spec", "url"),
    "oci://harbor.example:5000/alga/alga-appliance-config",
  );
});

const PINNED = release({
  config: { repository: "ghcr.io/nine-minds/alga-appliance-config", digest: DIGEST, chartSource: "OCIRepository" },
});

test("Flux goes through the proxy of the settings, for the bundle and for the charts, and its login stands only in the Secret", () => {
  const proxy = { https: "http://box:p%40ss@proxy.example:3128" };
  const objects = sourceObjects(PINNED, { ...HOME, proxy });
  const source = find(objects, "OCIRepository", "alga-appliance");
  assert.deepEqual(fieldAt(source, "spec", "proxySecretRef"), { name: "alga-appliance-registry-proxy" });
  const patches = patchesOf(find(objects, "Kustomization", "alga-appliance"));
  const charts = patches.filter(({ target }) => isChartSource(String(target?.name)));
  assert.ok(charts.length > 3);
  for (const { patch } of charts) assert.match(patch, /proxySecretRef:\n +name: alga-appliance-registry-proxy/);
  const data = fieldAt(find(objects, "Secret", "alga-appliance-registry-proxy"), "data") as Record<string, string>;
  const read = Object.entries(data).map(([key, text]) => [key, Buffer.from(text, "base64").toString()]);
  assert.deepEqual(Object.fromEntries(read), {
    address: "http://proxy.example:3128",
    username: "box",
    password: "p@ss",
  });
  assert.doesNotMatch(JSON.stringify(objects.filter((object) => object.kind !== "Secret")), /p@ss|p%40ss|box:/);
});

test("where this process goes directly, Flux does too", () => {
  const proxy = { https: "http://proxy.example:3128", no: ".example" };
  const inHouse = { place: { registry: "harbor.example:5000", base: "alga" }, proxy };
  const kept = { place: { registry: "192.0.2.1:8443", base: "kept" } };
  for (const objects of [
    sourceObjects(PINNED, inHouse),
    sourceObjects(PINNED, { ...HOME, plainHttp: true, proxy }),
    sourceObjects(PINNED, { ...HOME, proxy }, kept),
    sourceObjects(PINNED, HOME),
  ])
    assert.doesNotMatch(JSON.stringify(objects), /proxy/i);
});

test("a proxy that is no address is refused before anything is made", () => {
  assert.throws(() => sourceObjects(PINNED, { ...HOME, proxy: { https: "ftp://proxy.example" } }), {
    code: "config/invalid",
  });
});

test("credentials stand only in the Secret, as Docker's configuration", () => {
  const objects = sourceObjects(release(), MIRROR);
  const text = JSON.stringify(objects.filter((object) => object.kind !== "Secret"));
  assert.doesNotMatch(text, /hunter2|cm9ib3Q6aHVudGVyMg/);
  const secret = find(objects, "Secret", "alga-appliance-registry-auth");
  const config = Buffer.from(String(fieldAt(secret, "data", ".dockerconfigjson")), "base64").toString();
  assert.deepEqual(JSON.parse(config), {
    auths: { "harbor.example:5000": { auth: Buffer.from("robot:hunter2").toString("base64") } },
  });
});

test("another profile reads its values under its own key", () => {
  const built = reconcile(sourceObjects(release({ valuesProfile: "ha" }), HOME));
  assert.deepEqual(fieldAt(find(built, "HelmRelease", "email-service"), "spec", "valuesFrom"), [
    { kind: "ConfigMap", name: "appliance-values-email-service", valuesKey: "email-service.ha.yaml" },
  ]);
});

test("a bundle that pins charts by digest keeps its pins; only their registry is this appliance's own", () => {
  const config = {
    repository: "ghcr.io/nine-minds/alga-appliance-config",
    digest: DIGEST,
    chartSource: "OCIRepository",
  };
  const patches = patchesOf(find(sourceObjects(release({ config }), MIRROR), "Kustomization", "alga-appliance"));
  const source = {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "OCIRepository",
    metadata: { name: "alga-chart-sebastian", namespace: "flux-system" },
    spec: { url: "oci://ghcr.io/nine-minds/charts/sebastian", ref: { tag: "0.0.1", digest: DIGEST } },
  };
  const kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [source.yaml]\n";
  const tree = new Map([
    ["base/kustomization.yaml", kustomization],
    ["base/source.yaml", JSON.stringify(source)],
  ]);
  const [built] = buildTree(tree, "./base", patches);
  assert.equal(fieldAt(built, "spec", "url"), "oci://harbor.example:5000/alga/charts/sebastian");
  assert.deepEqual(fieldAt(built, "spec", "ref"), { tag: "0.0.1", digest: DIGEST });
  assert.deepEqual(fieldAt(built, "spec", "certSecretRef"), { name: "alga-appliance-registry-ca" });
  assert.doesNotMatch(JSON.stringify(patches), /HelmRelease|HelmRepository/);
});

test("the source of a chart is told from the source of the release", () => {
  assert.deepEqual([isChartSource("alga-chart-sebastian"), isChartSource("alga-appliance")], [true, false]);
});
