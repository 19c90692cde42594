import assert from "node:assert/strict";
import { test } from "node:test";
import { wantedArtifacts } from "./artifacts.ts";
import { locate, locateImage } from "./location.ts";
import { readReleaseManifest } from "./model.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const PUBLISHED = "ghcr.io/nine-minds";
const HOME = { registry: "ghcr.io", base: "nine-minds" };
const MIRROR = { registry: "harbor.example", base: "proxy/alga" };

function wanted(change: object, place = HOME): readonly string[] {
  const manifest = readReleaseManifest({
    version: "1.0.3",
    images: { algaCore: "abc" },
    config: { repository: "oci://ghcr.io/nine-minds/alga-appliance-config", digest: DIGEST },
    ...change,
  });
  return wantedArtifacts(manifest, place).map(
    ({ name, repository, tag, digest }) =>
      `${name} ${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : "@"}`,
  );
}

test("asks for the bundle by digest, for images by tag, and for nothing that the release does not name", () => {
  assert.deepEqual(wanted({}), [
    "config ghcr.io/nine-minds/alga-appliance-config@",
    "image algaCore ghcr.io/nine-minds/alga-psa-ee:abc",
  ]);
});

test("writes the '+' of a chart version as '_', as Helm does, and keeps what pins it", () => {
  const charts = { charts: { sebastian: "0.0.1+build.7" }, chartDigests: { sebastian: DIGEST } };
  assert.ok(wanted(charts).includes("chart sebastian ghcr.io/nine-minds/charts/sebastian:0.0.1_build.7@"));
});

const controlPlanes: readonly (readonly [string, string])[] = [
  ["62cdce38", "ghcr.io/nine-minds/alga-appliance-control-plane:62cdce38"],
  ["ghcr.io/nine-minds/cp:1.2", "ghcr.io/nine-minds/cp:1.2"],
  [`ghcr.io/nine-minds/cp@${DIGEST}`, "ghcr.io/nine-minds/cp@"],
  [`ghcr.io/nine-minds/cp:1.2@${DIGEST}`, "ghcr.io/nine-minds/cp:1.2@"],
];
for (const [text, expected] of controlPlanes) {
  test(`reads the control-plane image ${text.slice(0, 40)}`, () => {
    assert.ok(wanted({ controlPlane: text }).includes(`control-plane image ${expected}`));
  });
}

test("a null control plane is left as it is", () => {
  assert.equal(wanted({ controlPlane: null }).length, 2);
});

test("behind a mirror everything is asked of the mirror", () => {
  const flux = { flux: { repository: "ghcr.io/fluxcd/flux-manifests", digest: DIGEST }, controlPlane: "x" };
  assert.deepEqual(wanted(flux, MIRROR), [
    "config harbor.example/proxy/alga/alga-appliance-config@",
    "flux harbor.example/proxy/alga/flux-manifests@",
    "image algaCore harbor.example/proxy/alga/alga-psa-ee:abc",
    "control-plane image harbor.example/proxy/alga/alga-appliance-control-plane:x",
  ]);
});

test("at home Flux stays where its own publisher has it", () => {
  const options = { published: PUBLISHED, place: HOME };
  assert.equal(locate("ghcr.io/fluxcd/flux-manifests", options), "ghcr.io/fluxcd/flux-manifests");
});

test("only the publisher's own images move to a mirror", () => {
  const options = { published: PUBLISHED, place: MIRROR };
  assert.equal(locateImage("ghcr.io/nine-minds/a/b", options), "harbor.example/proxy/alga/a/b");
  assert.equal(locateImage("ankane/pgvector", options), "ankane/pgvector");
});
