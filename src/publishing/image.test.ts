import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { madeExecutable, madeLibraries } from "../../test/support/elf.ts";
import { madeImage, madePlatform, madeRuntime } from "../../test/support/made-image.ts";
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { pushArtifact, pushIndex } from "../oci/artifact.ts";
import { MEDIA } from "../oci/media-types.ts";
import { parseDocument } from "../oci/model.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { tarEntries } from "../oci/tar.ts";
import { attestImage } from "./attest-release.ts";
import { type BuiltImage, buildControlPlaneImage, type ImageInput, type PlatformInput } from "./image.ts";
import { type BaseContent, openBase } from "./image-base.ts";
import { type LayerEntry, packLayer } from "./image-layer.ts";

const REPOSITORY = "alga-appliance-control-plane";

async function built(
  input: Partial<ImageInput> = {},
): Promise<{ readonly store: RegistryStore; readonly image: BuiltImage }> {
  const store = createMemoryStore();
  return { store, image: await madeImage(store, input) };
}

function json(store: RegistryStore, digest: string): Record<string, never> {
  const bytes = store.manifest(REPOSITORY, digest)?.bytes ?? store.blob(REPOSITORY, digest);
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** Path, type, mode, owner and time of the entries of a layer. */
function listing(store: RegistryStore, digest: string): readonly string[] {
  const tar = gunzipSync(store.blob(REPOSITORY, digest) ?? new Uint8Array());
  const field = (block: number, at: number, length: number): number =>
    Number.parseInt(new TextDecoder().decode(tar.subarray(block + at, block + at + length)), 8);
  let block = 0;
  return [...tarEntries(tar, "layer")].map(({ header }) => {
    const [mode, owner, time] = [field(block, 100, 7), field(block, 108, 7), field(block, 136, 11)];
    block += 512 + Math.ceil(header.sizeBytes / 512) * 512;
    return `${header.path} ${mode.toString(8)} ${owner} ${time}`;
  });
}

describe("buildControlPlaneImage", () => {
  it("makes an index of both platforms, in one order, under the version", async () => {
    const { store, image } = await built();
    const index = json(store, image.digest) as unknown as {
      manifests: { platform: unknown; digest: string }[];
      annotations: Record<string, string>;
    };
    assert.equal(store.manifest(REPOSITORY, "1.0.3")?.digest, image.digest);
    assert.deepEqual(
      index.manifests.map((one) => one.platform),
      [
        { os: "linux", architecture: "amd64" },
        { os: "linux", architecture: "arm64" },
      ],
    );
    assert.equal(index.annotations["org.opencontainers.image.version"], "1.0.3");
    for (const one of index.manifests) {
      const stored = store.manifest(REPOSITORY, one.digest);
      parseDocument(stored?.bytes ?? new Uint8Array(), { contentType: MEDIA.manifest, what: "it" });
    }
  });

  it("says who runs, what runs and where it comes from", async () => {
    const { store, image } = await built({ sourceUrl: "https://example.com/appliance" });
    const manifest = json(store, image.platforms[1]?.digest ?? "") as unknown as { config: { digest: string } };
    const { architecture, os, created, config } = json(store, manifest.config.digest) as unknown as Record<
      string,
      unknown
    >;
    assert.deepEqual(
      { architecture, os, created },
      { architecture: "arm64", os: "linux", created: "2023-11-14T22:13:20Z" },
    );
    const { Labels, ...rest } = config as { Labels: Record<string, string> };
    assert.deepEqual(rest, {
      User: "10001:10001",
      ExposedPorts: { "8080/tcp": {} },
      Env: ["PATH=/usr/local/bin", "HOME=/var/lib/alga-appliance"],
      Entrypoint: ["/usr/local/bin/alga-appliance"],
      Cmd: ["serve"],
      WorkingDir: "/",
      StopSignal: "SIGTERM",
    });
    assert.equal(Labels["org.opencontainers.image.revision"], "0123456789ab");
    assert.equal(Labels["org.opencontainers.image.source"], "https://example.com/appliance");
    assert.equal(Labels["org.opencontainers.image.created"], "2023-11-14T22:13:20Z");
  });

  it("has the runtime and the accounts in one layer, the executable in another", async () => {
    const { store, image } = await built();
    const [runtime, executable] = image.platforms[0]?.layers ?? [];
    const time = 1_700_000_000;
    assert.deepEqual(listing(store, executable?.digest ?? ""), [`usr/local/bin/alga-appliance 755 0 ${time}`]);
    assert.deepEqual(listing(store, runtime?.digest ?? ""), [
      `etc/ 755 0 ${time}`,
      `etc/alga-appliance/ 755 0 ${time}`,
      `etc/group 644 0 ${time}`,
      `etc/nsswitch.conf 644 0 ${time}`,
      `etc/passwd 644 0 ${time}`,
      `lib/ 755 0 ${time}`,
      `lib/x86_64-linux-gnu/ 755 0 ${time}`,
      `lib/x86_64-linux-gnu/libc.so.6 755 0 ${time}`,
      `lib/x86_64-linux-gnu/libm.so.6 755 0 ${time}`,
      `lib64/ 755 0 ${time}`,
      `lib64/ld-linux-x86-64.so.2 755 0 ${time}`,
      `tmp/ 1777 0 ${time}`,
      `usr/ 755 0 ${time}`,
      `usr/local/ 755 0 ${time}`,
      `usr/local/bin/ 755 0 ${time}`,
      `var/ 755 0 ${time}`,
      `var/lib/ 755 0 ${time}`,
      `var/lib/alga-appliance/ 750 10001 ${time}`,
    ]);
  });

  it("names each layer by the digest of its tar too", async () => {
    const { store, image } = await built();
    const [first] = image.platforms;
    const manifest = json(store, first?.digest ?? "") as unknown as { config: { digest: string } };
    const { rootfs } = json(store, manifest.config.digest) as unknown as { rootfs: { diff_ids: string[] } };
    const tars = first?.layers.map((layer) =>
      digestOf(gunzipSync(store.blob(REPOSITORY, layer.digest) ?? new Uint8Array())),
    );
    assert.deepEqual(rootfs.diff_ids, tars);
  });

  it("gives the same digests twice, and others for another time", async () => {
    const [one, two, other] = [await built(), await built(), await built({ createdSeconds: 0 })];
    assert.equal(one.image.digest, two.image.digest);
    assert.notEqual(one.image.digest, other.image.digest);
  });

  it("keeps the first layer when only the executable changes", async () => {
    const [one, two] = [
      await built(),
      await built({ platforms: [madePlatform("amd64", { revision: "ffff00000000" })], version: "1.0.4" }),
    ];
    const [before, after] = [one.image.platforms[0]?.layers, two.image.platforms[0]?.layers];
    assert.equal(before?.[0]?.digest, after?.[0]?.digest);
    assert.notEqual(before?.[1]?.digest, after?.[1]?.digest);
  });

  it("takes the version of the executables when none is given", async () => {
    const store = createMemoryStore();
    const image = await buildControlPlaneImage(store, { platforms: [madePlatform("amd64")], createdSeconds: 0 });
    assert.equal(image.tag, "1.2.3");
  });

  const wrong: readonly (readonly [string, readonly PlatformInput[], string, RegExp])[] = [
    [
      "executables of two builds",
      [madePlatform("amd64"), madePlatform("arm64", { revision: "ffffffffffff" })],
      "image/not-ours",
      /amd64 of 1\.2\.3 \(0123456789ab\), arm64 of 1\.2\.3 \(ffffffffffff\)/,
    ],
    [
      "an executable that says it was built for another target",
      [madePlatform("amd64", { target: "linux-arm64" })],
      "image/wrong-machine",
      /built for linux-arm64, linux-x64 is wanted/,
    ],
    [
      "a stripped executable",
      [{ ...madePlatform("amd64"), executable: async () => madeExecutable("amd64").slice(0, 600) }],
      "image/not-ours",
      /holds no facts/,
    ],
    ["facts of another form", [madePlatform("amd64", { lock: "md5:1" })], "image/not-ours", /the field "lock"/],
    [
      "libraries of another machine",
      [
        {
          ...madePlatform("arm64"),
          runtime: async () => ({
            ...madeRuntime("amd64"),
            find: async (paths) => ({ path: paths[0] ?? "", bytes: madeExecutable("amd64") }),
          }),
        },
      ],
      "image/wrong-machine",
      /it is for amd64, one for arm64/,
    ],
  ];
  for (const [name, platforms, code, words] of wrong) {
    it(`refuses ${name}, and leaves no tag`, async () => {
      const store = createMemoryStore();
      await rejects(buildControlPlaneImage(store, { platforms, version: "1.0.3", createdSeconds: 0 }), code, words);
      assert.equal(store.manifest(REPOSITORY, "1.0.3"), undefined);
    });
  }
});

/** A base image of the made libraries in a store, behind the port that registries and layouts share. */
async function base(
  change: { readonly libraries?: readonly LayerEntry[]; readonly diffId?: Digest; readonly architecture?: string } = {},
): Promise<{ readonly content: BaseContent; readonly layer: Digest }> {
  const store = createMemoryStore();
  const libraries = Object.entries(madeLibraries("amd64")).map(([name, bytes]) => ({ path: `usr/lib/${name}`, bytes }));
  const links = [
    { path: "lib", target: "usr/lib" },
    { path: "lib64", target: "usr/lib" },
  ];
  const layer = await packLayer([...(change.libraries ?? libraries), ...links], { modifiedSeconds: 0 });
  const config = {
    architecture: change.architecture ?? "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin", "SSL_CERT_FILE=/etc/ssl/cert.pem"] },
    rootfs: { type: "layers", diff_ids: [change.diffId ?? layer.diffId] },
  };
  const manifest = pushArtifact(store, "base", {
    config: { mediaType: MEDIA.config, bytes: new TextEncoder().encode(JSON.stringify(config)) },
    layers: [{ mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", bytes: layer.bytes }],
  });
  const digest = pushIndex(store, "base", {
    entries: [{ digest: manifest, platform: { os: "linux", architecture: "amd64" } }],
  });
  const content: BaseContent = {
    reference: `registry.example/base@${digest}`,
    name: "registry.example/base",
    digest,
    manifest: async () => {
      const document = parseDocument(store.manifest("base", manifest)?.bytes ?? new Uint8Array(), {
        contentType: MEDIA.manifest,
        what: "base",
      });
      assert.ok(document.kind === "manifest");
      return document.manifest;
    },
    blob: async (descriptor) => store.blob("base", descriptor.digest) ?? new Uint8Array(),
  };
  return { content, layer: layer.digest };
}

describe("an image on a base image", () => {
  const onBase = async (content: BaseContent): Promise<Awaited<ReturnType<typeof built>>> =>
    await built({
      platforms: [{ ...madePlatform("amd64"), runtime: () => openBase(content, { architecture: "amd64" }) }],
    });

  it("takes its layers over as they are and adds no library", async () => {
    const { content, layer } = await base();
    const { store, image } = await onBase(content);
    const layers = image.platforms[0]?.layers ?? [];
    assert.equal(layers.length, 3);
    assert.equal(layers[0]?.digest, layer);
    assert.ok(!listing(store, layers[1]?.digest ?? "").some((line) => line.startsWith("lib")));
    const manifest = json(store, image.platforms[0]?.digest ?? "") as unknown as {
      config: { digest: string };
      layers: { mediaType: string }[];
    };
    assert.equal(manifest.layers[0]?.mediaType, MEDIA.layerGzip);
    const { config } = json(store, manifest.config.digest) as unknown as {
      config: { Env: string[]; Labels: Record<string, string> };
    };
    assert.deepEqual(config.Env, [
      "PATH=/usr/local/bin",
      "HOME=/var/lib/alga-appliance",
      "SSL_CERT_FILE=/etc/ssl/cert.pem",
    ]);
    assert.equal(config.Labels["org.opencontainers.image.base.name"], "registry.example/base");
    assert.equal(config.Labels["org.opencontainers.image.base.digest"], content.digest);
  });

  it("says in its bill of materials what it stands on", async () => {
    const { content } = await base();
    const { store, image } = await onBase(content);
    const artifact = json(store, attestImage(store, image, 0)) as unknown as { layers: { digest: string }[] };
    const document = json(store, artifact.layers[0]?.digest ?? "") as unknown as {
      relationships: { relationshipType: string }[];
    };
    assert.ok(document.relationships.some((one) => one.relationshipType === "DESCENDANT_OF"));
  });

  it("refuses a base without a library", async () => {
    const { content } = await base({ libraries: [] });
    await rejects(onBase(content), "image/runtime-missing", /"ld-linux-x86-64\.so\.2" of base image/);
  });

  it("refuses a base for another machine, and one whose config names another content", async () => {
    await rejects(onBase((await base({ architecture: "arm64" })).content), "image/wrong-machine", /for arm64/);
    await rejects(onBase((await base({ diffId: digestOf("x") })).content), "image/bad-source", /another content/);
  });
});

function rejects(promise: Promise<unknown>, code: string, words: RegExp): Promise<void> {
  return assert.rejects(promise, (thrown) => {
    assert.ok(thrown instanceof ApplianceError, String(thrown));
    assert.equal(thrown.code, code, thrown.message);
    assert.match(thrown.message, words);
    return true;
  });
}
