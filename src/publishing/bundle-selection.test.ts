import assert from "node:assert/strict";
import { test } from "node:test";
import { type Digest, digestOf } from "../core/digest.ts";
import { pushArtifact, pushIndex } from "../oci/artifact.ts";
import { MEDIA } from "../oci/media-types.ts";
import { createMemoryStore } from "../oci/store.ts";
import { type SelectedManifest, selectContents } from "./bundle-selection.ts";
import { HAVE_SCHEMA, type HaveList } from "./have-list.ts";

const store = createMemoryStore();
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
/** As large as the layer of an image; what is called small is a signature. */
const contentOf = (name: string): Uint8Array => bytesOf(name.repeat(name === "small" ? 1 : 10_000));
const layerOf = (name: string): Digest => digestOf(contentOf(name));
const image = (...layers: readonly string[]): Digest =>
  pushArtifact(store, "image", {
    config: { mediaType: MEDIA.config, bytes: bytesOf(`config of ${layers}`) },
    layers: layers.map((text) => ({ mediaType: MEDIA.layerTar, bytes: contentOf(text) })),
  });
const [old, next] = [image("base", "old"), image("base", "next")];
const [amd64, arm64] = [image("amd64"), image("arm64")];
const platform = (architecture: string) => ({ os: "linux", architecture });
const index = pushIndex(store, "image", {
  entries: [
    { digest: amd64, platform: platform("amd64") },
    { digest: arm64, platform: platform("arm64") },
  ],
});

function manifests(...digests: readonly Digest[]): readonly SelectedManifest[] {
  return digests.map((digest) => {
    const found = store.manifest("image", digest);
    assert.ok(found !== undefined);
    return { descriptor: { mediaType: found.mediaType, digest, size: found.bytes.length }, bytes: found.bytes };
  });
}

const have = (more: Partial<HaveList>): HaveList => ({ schema: HAVE_SCHEMA, content: [], images: [], ...more });
const layers = (selection: ReturnType<typeof selectContents>): readonly string[] =>
  selection.blobs.filter((one) => one.mediaType === MEDIA.layerTar).map((one) => one.digest);

test("without a list everything goes along, each blob once", () => {
  const { blobs, leftOut } = selectContents(manifests(old, next), {});
  assert.deepEqual(layers({ blobs, leftOut }), ["base", "old", "next"].map(layerOf));
  assert.equal(blobs.length, 5);
  assert.deepEqual(leftOut, []);
});

test("what the store has is left out, but never a config", () => {
  const config = digestOf("config of base,next");
  const { blobs, leftOut } = selectContents(manifests(next), { have: have({ content: [layerOf("base"), config] }) });
  assert.deepEqual(layers({ blobs, leftOut }), [layerOf("next")]);
  assert.ok(blobs.some((one) => one.digest === config));
  assert.deepEqual(leftOut, [{ digest: layerOf("base"), size: 40_000, why: "store" }]);
});

test("of an image that the node holds only what nothing else needs is left out", () => {
  const selection = selectContents(manifests(old, next), { have: have({ images: [old], platform: "linux/amd64" }) });
  assert.deepEqual([...layers(selection)].sort(), ["base", "next"].map(layerOf).sort());
  assert.deepEqual(selection.leftOut, [{ digest: layerOf("old"), size: 30_000, why: "node" }]);
});

test("an index that the node holds stands for its own platform alone", () => {
  const all = manifests(index, amd64, arm64);
  const selection = selectContents(all, { have: have({ images: [index], platform: "linux/amd64" }) });
  assert.deepEqual(layers(selection), [layerOf("arm64")]);
  assert.deepEqual(selection.leftOut, [{ digest: layerOf("amd64"), size: 50_000, why: "node" }]);
});

test("entries of an index that were not taken are told as another platform", () => {
  const { leftOut } = selectContents(manifests(index, amd64), {});
  assert.deepEqual(
    leftOut.map(({ digest, why }) => [digest, why]),
    [[arm64, "platform"]],
  );
});

test("what is small goes along, also when the box has it", () => {
  const small = image("small");
  const selection = selectContents(manifests(small), { have: have({ content: [layerOf("small")], images: [small] }) });
  assert.deepEqual(layers(selection), [layerOf("small")]);
  assert.deepEqual(selection.leftOut, []);
});
