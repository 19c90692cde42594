/**
 * The contract of an OCI registry, as one suite over any registry: ours in memory, ours behind a socket, and Debian's.
 *
 * It holds our registry to what a real one does (so that tests against it mean something) and our client to both.
 *
 * @see OCI distribution-spec v1.1.1, conformance chapters "Pull", "Push", "Content Discovery", "Content Management"
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Digest, digestOf } from "../../src/core/digest.ts";
import { ApplianceError, isApplianceError } from "../../src/core/errors.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Fetch } from "../../src/core/ports.ts";
import { Secret } from "../../src/core/secret.ts";
import { EMPTY_CONFIG, pushArtifact, pushIndex } from "../../src/oci/artifact.ts";
import { withAuth } from "../../src/oci/auth.ts";
import { createRegistryClient, type RegistryClient, type RegistryOptions } from "../../src/oci/client.ts";
import { storeContent } from "../../src/oci/content.ts";
import { ACCEPT_MANIFESTS, MEDIA } from "../../src/oci/media-types.ts";
import { openPush, pushStore } from "../../src/oci/push.ts";
import { createMemoryStore } from "../../src/oci/store.ts";
import { packTree, readTarGz } from "../../src/oci/tar.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemRandom } from "../../src/platform/random.ts";

/**
 * Known gaps: the referrers API (404 before version 1.1), pages of tags (docker-registry 2.8 gives all tags whatever `n`
 * says), and the order of chunks (docker-registry 2.8 takes any).
 */
export type Gap = "referrers" | "tag pages" | "chunk order";

/** A registry that is up. */
export interface Subject {
  readonly fetch: Fetch;
  /** `host[:port]`. */
  readonly registry: string;
  readonly plainHttp: boolean;
  /** Set when it wants a login. */
  readonly user?: { readonly username: string; readonly password: string };
  /** What of the specification it leaves out; the suite then holds it to what it does instead. */
  readonly lacks: readonly Gap[];
  close(): Promise<void>;
}

const REPOSITORY = "nine-minds/alga-appliance-release";
const OTHER = "nine-minds/other";
const deps = { clock: systemClock, random: systemRandom, log: SILENT_LOG };
const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const CONFIG = { mediaType: "application/vnd.alga.release.config.v1+json", bytes: utf8('{"version":"1.0.3"}') };
/** Compressible by nothing, larger than any buffer on the way. */
const LARGE = new Uint8Array(3_000_000).map((_, index) => (index * 2_654_435_761) >>> 13);

