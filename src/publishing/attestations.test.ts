import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { madeImage } from "../../test/support/made-image.ts";
import { checkSpdx } from "../../test/support/spdx.ts";
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { SILENT_LOG } from "../core/log.ts";
import { createRegistryClient, type RegistryClient } from "../oci/client.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { signEnvelope } from "../trust/dsse.ts";
import { generateKey, openSigningKey, readPublicKey } from "../trust/keys.ts";
import { attestImage } from "./attest-release.ts";
import { type AttestationKind, attach, ENVELOPE_MEDIA_TYPE } from "./attestations.ts";
import { coversBill, type FoundAttestation, readAttestations, verifyProvenance } from "./attestations-read.ts";
import type { BuiltRelease } from "./build.ts";
import { releaseProvenance } from "./provenance-release.ts";
import { releaseSbom } from "./sbom-release.ts";

const REPOSITORY = "alga-appliance-control-plane";
const CREATED = "2023-11-14T22:13:20Z";
const DOCUMENTS = { "release.yaml": digestOf("yaml"), "release.lock.yaml": digestOf("lock") } as const;

function clientOf(store?: RegistryStore): { readonly client: RegistryClient; readonly store: RegistryStore } {
  const server = createRegistryServer(store === undefined ? {} : { store });
  const clock = { now: () => 0, monotonic: () => 0, sleep: async () => {}, after: () => () => {} };
  const random = { bytes: (count: number) => new Uint8Array(count), uuid: () => "id", fraction: () => 0 };
  const client = createRegistryClient(
    { clock, random, log: SILENT_LOG, fetch: server.fetch },
    { registry: "registry.example" },
  );
  return { client, store: server.store };
}

const read = (client: RegistryClient, digest: Digest, kind: AttestationKind): Promise<readonly FoundAttestation[]> =>
  readAttestations(
    client,
    { name: "control-plane image", repository: REPOSITORY, digest },
    { kind, signal: new AbortController().signal },
  );

const about = (digest: Digest): Readonly<Record<string, unknown>> => ({
  subject: [{ name: "it", digest: { sha256: digest.slice("sha256:".length) } }],
});

describe("attestations", () => {
  it("are found by what they hang on, and read as they were written", async () => {
    const { client, store } = clientOf();
    const image = await madeImage(store);
    const artifact = attestImage(store, image, 1_700_000_000);
    const [sbom, ...more] = await read(client, image.digest, "sbom");
    assert.equal(more.length, 0);
    assert.equal(sbom?.digest, artifact);
    assert.deepEqual(sbom?.signedBy, []);
    assert.deepEqual(checkSpdx(sbom?.document), []);
    assert.deepEqual(await read(client, image.digest, "provenance"), []);
  });

  it("of one document have one digest, however often it is attached", async () => {
    const store = createMemoryStore();
    const image = await madeImage(store);
    assert.equal(attestImage(store, image, 5), attestImage(store, image, 5));
    assert.equal(store.referrers(REPOSITORY, image.digest).length, 1);
  });

  it("open an envelope, and name its keys without believing them", async () => {
    const { client, store } = clientOf();
    const { digest } = await madeImage(store);
    const seal = (payloadType: string, payload: Uint8Array): Uint8Array =>
      new TextEncoder().encode(
        JSON.stringify({
          payloadType,
          payload: Buffer.from(payload).toString("base64"),
          signatures: [{ keyid: "k1", sig: "AA==" }],
        }),
      );
    attach(
      store,
      { repository: REPOSITORY, digest },
      { kind: "provenance", document: about(digest), created: CREATED, seal },
    );
    const [found] = await read(client, digest, "provenance");
    assert.deepEqual(found?.signedBy, ["k1"]);
    assert.deepEqual(found?.document, about(digest));
    const layer = JSON.parse(new TextDecoder().decode(store.manifest(REPOSITORY, found?.digest ?? "")?.bytes))
      .layers[0];
    assert.equal(layer.mediaType, ENVELOPE_MEDIA_TYPE);
  });

  const foreign: readonly (readonly [string, AttestationKind, Readonly<Record<string, unknown>>])[] = [
    ["a statement about another digest", "provenance", about(digestOf("another"))],
    ["a statement about nothing", "provenance", { subject: [] }],
    [
      "a bill of another image",
      "sbom",
      { packages: [{ checksums: [{ algorithm: "SHA256", checksumValue: "0".repeat(64) }] }] },
    ],
    ["a bill without packages", "sbom", {}],
  ];
  for (const [name, kind, document] of foreign) {
    it(`refuse ${name}`, async () => {
      const { client, store } = clientOf();
      const { digest } = await madeImage(store);
      attach(store, { repository: REPOSITORY, digest }, { kind, document, created: CREATED });
      await rejects(read(client, digest, kind), /does not speak of the control-plane image/);
    });
  }

  it("refuse an envelope of something else", async () => {
    const { client, store } = clientOf();
    const { digest } = await madeImage(store);
    const seal = (): Uint8Array =>
      new TextEncoder().encode('{"payloadType":"text/plain","payload":"","signatures":[]}');
    attach(
      store,
      { repository: REPOSITORY, digest },
      { kind: "provenance", document: about(digest), created: CREATED, seal },
    );
    await rejects(read(client, digest, "provenance"), /no envelope of a statement/);
  });
});

