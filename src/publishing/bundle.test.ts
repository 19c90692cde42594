import assert from "node:assert/strict";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runWords, startWords } from "../../test/support/command-line.ts";
import { serveFetch } from "../../test/support/serve-registry.ts";
import { type Digest, digestOf } from "../core/digest.ts";
import { pushArtifact, pushIndex } from "../oci/artifact.ts";
import { MEDIA } from "../oci/media-types.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { createMemoryStore } from "../oci/store.ts";
import { systemRandom as random } from "../platform/random.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { generateKey, openSigningKey, readPublicKey } from "../trust/keys.ts";
import { putSignature } from "../trust/signatures.ts";

const root = mkdtempSync(join(tmpdir(), "alga-bundle-"));
const at = (name: string): string => join(root, name);
const store = createMemoryStore();
const publisher = await serveFetch(createRegistryServer({ store }).fetch);
after(async () => {
  await publisher.close();
  rmSync(root, { recursive: true, force: true });
});
const registry = `127.0.0.1:${publisher.port}`;
const layer = (text: string) => ({ mediaType: MEDIA.layerTar, bytes: new TextEncoder().encode(text) });

/** A control plane for two platforms, as a publisher has it. */
function pushControlPlane(tag: string): Digest {
  const repository = "nine-minds/alga-appliance-control-plane";
  const entries = ["amd64", "arm64"].map((architecture) => ({
    digest: pushArtifact(store, repository, {
      layers: [layer(`libraries of ${architecture} `.repeat(1_000)), layer(`${architecture} ${tag} `.repeat(2_000))],
    }),
    platform: { os: "linux", architecture },
  }));
  return pushIndex(store, repository, { tag, entries });
}

const first = buildSampleRelease(store, { registry, version: "1.0.3", channels: ["stable"], imageBytes: 40_000 });
pushControlPlane("1.0.3");
const second = buildSampleRelease(store, { registry, version: "1.0.4", channels: ["nightly"], imageBytes: 40_000 });
pushControlPlane("1.0.4");
const release = "nine-minds/alga-appliance-release";
const subject = {
  mediaType: MEDIA.manifest,
  digest: first.digest,
  size: store.manifest(release, first.digest)?.bytes.length ?? 0,
};
const signature = pushArtifact(store, release, {
  artifactType: "application/x.signature",
  subject,
  layers: [layer("signed")],
});
pushArtifact(store, release, { tag: `${first.digest.replace(":", "-")}.sig`, layers: [layer("cosign")] });
pushArtifact(store, "nine-minds/alga-appliance-trust", { tag: "root-1", layers: [layer("root")] });
pushArtifact(store, `${release}-history`, { tag: "stable", layers: [layer("history")] });

/** What the verbs of this test say as JSON. */
interface Said {
  readonly version: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly copiedBytes: number;
  readonly presentBytes: number;
  readonly removedBytes: number;
  readonly lacking: readonly unknown[];
  readonly signed: readonly unknown[];
  readonly leftOut: number | Readonly<Record<"store" | "node", { readonly parts: number }>>;
  readonly releases: readonly { readonly version: string }[];
  readonly artifacts: readonly { readonly name: string; readonly digest: string; readonly sizeBytes: number }[];
}

async function words(box: string, ...all: readonly string[]): Promise<Said> {
  const { code, stdout, stderr, failure } = await runWords([...all, "-o", "json"], {
    root: at(box),
    env: { PWD: root },
  });
  assert.equal(code, 0, `${stdout}${stderr}${failure instanceof Error ? failure.stack : ""}`);
  return JSON.parse(stdout);
}

async function refused(box: string, ...all: readonly string[]): Promise<string> {
  const { code, stdout } = await runWords([...all, "-o", "json"], { root: at(box), env: { PWD: root } });
  assert.notEqual(code, 0);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  return `${error.code} ${error.message}`;
}

