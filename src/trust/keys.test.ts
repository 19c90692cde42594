import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { isApplianceError } from "../core/errors.ts";
import { signEnvelope, verifyEnvelope } from "./dsse.ts";
import { generateKey, openSigningKey, readPublicKey } from "./keys.ts";

const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)), uuid: () => "", fraction: () => 0 };
const bytes = new TextEncoder().encode("a release");

/** Made by cosign 3.1.3 for this test, with the passphrase "pw". It signs nothing else. */
const COSIGN = `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiI1NWlxZTFkbm5tWEV1Q3ROVVZTbHJLL3YwdHI1clh4
KzdHMWtVdGp0Y0g0PSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJFNEZ1a2dVK0lwN1JzKy9VNXZwYnVRQWpvUEs5alowbyJ9LCJj
aXBoZXJ0ZXh0IjoibUlMMmFZRVo3T2s3L0hzRU1ENzVQcFZjMjRRUDFQMXlIZG1q
dVcwdG1UMTNVell0bXcySGFSdStWWUtYNzZkU213OUVXQTB4M2VNNGtqdlVjN0lr
UWJIYzFwY2V4QUxVMmlkcllkUVpnWUlRY1JyK3RKSEJ2eU9zOEhKTWVkWXcwSk9t
VnV3R3J3VEUrMm5WT29zZURHUm9uTUV5Y3lVTjZ6aFhqTUFaTUJNRXpKUmdTQStZ
aTM2RjVFa3ByK1RiVHdobFhJdVJkb1ZlRWc9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
`;

for (const kind of ["ed25519", "ecdsa-p256"] as const) {
  describe(`a key of type ${kind}`, () => {
    const { privatePem, publicPem, id } = generateKey({ random }, { kind, passphrase: "correct horse" });
    it("is sealed, opens with its passphrase, signs, and is known by the digest of its public part", () => {
      assert.match(privatePem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
      const key = openSigningKey(privatePem, "correct horse");
      const trusted = readPublicKey(publicPem);
      assert.deepEqual([key.id, key.publicPem, key.kind], [id, publicPem, kind]);
      assert.equal(trusted.id, id);
      assert.ok(trusted.verify(bytes, key.sign(bytes)));
      assert.ok(!trusted.verify(new TextEncoder().encode("another"), key.sign(bytes)));
      assert.ok(!trusted.verify(bytes, new Uint8Array(0)));
      const der = Buffer.from(publicPem.replace(/-----[^-]+-----|\s/g, ""), "base64");
      assert.equal(id, createHash("sha256").update(der).digest("hex"));
    });
    for (const [what, passphrase] of [
      ["no", undefined],
      ["another", "wrong"],
    ] as const) {
      it(`does not open with ${what} passphrase, and says neither key nor passphrase`, () => {
        assert.throws(
          () => openSigningKey(privatePem, passphrase),
          (thrown) => isApplianceError(thrown, "trust/passphrase") && !/wrong"|BEGIN/.test(thrown.message),
        );
      });
    }
    it("may lie open", () => {
      const open = generateKey({ random }, { kind, passphrase: undefined });
      assert.match(open.privatePem, /^-----BEGIN PRIVATE KEY-----\n/);
      assert.equal(openSigningKey(open.privatePem, undefined).id, open.id);
    });
    it("seals what OpenSSL opens", { skip: existsSync("/usr/bin/openssl") ? false : "no openssl" }, () => {
      const args = ["pkey", "-passin", "pass:correct horse", "-pubout"];
      assert.equal(execFileSync("/usr/bin/openssl", args, { input: privatePem, encoding: "utf8" }), publicPem);
    });
    it("signs an envelope whose payload cannot be taken for another type", () => {
      const key = openSigningKey(privatePem, "correct horse");
      const keys = [readPublicKey(publicPem)];
      const envelope = signEnvelope(key, "application/a", bytes);
      const expected = { payloadType: "application/a", keys, what: "it" };
      assert.deepEqual(verifyEnvelope(envelope, expected), { payload: bytes, keyId: id });
      const refused = { code: "trust/untrusted-signature" };
      assert.throws(() => verifyEnvelope(envelope, { ...expected, payloadType: "application/b" }), refused);
      assert.throws(
        () =>
          verifyEnvelope({ ...envelope, payloadType: "application/b" }, { ...expected, payloadType: "application/b" }),
        refused,
      );
      assert.throws(() => verifyEnvelope({ ...envelope, payload: "AAAA" }, expected), refused);
      assert.throws(() => verifyEnvelope(envelope, { ...expected, keys: [] }), refused);
    });
  });
}

describe("cosign's own sealed key", () => {
  it("opens with its passphrase and with no other", () => {
    const key = openSigningKey(COSIGN, "pw");
    assert.equal(key.kind, "ecdsa-p256");
    assert.throws(() => openSigningKey(COSIGN, "other"), { code: "trust/passphrase" });
  });
});

describe("what is no key", () => {
  for (const [what, text] of [
    ["nothing", ""],
    ["a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"],
    ["a damaged key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"],
    ["a private key", generateKey({ random }, { kind: "ed25519", passphrase: undefined }).privatePem],
  ] as const) {
    it(`is refused as a public key: ${what}`, () => {
      assert.throws(() => readPublicKey(text), { code: "trust/bad-key" });
    });
  }
  it("is refused as a private key: a public one", () => {
    const { publicPem } = generateKey({ random }, { kind: "ed25519", passphrase: undefined });
    assert.throws(() => openSigningKey(publicPem, undefined), { code: "trust/bad-key" });
  });
});
