import assert from "node:assert/strict";
import { test } from "node:test";
import { isApplianceError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { createLicenseService } from "../setup/license.ts";
import { createRehearsedLicenses, LICENSE_HOST } from "./license-service.ts";

const signal = new AbortController().signal;

function open() {
  const clock = { after: () => () => {} };
  const service = createLicenseService({ clock }, { fetch: createRehearsedLicenses(), url: `https://${LICENSE_HOST}` });
  return (code: string, requestKey: string) =>
    service.redeem({ code: new Secret(code), applianceId: "box", requestKey, isRepeated: false }, signal);
}

test("a code is traded once, and again for the same request", async () => {
  const redeem = open();
  const license = await redeem("K7QP-M2RX", "key-1");
  assert.deepEqual([license.tenantId, license.installEdition], ["rehearsal", "enterprise"]);
  assert.deepEqual(await redeem("K7QPM2RX", "key-1"), license);
  await assert.rejects(redeem("K7QPM2RX", "key-2"), (thrown) => isApplianceError(thrown, "setup/license-rejected"));
});

test("a code that came too late is refused with its reason", async () => {
  await assert.rejects(open()("EXPIRED", "key-1"), /it has expired/);
});