describe("a signed provenance", () => {
  const pair = (byte: number) => {
    const random = { bytes: (count: number) => new Uint8Array(count).fill(byte), uuid: () => "id", fraction: () => 0 };
    const files = generateKey({ random }, { kind: "ed25519", passphrase: undefined });
    return { signing: openSigningKey(files.privatePem, undefined), trusted: readPublicKey(files.publicPem) };
  };
  const [ours, foreign] = [pair(1), pair(2)];
  const seal = (payloadType: string, payload: Uint8Array): Uint8Array =>
    new TextEncoder().encode(JSON.stringify(signEnvelope(ours.signing, payloadType, payload)));

  async function published(sign: boolean, change: (statement: Record<string, never>) => void = () => {}) {
    const { client, store } = clientOf();
    const image = await madeImage(store);
    attestImage(store, image, 1_700_000_000);
    const [bill] = await read(client, image.digest, "sbom");
    const about = { documents: DOCUMENTS, bills: { "control-plane image": bill?.documentDigest ?? digestOf("") } };
    const statement = releaseProvenance({ ...(await finished()), image }, about) as Record<string, never>;
    change(statement);
    const input = { kind: "provenance", document: statement, created: CREATED, ...(sign ? { seal } : {}) } as const;
    attach(store, { repository: REPOSITORY, digest: image.digest }, input);
    const [provenance] = await read(client, image.digest, "provenance");
    assert.ok(bill !== undefined && provenance !== undefined);
    return { bill, provenance };
  }

  it("is verified by its key, and covers the bill of materials that it names", async () => {
    const { bill, provenance } = await published(true);
    assert.equal(verifyProvenance(provenance, [foreign.trusted, ours.trusted]), ours.trusted.id);
    assert.equal(coversBill(provenance, bill), true);
    assert.equal(coversBill(provenance, { ...bill, documentDigest: digestOf("another bill") }), false);
  });

  it("is not believed when another key is trusted, or when it is not signed", async () => {
    const { provenance } = await published(true);
    assert.throws(() => verifyProvenance(provenance, [foreign.trusted]), isCode("trust/untrusted-signature"));
    const unsigned = await published(false);
    assert.throws(() => verifyProvenance(unsigned.provenance, [ours.trusted]), isCode("trust/unsigned"));
  });

  it("is not believed when one byte of it was changed", async () => {
    const { provenance } = await published(true);
    const payload = Buffer.from(provenance.envelope?.payload ?? "", "base64");
    payload[100] = (payload[100] ?? 0) ^ 1;
    const envelope = { ...provenance.envelope, payload: payload.toString("base64") } as typeof provenance.envelope &
      object;
    assert.throws(
      () => verifyProvenance({ ...provenance, envelope }, [ours.trusted]),
      isCode("trust/untrusted-signature"),
    );
  });
});

function isCode(code: string): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof ApplianceError && thrown.code === code;
}

/** The parts of a finished build that its documents are made from. */
async function finished(): Promise<BuiltRelease> {
  const store = createMemoryStore();
  const source = {
    version: "1.0.3",
    registry: "ghcr.io/nine-minds",
    charts: { sebastian: { path: "charts/sebastian" }, temporal: { reference: "oci://x", version: "0.1.0" } },
  };
  const pins = {
    "chart temporal": { reference: "ghcr.io/nine-minds/charts/temporal:0.1.0", digest: digestOf("temporal") },
    "image algaCore": { reference: "ghcr.io/nine-minds/alga-psa-ee:62cdce38", digest: digestOf("core") },
  };
  return {
    store,
    source,
    lock: { version: "1.0.3", lockedAt: CREATED, pins },
    digest: digestOf("release"),
    configDigest: digestOf("config"),
    charts: new Map([
      ["sebastian", { version: "0.0.1", digest: digestOf("sebastian") }],
      ["temporal", { version: "0.1.0", digest: digestOf("temporal") }],
    ]),
    image: await madeImage(store),
    createdSeconds: 1_700_000_000,
  } as unknown as BuiltRelease;
}

interface Statement {
  readonly _type: string;
  readonly predicateType: string;
  readonly subject: readonly { readonly name: string; readonly digest: Readonly<Record<string, string>> }[];
  readonly predicate: {
    readonly buildDefinition: {
      readonly buildType: string;
      readonly externalParameters: Readonly<Record<string, unknown>>;
      readonly resolvedDependencies: readonly {
        readonly name: string;
        readonly uri?: string;
        readonly digest: Readonly<Record<string, string>>;
      }[];
    };
    readonly runDetails: {
      readonly builder: { readonly id: string };
      readonly metadata: Readonly<Record<string, string>>;
    };
  };
}

