import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../core/digest.ts";
import { readReleaseManifest } from "../release/model.ts";
import type { ResolvedRelease } from "../release/resolved.ts";
import { differenceOf } from "./difference.ts";

const PLACE = "registry.test/nine-minds";

interface Made {
  readonly version?: string;
  readonly image?: string;
  readonly values?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly isImageMissing?: boolean;
}

function made(given: Made = {}): ResolvedRelease {
  const { version = "1.0.0", image = "one", values = "a: 1\n" } = given;
  const manifest = readReleaseManifest({
    version,
    images: { algaCore: "tag" },
    config: { repository: `${PLACE}/alga-appliance-config`, digest: digestOf("bundle") },
    profileValues: { "alga-core.single-node.yaml": values },
    ...given.fields,
  });
  const reference = `${PLACE}/alga-psa-ee:tag`;
  const name = "image algaCore";
  const isMissing = given.isImageMissing === true;
  return {
    ref: { version },
    manifest,
    digest: digestOf(version),
    registry: "registry.test",
    repository: "nine-minds/alga-appliance-release",
    verifiedBy: "none",
    artifacts: [
      {
        name: "config",
        kind: "config",
        reference: `${PLACE}/alga-appliance-config`,
        digest: digestOf("bundle"),
        sizeBytes: 7,
      },
      ...(isMissing ? [] : [{ name, kind: "image" as const, reference, digest: digestOf(image), sizeBytes: 100 }]),
    ],
    missing: isMissing ? [{ name, reference, problem: "not there" }] : [],
    resolvedAt: "2026-01-01T00:00:00Z",
    roundTrips: 1,
  };
}

const changed = (from: Made, to: Made) =>
  differenceOf(made(from), made(to)).changes.map((one) => [one.name, one.from, one.to]);

test("the same content under another version is no change, and nothing is downloaded", () => {
  const difference = differenceOf(made(), made({ version: "1.0.1" }));
  assert.deepEqual([difference.changes, difference.downloads, difference.downloadBytes], [[], [], 0]);
  assert.deepEqual([difference.from.version, difference.to.version], ["1.0.0", "1.0.1"]);
});

test("a tag that was moved is a change, and only what is new is downloaded", () => {
  const difference = differenceOf(made(), made({ image: "two" }));
  assert.deepEqual(difference.changes, [
    { kind: "artifact", name: "image algaCore", from: `tag@${digestOf("one")}`, to: `tag@${digestOf("two")}` },
  ]);
  assert.deepEqual([difference.downloads.map((one) => one.name), difference.downloadBytes], [["image algaCore"], 100]);
});

test("values are compared by path: order and comments are no change, null is not absence", () => {
  const file = "alga-core.single-node.yaml";
  assert.deepEqual(changed({ values: "a: 1\nb: 2\n" }, { values: "# other order\nb: 2\na: 1\n" }), []);
  assert.deepEqual(changed({ values: "a: {x: 1, y: [1]}\n" }, { values: "a: {x: 2, y: [1, 2]}\nn: null\n" }), [
    [`${file} a.x`, 1, 2],
    [`${file} a.y`, "[1]", "[1,2]"],
    [`${file} n`, null, "null"],
  ]);
});

test("fields that are not known here are compared too", () => {
  assert.deepEqual(changed({}, { fields: { minimumControlPlane: "2.0.0", later: { a: 1 } } }), [
    ["later", null, '{"a":1}'],
    ["minimumControlPlane", null, "2.0.0"],
  ]);
});

test("an image that the registry does not show is told, and not counted", () => {
  const difference = differenceOf(made(), made({ isImageMissing: true }));
  assert.deepEqual(
    difference.unknown.map((one) => one.name),
    ["image algaCore"],
  );
  assert.equal(difference.downloadBytes, 0);
});

test("values that are no YAML, or an alias bomb, are refused by name", () => {
  const bomb = `a: &a [x]\nb: [${"*a, ".repeat(40)}*a]\n`;
  for (const values of ["a: 1\na: 2\n", "{", bomb]) {
    assert.throws(() => differenceOf(made(), made({ values })), {
      code: "release/invalid-manifest",
      message: /"alga-core\.single-node\.yaml"/,
    });
  }
});

test("an image of others that has moved is a change under its name, also where the registry of the release does not show it", () => {
  const images = (tag: string, digest: string) => ({
    fields: { additionalImages: [{ reference: `docker.io/library/postgres:${tag}`, digest: digestOf(digest) }] },
  });
  assert.deepEqual(changed(images("16", "a"), images("17", "b")), [
    ["image docker.io/library/postgres", `16@${digestOf("a")}`, `17@${digestOf("b")}`],
  ]);
  assert.deepEqual(changed({}, images("16", "a")), [["image docker.io/library/postgres", null, `16@${digestOf("a")}`]]);
  assert.deepEqual(changed(images("16", "a"), images("16", "a")), []);
});
