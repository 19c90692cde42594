import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FLUX_TEMPLATES } from "../../embed/templates.ts";
import { CLOCK, sourceTree, TREE, world } from "../../test/support/source-tree.ts";
import { lockSource } from "./lock.ts";
import { reviewSource } from "./review-source.ts";
import { parseSource } from "./source.ts";
import { reviewImages, reviewText } from "./unlisted-images.ts";

const EXAMPLE = readFileSync(join(import.meta.dirname, "../../examples/release/release.yaml"), "utf8");
const chart = (template: string) => new Map([["templates/a.yaml", new TextEncoder().encode(template)]]);

function review(template: string, text = EXAMPLE) {
  return reviewImages({ source: parseSource(text), charts: new Map([["pgbouncer", chart(template)]]), values: {} });
}

test("an image that is listed, in any spelling, is the release's own, or is baked, is nothing to tell", () => {
  for (const image of [
    "ankane/pgvector:v0.5.1",
    "docker.io/ankane/pgvector:v0.5.1",
    "ghcr.io/nine-minds/alga-psa-ee:any",
    "localhost/lab-parts:1",
  ]) {
    assert.deepEqual(review(`image: ${image}`), { unlisted: [], unread: [] }, image);
  }
});

test("another tag of a listed image, and one that nobody lists, are told with who wants them and the line to add", () => {
  const found = review("image: ankane/pgvector:v0.8.0\nimage: edoburu/pgbouncer:1.24.1\n");
  assert.deepEqual(found.unlisted, [
    { image: "docker.io/ankane/pgvector:v0.8.0", wantedBy: ["chart pgbouncer"] },
    { image: "docker.io/edoburu/pgbouncer:1.24.1", wantedBy: ["chart pgbouncer"] },
  ]);
  const text = reviewText(found).join("\n");
  const lines = text.slice(text.indexOf("additionalImages:")).split("\n");
  assert.deepEqual(lines, [
    "additionalImages:",
    "  - docker.io/ankane/pgvector:v0.8.0 # chart pgbouncer",
    "  - docker.io/edoburu/pgbouncer:1.24.1 # chart pgbouncer",
  ]);
  const mended = EXAMPLE.replace("additionalImages:", lines.join("\n"));
  assert.deepEqual(review("image: ankane/pgvector:v0.8.0\nimage: edoburu/pgbouncer:1.24.1\n", mended).unlisted, []);
});

test("the images of the storage provisioner are wanted too", () => {
  const text = EXAMPLE.replace(/ {2}- docker\.io\/(library|rancher)\/.*\n/g, "");
  assert.deepEqual(
    review("", text).unlisted.map(({ image }) => image),
    ["docker.io/library/busybox:1.37", "docker.io/rancher/local-path-provisioner:v0.0.31"],
  );
});

test("a tree that was locked is looked through with fetched charts and the values of the release; the example lacks nothing", async () => {
  const files = await sourceTree();
  await lockSource({ files, clock: CLOCK }, TREE, world().options());
  const given = { folder: TREE, embeddedTree: FLUX_TEMPLATES };
  assert.deepEqual(await reviewSource({ files }, given), { unlisted: [], unread: [] });
  const template = `${TREE}/charts/pgbouncer/templates/all.yaml`;
  const text = files.snapshot().get(template) ?? assert.fail();
  await files.write(template, text.replace(/image: .*/, "image: edoburu/pgbouncer:1.24.1"));
  const { unlisted } = await reviewSource({ files }, given);
  assert.deepEqual(
    unlisted.map(({ image }) => image),
    ["docker.io/edoburu/pgbouncer:1.24.1"],
  );
});

test("a chart that cannot be read is told, and the others are looked through", async () => {
  const files = await sourceTree();
  await files.remove(`${TREE}/charts/pgbouncer/Chart.yaml`);
  const { unread } = await reviewSource({ files }, { folder: TREE, embeddedTree: FLUX_TEMPLATES });
  assert.match(unread.join("\n"), /^chart pgbouncer: Cannot .*there is no Chart\.yaml/);
});