const bundle = (out: string, ...more: readonly string[]) =>
  words("laptop", "release", "bundle", "--registry", registry, "--out", out, ...more);

test("a bundle holds all that the release refers to, is complete, and is the same file twice", async () => {
  const made = await bundle("media.tar");
  assert.equal(made.version, "1.0.3");
  assert.equal(made.sizeBytes, statSync(at("media.tar")).size);
  await bundle("again.tar");
  assert.deepEqual(readFileSync(at("again.tar")), readFileSync(at("media.tar")));
  const checked = await words("laptop", "release", "check", "media.tar");
  assert.deepEqual(checked.lacking, []);
  assert.equal(checked.leftOut, 1, "the control plane of the other platform");
  assert.deepEqual(checked.releases, [
    { version: "1.0.3", digest: first.digest, tags: ["1.0.3", "stable"], otherImages: null },
  ]);
});

test("everything resolves from a served bundle as from the registry, signatures and trust too", async () => {
  const served = await startWords(["release", "serve", at("media.tar"), "--port", "0", "-o", "json"], { root });
  const from = async (host: string) => {
    const resolved = await words(`box-${host}`, "release", "resolve", "--registry", host);
    return resolved.artifacts.map(({ name, digest, sizeBytes }) => ({ name, digest, sizeBytes }));
  };
  assert.deepEqual(await from(String(served.first.registry)), await from(registry));
  const ask = (path: string) =>
    fetch(`${served.first.url}/v2/nine-minds/${path}`, { headers: { accept: MEDIA.manifest } });
  const referrers = (await (await ask(`alga-appliance-release/referrers/${first.digest}`)).json()) as {
    manifests: { digest: string }[];
  };
  assert.deepEqual(
    referrers.manifests.map((one) => one.digest),
    [signature],
  );
  for (const path of [
    `alga-appliance-release/manifests/${first.digest.replace(":", "-")}.sig`,
    "alga-appliance-trust/manifests/root-1",
    "alga-appliance-release-history/manifests/stable",
    "alga-appliance-release/manifests/stable",
  ]) {
    assert.equal((await ask(path)).status, 200, path);
  }
  await served.stop();
});

test("a platform is chosen, and all of them are there when that is wanted", async () => {
  const one = await bundle("amd64.tar", "--dry-run");
  const all = await bundle("all.tar", "--platform", "all");
  assert.ok(Number(all.sizeBytes) > Number(one.sizeBytes) + 20_000);
  assert.equal((await words("laptop", "release", "check", "all.tar")).leftOut, 0);
  assert.match(await refused("laptop", "release", "bundle", "--platform", "x", "--out", "x.tar"), /cli\/usage/);
});

test("a bundle of all platforms can be published into another registry", async () => {
  const { fetch } = createRegistryServer();
  const other = await serveFetch(fetch);
  const host = `127.0.0.1:${other.port}`;
  await words("laptop", "release", "publish", "all.tar", "--registry", host);
  const resolved = await words("other", "release", "resolve", "--registry", host, "--version", "1.0.3");
  assert.equal(resolved.digest, first.digest);
  await other.close();
});

test("an executable goes along as an artifact", async () => {
  writeFileSync(at("alga-appliance"), "#!/bin/sh\necho hello\n".repeat(100));
  await bundle("executable.tar", "--executable", at("alga-appliance"), "--executable", "self");
  const served = await startWords(["release", "serve", at("executable.tar"), "--port", "0", "-o", "json"], { root });
  const at_ = `${served.first.url}/v2/nine-minds/alga-appliance-executable`;
  const manifest = (await (await fetch(`${at_}/manifests/1.0.3`, { headers: { accept: MEDIA.manifest } })).json()) as {
    layers: { digest: string; annotations: Record<string, string> }[];
  };
  const titles = manifest.layers.map((one) => one.annotations["org.opencontainers.image.title"]);
  assert.deepEqual(titles, ["alga-appliance", "alga-appliance"], "the file that was named, and this program itself");
  const file = await (await fetch(`${at_}/blobs/${manifest.layers[0]?.digest}`)).text();
  assert.equal(file, readFileSync(at("alga-appliance"), "utf8"));
  await served.stop();
});

