import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clientOver, countedRandom, fakeClock, utf8 } from "../../test/support/oci.ts";
import { digestOf, isDigest } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { pushArtifact, pushIndex } from "./artifact.ts";
import { MEDIA } from "./media-types.ts";
import { createRegistryServer } from "./registry-server.ts";
import type { RegistryStore } from "./store.ts";

const REPOSITORY = "nine-minds/alga-appliance-release";
const CONFIG = { mediaType: "application/vnd.alga.release.config.v1+json", bytes: utf8('{"version":"1.0.3"}') };

function release(store: RegistryStore, tag = "stable") {
  return pushArtifact(store, REPOSITORY, { tag, artifactType: "application/vnd.alga.release.v1", config: CONFIG });
}

describe("createRegistryClient()", () => {
  it("reads a manifest and its config, and counts three round trips with the resolve", async () => {
    const server = createRegistryServer();
    const digest = release(server.store);
    const client = clientOver(server.fetch);
    const resolved = await client.resolve(REPOSITORY, "stable");
    const pulled = await client.manifest(REPOSITORY, resolved.digest);
    const config = await client.blob(REPOSITORY, pulled.manifest.config);
    assert.equal(resolved.digest, digest);
    assert.equal(pulled.manifest.artifactType, "application/vnd.alga.release.v1");
    assert.deepEqual(config, CONFIG.bytes);
    assert.equal(client.requests(), 3);
  });

  it("follows an index to a platform, to an artifact type, or to its only entry", async () => {
    const { fetch, store } = createRegistryServer();
    const [amd64, arm64, sbom] = ["amd64", "arm64", "sbom"].map((name) =>
      pushArtifact(store, REPOSITORY, { artifactType: name, layers: [{ mediaType: "text/plain", bytes: utf8(name) }] }),
    ) as [ReturnType<typeof release>, ReturnType<typeof release>, ReturnType<typeof release>];
    const linux = (architecture: string) => ({ os: "linux", architecture });
    const entries = [
      { digest: amd64, platform: linux("amd64") },
      { digest: arm64, platform: linux("arm64") },
      { digest: sbom, artifactType: "sbom" },
    ];
    const index = pushIndex(store, REPOSITORY, { tag: "multi", entries });
    pushIndex(store, REPOSITORY, { tag: "single", entries: entries.slice(0, 1) });
    const client = clientOver(fetch);
    const forArm = await client.manifest(REPOSITORY, "multi", { platform: linux("arm64") });
    assert.equal(forArm.descriptor.digest, arm64);
    assert.equal(forArm.root.digest, index);
    assert.equal((await client.manifest(REPOSITORY, "multi", { artifactType: "sbom" })).descriptor.digest, sbom);
    assert.equal((await client.manifest(REPOSITORY, "single")).descriptor.digest, amd64);
    for (const options of [{}, { platform: linux("riscv64") }]) {
      await assert.rejects(client.manifest(REPOSITORY, "multi", options), (e) =>
        isApplianceError(e, "oci/no-platform"),
      );
    }
  });

  it("lists tags over pages", async () => {
    const { fetch, store } = createRegistryServer();
    const digest = release(store);
    for (let count = 0; count < 2_500; count += 1) store.tag(REPOSITORY, `v${count}`, digest);
    const client = clientOver(fetch);
    assert.equal((await client.tags(REPOSITORY)).length, 2_501);
    assert.equal(client.requests(), 3);
  });

  it("takes content that a descriptor carries, when it is right", async () => {
    const { fetch } = createRegistryServer();
    const client = clientOver(fetch);
    const bytes = utf8("inside");
    const descriptor = { mediaType: "text/plain", digest: digestOf(bytes), size: bytes.length };
    const data = Buffer.from(bytes).toString("base64");
    assert.deepEqual(await client.blob(REPOSITORY, { ...descriptor, data }), bytes);
    assert.equal(client.requests(), 0);
    const wrong = { ...descriptor, data: Buffer.from("outside").toString("base64") };
    await assert.rejects(client.blob(REPOSITORY, wrong), (e) => isApplianceError(e, "oci/not-found"));
  });

  it("reads the content when HEAD has no digest", async () => {
    const server = createRegistryServer();
    const digest = release(server.store);
    const bare: Fetch = async (request) => {
      const response = await server.fetch(request);
      response.headers.delete("docker-content-digest");
      return response;
    };
    assert.equal((await clientOver(bare).resolve(REPOSITORY, "stable")).digest, digest);
  });

  it("says that a tag moved between two reads", async () => {
    const { fetch, store } = createRegistryServer();
    release(store);
    const client = clientOver(fetch);
    const { digest } = await client.resolve(REPOSITORY, "stable");
    pushArtifact(store, REPOSITORY, { tag: "stable", artifactType: "other" });
    await assert.rejects(client.manifest(REPOSITORY, "stable", { expect: digest }), (e) =>
      isApplianceError(e, "oci/tag-moved"),
    );
  });

  it("refuses names that could change an address before anything is sent", async () => {
    const client = clientOver(async () => assert.fail("a request was sent"));
    for (const [repository, reference] of [
      ["../token", "stable"],
      ["a/b?x=", "stable"],
      ["a/b", "../../x"],
      ["a/b", `sha512:${"a".repeat(128)}`],
    ] as const) {
      await assert.rejects(
        async () => client.manifest(repository, reference),
        (e) => isApplianceError(e, "oci/bad-reference"),
      );
    }
  });
});

