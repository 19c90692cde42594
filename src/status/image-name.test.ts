import assert from "node:assert/strict";
import { test } from "node:test";
import { shortImage } from "./image-name.ts";

const DIGEST = `sha256:${"62cdce38".repeat(8)}`;
const ROWS: readonly (readonly [string, string])[] = [
  [`ghcr.io/nine-minds/alga-psa-ee:62cdce38@${DIGEST}`, "alga-psa-ee:62cdce38"],
  [`ghcr.io/nine-minds/alga-psa-ee@${DIGEST}`, "alga-psa-ee@62cdce3862cd"],
  ["10.0.0.2:5000/mirror/redis:7.2", "redis:7.2"],
  ["10.0.0.2:5000/redis", "redis"],
  ["busybox", "busybox"],
  ["localhost:5000", "localhost:5000"],
  ["ghcr.io/UPPER CASE/what is this", "ghcr.io/UPPER CASE/what is this"],
  ["a\u202eb", "a\\u{202e}b"],
  [`x/${"y".repeat(500)}:1`, `${"y".repeat(79)}…`],
  ["", ""],
];

for (const [reference, short] of ROWS) {
  test(`"${reference.slice(0, 60)}" is called "${short.slice(0, 60)}"`, () =>
    assert.equal(shortImage(reference), short));
}
