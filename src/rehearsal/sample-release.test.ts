import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { digestOf, parseDigest } from "../core/digest.ts";
import { buildTree } from "../flux/tree.ts";
import { fieldAt } from "../kube/model.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { readTarGz } from "../oci/tar.ts";
import { componentsOf, parseReleaseManifest } from "../release/model.ts";
import { buildSampleRelease } from "./sample-release.ts";

const OPTIONS = { registry: "registry.test:5000", version: "1.0.3", channels: ["stable", "next"] };

interface Document {
  readonly config: { readonly digest: string; readonly mediaType: string };
  readonly layers: readonly { readonly digest: string; readonly mediaType: string; readonly size: number }[];
}

function documentOf(store: RegistryStore, repository: string, reference: string): Document {
  const stored = store.manifest(repository, reference);
  assert.ok(stored !== undefined, `${repository}:${reference}`);
  return JSON.parse(new TextDecoder().decode(stored.bytes)) as Document;
}

function layerOf(store: RegistryStore, repository: string, reference: string): ReadonlyMap<string, string> {
  const bytes = store.blob(repository, documentOf(store, repository, reference).layers[0]?.digest ?? "");
  assert.ok(bytes !== undefined);
  return new Map([...readTarGz(bytes)].map(([path, content]) => [path, new TextDecoder().decode(content)]));
}

test("the same options give the same digests, also in another store", () => {
  const [one, two] = [createMemoryStore(), createMemoryStore()];
  assert.deepEqual(buildSampleRelease(one, OPTIONS), buildSampleRelease(two, OPTIONS));
});

test("the channels and the version point at the manifest, whose config blob is the release", () => {
  const store = createMemoryStore();
  const { digest, manifest } = buildSampleRelease(store, OPTIONS);
  for (const tag of ["stable", "next", "1.0.3"]) {
    assert.equal(store.manifest("nine-minds/alga-appliance-release", tag)?.digest, digest);
  }
  const { config } = documentOf(store, "nine-minds/alga-appliance-release", "stable");
  const blob = store.blob("nine-minds/alga-appliance-release", config.digest);
  assert.deepEqual(parseReleaseManifest(blob ?? ""), manifest);
});

test("everything that the release names is there, blob by blob", () => {
  const store = createMemoryStore();
  const { manifest, chartDigests } = buildSampleRelease(store, OPTIONS);
  for (const [chart, version] of Object.entries(manifest.charts)) {
    assert.equal(store.manifest(`nine-minds/charts/${chart}`, version)?.digest, chartDigests[chart]);
  }
  for (const repository of store.repositories()) {
    for (const { bytes } of store.manifests(repository)) {
      const document = JSON.parse(new TextDecoder().decode(bytes)) as Document;
      for (const part of [document.config, ...document.layers]) {
        const blob = store.blob(repository, part.digest);
        assert.equal(digestOf(blob ?? ""), parseDigest(part.digest), repository);
      }
    }
  }
});

test("the bundle builds, with the registry and the chart versions of the release in it", () => {
  const store = createMemoryStore();
  const { manifest } = buildSampleRelease(store, { ...OPTIONS, chartVersion: "7.0.0" });
  const tree = layerOf(store, "nine-minds/alga-appliance-config", manifest.config.digest);
  const sources = buildTree(tree, "./base").filter((object) => object.kind === "OCIRepository");
  for (const [chart, digest] of Object.entries(manifest.chartDigests ?? {})) {
    const source = sources.find((object) => object.metadata.name === `alga-chart-${chart}`);
    assert.equal(fieldAt(source, "spec", "url"), `oci://registry.test:5000/nine-minds/charts/${chart}`);
    assert.deepEqual(fieldAt(source, "spec", "ref"), { tag: "7.0.0", digest });
  }
  const releases = [...buildTree(tree, "./base/core"), ...buildTree(tree, "./base/background")];
  assert.deepEqual(
    releases.map((object) => object.metadata.name).sort(),
    componentsOf(manifest)
      .map((component) => component.name)
      .sort(),
  );
  for (const release of releases) {
    const component = componentsOf(manifest).find((one) => one.name === release.metadata.name);
    assert.equal(fieldAt(release, "spec", "chartRef", "name"), `alga-chart-${component?.chart}`);
    assert.equal(fieldAt(release, "spec", "chart"), undefined);
  }
});

test("the charts are charts: a name, a version and templates below one folder", () => {
  const store = createMemoryStore();
  const { manifest } = buildSampleRelease(store, OPTIONS);
  for (const chart of Object.keys(manifest.charts)) {
    const files = layerOf(store, `nine-minds/charts/${chart}`, "0.1.0");
    const meta: unknown = parse(files.get(`${chart}/Chart.yaml`) ?? "");
    assert.equal(fieldAt(meta, "name"), chart);
    assert.equal(fieldAt(meta, "apiVersion"), "v2");
    assert.match(files.get(`${chart}/templates/all.yaml`) ?? "", /^apiVersion: apps\/v1\n/);
  }
  const core = layerOf(store, "nine-minds/charts/sebastian", "0.1.0").get("sebastian/templates/all.yaml") ?? "";
  assert.match(core, /image: "{{ .Values.server.image.name }}:{{ .Values.server.image.tag }}"/);
  assert.match(core, /kind: Job\nmetadata:\n {2}name: alga-core-sebastian-bootstrap/);
});

test("a later release leaves the charts of the earlier one as they were", () => {
  const store = createMemoryStore();
  const first = buildSampleRelease(store, OPTIONS);
  const second = buildSampleRelease(store, { ...OPTIONS, version: "1.1.0", channels: ["nightly"] });
  assert.deepEqual(second.chartDigests, first.chartDigests);
  assert.notEqual(second.digest, first.digest);
});

test("the profile values name the images of this registry", () => {
  const { manifest } = buildSampleRelease(createMemoryStore(), OPTIONS);
  const core: unknown = parse(manifest.profileValues["alga-core.single-node.yaml"] ?? "");
  assert.equal(fieldAt(core, "server", "image", "name"), "registry.test:5000/nine-minds/alga-psa-ee");
});
