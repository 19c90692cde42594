/** A release that names images of two other registries: mirrored, bundled, promoted, and what happens when one of them misbehaves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock, testDeps, utf8 } from "../../test/support/oci.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { pushArtifact } from "../oci/artifact.ts";
import { createRegistryClient } from "../oci/client.ts";
import { MEDIA } from "../oci/media-types.ts";
import { moveTag, pushStore } from "../oci/push.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import type { RegistryStore } from "../oci/store.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { assertComplete, releaseClosure } from "./closure.ts";
import { copyRelease } from "./copy.ts";
import { promote } from "./promote.ts";
import { pushRelease } from "./release-document.ts";

const OURS = "registry.test";
const UPSTREAMS = ["upstream.test", "other.test:5000"] as const;
const MIRROR = "mirror.test";
const once = { attempts: 1, baseMs: 1, maxMs: 1 };
const OPTIONS = { base: "", repository: RELEASE_REPOSITORY, running: "1.0.0" };

function pushImage(store: RegistryStore, content: string) {
  const layers = [{ mediaType: MEDIA.layerTar, bytes: utf8(content) }];
  const config = { mediaType: MEDIA.config, bytes: utf8(`{"os":"linux","architecture":"amd64","x":"${content}"}`) };
  return pushArtifact(store, "tools/db", { tag: "16", config, layers });
}

/** Ours with a release for each `version`, which pins what the tags of the two upstreams name when it is made. */
function world() {
  const servers = new Map([OURS, ...UPSTREAMS, MIRROR].map((host) => [host, createRegistryServer()] as const));
  const storeOf = (host: string): RegistryStore => servers.get(host)?.store ?? assert.fail(host);
  const asked: { readonly host: string; readonly method: string; readonly path: string }[] = [];
  const dead = new Set<string>();
  const silent = new Set<string>();
  const fetch: Fetch = async (request) => {
    const { host, pathname: path } = new URL(request.url);
    asked.push({ host, method: request.method, path });
    if (dead.has(host)) throw new ApplianceError("net/unreachable", "connection refused");
    if (silent.has(host) && /\/referrers\/|sha256-/.test(path)) return new Response(null, { status: 403 });
    return (await servers.get(host)?.fetch(request)) ?? new Response(null, { status: 404 });
  };
  const deps = { ...testDeps(fakeClock()), fetch };
  const client = (registry: string) => createRegistryClient(deps, { registry, retry: once });
  const release = (version: string, content: string) => {
    const store = storeOf(OURS);
    const sample = buildSampleRelease(store, { registry: OURS, base: "", version, channels: [] });
    const additionalImages = UPSTREAMS.map((host) => ({
      reference: `${host}/tools/db:16`,
      digest: pushImage(storeOf(host), `${content} of ${host}`),
    }));
    const { digest } = pushRelease(store, { ...sample.manifest, additionalImages });
    return { digest, additionalImages };
  };
  const closure = (version: string, others?: "named") =>
    releaseClosure(client(OURS), { version }, { ...OPTIONS, ...(others === undefined ? {} : { others }), open });
  const open = async (host: string) => client(host);
  const copy = (version: string) =>
    copyRelease(
      { ...deps, from: client(OURS), to: client(MIRROR), wire: deps },
      { ref: { version }, moveChannel: false, allowDowngrade: false, taken: "refuse", dryRun: false },
      { source: { ...OPTIONS, open }, target: { registry: MIRROR, retry: once, base: "alga", verify: "sizes" } },
    );
  const promoteTo = (version: string) =>
    promote(
      {
        ...deps,
        client: client(OURS),
        moveTag: (move) => moveTag(deps, move, { registry: OURS }),
        push: async (store) => void (await pushStore(store, deps, { registry: OURS })),
      },
      { ref: { version }, channel: "stable", by: "ann", allowDowngrade: false, dryRun: false },
      { ...OPTIONS, open },
    );
  return { storeOf, asked, dead, silent, release, closure, copy, promote: promoteTo };
}

const placeOf = (host: string): string => `alga/images/${host.replace(":", "_")}/tools/db`;

test("a mirror holds the images of both registries, each in its place, by the same digests", async () => {
  const { release, copy, storeOf, asked } = world();
  const { additionalImages } = release("1.0.3", "first");
  await copy("1.0.3");
  for (const [at, host] of UPSTREAMS.entries()) {
    assert.equal(storeOf(MIRROR).manifest(placeOf(host), "16")?.digest, additionalImages[at]?.digest, host);
    const paths = asked.filter((one) => one.host === host && one.path.includes("/manifests/")).map((one) => one.path);
    assert.ok(
      paths.length > 0 && paths.every((path) => !path.endsWith("/manifests/16")),
      "asked by digest, never by tag",
    );
  }
});

