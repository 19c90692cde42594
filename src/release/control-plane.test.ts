/** Which image a release's `controlPlane` means, in every form that was ever published; a port of a registry is no tag. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Digest } from "../core/digest.ts";
import { controlPlaneImage, isNamedBy } from "./control-plane.ts";

const DIGEST = `sha256:${"a".repeat(64)}` as Digest;
const OTHER = `sha256:${"b".repeat(64)}` as Digest;
const PLACE = { registry: "harbor.example:5000", base: "alga" };
const HERE = "harbor.example:5000/alga/alga-appliance-control-plane";
const THERE = "ghcr.io/nine-minds/alga-appliance-control-plane";

const PUBLISHED = "ghcr.io/nine-minds/alga-appliance-config";
type Manifest = Parameters<typeof controlPlaneImage>[0];

const named = (text: string | null) =>
  controlPlaneImage(
    { controlPlane: text, config: { repository: `oci://${PUBLISHED}`, tag: "1.0.3", digest: DIGEST } } as Manifest,
    PLACE,
  );

describe("the control plane of a release", () => {
  for (const [text, wanted] of [
    ["62cdce38", { repository: HERE, tag: "62cdce38" }],
    ["v1.0.3-rc_1", { repository: HERE, tag: "v1.0.3-rc_1" }],
    [DIGEST, { repository: HERE, digest: DIGEST }],
    [`62cdce38@${DIGEST}`, { repository: HERE, tag: "62cdce38", digest: DIGEST }],
    ["other.example:8443/x/cp", { repository: "harbor.example:5000/alga/cp" }],
    ["other.example:8443/x/cp:1", { repository: "harbor.example:5000/alga/cp", tag: "1" }],
    [`other.example:8443/x/cp@${DIGEST}`, { repository: "harbor.example:5000/alga/cp", digest: DIGEST }],
    [`other.example:8443/x/cp:1@${DIGEST}`, { repository: "harbor.example:5000/alga/cp", tag: "1", digest: DIGEST }],
  ] as const) {
    it(`"${text.slice(0, 40)}" is ${wanted.repository}`, () => assert.deepEqual(named(text), wanted));
  }
  it("of the publisher lies in the mirror that the box uses", () => {
    assert.deepEqual(named(`${THERE}:1`), { repository: HERE, tag: "1" });
  });
  it("keeps the port of its registry where the box reads from the publisher itself", () => {
    const repository = "other.example:8443/x/alga-appliance-config";
    const manifest = { controlPlane: "other.example:8443/x/cp", config: { repository } } as Manifest;
    const place = { registry: "other.example:8443", base: "x" };
    assert.deepEqual(controlPlaneImage(manifest, place), { repository: "other.example:8443/x/cp" });
  });
  it("is none where the release names none", () => assert.equal(named(null), undefined));
});

describe("an image of the cluster", () => {
  for (const [image, name, seen, wanted] of [
    [`${HERE}@${DIGEST}`, { repository: HERE, digest: DIGEST }, undefined, true],
    [`${HERE}@${OTHER}`, { repository: HERE, digest: DIGEST }, undefined, false],
    [`${HERE}@${DIGEST}`, { repository: HERE, tag: "1" }, DIGEST, true],
    [`${HERE}@${DIGEST}`, { repository: HERE, tag: "1" }, undefined, false],
    [`${HERE}:1`, { repository: HERE, tag: "1" }, undefined, true],
    [`${HERE}:1`, { repository: HERE, tag: "1", digest: DIGEST }, undefined, false],
    [`${THERE}@${DIGEST}`, { repository: HERE, digest: DIGEST }, undefined, false],
  ] as const) {
    it(`"${image.slice(0, 70)}" is ${wanted ? "" : "not "}that of ${JSON.stringify(name).slice(0, 90)}`, () =>
      assert.equal(isNamedBy(image, name, seen), wanted));
  }
});
