/** The real cosign verifies what we sign, and we verify what it signs, by key pairs and without a transparency log. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { SILENT_LOG } from "../../src/core/log.ts";
import { pushArtifact } from "../../src/oci/artifact.ts";
import { createRegistryClient } from "../../src/oci/client.ts";
import { pushStore } from "../../src/oci/push.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { generateKey, type KeyKind, openSigningKey, readPublicKey } from "../../src/trust/keys.ts";
import { signManifest, verifySignatures } from "../../src/trust/signatures.ts";
import { describeWithTools, runTool, tryTool } from "../support/real-tools.ts";
import { serveFetch } from "../support/serve-registry.ts";
import type { Running } from "../support/sockets.ts";
import { rolled } from "../support/trust.ts";

const REPOSITORY = "nine-minds/alga-appliance-release";
const PASSPHRASE = "correct horse";
const FORMS = [
  ["a bundle", []],
  ["a tag", ["--new-bundle-format=false"]],
] as const;

describeWithTools(["cosign"], "cosign", () => {
  const { fetch, store } = createRegistryServer();
  let folder = "";
  let registry: Running | undefined;
  const env = { COSIGN_PASSWORD: PASSPHRASE, COSIGN_YES: "true" };
  const cosign = (...args: string[]) => runTool("cosign", args, { cwd: folder, env });
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await tryTool("cosign", args, { cwd: folder, env });
    assert.notEqual(code, 0, args.join(" "));
    return stderr;
  };
  const sign = ["sign", "--use-signing-config=false", "--tlog-upload=false"];
  const verify = ["verify", "--insecure-ignore-tlog"];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "cosign-"));
    registry = await serveFetch(fetch);
    await cosign("generate-key-pair");
  });
  after(() => registry?.close());

  /** A release of its own for a test, with the client that reaches it as cosign does. */
  const release = (name: string) => {
    const host = `127.0.0.1:${registry?.port}`;
    const digest = pushArtifact(store, REPOSITORY, { tag: name, artifactType: `application/x.${name}` });
    const clock = { now: () => 0, monotonic: () => 0, sleep: async () => {}, after: () => () => {} };
    const deps = { clock, random: rolled("wire"), log: SILENT_LOG, fetch };
    const client = createRegistryClient(deps, { registry: host, plainHttp: true });
    const push = async (pushed: typeof store) =>
      void (await pushStore(pushed, deps, { registry: host, plainHttp: true }));
    return { digest, client, push, reference: `${host}/${REPOSITORY}@${digest}`, repository: REPOSITORY };
  };
  const cosignKey = () => readPublicKey(readFileSync(join(folder, "cosign.pub"), "utf8"));

  for (const kind of ["ecdsa-p256", "ed25519"] as const satisfies readonly KeyKind[]) {
    it(`verifies a signature by our key of type ${kind}, in both forms`, async () => {
      const one = release(`ours-${kind}`);
      const pair = generateKey({ random: rolled(kind) }, { kind, passphrase: PASSPHRASE });
      const key = openSigningKey(pair.privatePem, PASSPHRASE);
      writeFileSync(join(folder, `${kind}.pub`), pair.publicPem);
      assert.equal(await signManifest(one, key, one), true);
      assert.equal(await signManifest(one, key, one), false);
      for (const [, flags] of FORMS) {
        const told = JSON.parse(await cosign(...verify, ...flags, "--key", `${kind}.pub`, one.reference));
        assert.equal(told[0].critical.image["docker-manifest-digest"], one.digest);
        await refused(...verify, ...flags, "--key", "cosign.pub", one.reference);
      }
      assert.equal(
        (await verifySignatures(one.client, { ...one, keys: [readPublicKey(pair.publicPem)] })).keyId,
        key.id,
      );
    });
  }

  for (const [form, flags] of FORMS) {
    it(`signs as ${form} what we verify, and what another key signed we refuse`, async () => {
      const one = release(`theirs-${flags.length}`);
      await assert.rejects(verifySignatures(one.client, { ...one, keys: [cosignKey()] }), { code: "trust/unsigned" });
      await cosign(...sign, ...flags, "--key", "cosign.key", one.reference);
      assert.equal((await verifySignatures(one.client, { ...one, keys: [cosignKey()] })).keyId, cosignKey().id);
      const stranger = readPublicKey(
        generateKey({ random: rolled("x") }, { kind: "ed25519", passphrase: undefined }).publicPem,
      );
      await assert.rejects(verifySignatures(one.client, { ...one, keys: [stranger] }), {
        code: "trust/untrusted-signature",
      });
    });
  }

  it("and we sign side by side, with its own sealed key and with another one, and all stay", async () => {
    const one = release("both");
    const key = openSigningKey(readFileSync(join(folder, "cosign.key"), "utf8"), PASSPHRASE);
    assert.equal(key.id, cosignKey().id);
    await cosign(...sign, "--new-bundle-format=false", "--key", "cosign.key", one.reference);
    const pair = generateKey({ random: rolled("second") }, { kind: "ecdsa-p256", passphrase: undefined });
    writeFileSync(join(folder, "second.pub"), pair.publicPem);
    await signManifest(one, openSigningKey(pair.privatePem, undefined), one);
    for (const pub of ["cosign.pub", "second.pub"]) {
      await cosign(...verify, "--new-bundle-format=false", "--key", pub, one.reference);
    }
    await cosign(...verify, "--key", "second.pub", one.reference);
    await signManifest(one, key, one);
    await cosign(...verify, "--key", "cosign.pub", one.reference);
  });

  it("opens a key that we made", async () => {
    const one = release("our-key");
    const pair = generateKey({ random: rolled("for cosign") }, { kind: "ecdsa-p256", passphrase: undefined });
    writeFileSync(join(folder, "plain.key"), pair.privatePem);
    await cosign("import-key-pair", "--key", "plain.key", "--output-key-prefix", "imported");
    await cosign(...sign, "--key", "imported.key", one.reference);
    assert.equal(
      (await verifySignatures(one.client, { ...one, keys: [readPublicKey(pair.publicPem)] })).keyId,
      pair.id,
    );
  });

  it("and we refuse a signature that was made for another digest", async () => {
    const [one, other] = [release("signed"), release("not-signed")];
    await cosign(...sign, "--new-bundle-format=false", "--key", "cosign.key", one.reference);
    const stored = store.manifest(REPOSITORY, `${one.digest.replace(":", "-")}.sig`);
    assert.ok(stored !== undefined);
    store.putManifest(REPOSITORY, `${other.digest.replace(":", "-")}.sig`, stored.bytes, stored.mediaType);
    await assert.rejects(verifySignatures(other.client, { ...other, keys: [cosignKey()] }), {
      code: "trust/untrusted-signature",
    });
    await refused(...verify, "--key", "cosign.pub", other.reference);
  });
});
