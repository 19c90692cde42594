import assert from "node:assert/strict";
import { test } from "node:test";
import { type KubeObject, listAt, textAt } from "../kube/model.ts";
import { createMemoryStore } from "../oci/store.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { readReleaseManifest } from "../release/model.ts";
import { imageRenames, imagesOf, withImagesOf } from "./images.ts";
import { sourceObjects } from "./source.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const HOME = { registry: "ghcr.io", base: "nine-minds" };
const MIRROR = { registry: "harbor.example", base: "alga" };
const manifest = readReleaseManifest({
  version: "1.0.3",
  images: { algaCore: "abc" },
  config: { repository: "ghcr.io/nine-minds/alga-appliance-config", digest: DIGEST },
  additionalImages: [
    { reference: "ghcr.io/fluxcd/source-controller:v1", digest: DIGEST },
    { reference: "docker.io/library/postgres:16", digest: DIGEST },
  ],
});

const deployment = (image: string): KubeObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "x" },
  spec: { template: { spec: { initContainers: [{ image: "busybox:1" }], containers: [{ name: "manager", image }] } } },
});
const imageIn = (object: KubeObject | undefined): string | undefined =>
  textAt(listAt(object, "spec", "template", "spec", "containers")[0], "image");

test("the images of Deployments are found once each, in their normal form", () => {
  const objects = [deployment("ghcr.io/fluxcd/a:1"), deployment("ghcr.io/fluxcd/a:1"), deployment("redis")];
  assert.deepEqual(imagesOf(objects), [
    "docker.io/library/busybox:1",
    "docker.io/library/redis:latest",
    "ghcr.io/fluxcd/a:1",
  ]);
  assert.deepEqual(imagesOf([{ apiVersion: "v1", kind: "Pod", metadata: { name: "x" } }]), []);
});

test("Flux's Deployments name the mirror by digest, and keep their names at the publisher's own registry", () => {
  const given = [deployment("ghcr.io/fluxcd/source-controller:v1"), deployment("ghcr.io/fluxcd/other:v1")];
  const moved = withImagesOf(given, { manifest, place: MIRROR });
  assert.equal(imageIn(moved[0]), `harbor.example/alga/images/ghcr.io/fluxcd/source-controller@${DIGEST}`);
  assert.equal(imageIn(moved[1]), "ghcr.io/fluxcd/other:v1", "an image that the release does not list keeps its name");
  assert.deepEqual(withImagesOf(given, { manifest, place: HOME }), given);
  assert.equal(imageIn(given[0]), "ghcr.io/fluxcd/source-controller:v1", "what was given is not changed");
});

test("charts' images are renamed by name and tag, in every spelling, and nowhere at home", () => {
  const rows = imageRenames(manifest, MIRROR);
  const target = { newName: "harbor.example/alga/images/docker.io/library/postgres", digest: DIGEST };
  for (const name of ["postgres:16", "library/postgres:16", "docker.io/postgres:16", "docker.io/library/postgres:16"]) {
    assert.deepEqual(
      rows.find((row) => row.name === name),
      { name, ...target },
    );
  }
  assert.ok(
    rows.every((row) => /:[^/]+$/.test(row.name)),
    "a row without a tag would take every tag of that name",
  );
  assert.deepEqual(imageRenames(manifest, HOME), []);
});

test("on a box of a mirror each HelmRelease gets the renames, and at home none", () => {
  const { manifest: sample, digest } = buildSampleRelease(createMemoryStore(), {
    registry: "ghcr.io",
    version: "1.0.3",
    additional: "mirrored",
  });
  const patches = (place: typeof HOME): string =>
    JSON.stringify(sourceObjects({ manifest: sample, digest }, { place }));
  assert.equal(patches(MIRROR).match(/postRenderers/g)?.length, 6);
  assert.ok(!patches(HOME).includes("postRenderers"));
});
