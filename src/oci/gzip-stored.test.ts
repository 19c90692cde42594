import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { digestOf } from "../core/digest.ts";
import { gzipStored } from "./gzip-stored.ts";

test("what is wrapped comes out again, at every border of a block", () => {
  for (const size of [0, 1, 65_534, 65_535, 65_536, 131_070, 131_071, 300_000]) {
    const bytes = new Uint8Array(size).map((_byte, at) => (at * 2654435761) >>> 24);
    const zipped = gzipStored(bytes);
    assert.equal(digestOf(new Uint8Array(gunzipSync(zipped))), digestOf(bytes), String(size));
    assert.equal(zipped.length, size + 18 + 5 * Math.max(1, Math.ceil(size / 65_535)));
  }
});

test("the bytes are those of the specification, today and in ten years", () => {
  const hex = Buffer.from(gzipStored(new TextEncoder().encode("hello"))).toString("hex");
  assert.equal(hex, "1f8b08000000000000ff010500faff68656c6c6f86a6103605000000");
});
