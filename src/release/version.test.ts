import assert from "node:assert/strict";
import { test } from "node:test";
import { assertControlPlane, assertNotDowngrade, compareVersions, readVersion } from "./version.ts";

test("reads semantic versions, a leading v and the old two-part form", () => {
  assert.equal(readVersion("1.0.3"), "1.0.3");
  assert.equal(readVersion("v1.0.3"), "1.0.3");
  assert.equal(readVersion("1.0"), "1.0.0");
  assert.equal(readVersion("1.0-rc.1"), "1.0.0-rc.1");
  assert.equal(readVersion("nightly"), undefined);
});

test("orders by number, not by text, and a pre-release before its release", () => {
  assert.equal(compareVersions("1.0.10", "1.0.9"), 1);
  assert.equal(compareVersions("1.1.0-rc.1", "1.1.0"), -1);
  assert.equal(compareVersions("nightly", "1.0.0"), undefined);
});

test("refuses a lower version, and one that cannot be ordered, unless it was named", () => {
  const refused = (installed: string, wanted: string) =>
    assert.throws(() => assertNotDowngrade(installed, wanted, { asked: false }), { code: "release/downgrade" });
  refused("1.0.10", "1.0.9");
  refused("1.0.0", "odd");
  assertNotDowngrade("1.0.10", "1.0.9", { asked: true });
  assertNotDowngrade("1.0.9", "1.0.10", { asked: false });
  assertNotDowngrade("odd", "odd", { asked: false });
});

test("refuses a release that needs a newer control plane, but not when run from sources", () => {
  assert.throws(() => assertControlPlane("0.2.0", "0.1.9"), { code: "release/control-plane-too-old" });
  assertControlPlane("0.2.0", "0.2.0");
  assertControlPlane(undefined, "0.1.0");
  assertControlPlane("9.0.0", "0.0.0-source");
});