test("a box of the mirror finds them there, and a mirror of the mirror has them in the same places", async () => {
  const { release, copy, storeOf } = world();
  const { additionalImages } = release("1.0.3", "first");
  await copy("1.0.3");
  const deps = { ...testDeps(fakeClock()), fetch: createRegistryServer({ store: storeOf(MIRROR) }).fetch };
  const mirror = createRegistryClient(deps, { registry: MIRROR, retry: once });
  const repository = `alga/${RELEASE_REPOSITORY}`;
  const found = await releaseClosure(mirror, { version: "1.0.3" }, { base: "alga", repository, running: "1.0.0" });
  assert.deepEqual(found.missing, []);
  const others = found.parts.filter((part) => part.repository.startsWith("images/"));
  assert.deepEqual(
    others.map((part) => `alga/${part.repository}@${part.descriptor.digest}`).sort(),
    UPSTREAMS.map((host, at) => `${placeOf(host)}@${additionalImages[at]?.digest}`).sort(),
  );
});

test("a tag that its owner moves follows in the mirror, and the older release stays whole there", async () => {
  const { release, copy, storeOf } = world();
  const first = release("1.0.3", "first");
  await copy("1.0.3");
  const second = release("1.0.4", "second");
  await copy("1.0.4");
  for (const [at, host] of UPSTREAMS.entries()) {
    assert.equal(storeOf(MIRROR).manifest(placeOf(host), "16")?.digest, second.additionalImages[at]?.digest);
    const digest = first.additionalImages[at]?.digest ?? "";
    assert.equal(storeOf(MIRROR).manifest(placeOf(host), digest)?.digest, digest);
  }
});

test("an image that its registry lacks stops a promotion before anything is written, and a copy too", async () => {
  const { release, promote: move, copy, storeOf, asked } = world();
  const { additionalImages } = release("1.0.3", "first");
  storeOf(UPSTREAMS[1]).deleteManifest("tools/db", additionalImages[1]?.digest ?? "");
  const code = {
    code: "release/incomplete",
    message: /its image other\.test:5000\/tools\/db "other\.test:5000\/tools\/db:16@/,
  };
  await assert.rejects(move("1.0.3"), code);
  await assert.rejects(copy("1.0.3"), { ...code, hint: /^Look whether other\.test:5000 has it .*, then copy again$/ });
  assert.deepEqual(storeOf(MIRROR).repositories(), []);
  assert.equal(storeOf(OURS).manifest(RELEASE_REPOSITORY, "stable"), undefined);
  assert.ok(asked.every(({ method }) => ["GET", "HEAD"].includes(method)));
});

test("a registry that is away, or gives other bytes, leaves the channel where it is", async () => {
  const { release, promote: move, copy, dead, storeOf } = world();
  const { additionalImages } = release("1.0.3", "first");
  dead.add("upstream.test");
  await assert.rejects(move("1.0.3"), { code: "net/unreachable" });
  dead.clear();
  const store = storeOf("upstream.test");
  const image = store.manifest("tools/db", additionalImages[0]?.digest ?? "") ?? assert.fail();
  image.bytes.fill(32, image.bytes.length - 1);
  await assert.rejects(copy("1.0.3"), { code: "oci/digest-mismatch" });
  assert.equal(storeOf(OURS).manifest(RELEASE_REPOSITORY, "stable"), undefined);
  assert.deepEqual(storeOf(MIRROR).tags(`alga/${RELEASE_REPOSITORY}`) ?? [], []);
});

test("without a way to other registries a release that names them is incomplete, and told so", async () => {
  const { release, storeOf } = world();
  release("1.0.3", "first");
  const deps = { ...testDeps(fakeClock()), fetch: createRegistryServer({ store: storeOf(OURS) }).fetch };
  const client = createRegistryClient(deps, { registry: OURS, retry: once });
  const found = await releaseClosure(client, { version: "1.0.3" }, OPTIONS);
  assert.deepEqual(
    found.missing.map(({ problem }) => problem),
    ["it lies in another registry", "it lies in another registry"],
  );
  assert.throws(() => assertComplete(found, "promote"), { code: "release/incomplete" });
});

test("a look before a promotion asks another registry once for each image, and takes nothing from it", async () => {
  const { release, closure, asked } = world();
  release("1.0.3", "first");
  const found = await closure("1.0.3", "named");
  assert.deepEqual(found.missing, []);
  const others = asked.filter(({ host }) => host !== OURS && host !== MIRROR).filter(({ path }) => path !== "/v2/");
  assert.deepEqual(
    others.map(({ host, method }) => `${method} ${host}`).sort(),
    UPSTREAMS.map((host) => `HEAD ${host}`).sort(),
  );
});

test("what is said of an image in its registry goes along; a registry that does not tell is no obstacle", async () => {
  const { release, copy, storeOf, silent } = world();
  const { additionalImages } = release("1.0.3", "first");
  silent.add(UPSTREAMS[1]);
  const digest = additionalImages[0]?.digest ?? "";
  const tag = `${digest.replace(":", "-")}.sig`;
  const signature = pushArtifact(storeOf("upstream.test"), "tools/db", { tag, layers: [] });
  await copy("1.0.3");
  assert.equal(storeOf(MIRROR).manifest(placeOf("upstream.test"), tag)?.digest, signature);
  assert.equal(storeOf(MIRROR).manifest(placeOf(UPSTREAMS[1]), "16")?.digest, additionalImages[1]?.digest);
});