describe("the provenance of a release", () => {
  const statementOf = async (more: Partial<Parameters<typeof releaseProvenance>[1]> = {}): Promise<Statement> =>
    releaseProvenance(await finished(), {
      documents: DOCUMENTS,
      bills: { release: digestOf("bill") },
      sourceUrl: "https://example.com/a",
      ...more,
    }) as unknown as Statement;

  it("is a statement of SLSA v1 about all that was made, and nothing that was only pinned", async () => {
    const { _type, predicateType, subject } = await statementOf();
    assert.equal(_type, "https://in-toto.io/Statement/v1");
    assert.equal(predicateType, "https://slsa.dev/provenance/v1");
    assert.deepEqual(
      subject.map((one) => one.name),
      [
        "ghcr.io/nine-minds/alga-appliance-release:1.0.3",
        "ghcr.io/nine-minds/alga-appliance-config:1.0.3",
        "ghcr.io/nine-minds/charts/sebastian:0.0.1",
        "ghcr.io/nine-minds/alga-appliance-control-plane:1.0.3",
        "ghcr.io/nine-minds/alga-appliance-control-plane:1.0.3 linux/amd64",
        "ghcr.io/nine-minds/alga-appliance-control-plane:1.0.3 linux/arm64",
      ],
    );
    assert.ok(subject.every((one) => /^[0-9a-f]{64}$/.test(one.digest.sha256 ?? "")));
  });

  it("names the commit, the documents, the pins, the packages and the libraries by digest", async () => {
    const { buildDefinition } = (await statementOf()).predicate;
    const { externalParameters, resolvedDependencies } = buildDefinition;
    assert.deepEqual(externalParameters.documents, [
      { name: "release.yaml", digest: { sha256: DOCUMENTS["release.yaml"].slice(7) } },
      { name: "release.lock.yaml", digest: { sha256: DOCUMENTS["release.lock.yaml"].slice(7) } },
    ]);
    const find = (name: string) => resolvedDependencies.find((one) => one.name === name);
    assert.deepEqual(find("sources"), {
      name: "sources",
      uri: "git+https://example.com/a",
      digest: { gitCommit: "0123456789abcdef0123456789abcdef01234567" },
    });
    assert.equal(find("chart temporal")?.uri, "oci://ghcr.io/nine-minds/charts/temporal:0.1.0");
    assert.equal(find("zod@4.6.7")?.digest.sha512?.length, 128);
    assert.ok(find("executable (linux/arm64)"));
    assert.ok(find("/lib64/ld-linux-x86-64.so.2 (linux/amd64)"));
    const names = resolvedDependencies.map((one) => one.name);
    assert.equal(new Set(names).size, names.length);
  });

  it("holds a time only when one was asked for, and is the same for the same build", async () => {
    assert.deepEqual((await statementOf()).predicate.runDetails.metadata, {});
    const timed = (await statementOf({ createdSeconds: 1_700_000_000 })).predicate.runDetails.metadata;
    assert.deepEqual(timed, { startedOn: CREATED, finishedOn: CREATED });
    assert.equal(canonicalJson(await statementOf()), canonicalJson(await statementOf()));
  });

  it("names who built it", async () => {
    const { builder } = (await statementOf({ builderId: "https://ci.example.com/release" })).predicate.runDetails;
    assert.equal(builder.id, "https://ci.example.com/release");
    assert.match((await statementOf()).predicate.runDetails.builder.id, /local$/);
  });
});

describe("the bill of materials of a release", () => {
  it("keeps the rules of SPDX, and has a package for each thing that it names", async () => {
    const document = releaseSbom(await finished(), { created: CREATED, tool: "alga-appliance-1.2.3" }) as unknown as {
      packages: { SPDXID: string; externalRefs: { referenceLocator: string }[] }[];
    };
    assert.deepEqual(checkSpdx(document), []);
    assert.deepEqual(
      document.packages.map((one) => one.SPDXID),
      ["Release", "Config", "Chart-sebastian", "ControlPlane", "Pinned-chart-temporal", "Pinned-image-algaCore"].map(
        (id) => `SPDXRef-${id}`,
      ),
    );
    assert.equal(
      document.packages[5]?.externalRefs[0]?.referenceLocator,
      `pkg:oci/alga-psa-ee@sha256%3A${digestOf("core").slice(7)}?repository_url=ghcr.io%2Fnine-minds%2Falga-psa-ee&tag=62cdce38`,
    );
  });
});

function rejects(promise: Promise<unknown>, words: RegExp): Promise<void> {
  return assert.rejects(promise, (thrown) => {
    assert.ok(thrown instanceof ApplianceError, String(thrown));
    assert.equal(thrown.code, "release/attestation-mismatch");
    assert.match(thrown.message, words);
    return true;
  });
}