describe("login", () => {
  const users = [{ username: "alga", password: "s3cret" }];
  const credentials = { kind: "password", username: "alga", password: new Secret("s3cret") } as const;

  it("gets one token for a repository and uses it until it runs out", async () => {
    const clock = fakeClock();
    const random = countedRandom();
    const server = createRegistryServer({ auth: { kind: "token", users, expiresInSeconds: 300 }, clock, random });
    release(server.store);
    const client = clientOver(server.fetch, { credentials, plainHttp: true }, clock);
    await client.resolve(REPOSITORY, "stable");
    assert.equal(client.requests(), 3, "401, token, answer");
    await client.resolve(REPOSITORY, "stable");
    assert.equal(client.requests(), 4);
    clock.advance(299_000);
    await client.resolve(REPOSITORY, "stable");
    assert.equal(client.requests(), 7, "the token is renewed before it runs out");
  });

  it("pulls anonymously with a token where the registry allows it", async () => {
    const random = countedRandom();
    const server = createRegistryServer({ auth: { kind: "token", users, anonymousPull: true }, random });
    const digest = release(server.store);
    const client = clientOver(server.fetch, { plainHttp: true });
    assert.equal((await client.resolve(REPOSITORY, "stable")).digest, digest);
  });

  it("asks for one token when several requests meet 401 at once", async () => {
    const random = countedRandom();
    const server = createRegistryServer({ auth: { kind: "token", users }, random });
    release(server.store);
    let tokens = 0;
    const counting: Fetch = (request) => {
      if (new URL(request.url).pathname === "/token") tokens += 1;
      return server.fetch(request);
    };
    const client = clientOver(counting, { credentials, plainHttp: true });
    await Promise.all(Array.from({ length: 5 }, () => client.resolve(REPOSITORY, "stable")));
    assert.equal(tokens, 1);
  });

  it("uses Basic where the registry asks for it, and tells a wrong password", async () => {
    const server = createRegistryServer({ auth: { kind: "basic", users } });
    const digest = release(server.store);
    const client = clientOver(server.fetch, { credentials, plainHttp: true });
    assert.equal((await client.resolve(REPOSITORY, "stable")).digest, digest);
    const wrong = { ...credentials, password: new Secret("wrong") };
    for (const given of [wrong, undefined]) {
      await assert.rejects(clientOver(server.fetch, { credentials: given }).resolve(REPOSITORY, "stable"), (e) =>
        isApplianceError(e, "oci/unauthorized"),
      );
    }
  });
});

describe("ping()", () => {
  it("tells the time of the registry and whether it lets us in", async () => {
    const clock = fakeClock(Date.UTC(2031, 0, 1));
    const users = [{ username: "alga", password: "s3cret" }];
    const server = createRegistryServer({ auth: { kind: "basic", users }, clock });
    const anonymous = await clientOver(server.fetch).ping();
    assert.deepEqual(anonymous, { authenticated: false, serverTimeMs: Date.UTC(2031, 0, 1) });
    const credentials = { kind: "password", username: "alga", password: new Secret("s3cret") } as const;
    assert.equal((await clientOver(server.fetch, { credentials }).ping()).authenticated, true);
  });

  it("is not content with a web page", async () => {
    const page: Fetch = async () => new Response("<html>", { headers: { "content-type": "text/html" } });
    await assert.rejects(clientOver(page).ping(), (e) => isApplianceError(e, "oci/unexpected-answer"));
  });
});

describe("pushArtifact()", () => {
  it("gives the same digest for the same content, and the empty config of the specification", async () => {
    const [first, second] = [createRegistryServer().store, createRegistryServer().store];
    const input = { tag: "v1", layers: [{ mediaType: MEDIA.layerGzip, bytes: utf8("layer") }] };
    const digest = pushArtifact(first, REPOSITORY, input);
    assert.equal(digest, pushArtifact(second, REPOSITORY, input));
    assert.ok(isDigest(digest));
    assert.deepEqual(first.tags(REPOSITORY), ["v1"]);
  });
});
