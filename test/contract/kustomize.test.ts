/**
 * The real kustomize builds our bundle, and what it builds is what `src/flux/tree.ts` builds: plain, with the patches of the
 * parent, and with those of each child.
 *
 * Runs where `bun scripts/install-kustomize.ts` has put the command; elsewhere it says so and passes nothing off as tested.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { stringify } from "yaml";
import { FLUX_TEMPLATES } from "../../embed/templates.ts";
import { KUSTOMIZE } from "../../scripts/install-kustomize.ts";
import { imageRenames } from "../../src/flux/images.ts";
import { sourceObjects } from "../../src/flux/source.ts";
import { buildTree, type FileTree, type Patch } from "../../src/flux/tree.ts";
import { readYaml } from "../../src/flux/yaml.ts";
import { asKubeObject, fieldAt, type KubeObject, listAt, textAt } from "../../src/kube/model.ts";
import { createMemoryStore } from "../../src/oci/store.ts";
import { readTarGz } from "../../src/oci/tar.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { readReleaseManifest } from "../../src/release/model.ts";

const TREE = new Map(Object.entries(FLUX_TEMPLATES));
/** What is published: the tree with every chart pinned by digest. */
const BUNDLE = publishedBundle();
const FOLDERS = ["base", "base/platform", "base/core", "base/background", "profiles/single-node"];

if (existsSync(KUSTOMIZE)) suite();
else process.stdout.write(`skipped: kustomize is not at ${KUSTOMIZE} (bun scripts/install-kustomize.ts)\n`);

function suite(): void {
  const work = mkdtempSync(join(tmpdir(), "kustomize-"));
  cpSync(join(import.meta.dirname, "../../flux"), work, { recursive: true });
  after(() => rmSync(work, { recursive: true }));

  const published = join(work, "published");
  for (const [path, text] of BUNDLE) {
    mkdirSync(dirname(join(published, path)), { recursive: true });
    writeFileSync(join(published, path), text);
  }

  describe("kustomize builds what we build", () => {
    for (const folder of FOLDERS) {
      it(folder, () => same(realBuild(work, folder), buildTree(TREE, folder)));
      it(`${folder}, as it is published`, () => same(realBuild(published, folder), buildTree(BUNDLE, folder)));
    }

    it("a bundle of the older form with the patches of the parent, and each child with its own", () => {
      checkChain(work, TREE, sampleParent("HelmRepository"));
    });

    it("a published bundle with the patches of the parent, and each child with its own", () => {
      const top = checkChain(published, BUNDLE, sampleParent("OCIRepository"));
      const charts = top.filter((object) => object.metadata.name.startsWith("alga-chart-"));
      assert.equal(charts.length, 6);
      for (const chart of charts) {
        assert.match(String(fieldAt(chart, "spec", "url")), /^oci:\/\/harbor\.example:5000\/alga\/charts\//);
        assert.match(String(fieldAt(chart, "spec", "ref", "digest")), /^sha256:/);
      }
    });

    it("renames images of one tag and in every spelling, as helm-controller's post renderer asks it to", () => {
      const folder = join(work, "renamed");
      mkdirSync(folder);
      const written = [
        "postgres:16",
        "docker.io/library/postgres:16",
        `postgres:16@${DIGEST}`,
        "postgres:15",
        "postgres",
      ];
      const pod = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "x" },
        spec: { containers: written.map((image, at) => ({ name: `c${at}`, image })) },
      };
      writeFileSync(join(folder, "pod.yaml"), stringify(pod));
      const images = imageRenames(postgresRelease(), { registry: "harbor.example:5000", base: "alga" });
      const build = {
        apiVersion: "kustomize.config.k8s.io/v1beta1",
        kind: "Kustomization",
        resources: ["pod.yaml"],
        images,
      };
      writeFileSync(join(folder, "kustomization.yaml"), stringify(build));
      const moved = `harbor.example:5000/alga/images/docker.io/library/postgres@${OURS}`;
      assert.deepEqual(
        listAt(realBuild(work, "renamed")[0], "spec", "containers").map((one) => textAt(one, "image")),
        [moved, moved, moved, "postgres:15", "postgres"],
      );
    });
  });
}