/** Registers the suite for one registry. With `skip` it is reported as skipped, never as passed. */
export function registryContract(name: string, open: () => Promise<Subject>, skip?: string): void {
  if (skip !== undefined) {
    it(`registry contract: ${name}`, { skip }, () => {});
    return;
  }
  describe(`registry contract: ${name}`, () => {
    let subject: Subject;
    let client: RegistryClient;
    let raw: Fetch;
    before(async () => {
      subject = await open();
      client = clientOf(subject);
      raw = loggedIn(subject);
    });
    after(async () => {
      await subject?.close();
    });
    const lacks = (gap: Gap): boolean => subject.lacks.includes(gap);
    const url = (path: string): URL => new URL(path, `${subject.plainHttp ? "http" : "https"}://${subject.registry}`);
    const send = (method: string, path: string, init: RequestInit = {}): Promise<Response> =>
      raw(new Request(url(path), { method, ...init }));
    const sendTo = (method: string, location: string | null, init: RequestInit = {}): Promise<Response> =>
      raw(new Request(new URL(location ?? "", url("/")), { method, ...init }));
    const errorCode = async (response: Response): Promise<string> => {
      const body = (await response.json()) as { errors: { code: string }[] };
      return body.errors[0]?.code ?? "";
    };

    describe("pull", () => {
      let release: Digest;
      let index: Digest;
      let tree: Uint8Array;
      before(async () => {
        const store = createMemoryStore();
        tree = packTree([{ path: "base/kustomization.yaml", bytes: utf8("resources: []\n") }]);
        release = pushArtifact(store, REPOSITORY, {
          tag: "stable",
          artifactType: "application/vnd.alga.release.v1",
          config: CONFIG,
          layers: [
            { mediaType: MEDIA.layerGzip, bytes: tree },
            { mediaType: "application/octet-stream", bytes: LARGE },
          ],
          annotations: { "org.opencontainers.image.version": "1.0.3" },
        });
        const platforms = ["amd64", "arm64"].map((architecture) => ({
          digest: pushArtifact(store, REPOSITORY, {
            artifactType: "x",
            config: { mediaType: MEDIA.config, bytes: utf8(`{"architecture":"${architecture}","os":"linux"}`) },
          }),
          platform: { os: "linux", architecture },
        }));
        index = pushIndex(store, REPOSITORY, { tag: "multi", entries: platforms });
        await pushStore(store, { ...deps, fetch: subject.fetch }, optionsOf(subject));
      });

      it("answers /v2/ and tells whether we are let in", async () => {
        assert.equal((await client.ping()).authenticated, true);
        assert.equal((await clientOf(subject, null).ping()).authenticated, subject.user === undefined);
      });

      it("gives a manifest by tag and digest with all that was pushed", async () => {
        const resolved = await client.resolve(REPOSITORY, "stable");
        assert.equal(resolved.digest, release);
        for (const reference of ["stable", release]) {
          const pulled = await client.manifest(REPOSITORY, reference);
          assert.equal(pulled.descriptor.digest, release);
          assert.equal(pulled.descriptor.size, resolved.size);
          assert.equal(pulled.manifest.artifactType, "application/vnd.alga.release.v1");
          assert.equal(pulled.manifest.config.mediaType, CONFIG.mediaType);
          assert.equal(pulled.manifest.annotations?.["org.opencontainers.image.version"], "1.0.3");
        }
      });

      it("gives blobs whole, streamed and in part", async () => {
        const { manifest } = await client.manifest(REPOSITORY, "stable");
        const [archive, large] = manifest.layers;
        assert.ok(archive !== undefined && large !== undefined);
        assert.deepEqual(await client.blob(REPOSITORY, manifest.config), CONFIG.bytes);
        assert.deepEqual([...readTarGz(await client.blob(REPOSITORY, archive)).keys()], ["base/kustomization.yaml"]);
        let sizeBytes = 0;
        for await (const chunk of client.blobStream(REPOSITORY, large)) sizeBytes += chunk.length;
        assert.equal(sizeBytes, LARGE.length);
        const part = await send("GET", `/v2/${REPOSITORY}/blobs/${large.digest}`, {
          headers: { range: "bytes=10-19" },
        });
        assert.equal(part.status, 206);
        assert.equal(part.headers.get("content-range"), `bytes 10-19/${LARGE.length}`);
        assert.deepEqual(new Uint8Array(await part.arrayBuffer()), LARGE.subarray(10, 20));
        const beyond = { range: `bytes=${LARGE.length}-` };
        const outside = await send("GET", `/v2/${REPOSITORY}/blobs/${large.digest}`, { headers: beyond });
        assert.equal(outside.status, 416);
        await outside.body?.cancel();
      });

      it("lets an interrupted blob go on by Range", async () => {
        const { manifest } = await client.manifest(REPOSITORY, "stable");
        const large = manifest.layers[1];
        assert.ok(large !== undefined);
        const ranges: (string | null)[] = [];
        const breaking = breakOnce(subject.fetch, ranges);
        const resuming = createRegistryClient({ ...deps, fetch: breaking }, optionsOf(subject));
        const bytes = await resuming.blob(REPOSITORY, large, { maxBytes: LARGE.length });
        assert.equal(digestOf(bytes), digestOf(LARGE));
        assert.match(ranges.at(-1) ?? "", /^bytes=[1-9]\d*-$/);
      });

      it("announces size and digest to HEAD", async () => {
        const manifest = await send("HEAD", `/v2/${REPOSITORY}/manifests/stable`, {
          headers: { accept: ACCEPT_MANIFESTS },
        });
        assert.deepEqual([manifest.status, manifest.headers.get("docker-content-digest")], [200, release]);
        const blob = await send("HEAD", `/v2/${REPOSITORY}/blobs/${digestOf(CONFIG.bytes)}`);
        assert.deepEqual([blob.status, blob.headers.get("content-length")], [200, String(CONFIG.bytes.length)]);
      });

      it("gives an index, and the manifest of a platform through it", async () => {
        const pulled = await client.manifest(REPOSITORY, "multi", { platform: { os: "linux", architecture: "arm64" } });
        assert.equal(pulled.root.digest, index);
        assert.notEqual(pulled.descriptor.digest, index);
        assert.match(new TextDecoder().decode(await client.blob(REPOSITORY, pulled.manifest.config)), /arm64/);
      });

      it("does not give an OCI manifest to a client that does not accept one", async () => {
        const response = await send("GET", `/v2/${REPOSITORY}/manifests/stable`, {
          headers: { accept: MEDIA.dockerManifest },
        });
        assert.deepEqual([response.status, await errorCode(response)], [404, "MANIFEST_UNKNOWN"]);
      });

      it("says what is not there", async () => {
        const accept = { headers: { accept: ACCEPT_MANIFESTS } };
        const tag = await send("GET", `/v2/${REPOSITORY}/manifests/nothing`, accept);
        assert.deepEqual([tag.status, await errorCode(tag)], [404, "MANIFEST_UNKNOWN"]);
        const blob = await send("GET", `/v2/${REPOSITORY}/blobs/${digestOf("nothing")}`);
        assert.deepEqual([blob.status, await errorCode(blob)], [404, "BLOB_UNKNOWN"]);
        const tags = await send("GET", "/v2/nine-minds/nowhere/tags/list");
        assert.deepEqual([tags.status, await errorCode(tags)], [404, "NAME_UNKNOWN"]);
        await assert.rejects(client.resolve(REPOSITORY, "nothing"), (e) => isApplianceError(e, "oci/not-found"));
      });

      it("lists tags in order, in pages", async () => {
        assert.deepEqual(await client.tags(REPOSITORY), ["multi", "stable"]);
        const first = await send("GET", `/v2/${REPOSITORY}/tags/list?n=1`);
        const { tags } = (await first.json()) as { tags: string[] };
        if (lacks("tag pages")) return assert.deepEqual(tags, ["multi", "stable"]);
        assert.deepEqual(tags, ["multi"]);
        assert.match(first.headers.get("link") ?? "", /^<[^>]*last=multi[^>]*>; rel="next"$/);
        const second = await send("GET", `/v2/${REPOSITORY}/tags/list?n=10&last=multi`);
        assert.deepEqual(((await second.json()) as { tags: string[] }).tags, ["stable"]);
      });

      it("has the referrers API or says that it has not", async () => {
        const response = await send("GET", `/v2/${REPOSITORY}/referrers/${release}`);
        assert.equal(response.status, lacks("referrers") ? 404 : 200);
        if (lacks("referrers")) return void (await response.body?.cancel());
        assert.equal(response.headers.get("content-type"), MEDIA.index);
        assert.deepEqual(((await response.json()) as { manifests: unknown[] }).manifests, []);
      });
    });

    describe("push", () => {
      const begin = async (): Promise<string | null> => {
        const response = await send("POST", `/v2/${OTHER}/blobs/uploads/`);
        assert.equal(response.status, 202);
        await response.body?.cancel();
        return response.headers.get("location");
      };
      const withDigest = (location: string | null, digest: string): string => {
        const target = new URL(location ?? "", url("/"));
        target.searchParams.set("digest", digest);
        return target.href;
      };

      it("takes a blob in chunks and tells how far it is", async () => {
        const [one, two] = [utf8("chunk one, "), utf8("chunk two")];
        const first = await sendTo("PATCH", await begin(), {
          body: one,
          headers: { "content-type": "application/octet-stream", "content-range": `0-${one.length - 1}` },
        });
        assert.deepEqual([first.status, first.headers.get("range")], [202, `0-${one.length - 1}`]);
        const status = await sendTo("GET", first.headers.get("location"));
        assert.deepEqual([status.status, status.headers.get("range")], [204, `0-${one.length - 1}`]);
        const second = await sendTo("PATCH", status.headers.get("location") ?? first.headers.get("location"), {
          body: two,
          headers: {
            "content-type": "application/octet-stream",
            "content-range": `${one.length}-${one.length + two.length - 1}`,
          },
        });
        assert.equal(second.status, 202);
        const digest = digestOf("chunk one, chunk two");
        const end = await sendTo("PUT", withDigest(second.headers.get("location"), digest));
        assert.deepEqual([end.status, end.headers.get("docker-content-digest")], [201, digest]);
      });

      it("refuses a chunk out of order", async () => {
        const response = await sendTo("PATCH", await begin(), {
          body: utf8("late"),
          headers: { "content-type": "application/octet-stream", "content-range": "100-103" },
        });
        assert.equal(response.status, lacks("chunk order") ? 202 : 416);
        await response.body?.cancel();
      });

      it("refuses bytes with another digest", async () => {
        const response = await sendTo("PUT", withDigest(await begin(), digestOf("promised")), {
          body: utf8("sent"),
          headers: { "content-type": "application/octet-stream" },
        });
        assert.deepEqual([response.status, await errorCode(response)], [400, "DIGEST_INVALID"]);
      });

      it("takes a whole blob in one POST, or begins an upload instead", async () => {
        const bytes = utf8("monolith");
        const response = await send("POST", `/v2/${OTHER}/blobs/uploads/?digest=${digestOf(bytes)}`, {
          body: bytes,
          headers: { "content-type": "application/octet-stream" },
        });
        assert.ok([201, 202].includes(response.status), String(response.status));
        assert.ok(response.headers.get("location"));
      });

      it("forgets an upload that is cancelled", async () => {
        const location = await begin();
        assert.equal((await sendTo("DELETE", location)).status, 204);
        const gone = await sendTo("GET", location);
        assert.deepEqual([gone.status, await errorCode(gone)], [404, "BLOB_UPLOAD_UNKNOWN"]);
      });

      it("mounts a blob of another repository", async () => {
        const from = createMemoryStore();
        pushArtifact(from, OTHER, {
          tag: "mount",
          layers: [{ mediaType: "text/plain", bytes: utf8("to be mounted") }],
        });
        await pushStore(from, { ...deps, fetch: subject.fetch }, optionsOf(subject));
        const digest = digestOf("to be mounted");
        const response = await send("POST", `/v2/${REPOSITORY}/blobs/uploads/?mount=${digest}&from=${OTHER}`);
        await response.body?.cancel();
        // A registry may begin an upload instead, when the token does not cover the other repository.
        assert.ok([201, 202].includes(response.status), String(response.status));
        if (response.status === 202) return;
        assert.equal((await send("HEAD", `/v2/${REPOSITORY}/blobs/${digest}`)).status, 200);
      });

      it("refuses a manifest that names unknown blobs, is no JSON, or has another digest", async () => {
        const put = (reference: string, text: string): Promise<Response> =>
          send("PUT", `/v2/${OTHER}/manifests/${reference}`, {
            body: text,
            headers: { "content-type": MEDIA.manifest },
          });
        const missing = { mediaType: MEDIA.config, digest: digestOf("not there"), size: 9 };
        const document = { schemaVersion: 2, mediaType: MEDIA.manifest, config: missing, layers: [] };
        const unknown = await put("broken", JSON.stringify(document));
        assert.deepEqual([unknown.status, await errorCode(unknown)], [400, "MANIFEST_BLOB_UNKNOWN"]);
        const garbage = await put("broken", "{");
        assert.deepEqual([garbage.status, await errorCode(garbage)], [400, "MANIFEST_INVALID"]);
        const store = createMemoryStore();
        const digest = pushArtifact(store, OTHER, { tag: "whole" });
        await pushStore(store, { ...deps, fetch: subject.fetch }, optionsOf(subject));
        const stored = store.manifest(OTHER, digest);
        const other = await put(digestOf("other"), new TextDecoder().decode(stored?.bytes));
        assert.deepEqual([other.status, await errorCode(other)], [400, "DIGEST_INVALID"]);
      });

      it("takes a large blob from us in one stream, and the rest of it when the line was cut in the middle", async () => {
        const bytes = largeBytes();
        const store = createMemoryStore();
        pushArtifact(store, OTHER, { tag: "large", layers: [{ mediaType: "application/octet-stream", bytes }] });
        const methods: string[] = [];
        const fetch = cutOnce(subject.fetch, methods);
        const retry = { attempts: 5, baseMs: 20, maxMs: 100 };
        const push = await openPush(storeContent(store), { ...deps, fetch }, { ...optionsOf(subject), retry });
        const report = await push.content();
        assert.equal(report.sentBytes + report.skippedBytes, report.totalBytes);
        assert.deepEqual(methods.slice(0, 3), ["PATCH cut", "GET", "PATCH"]);
        await push.tags({ taken: "refuse" });
        const { manifest } = await client.manifest(OTHER, "large");
        const layer = manifest.layers[0] ?? assert.fail();
        assert.equal(digestOf(await client.blob(OTHER, layer, { maxBytes: bytes.length })), digestOf(bytes));
      });

      it("lets us mount what another repository has, and does not get the bytes again", async () => {
        const bytes = utf8("mounted by a push");
        const from = createMemoryStore();
        pushArtifact(from, OTHER, { layers: [{ mediaType: "text/plain", bytes }] });
        await pushStore(from, { ...deps, fetch: subject.fetch }, optionsOf(subject));
        const to = createMemoryStore();
        pushArtifact(to, "nine-minds/third", { layers: [{ mediaType: "text/plain", bytes }] });
        const options = { ...optionsOf(subject), mountFrom: () => [OTHER] };
        const push = await openPush(storeContent(to), { ...deps, fetch: subject.fetch }, options);
        const { blobs, sentBytes } = await push.content();
        assert.deepEqual([blobs, sentBytes], [{ total: 2, sent: 0, mounted: 2 }, 0]);
      });

      it("lists what refers to a manifest, by its API or by the fallback tag that we keep", async () => {
        const store = createMemoryStore();
        const digest = pushArtifact(store, OTHER, { tag: "subject", artifactType: "application/vnd.alga.subject" });
        const size = store.manifest(OTHER, digest)?.bytes.length ?? 0;
        const subjectOf = { mediaType: MEDIA.manifest, digest, size };
        for (const name of ["sbom", "signature"]) {
          pushArtifact(store, OTHER, { artifactType: `application/vnd.alga.${name}`, subject: subjectOf });
        }
        const target = { ...deps, fetch: subject.fetch };
        await pushStore(store, target, optionsOf(subject));
        await pushStore(store, target, optionsOf(subject));
        const all = await client.referrers(OTHER, digest);
        assert.equal(all.by, lacks("referrers") ? "tag" : "api");
        assert.deepEqual(all.manifests.map((one) => one.artifactType).sort(), [
          "application/vnd.alga.sbom",
          "application/vnd.alga.signature",
        ]);
        const some = await client.referrers(OTHER, digest, { artifactType: "application/vnd.alga.sbom" });
        assert.equal(some.manifests.length, 1);
      });

      it("is safe to call again, and moves a tag", async () => {
        const store = createMemoryStore();
        const first = pushArtifact(store, OTHER, { tag: "channel", artifactType: "first" });
        const target = { ...deps, fetch: subject.fetch };
        await pushStore(store, target, optionsOf(subject));
        assert.deepEqual(await pushStore(store, target, optionsOf(subject)), { blobs: 0, manifests: 0, tags: 0 });
        assert.equal((await client.resolve(OTHER, "channel")).digest, first);
        const second = pushArtifact(store, OTHER, { tag: "channel", artifactType: "second" });
        await pushStore(store, target, optionsOf(subject));
        assert.equal((await client.resolve(OTHER, "channel")).digest, second);
        assert.equal((await client.resolve(OTHER, first)).digest, first);
      });
    });

    describe("delete", () => {
      it("removes a manifest with its tags, and a blob", async () => {
        const store = createMemoryStore();
        const digest = pushArtifact(store, OTHER, { tag: "doomed", artifactType: "doomed" });
        await pushStore(store, { ...deps, fetch: subject.fetch }, optionsOf(subject));
        assert.equal((await send("DELETE", `/v2/${OTHER}/manifests/${digest}`)).status, 202);
        await assert.rejects(client.resolve(OTHER, digest), (e) => isApplianceError(e, "oci/not-found"));
        await assert.rejects(client.resolve(OTHER, "doomed"), (e) => isApplianceError(e, "oci/not-found"));
        const blob = digestOf(EMPTY_CONFIG.bytes);
        assert.equal((await send("DELETE", `/v2/${OTHER}/blobs/${blob}`)).status, 202);
        assert.equal((await send("HEAD", `/v2/${OTHER}/blobs/${blob}`)).status, 404);
      });
    });

    describe("login", () => {
      it("is wanted from strangers where there is one", async () => {
        const anonymous = clientOf(subject, null).resolve(REPOSITORY, "stable");
        if (subject.user === undefined) return void (await anonymous);
        await assert.rejects(anonymous, (e) => isApplianceError(e, "oci/unauthorized"));
        const wrong = { username: subject.user.username, password: "wrong" };
        await assert.rejects(clientOf(subject, wrong).resolve(REPOSITORY, "stable"), (e) =>
          isApplianceError(e, "oci/unauthorized"),
        );
      });

      it("is asked for once, not at every request", async () => {
        const fresh = clientOf(subject);
        await fresh.resolve(REPOSITORY, "stable");
        const first = fresh.requests();
        await fresh.resolve(REPOSITORY, "stable");
        assert.equal(fresh.requests(), first + 1);
      });
    });
  });
}

