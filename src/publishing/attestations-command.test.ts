import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandContext, type Said } from "../../test/support/command-context.ts";
import { madeImage } from "../../test/support/made-image.ts";
import type { FlagValue } from "../cli/command.ts";
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import type { RegistryStore } from "../oci/store.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { signEnvelope } from "../trust/dsse.ts";
import { generateKey, openSigningKey } from "../trust/keys.ts";
import { attestImage } from "./attest-release.ts";
import { attach, documentBytes } from "./attestations.ts";
import { commands } from "./attestations-command.ts";
import { provenanceStatement, sha256Of } from "./provenance.ts";

const IMAGE = "nine-minds/alga-appliance-control-plane";
const RELEASE = "nine-minds/alga-appliance-release";
const random = { bytes: (count: number) => new Uint8Array(count).fill(7), uuid: () => "id", fraction: () => 0 };
const clock = { now: () => 0, monotonic: () => 0, sleep: async () => {}, after: () => () => {} };
const KEY = generateKey({ random }, { kind: "ed25519", passphrase: undefined });
const OTHER = generateKey(
  { random: { ...random, bytes: (count) => new Uint8Array(count).fill(9) } },
  { kind: "ed25519", passphrase: undefined },
);

interface World {
  readonly run: (flags?: Readonly<Record<string, FlagValue>>) => Promise<Said>;
  readonly store: RegistryStore;
  readonly image: Digest;
}

/** A registry with a sample release whose control plane is a made image. */
async function world(): Promise<World> {
  const { fetch, store } = createRegistryServer();
  buildSampleRelease(store, { registry: "ghcr.io", version: "1.0.3", channels: ["stable"] });
  const made = await madeImage(under(store));
  store.tag(IMAGE, "1.0.3", made.digest);
  attestImage(under(store), made, 1_700_000_000);
  const files = createMemoryFiles();
  await files.makeDirectory("/keys");
  await files.write("/keys/ours.pub", KEY.publicPem);
  await files.write("/keys/other.pub", OTHER.publicPem);
  const run = async (flags: Readonly<Record<string, FlagValue>> = {}): Promise<Said> => {
    const deps = { files, clock, random, transports: { open: () => fetch } };
    const { context, said } = commandContext({ deps, flags, args: ["stable"] });
    assert.equal(await commands[0]?.run(context), 0);
    return said;
  };
  return { run, store, image: named(store) };
}

/** The store below the base of the registry, as a build sees it. */
function under(store: RegistryStore): RegistryStore {
  const at = (repository: string): string => `nine-minds/${repository}`;
  return {
    ...store,
    putBlob: (repository, bytes) => store.putBlob(at(repository), bytes),
    blob: (repository, digest) => store.blob(at(repository), digest),
    putManifest: (repository, reference, bytes, type) => store.putManifest(at(repository), reference, bytes, type),
    manifest: (repository, reference) => store.manifest(at(repository), reference),
  };
}

/** The control plane that the release names. */
function named(store: RegistryStore): Digest {
  const found = store.manifest(IMAGE, "1.0.3");
  assert.ok(found !== undefined);
  return found.digest;
}

/** Hangs a provenance on the image, signed when a key is given, that names the given bill or the real one. */
async function say(
  { store, image }: World,
  options: { readonly signed: boolean; readonly bill?: Digest },
): Promise<void> {
  const [bill] = store.referrers(IMAGE, image);
  const artifact = JSON.parse(new TextDecoder().decode(store.manifest(IMAGE, bill?.digest ?? "")?.bytes));
  const document = provenanceStatement({
    subjects: [{ name: IMAGE, digest: sha256Of(image) }],
    parameters: {},
    dependencies: [],
    byproducts: [{ name: "bill", digest: sha256Of(options.bill ?? artifact.layers[0].digest) }],
    builder: { id: "https://example.com/builder", version: {} },
  });
  const signing = openSigningKey(KEY.privatePem, undefined);
  const seal = (type: string, payload: Uint8Array): Uint8Array =>
    documentBytes({ ...signEnvelope(signing, type, payload) });
  const input = { kind: "provenance", document, created: "2026-11-21T00:00:00Z" } as const;
  attach(store, { repository: IMAGE, digest: image }, { ...input, ...(options.signed ? { seal } : {}) });
}

