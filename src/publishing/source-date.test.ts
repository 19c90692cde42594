import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ApplianceError } from "../core/errors.ts";
import { instantOfSeconds, sourceDate } from "./source-date.ts";

describe("the time of the sources", () => {
  it("is what the environment says, and nothing when it says nothing", () => {
    assert.equal(sourceDate({ SOURCE_DATE_EPOCH: "1700000000" }), 1_700_000_000);
    assert.equal(sourceDate({ SOURCE_DATE_EPOCH: "0" }), 0);
    assert.equal(sourceDate({ SOURCE_DATE_EPOCH: "" }), undefined);
    assert.equal(sourceDate({}), undefined);
  });

  for (const text of ["yesterday", "-1", "1.5", "1e9", " 1", "253402300800", "9999999999999", "0x10"]) {
    it(`refuses "${text}"`, () =>
      assert.throws(
        () => sourceDate({ SOURCE_DATE_EPOCH: text }),
        (thrown) => thrown instanceof ApplianceError && thrown.code === "cli/usage",
      ));
  }

  it("is written in whole seconds", () => {
    assert.equal(instantOfSeconds(0), "1970-01-01T00:00:00Z");
    assert.equal(instantOfSeconds(1_700_000_000), "2023-11-14T22:13:20Z");
    assert.equal(instantOfSeconds(sourceDate({ SOURCE_DATE_EPOCH: "253402300799" }) ?? 0), "9999-12-31T23:59:59Z");
  });
});