const DIGEST = `sha256:${"a".repeat(64)}`;
const OURS = `sha256:${"b".repeat(64)}`;

function postgresRelease() {
  return readReleaseManifest({
    version: "1.0.3",
    images: { algaCore: "x" },
    config: { repository: "ghcr.io/nine-minds/alga-appliance-config", digest: DIGEST },
    additionalImages: [{ reference: "docker.io/library/postgres:16", digest: OURS }],
  });
}

/** The parent, then each child with the patches that it got: real and ours alike. */
function checkChain(folder: string, tree: FileTree, parent: KubeObject): readonly KubeObject[] {
  const top = patchedBuild(folder, "base", patchesOf(parent));
  same(top, buildTree(tree, "base", patchesOf(parent)));
  const children = top.filter((object) => object.kind === "Kustomization");
  assert.equal(children.length, 3);
  for (const child of children) {
    const path = String(fieldAt(child, "spec", "path")).replace("./", "");
    same(patchedBuild(folder, path, patchesOf(child)), buildTree(tree, path, patchesOf(child)));
  }
  return top;
}

/** The parent of an appliance behind a mirror with a CA and plain HTTP: every patch that there can be. */
function sampleParent(chartSource: "HelmRepository" | "OCIRepository"): KubeObject {
  const place = { registry: "harbor.example:5000", base: "alga" };
  const release = buildSampleRelease(createMemoryStore(), {
    registry: "ghcr.io",
    base: "nine-minds",
    version: "1.0.3",
    additional: "mirrored",
  });
  const config = { ...release.manifest.config, chartSource };
  const manifest = { ...release.manifest, config, valuesProfile: "ha" };
  const objects = sourceObjects({ manifest, digest: release.digest }, { place, plainHttp: true, ca: "PEM" });
  const parent = objects.find((object) => object.kind === "Kustomization");
  assert.ok(parent !== undefined);
  return parent;
}

function publishedBundle(): FileTree {
  const store = createMemoryStore();
  const { configDigest } = buildSampleRelease(store, { registry: "ghcr.io", version: "1.0.3" });
  const repository = "nine-minds/alga-appliance-config";
  const document: unknown = JSON.parse(new TextDecoder().decode(store.manifest(repository, configDigest)?.bytes));
  const layer = store.blob(repository, textAt(listAt(document, "layers")[0], "digest") ?? "") ?? new Uint8Array();
  return new Map([...readTarGz(layer)].map(([path, bytes]) => [path, new TextDecoder().decode(bytes)]));
}

function patchesOf(object: KubeObject): readonly Patch[] {
  return (fieldAt(object, "spec", "patches") ?? []) as readonly Patch[];
}

function realBuild(work: string, folder: string): readonly KubeObject[] {
  const flags = ["--load-restrictor", "LoadRestrictionsNone"];
  const text = execFileSync(KUSTOMIZE, ["build", ...flags, join(work, folder)], { encoding: "utf8", timeout: 60_000 });
  return readYaml(text, { what: folder, code: "flux/bad-artifact" }).map((value) => asKubeObject(value, folder));
}

/** As the controller does: the patches of the Flux Kustomization go into a kustomization.yaml around the folder. */
function patchedBuild(work: string, folder: string, patches: readonly Patch[]): readonly KubeObject[] {
  const around = `around-${folder.replaceAll("/", "-")}`;
  mkdirSync(join(work, around), { recursive: true });
  const build = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: [`../${folder}`],
    patches,
  };
  writeFileSync(join(work, around, "kustomization.yaml"), stringify(build));
  return realBuild(work, around);
}

function same(real: readonly KubeObject[], ours: readonly KubeObject[]): void {
  const byKey = (objects: readonly KubeObject[]) =>
    Object.fromEntries(
      objects.map((object) => [
        `${object.apiVersion} ${object.kind} ${object.metadata.namespace ?? ""} ${object.metadata.name}`,
        object,
      ]),
    );
  assert.ok(real.length > 0);
  assert.deepEqual(byKey(real), byKey(ours));
}