test("a release that is not whole in its registry is not bundled", async () => {
  buildSampleRelease(store, { registry, version: "1.0.5", channels: ["broken"], fault: "missing-image" });
  const said = await refused(
    "laptop",
    "release",
    "bundle",
    "--registry",
    registry,
    "--channel",
    "broken",
    "--out",
    "b.tar",
  );
  assert.match(said, /^release\/incomplete Cannot bundle release "1\.0\.5": its image algaCore/);
  assert.ok(!readdirSync(root).includes("b.tar"));
});

test("a load fills the store, which serves; a second load copies nothing", async () => {
  const loaded = await words("box", "release", "load", "media.tar");
  assert.ok(Number(loaded.copiedBytes) > 40_000);
  const again = await words("box", "release", "load", "media.tar");
  assert.equal(again.copiedBytes, 0);
  assert.equal(again.presentBytes, loaded.copiedBytes);
  assert.deepEqual((await words("box", "release", "check")).lacking, []);
  const served = await startWords(["release", "serve", "--port", "0", "-o", "json"], { root: at("box") });
  const resolved = await words("box2", "release", "resolve", "--registry", String(served.first.registry));
  assert.equal(resolved.digest, first.digest);
  await served.stop();
});

test("what a box has is left out, and with what it has the rest is whole", async () => {
  const { stdout } = await runWords(["release", "have"], { root: at("box") });
  writeFileSync(at("box.json"), stdout);
  const whole = await bundle("whole.tar", "--channel", "nightly");
  const delta = await bundle("update.tar", "--channel", "nightly", "--since", "box.json");
  assert.ok(Number(delta.sizeBytes) < Number(whole.sizeBytes), `${delta.sizeBytes} of ${whole.sizeBytes}`);
  const left = typeof delta.leftOut === "number" ? undefined : delta.leftOut.store;
  assert.ok((left?.parts ?? 0) > 0);
  assert.deepEqual((await words("laptop", "release", "check", "update.tar")).lacking, []);
  assert.match(
    await refused("empty", "release", "load", "update.tar"),
    /^release\/incomplete .* neither in it nor in the store/,
  );
  await words("box", "release", "load", "update.tar");
  const checked = await words("box", "release", "check");
  assert.deepEqual(checked.lacking, []);
  assert.deepEqual(checked.releases.map((one) => one.version).sort(), ["1.0.3", "1.0.4"]);
  const [served, direct] = [
    await startWords(["release", "serve", at("update.tar"), at("media.tar"), "--port", "0", "-o", "json"], { root }),
    await startWords(["release", "serve", "--port", "0", "-o", "json"], { root: at("box") }),
  ];
  for (const [name, one] of [
    ["union", served],
    ["store", direct],
  ] as const) {
    const host = String(one.first.registry);
    const resolved = await words(`by-${name}`, "release", "resolve", "--channel", "nightly", "--registry", host);
    assert.equal(resolved.digest, second.digest);
    await one.stop();
  }
});

test("every layer of a loaded delta is in the store", async () => {
  const held = new Set(readdirSync(at("box/var/lib/alga-appliance/store/blobs/sha256")));
  for (const repository of store.repositories()) {
    const manifest = store.manifest(repository, "1.0.4");
    const parsed = manifest === undefined ? {} : JSON.parse(new TextDecoder().decode(manifest.bytes));
    for (const one of parsed.layers ?? []) assert.ok(held.has(one.digest.slice(7)), `${repository} ${one.digest}`);
  }
});