function optionsOf(subject: Subject, user: Subject["user"] | null = subject.user): RegistryOptions {
  const credentials =
    user === undefined || user === null
      ? {}
      : { credentials: { kind: "password", username: user.username, password: new Secret(user.password) } as const };
  return { registry: subject.registry, plainHttp: subject.plainHttp, ...credentials };
}

function clientOf(subject: Subject, user: Subject["user"] | null = subject.user): RegistryClient {
  return createRegistryClient({ ...deps, fetch: subject.fetch }, optionsOf(subject, user));
}

function loggedIn(subject: Subject): Fetch {
  const registry = new URL(`${subject.plainHttp ? "http" : "https"}://${subject.registry}/`);
  return withAuth(subject.fetch, deps, { registry, credentials: optionsOf(subject).credentials });
}

/** No two places of it are alike. */
function largeBytes(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(8_500_000).map((_, index) => (index * 2_654_435_761) >>> 11);
}

/** Cuts the line in the middle of the first PATCH, and names what is done with the upload. */
function cutOnce(fetch: Fetch, methods: string[]): Fetch {
  return async (request) => {
    if (!/\/blobs\/uploads\/./.test(request.url)) return fetch(request);
    const isCut = request.method === "PATCH" && methods.length === 0;
    methods.push(isCut ? "PATCH cut" : request.method);
    if (!isCut) return fetch(request);
    let leftBytes = 5_500_000;
    const line = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        controller.enqueue(chunk.subarray(0, leftBytes));
        leftBytes -= chunk.length;
        if (leftBytes <= 0) controller.error(new Error("the line was cut"));
      },
    });
    const init = { method: "PATCH", headers: request.headers, duplex: "half", body: request.body?.pipeThrough(line) };
    const answer = await fetch(new Request(request.url, init as RequestInit)).catch(() => undefined);
    await answer?.body?.cancel();
    throw new ApplianceError("net/reset", "Cannot go on: the line was cut");
  };
}

/** Breaks the first large body after its first chunk. */
function breakOnce(fetch: Fetch, ranges: (string | null)[]): Fetch {
  let isBroken = false;
  return async (request) => {
    const response = await fetch(request);
    if (!request.url.includes("/blobs/") || response.status >= 300) return response;
    ranges.push(request.headers.get("range"));
    const reader = isBroken ? undefined : response.body?.getReader();
    if (reader === undefined) return response;
    isBroken = true;
    let count = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const { value } = await reader.read();
        if (count++ === 0 && value !== undefined) return controller.enqueue(value.subarray(0, 1_000));
        await reader.cancel();
        controller.error(new Error("pulled the plug"));
      },
    });
    return new Response(body, response);
  };
}
