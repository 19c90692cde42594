/** Which address shows the plan of a named release, and how long names are told short. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { askedRelease, reviewPath, shortened } from "./updates.ts";

const DIGEST = `sha256:${"ab12".repeat(16)}`;

test("reviewPath() tells channel, version and digest apart, and askedRelease() reads them back", () => {
  const asked = (named: string): unknown => askedRelease(new URL(reviewPath(named), "http://box").searchParams);
  assert.deepEqual(asked(" nightly "), { channel: "nightly" });
  assert.deepEqual(asked("1.0.4"), { version: "1.0.4" });
  assert.deepEqual(asked(DIGEST), { digest: DIGEST });
  assert.deepEqual(asked("a&version=2.0"), { channel: "a&version=2.0" });
  assert.equal(askedRelease(new URLSearchParams("channel=")), undefined);
});

test("shortened() keeps of a digest what one compares", () => {
  assert.equal(shortened(`1.0.3@${DIGEST} to 1.1.0`), "1.0.3@ab12…ab12 to 1.1.0");
  assert.equal(shortened("sha256:short"), "sha256:short");
});
