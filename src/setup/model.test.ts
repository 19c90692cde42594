import assert from "node:assert/strict";
import { test } from "node:test";
import { isApplianceError } from "../core/errors.ts";
import type { FieldProblem } from "../core/http.ts";
import { isIpAddress } from "../core/ip.ts";
import { nameServersOf } from "../release/answered-registry.ts";
import { parseAppUrl } from "./app-url.ts";
import { readInstallCode, validateAnswers } from "./validate.ts";

const GOOD = {
  channel: "stable",
  appHostname: "psa.example.com",
  dnsMode: "system",
  tenantName: "Beispiel GmbH",
  adminFirstName: "Zoë",
  adminLastName: "Öztürk",
  adminEmail: "Zoe@Example.COM",
  adminPassword: "Correct-horse-7",
  adminPasswordConfirm: "Correct-horse-7",
  editionChoice: "ee",
};

function errorsOf(value: unknown, options = {}): readonly FieldProblem[] {
  try {
    validateAnswers(value, options);
    return [];
  } catch (thrown) {
    assert.ok(isApplianceError(thrown, "setup/invalid-answers"));
    return thrown.details.errors as readonly FieldProblem[];
  }
}

test("good answers are kept in one form, and secrets leave the document", () => {
  const { inputs, secrets } = validateAnswers({ ...GOOD, installCode: " k7qp-m2rx " });
  assert.deepEqual(inputs, {
    channel: "stable",
    releaseRef: "",
    appHostname: "https://psa.example.com",
    dnsMode: "system",
    dnsServers: "",
    tenantName: "Beispiel GmbH",
    adminFirstName: "Zoë",
    adminLastName: "Öztürk",
    adminEmail: "zoe@example.com",
    editionChoice: "ee",
  });
  assert.equal(secrets.adminPassword?.reveal(), "Correct-horse-7");
  assert.equal(secrets.installCode?.reveal(), "K7QP-M2RX");
  assert.doesNotMatch(JSON.stringify({ inputs, secrets }), /horse|K7QP/);
});

test("an empty document has one error for each field that is wanted, in the order of the wizard", () => {
  assert.deepEqual(
    errorsOf({}).map(({ field, code }) => `${field} ${code}`),
    [
      "appHostname missing",
      "tenantName missing",
      "adminFirstName missing",
      "adminLastName missing",
      "adminEmail missing",
      "adminPassword missing",
    ],
  );
  assert.deepEqual(
    errorsOf("text").map(({ field }) => field),
    ["answers"],
  );
});

const WRONG: readonly [Record<string, unknown>, string][] = [
  [{ channel: "../x" }, "channel invalid"],
  [{ releaseRef: "latest!" }, "releaseRef invalid"],
  [{ releaseRef: "sha256:123" }, "releaseRef invalid"],
  [{ appHostname: "javascript:alert(1)" }, "appHostname host"],
  [{ dnsMode: "magic" }, "dnsMode invalid"],
  [{ dnsMode: "custom" }, "dnsServers missing"],
  [{ dnsMode: "custom", dnsServers: "192.0.2.53, dns.example.com" }, "dnsServers invalid"],
  [{ dnsMode: "custom", dnsServers: "1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4" }, "dnsServers too-many"],
  [{ tenantName: "a\nb" }, "tenantName character"],
  [{ tenantName: "x".repeat(201) }, "tenantName too-long"],
  [{ tenantName: { evil: true } }, "tenantName invalid"],
  [{ adminEmail: "nobody" }, "adminEmail invalid"],
  [{ adminEmail: "a@b" }, "adminEmail invalid"],
  [{ adminPassword: "short", adminPasswordConfirm: "short" }, "adminPassword weak"],
  [{ adminPasswordConfirm: "other" }, "adminPasswordConfirm different"],
  [{ editionChoice: "pro" }, "editionChoice invalid"],
  [{ licenseKey: "a.b" }, "licenseKey invalid"],
  [{ licenseKey: "a.b.c", installCode: "K7QPM2RX" }, "licenseKey both"],
  [{ installCode: "!" }, "installCode invalid"],
];
for (const [change, wanted] of WRONG) {
  test(`${Object.keys(change).join(", ")}: ${wanted}`, () => {
    const errors = errorsOf({ ...GOOD, ...change });
    assert.deepEqual(
      errors.map(({ field, code }) => `${field} ${code}`),
      [wanted],
    );
    assert.match(errors[0]?.detail ?? "", /^[A-Z].*\.$/);
    assert.doesNotMatch(errors[0]?.detail ?? "", /undefined|short\b/);
  });
}

