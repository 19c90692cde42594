import assert from "node:assert/strict";
import { test } from "node:test";
import { isApplianceError } from "../core/errors.ts";
import { NO_POLICY, type UpdatePolicy } from "./model.ts";
import { mayBegin } from "./policy.ts";
import { readPolicy, readRequest, readStart } from "./request.ts";

/** A Saturday. */
const at = (time: string): number => Date.parse(`2026-11-21T${time}:00Z`);
const NIGHT: UpdatePolicy = {
  automatic: "patch",
  window: { from: "23:00", to: "04:00", days: ["sat"] },
  holdUntil: null,
};
const PATCH = { from: "1.0.3", to: "1.0.4" };
const HOUR = 3_600_000;

test("nothing begins by itself without a policy, or without a window", () => {
  assert.equal(mayBegin(NO_POLICY, PATCH, at("23:30")), false);
  assert.equal(mayBegin({ ...NIGHT, window: null }, PATCH, at("23:30")), false);
});

test("a window over midnight belongs to the day on which it begins", () => {
  const hours = [22, 23, 24, 27, 28, 47].map((hour) => mayBegin(NIGHT, PATCH, at("00:00") + hour * HOUR));
  assert.deepEqual(hours, [false, true, true, true, false, false]);
  assert.equal(mayBegin(NIGHT, PATCH, at("00:30")), false, "the night of Friday");
});

test("patch stays within its series, nothing goes down, and a hold is kept", () => {
  const now = at("23:30");
  assert.equal(mayBegin(NIGHT, { from: "1.0.3", to: "1.1.0" }, now), false);
  assert.equal(mayBegin({ ...NIGHT, automatic: "all" }, { from: "1.0.3", to: "1.1.0" }, now), true);
  assert.equal(mayBegin({ ...NIGHT, automatic: "all" }, { from: "1.0.3", to: "1.0.2" }, now), false);
  assert.equal(mayBegin({ ...NIGHT, automatic: "all" }, { from: "1.0.3", to: "odd" }, now), false);
  assert.equal(mayBegin({ ...NIGHT, holdUntil: "2026-12-01T00:00:00Z" }, PATCH, now), false);
  assert.equal(mayBegin({ ...NIGHT, holdUntil: "2026-11-01T00:00:00Z" }, PATCH, now), true);
});

const refused = (call: () => unknown): string => {
  try {
    call();
  } catch (thrown) {
    if (!isApplianceError(thrown, "http/bad-request")) throw thrown;
    return String((thrown.details.errors as { field: string }[])[0]?.field);
  }
  return "taken";
};

test("requests are read field by field, whatever somebody sends", () => {
  assert.deepEqual(readRequest(undefined), { ref: undefined, acceptExpired: undefined });
  assert.deepEqual(readRequest({ channel: "next" }).ref, { channel: "next" });
  assert.equal(
    refused(() => readRequest({ channel: "../next" })),
    "channel",
  );
  assert.equal(
    refused(() => readRequest({ version: "soon" })),
    "version",
  );
  assert.equal(
    refused(() => readRequest({ version: "1.0.0", channel: "next" })),
    "version",
  );
  assert.equal(
    refused(() => readRequest({ digest: "sha256:1" })),
    "digest",
  );
  assert.equal(
    refused(() => readRequest({ acceptExpired: "tomorrow" })),
    "acceptExpired",
  );
  assert.equal(
    refused(() => readRequest([])),
    "body",
  );
  assert.equal(
    refused(() => readStart({ channel: "next" })),
    "planDigest",
  );
  assert.equal(
    refused(() => readPolicy({ automatic: "always" })),
    "automatic",
  );
  assert.equal(
    refused(() => readPolicy({ automatic: "all" })),
    "window",
  );
  const window = { from: "2:00", to: "04:00", days: ["mon"] };
  assert.equal(
    refused(() => readPolicy({ automatic: "all", window })),
    "window.from",
  );
  assert.equal(
    refused(() => readPolicy({ automatic: "never", judge: { soakMinutes: 0, patienceMinutes: 8 } })),
    "judge.soakMinutes",
  );
  assert.deepEqual(readPolicy({ automatic: "never" }), NO_POLICY);
  const judge = { soakMinutes: 30, patienceMinutes: 20 };
  assert.deepEqual(readPolicy({ automatic: "never", judge }), { ...NO_POLICY, judge });
});
