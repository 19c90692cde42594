/** A signed provenance before the real cosign: found by its tag, verified by the public key alone, refused for another key. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import type { Digest } from "../../src/core/digest.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import { pushStore } from "../../src/oci/push.ts";
import { createMemoryStore } from "../../src/oci/store.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { attach } from "../../src/publishing/attestations.ts";
import { provenanceStatement, sha256Of } from "../../src/publishing/provenance.ts";
import { signEnvelope } from "../../src/trust/dsse.ts";
import { generateKey, type KeyKind, openSigningKey } from "../../src/trust/keys.ts";
import { type DockerRegistry, startDockerRegistry } from "../support/docker-registry.ts";
import { madeImage } from "../support/made-image.ts";
import { describeWithTools, tryTool } from "../support/real-tools.ts";

const REPOSITORY = "alga-appliance-control-plane";

describeWithTools(["cosign", "docker-registry"], "a signed provenance", () => {
  const folder = mkdtempSync(join(tmpdir(), "attestations-"));
  let registry: DockerRegistry;
  before(async () => {
    registry = await startDockerRegistry({ auth: { kind: "none" } });
  });
  after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Publishes a made image with a provenance, and returns its digest and the file of the public key. */
  async function publish(kind: KeyKind): Promise<{ readonly digest: Digest; readonly keyFile: string }> {
    const key = generateKey({ random: systemRandom }, { kind, passphrase: undefined });
    const signing = openSigningKey(key.privatePem, undefined);
    const store = createMemoryStore();
    const { digest } = await madeImage(store, { version: `1.0.0-${kind}` });
    const document = provenanceStatement({
      subjects: [{ name: REPOSITORY, digest: sha256Of(digest) }],
      parameters: {},
      dependencies: [],
      byproducts: [],
      builder: { id: "https://example.com/builder", version: {} },
    });
    const seal = (payloadType: string, payload: Uint8Array): Uint8Array =>
      new TextEncoder().encode(JSON.stringify(signEnvelope(signing, payloadType, payload)));
    attach(
      store,
      { repository: REPOSITORY, digest },
      { kind: "provenance", document, created: "2026-11-21T00:00:00Z", seal },
    );
    const deps = { clock: systemClock, random: systemRandom, log: SILENT_LOG, fetch: createTransports().open() };
    await pushStore(store, deps, { registry: `127.0.0.1:${registry.port}`, plainHttp: true });
    const keyFile = join(folder, `${kind}.pem`);
    writeFileSync(keyFile, key.publicPem);
    return { digest, keyFile };
  }

  const verify = (digest: Digest, keyFile: string, type = "slsaprovenance1") =>
    tryTool("cosign", [
      "verify-attestation",
      ...["--key", keyFile, "--type", type, "--insecure-ignore-tlog", "--new-bundle-format=false"],
      `127.0.0.1:${registry.port}/${REPOSITORY}@${digest}`,
    ]);

  for (const kind of ["ed25519", "ecdsa-p256"] as const) {
    it(`is verified by cosign with a key of ${kind}`, { timeout: 120_000 }, async () => {
      const { digest, keyFile } = await publish(kind);
      const { code, stdout, stderr } = await verify(digest, keyFile);
      assert.equal(code, 0, stderr);
      const statement = JSON.parse(Buffer.from(JSON.parse(stdout.trim()).payload, "base64").toString());
      assert.equal(statement.predicateType, "https://slsa.dev/provenance/v1");
      assert.equal(statement.predicate.runDetails.builder.id, "https://example.com/builder");
    });
  }

  it("is refused by cosign for another key and for another kind of statement", { timeout: 120_000 }, async () => {
    const [one, two] = [await publish("ed25519"), await publish("ecdsa-p256")];
    assert.notEqual((await verify(one.digest, two.keyFile)).code, 0);
    assert.notEqual((await verify(one.digest, one.keyFile, "spdxjson")).code, 0);
  });
});