test("what the disk has lost is not claimed, and comes back with the next bundle", async () => {
  for (const name of ["media.tar", "whole.tar"]) await words("rot", "release", "load", name);
  const blobs = at("rot/var/lib/alga-appliance/store/blobs/sha256");
  const name = digestOf("libraries of amd64 ".repeat(1_000)).slice("sha256:".length);
  const { size } = statSync(join(blobs, name));
  writeFileSync(join(blobs, name), new Uint8Array(size));
  const { stdout } = await runWords(["release", "have"], { root: at("rot") });
  const { content } = JSON.parse(stdout) as { content: readonly string[] };
  assert.ok(content.length > 20 && !content.includes(`sha256:${name}`));
  assert.match(await refused("rot", "release", "check"), /^oci\/digest-mismatch/);
  const said = await refused("rot", "release", "load", "update.tar");
  assert.match(said, /^release\/incomplete .* is damaged, and the bundle does not have it/);
  writeFileSync(at("rot.json"), stdout);
  const both = await Promise.all(
    ["stable", "nightly"].map((one) => bundle(`${one}.tar`, "--channel", one, "--since", "rot.json")),
  );
  assert.equal(both.length, 2);
  for (const one of ["stable.tar", "nightly.tar"]) await words("rot", "release", "load", one, "--allow-downgrade");
  assert.deepEqual((await words("rot", "release", "check")).lacking, []);
});

test("a channel of the store does not move back unasked", async () => {
  store.tag(release, "moved", second.digest);
  await bundle("new.tar", "--channel", "moved");
  store.tag(release, "moved", first.digest);
  await bundle("old.tar", "--channel", "moved");
  await words("box-old", "release", "load", "new.tar");
  const said = await refused("box-old", "release", "load", "old.tar");
  assert.match(said, /^release\/downgrade .*moved is release 1\.0\.4 in the store and 1\.0\.3 in the bundle/);
  await words("box-old", "release", "load", "old.tar", "--allow-downgrade");
});

test("older releases go when only some are kept; what others need stays", async () => {
  const before = readdirSync(at("box/var/lib/alga-appliance/store/blobs/sha256")).length;
  const loaded = await words("box", "release", "load", "whole.tar", "--keep", "1");
  assert.ok(Number(loaded.removedBytes) > 40_000);
  assert.ok(readdirSync(at("box/var/lib/alga-appliance/store/blobs/sha256")).length < before);
  const checked = await words("box", "release", "check");
  assert.deepEqual(checked.lacking, []);
  assert.deepEqual(
    checked.releases.map((one) => one.version),
    ["1.0.4"],
  );
});

test("the installed release stays, however old", async () => {
  for (const name of ["media.tar", "whole.tar"]) await words("installed", "release", "load", name);
  writeFileSync(
    at("installed/var/lib/alga-appliance/release.json"),
    JSON.stringify({ release: { digest: first.digest } }),
  );
  await words("installed", "release", "load", "whole.tar", "--keep", "1");
  const { releases } = await words("installed", "release", "check");
  assert.equal(releases.length, 2);
});

/** The bundle with one byte changed inside a layer. */
function damaged(name: string): string {
  copyFileSync(at("media.tar"), at(name));
  const place = readFileSync(at("media.tar")).indexOf("cosign");
  assert.ok(place > 0);
  writeSync(openSync(at(name), "r+"), "C", place);
  return name;
}

test("a damaged bundle is refused by check and load, and nothing of it is seen in the store", async () => {
  damaged("damaged.tar");
  assert.match(await refused("laptop", "release", "check", "damaged.tar"), /^oci\/digest-mismatch/);
  assert.match(await refused("fresh", "release", "load", "damaged.tar"), /^oci\/digest-mismatch/);
  assert.match(await refused("fresh", "release", "check"), /^oci\/bad-layout/);
  const place = readFileSync(at("media.tar")).indexOf("cosign");
  writeFileSync(at("cut.tar"), readFileSync(at("media.tar")).subarray(0, place + 2));
  assert.match(
    await refused("laptop", "release", "check", "cut.tar"),
    /^oci\/truncated .*ends at byte \d+, inside "blobs/,
  );
  await words("fresh", "release", "load", "media.tar");
});