test("what may be left out", () => {
  assert.deepEqual(errorsOf({ ...GOOD, adminPassword: "", adminPasswordConfirm: "" }, { passwordOptional: true }), []);
  const { inputs } = validateAnswers({
    ...GOOD,
    dnsMode: "custom",
    dnsServers: ["192.0.2.53", "2001:db8::53"],
    releaseRef: "1.0.3",
    channel: "",
  });
  assert.deepEqual(
    [inputs.channel, inputs.releaseRef, nameServersOf(inputs)],
    ["stable", "1.0.3", ["192.0.2.53", "2001:db8::53"]],
  );
  const community = validateAnswers({ ...GOOD, editionChoice: "ce", licenseKey: "a.b.c", installCode: "K7QPM2RX" });
  assert.deepEqual(Object.keys(community.secrets), ["adminPassword"]);
  assert.equal(validateAnswers({ ...GOOD, tenantName: undefined, companyName: "Old" }).inputs.tenantName, "Old");
});

const ADDRESSES: readonly [string, string][] = [
  ["psa.example.com", "https://psa.example.com"],
  ["  http://PSA.Example.com/ ", "http://psa.example.com"],
  ["https://psa.example.com:443", "https://psa.example.com"],
  ["https://psa.example.com:8443/", "https://psa.example.com:8443"],
  ["http://192.0.2.10:3000", "http://192.0.2.10:3000"],
  ["https://[2001:DB8::1]:3000", "https://[2001:db8::1]:3000"],
  ["bücher.example", "https://xn--bcher-kva.example"],
  ["psa", "https://psa"],
  ["psa.example.com.", "https://psa.example.com"],
  ["ftp://psa.example.com", "scheme"],
  ["https://psa.example.com/login", "path"],
  ["psa.example.com?x=1", "query"],
  ["psa.example.com#top", "query"],
  ["https://admin:secret@psa.example.com", "user"],
  ["psa example.com", "character"],
  ["https:\\\\psa.example.com", "character"],
  ["psa.example.com:0", "host"],
  ["psa.example.com:70000", "host"],
  ["psa.example.com:", "host"],
  ["-psa.example.com", "host"],
  ["psa_1.example.com", "host"],
  ["0x7f.1", "host"],
  ["192.0.2", "host"],
  ["https://", "host"],
  ["..", "host"],
  [`${"a".repeat(64)}.example.com`, "host"],
];
for (const [typed, wanted] of ADDRESSES) {
  test(`address ${JSON.stringify(typed.slice(0, 40))} is ${wanted}`, () => {
    const parsed = parseAppUrl(typed);
    assert.equal("url" in parsed ? parsed.url : parsed.code, wanted);
  });
}

test("IP addresses", () => {
  for (const good of ["192.0.2.1", "::1", "2001:db8::53", "::ffff:192.0.2.1"])
    assert.equal(isIpAddress(good), true, good);
  for (const bad of ["", "192.0.2", "192.0.2.256", "01.2.3.4", "fe80::1%eth0", "[::1]", ":", "1:2", "a.b.c.d"])
    assert.equal(isIpAddress(bad), false, bad);
});

test("an install code alone is read without case, blanks and hyphens, and never beside a key", () => {
  for (const installCode of ["K7QPM2RX", " k7qp-m2rx ", "k7 qp - m2 rx"])
    assert.equal(readInstallCode({ installCode, licenseKey: "" }).reveal(), "K7QPM2RX");
  for (const [value, wanted] of [
    [{}, "missing"],
    [null, "missing"],
    [{ installCode: "?" }, "invalid"],
    [{ installCode: "x".repeat(500) }, "invalid"],
    [{ installCode: 7 }, "invalid"],
    [{ installCode: "Q7QPM2RQ", licenseKey: "a.b.c" }, "both"],
  ] as const) {
    assert.throws(
      () => readInstallCode(value),
      (thrown) => {
        assert.ok(isApplianceError(thrown, "setup/invalid-answers"));
        const [error] = thrown.details.errors as readonly FieldProblem[];
        assert.deepEqual([error?.field, error?.code], ["installCode", wanted], JSON.stringify(value));
        return !JSON.stringify(thrown).includes("Q7QPM2RQ");
      },
    );
  }
});
