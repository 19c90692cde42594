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
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { stringify } from "yaml";
import { FLUX_TEMPLATES } from "../../embed/templates.ts";
import { KUSTOMIZE } from "../../scripts/install-kustomize.ts";
import { sourceObjects } from "../../src/flux/source.ts";
import { buildTree, type Patch } from "../../src/flux/tree.ts";
import { readYaml } from "../../src/flux/yaml.ts";
import { asKubeObject, fieldAt, type KubeObject } from "../../src/kube/model.ts";
import { createMemoryStore } from "../../src/oci/store.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";

const TREE = new Map(Object.entries(FLUX_TEMPLATES));
const FOLDERS = ["base", "base/platform", "base/core", "base/background", "profiles/single-node"];

if (existsSync(KUSTOMIZE)) suite();
else process.stdout.write(`skipped: kustomize is not at ${KUSTOMIZE} (bun scripts/install-kustomize.ts)\n`);

function suite(): void {
  const work = mkdtempSync(join(tmpdir(), "kustomize-"));
  cpSync(join(import.meta.dirname, "../../flux"), work, { recursive: true });
  after(() => rmSync(work, { recursive: true }));

  describe("kustomize builds what we build", () => {
    for (const folder of FOLDERS) {
      it(folder, () => same(realBuild(work, folder), buildTree(TREE, folder)));
    }

    it("base with the patches of the parent, and each child with its own", () => {
      const parent = sampleParent();
      const top = patchedBuild(work, "base", patchesOf(parent));
      same(top, buildTree(TREE, "base", patchesOf(parent)));
      const children = top.filter((object) => object.kind === "Kustomization");
      assert.equal(children.length, 3);
      for (const child of children) {
        const folder = String(fieldAt(child, "spec", "path")).replace("./", "");
        same(patchedBuild(work, folder, patchesOf(child)), buildTree(TREE, folder, patchesOf(child)));
      }
    });
  });
}

/** The parent of an appliance behind a mirror with a CA and plain HTTP: every patch that there can be. */
function sampleParent(): KubeObject {
  const place = { registry: "harbor.example:5000", base: "alga" };
  const release = buildSampleRelease(createMemoryStore(), {
    registry: place.registry,
    base: place.base,
    version: "1.0.3",
  });
  const manifest = { ...release.manifest, valuesProfile: "ha" };
  const objects = sourceObjects({ manifest, digest: release.digest }, { place, plainHttp: true, ca: "PEM" });
  const parent = objects.find((object) => object.kind === "Kustomization");
  assert.ok(parent !== undefined);
  return parent;
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
