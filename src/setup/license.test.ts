import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { ApplianceError, type ErrorCode, isApplianceError } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { createLicenseService, type License } from "./license.ts";

const CODE = new Secret("K7QPM2RX");
const URL_OF_SERVICE = "https://license.example.com/";

function redeem(fetch: Fetch, more: { url?: string; isRepeated?: boolean } = {}): Promise<License> {
  const { url = URL_OF_SERVICE, isRepeated = false } = more;
  const service = createLicenseService(createFakeBox(), { fetch, url });
  const claim = { code: CODE, applianceId: "appliance-1", requestKey: "request-1", isRepeated };
  return service.redeem(claim, new AbortController().signal);
}
const says =
  (body: unknown, status = 200): Fetch =>
  async () =>
    Response.json(body, { status });
const code = (wanted: ErrorCode, text: RegExp) => (thrown: unknown) =>
  isApplianceError(thrown, wanted) && text.test(thrown.message) && !JSON.stringify(thrown).includes("K7QPM2RX");

test("a code is traded for a license, by one request with our name", async () => {
  let seen: unknown;
  const license = await redeem(async (request) => {
    assert.deepEqual([request.method, request.url], ["POST", "https://license.example.com/register"]);
    assert.equal(request.headers.get("idempotency-key"), '"request-1"');
    seen = await request.json();
    return Response.json({
      tenant_id: "t1",
      edition: "premium",
      first_jwt: "a.b.c",
      appliance_credential: "c",
      check_in_url: "",
      more: 1,
    });
  });
  assert.deepEqual(seen, { claim_code: "K7QPM2RX", appliance_id: "appliance-1" });
  assert.deepEqual(license, {
    tenantId: "t1",
    installEdition: "pro",
    token: "a.b.c",
    applianceId: "appliance-1",
    credential: "c",
    checkInUrl: "",
  });
  assert.equal((await redeem(says({ tenant_id: "t1" }))).installEdition, "essentials");
});

const REJECTED = [
  ["invalid_claim_code", /not known/],
  ["expired_claim_code", /expired/],
  ["consumed_claim_code", /used already/],
  ["superseded_claim_code", /a newer one/],
  ["tenant_mismatch", /another organisation/],
] as const;
for (const [name, text] of REJECTED) {
  test(`${name} is the operator's to correct`, async () => {
    await assert.rejects(redeem(says({ code: name }, 409)), (thrown) => {
      assert.ok(code("setup/license-rejected", text)(thrown));
      assert.deepEqual((thrown as ApplianceError).details, { fields: ["installCode"], retrySafe: false });
      return true;
    });
  });
}

test("a code that a request of ours has used is told as that, with the name of the request", async () => {
  const used = says({ code: "consumed_claim_code" }, 409);
  await assert.rejects(redeem(used, { isRepeated: true }), (thrown) => {
    assert.ok(code("setup/license-rejected", /request "request-1" of this appliance has used it/)(thrown));
    const { details, hint } = thrown as ApplianceError;
    assert.deepEqual(details, { fields: ["installCode"], retrySafe: false });
    assert.match(hint ?? "", /^Ask for a new install code, name this request/);
    return true;
  });
  const unknown = says({ code: "invalid_claim_code" }, 400);
  await assert.rejects(redeem(unknown, { isRepeated: true }), code("setup/license-rejected", /not known/));
});

const SILENT: readonly [string, Fetch, RegExp][] = [
  [
    "no connection",
    async () => Promise.reject(new ApplianceError("net/unreachable", "Cannot connect")),
    /cannot be reached/,
  ],
  ["a server error", says({ code: "oops" }, 500), /answers 500/],
  ["a page", async () => new Response("<html>"), /not JSON/],
  ["an endless answer", async () => new Response("x".repeat(70_000)), /too long/],
  ["another shape", says({ tenant: 1 }), /without a license/],
  ["a prototype name", says({ code: "constructor" }, 400), /answers 400/],
];
for (const [name, fetch, text] of SILENT) {
  test(`${name} may be tried again`, async () => {
    await assert.rejects(redeem(fetch), code("setup/license-unavailable", text));
  });
}

test("without a service the operator is told", async () => {
  await assert.rejects(redeem(says({}), { url: "" }), (thrown) => {
    assert.ok(code("setup/license-unavailable", /no license service is set/)(thrown));
    // Trying again helps nothing.
    assert.equal((thrown as ApplianceError).details?.retrySafe, false);
    return true;
  });
});
