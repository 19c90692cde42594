import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../core/digest.ts";
import { isNamedBy } from "./control-plane.ts";

const repository = "registry.test:5000/nine-minds/alga-appliance-control-plane";
const seen = digestOf("control plane");
const other = digestOf("another");

test("an image is the release's by its digest, whatever tag stands before it", () => {
  const wanted = { repository, tag: "1.2.3", digest: seen };
  assert.ok(isNamedBy(`${repository}@${seen}`, wanted));
  assert.ok(isNamedBy(`${repository}:1.2.3@${seen}`, wanted));
  assert.equal(isNamedBy(`${repository}:1.2.3`, wanted), false);
  assert.equal(isNamedBy(`${repository}@${other}`, wanted, other), false);
  assert.equal(isNamedBy(`elsewhere.test/control-plane@${seen}`, wanted), false);
});

test("a name without a digest is compared by what the registry has for it", () => {
  assert.ok(isNamedBy(`${repository}@${seen}`, { repository, tag: "1.2.3" }, seen));
  assert.equal(isNamedBy(`${repository}@${other}`, { repository, tag: "1.2.3" }, seen), false);
  assert.ok(isNamedBy(`${repository}:1.2.3`, { repository, tag: "1.2.3" }));
  assert.equal(isNamedBy(`${repository}@${seen}`, { repository, tag: "1.2.3" }), false);
});
