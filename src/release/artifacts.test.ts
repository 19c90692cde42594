import assert from "node:assert/strict";
import { test } from "node:test";
import { pulledName } from "./additional-images.ts";
import { wantedArtifacts } from "./artifacts.ts";
import { locate, locateImage } from "./location.ts";
import { readReleaseManifest } from "./model.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const PUBLISHED = "ghcr.io/nine-minds";
const HOME = { registry: "ghcr.io", base: "nine-minds" };
const MIRROR = { registry: "harbor.example", base: "proxy/alga" };

const BASE = {
  version: "1.0.3",
  images: { algaCore: "abc" },
  config: { repository: "oci://ghcr.io/nine-minds/alga-appliance-config", digest: DIGEST },
};

function wanted(change: object, place = HOME): readonly string[] {
  const manifest = readReleaseManifest({ ...BASE, ...change });
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

const IMAGES = [
  { reference: "docker.io/library/postgres:16", digest: DIGEST },
  { reference: "quay.example:5000/tools/postgres:16", digest: DIGEST },
  { reference: "ghcr.io/nine-minds/tools/base:1", digest: DIGEST },
];

test("images of others keep their names at home, and lie apart by their hosts below a mirror's base", () => {
  const own = wanted({ additionalImages: IMAGES }).slice(2);
  assert.deepEqual(own, [
    "image docker.io/library/postgres docker.io/library/postgres:16@",
    "image quay.example:5000/tools/postgres quay.example:5000/tools/postgres:16@",
    "image ghcr.io/nine-minds/tools/base ghcr.io/nine-minds/tools/base:1@",
  ]);
  const mirrored = wanted({ additionalImages: IMAGES }, MIRROR).slice(2);
  assert.deepEqual(
    mirrored.map((line) => line.split(" ").at(-1)),
    [
      "harbor.example/proxy/alga/images/docker.io/library/postgres:16@",
      "harbor.example/proxy/alga/images/quay.example_5000/tools/postgres:16@",
      "harbor.example/proxy/alga/tools/base:1@",
    ],
  );
});

test("an image of others is asked for by its digest, and named with its tag where there are several of it", () => {
  const two = [...IMAGES, { reference: "docker.io/library/postgres:15", digest: DIGEST }];
  const listed = wantedArtifacts(readReleaseManifest({ ...BASE, additionalImages: two }), HOME).slice(2);
  assert.ok(listed.every((one) => one.byDigest === true && one.digest === DIGEST));
  assert.deepEqual(
    listed.map((one) => one.name),
    [
      "image docker.io/library/postgres:16",
      "image quay.example:5000/tools/postgres",
      "image ghcr.io/nine-minds/tools/base",
      "image docker.io/library/postgres:15",
    ],
  );
});

test("a box of a mirror pulls a pinned image from it by digest; at home, and unlisted, names stay", () => {
  const manifest = readReleaseManifest({ ...BASE, additionalImages: IMAGES });
  const pulled = `harbor.example/proxy/alga/images/docker.io/library/postgres@${DIGEST}`;
  assert.equal(pulledName("postgres:16", { manifest, place: MIRROR }), pulled);
  assert.equal(pulledName("postgres:16", { manifest, place: HOME }), "postgres:16");
  assert.equal(pulledName("postgres:15", { manifest, place: MIRROR }), "postgres:15");
  assert.equal(pulledName("postgres:16", { manifest: readReleaseManifest(BASE), place: MIRROR }), "postgres:16");
});