test("with keys at hand a bundle tells who signed its releases, and an unsigned or foreign one is refused", async () => {
  const signed = await words("laptop", "release", "check", "whole.tar");
  assert.deepEqual(signed.signed, [{ version: "1.0.4", verifiedBy: "none" }]);
  const [ours, foreign] = [
    generateKey({ random }, { kind: "ed25519", passphrase: undefined }),
    generateKey({ random }, { kind: "ecdsa-p256", passphrase: undefined }),
  ];
  writeFileSync(at("ours.pem"), ours.publicPem);
  writeFileSync(at("foreign.pem"), foreign.publicPem);
  assert.match(
    await refused("laptop", "release", "check", "whole.tar", "--trusted-key", "ours.pem"),
    /^trust\/unsigned/,
  );
  const size = store.manifest(release, second.digest)?.bytes.length ?? 0;
  const about = { mediaType: MEDIA.manifest, digest: second.digest, size };
  const reference = `${registry}/${release}`;
  putSignature(store, openSigningKey(ours.privatePem, undefined), { reference, repository: release, subject: about });
  await bundle("signed.tar", "--channel", "nightly");
  const checked = await words("laptop", "release", "check", "signed.tar", "--trusted-key", "ours.pem");
  const { id } = readPublicKey(ours.publicPem);
  assert.deepEqual(checked.signed, [{ version: "1.0.4", verifiedBy: id }]);
  const said = await refused("laptop", "release", "check", "signed.tar", "--trusted-key", "foreign.pem");
  assert.match(said, /^trust\/untrusted-signature/);
  mkdirSync(at("keyed/etc/alga-appliance/trusted-keys"), { recursive: true });
  copyFileSync(at("ours.pem"), at("keyed/etc/alga-appliance/trusted-keys/publisher.pem"));
  assert.deepEqual((await words("keyed", "release", "check", "signed.tar")).signed, checked.signed);
  assert.match(await refused("keyed", "release", "check", "whole.tar"), /^trust\/unsigned/);
  assert.match(await refused("keyed", "release", "load", "whole.tar"), /^trust\/unsigned/);
  assert.match(await refused("keyed", "release", "check"), /^oci\/bad-layout/, "nothing was copied");
  assert.deepEqual((await words("keyed", "release", "load", "signed.tar")).signed, checked.signed);
  const unsigned = await words("keyed", "release", "load", "media.tar", "--allow-unsigned");
  assert.deepEqual(unsigned.signed, [{ version: "1.0.3", verifiedBy: "none" }]);
});

test("of two loads at once one is told to wait, and both orders end whole", async () => {
  const both = await Promise.all(
    ["media.tar", "whole.tar"].map((name) => runWords(["release", "load", at(name)], { root: at("twice") })),
  );
  const codes = both.map(({ code }) => code).sort();
  assert.ok(codes[0] === 0, both.map(({ stderr }) => stderr).join());
  if (codes[1] !== 0) assert.match(both.map(({ stderr }) => stderr).join(), /another load is running/);
  for (const name of ["media.tar", "whole.tar"]) await words("twice", "release", "load", name, "--allow-downgrade");
  assert.deepEqual((await words("twice", "release", "check")).lacking, []);
});

test("a list of what a box has that is none is refused with the way to make one", async () => {
  writeFileSync(at("bad.json"), '{"schema":"alga.appliance.have/v1","content":["sha256:x"],"images":[]}');
  for (const name of ["bad.json", "none.json", "media.tar"]) {
    const said = await refused(
      "laptop",
      "release",
      "bundle",
      "--registry",
      registry,
      "--since",
      name,
      "--out",
      "x.tar",
    );
    assert.match(said, /^config\/invalid Cannot use have-list/, name);
  }
});