describe("release attestations", () => {
  it("lists what hangs on the release and on its control plane", async () => {
    const made = await world();
    await say(made, { signed: true });
    const said = await made.run();
    const rows = said.value as { kind: string; subject: string; verifiedBy: string }[];
    assert.deepEqual(
      rows.map((row) => `${row.subject} ${row.kind} ${row.verifiedBy}`),
      ["control-plane image sbom none", "control-plane image provenance none"],
    );
    assert.match(said.text, /^release {2}sha256:[0-9a-f]{64}\n {2}nothing is said about it\ncontrol-plane image/);
    assert.match(said.text, /sbom .* not signed\n {2}provenance .* names the key [0-9a-f]{12}, not checked$/);
  });

  it("prints a document as it was attached", async () => {
    const made = await world();
    const said = await made.run({ show: "sbom" });
    assert.equal((said.value as { spdxVersion: string }).spdxVersion, "SPDX-2.3");
    assert.equal(canonicalJson(JSON.parse(said.text)), canonicalJson(said.value));
  });

  it("verifies the provenance, and through it the bill of materials", async () => {
    const made = await world();
    await say(made, { signed: true });
    const said = await made.run({ "trusted-key": ["/keys/other.pub", "/keys/ours.pub"] });
    const rows = said.value as { verifiedBy: string }[];
    assert.deepEqual(new Set(rows.map((row) => row.verifiedBy)), new Set([KEY.id]));
    assert.match(said.text, new RegExp(`verified by the key ${KEY.id.slice(0, 12)}`));
  });

  const refusals: readonly (readonly [
    string,
    (made: World) => Promise<void>,
    Readonly<Record<string, FlagValue>>,
    string,
  ])[] = [
    ["a document that nobody attached", async () => {}, { show: "provenance" }, "release/no-attestation"],
    [
      "a document of the release that nobody attached",
      async () => {},
      { show: "sbom", of: "release" },
      "release/no-attestation",
    ],
    [
      "an unsigned provenance where a key is wanted",
      (made) => say(made, { signed: false }),
      { "trusted-key": ["/keys/ours.pub"] },
      "trust/unsigned",
    ],
    [
      "a signature by another key",
      (made) => say(made, { signed: true }),
      { "trusted-key": ["/keys/other.pub"] },
      "trust/untrusted-signature",
    ],
    [
      "a bill that the signed provenance does not name",
      (made) => say(made, { signed: true, bill: digestOf("another") }),
      { "trusted-key": ["/keys/ours.pub"] },
      "trust/unsigned",
    ],
    [
      "a bill without any provenance, where a key is wanted",
      async () => {},
      { show: "sbom", "trusted-key": ["/keys/ours.pub"] },
      "trust/unsigned",
    ],
  ];
  for (const [name, prepare, flags, code] of refusals) {
    it(`refuses ${name}`, async () => {
      const made = await world();
      await prepare(made);
      await assert.rejects(made.run(flags), (thrown) => {
        assert.ok(thrown instanceof ApplianceError, String(thrown));
        assert.equal(thrown.code, code, thrown.message);
        return true;
      });
    });
  }

  it("shows what is said about the release itself", async () => {
    const made = await world();
    const release = made.store.manifest(RELEASE, "stable");
    assert.ok(release !== undefined);
    const document = { subject: [{ digest: sha256Of(release.digest) }] };
    const input = { kind: "provenance", document, created: "2026-11-21T00:00:00Z" } as const;
    attach(made.store, { repository: RELEASE, digest: release.digest }, input);
    const said = await made.run({ show: "provenance", of: "release" });
    assert.deepEqual(said.value, document);
  });
});
