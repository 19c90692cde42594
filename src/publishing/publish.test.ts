import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock, testDeps } from "../../test/support/oci.ts";
import { died } from "../../test/support/push.ts";
import type { ApplianceError } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { createRegistryClient } from "../oci/client.ts";
import { type ContentSource, storeContent } from "../oci/content.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { createMemoryStore } from "../oci/store.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { type PublishOptions, publish } from "./publish.ts";

const HOST = "registry.test";
const BASE = "nine-minds";
const RELEASES = `${BASE}/alga-appliance-release`;
/** What a layout of a release holds; the images of the applications come from other pipelines. */
const IN_LAYOUT = /^(charts\/|alga-appliance-|flux)/;

/** A built release as a layout has it, and a registry with the images of the applications. */
function world(imageBytes = 1_000) {
  const built = createMemoryStore();
  const release = { registry: HOST, version: "1.0.4", imageBytes, channels: ["nightly"] };
  const { digest } = buildSampleRelease(built, release);
  const server = createRegistryServer({ referrers: false });
  const others = built.repositories().filter((name) => !IN_LAYOUT.test(name.slice(BASE.length + 1)));
  for (const repository of others) {
    for (const { bytes } of built.blobs(repository)) server.store.putBlob(repository, bytes);
    for (const one of built.manifests(repository))
      server.store.putManifest(repository, one.digest, one.bytes, one.mediaType);
    for (const tag of built.tags(repository) ?? []) {
      const one = built.manifest(repository, tag);
      if (one !== undefined) server.store.tag(repository, tag, one.digest);
    }
  }
  const run = (
    more: Partial<PublishOptions> = {},
    wire: Fetch = server.fetch,
    from: typeof built | undefined = built,
    reading: Fetch = wire,
  ) => {
    const deps = { ...testDeps(fakeClock()), fetch: wire };
    const once = { attempts: 1, baseMs: 1, maxMs: 1 };
    const client = createRegistryClient({ ...deps, fetch: reading }, { registry: HOST, retry: once });
    return publish({ ...deps, client, wire: deps }, layoutOf(from), {
      registry: HOST,
      retry: once,
      base: BASE,
      running: "1.0.0",
      taken: "refuse",
      dryRun: false,
      ...more,
    });
  };
  return {
    run,
    server,
    built,
    digest,
    fetch: server.fetch,
    version: () => server.store.manifest(RELEASES, "1.0.4")?.digest,
    others,
  };
}

function layoutOf(store: ReturnType<typeof createMemoryStore>): ContentSource {
  const content = storeContent(store);
  const entries = content.entries().map((root) => ({ ...root, repository: root.repository.slice(BASE.length + 1) }));
  return { ...content, entries: () => entries.filter(({ repository }) => IN_LAYOUT.test(repository)) };
}

const isWrite = ({ method }: Request): boolean => method !== "GET" && method !== "HEAD";

test("sends what is lacking, tags the version last, leaves channels alone, and has nothing to do the second time", async () => {
  const { run, server, digest, version, fetch } = world();
  const writes: string[] = [];
  const wire: Fetch = (request) => {
    if (isWrite(request)) writes.push(`${request.method} ${new URL(request.url).pathname}`);
    return fetch(request);
  };
  const done = await run({}, wire);
  assert.deepEqual([done.outcome, done.releases], ["published", [{ version: "1.0.4", digest }]]);
  assert.equal(version(), digest);
  assert.equal(writes.at(-1), `PUT /v2/${RELEASES}/manifests/1.0.4`);
  assert.deepEqual(server.store.tags(RELEASES), ["1.0.4"]);
  assert.ok((server.store.tags(`${BASE}/charts/sebastian`) ?? []).length === 1);
  writes.length = 0;
  const again = await run({}, wire);
  assert.deepEqual([again.outcome, again.content.sentBytes, writes], ["already", 0, []]);
});

test("a dry run gives the figures of the real run whatever the registry has, and writes nothing", async () => {
  for (const verify of ["sent", "all", "sizes"] as const) {
    const { run, fetch, built, server, others } = world();
    const reading: Fetch = (request) => {
      assert.ok(!isWrite(request), request.method);
      return fetch(request);
    };
    const both = async (): Promise<void> => {
      const dry = await run({ dryRun: true, verify }, reading);
      const real = await run({ verify });
      assert.equal(dry.outcome, "would-publish");
      assert.deepEqual(dry.content, { ...real.content, bytesPerSecond: 0 });
      assert.deepEqual([dry.tags, dry.releases], [real.tags, real.releases]);
    };
    // A registry that has one chart already, and a layer of another one in a third place.
    const [chart = "", other = ""] = built.repositories().filter((name) => name.includes("/charts/"));
    for (const { bytes } of built.blobs(chart)) server.store.putBlob(chart, bytes);
    for (const { bytes } of built.blobs(other)) server.store.putBlob(`${BASE}/elsewhere`, bytes);
    await both();
    // Nothing is lacking.
    await both();
    // Storage that has lost the blobs and the manifests of one repository.
    for (const one of server.store.manifests(other)) server.store.deleteManifest(other, one.digest);
    for (const one of server.store.blobs(other)) server.store.deleteBlob(other, one.digest);
    assert.ok(!others.includes(other));
    await both();
  }
});

test("refuses a version that names something else, before anything is sent, unless tags may move", async () => {
  const { run, server, fetch, digest, version } = world();
  const old = createMemoryStore();
  buildSampleRelease(old, { registry: HOST, version: "1.0.4", createdAt: "2020-01-01T00:00:00Z" });
  await run({}, fetch, old);
  const before = version();
  assert.notEqual(before, digest);
  const wire: Fetch = (request) => {
    assert.ok(!isWrite(request), request.method);
    return fetch(request);
  };
  await assert.rejects(run({}, wire), { code: "oci/tag-taken" });
  await run({ taken: "move" });
  assert.equal(server.store.manifest(RELEASES, "1.0.4")?.digest, digest);
});

test("a release of which the registry lacks an image is refused before anything is sent, by a dry run in the same words", async () => {
  const { run, server, version, others, fetch } = world();
  const [image = ""] = others;
  for (const { digest } of server.store.manifests(image)) server.store.deleteManifest(image, digest);
  const reading: Fetch = (request) => {
    assert.ok(!isWrite(request), request.method);
    return fetch(request);
  };
  const refusal = async (dryRun: boolean): Promise<ApplianceError> =>
    run({ dryRun }, reading).then(
      () => assert.fail("it was not refused"),
      (thrown) => thrown,
    );
  const [dry, real] = [await refusal(true), await refusal(false)];
  assert.match(dry.message, /^Cannot publish release "1\.0\.4"/);
  assert.deepEqual([dry.code, dry.message, dry.details], ["release/incomplete", real.message, real.details]);
  assert.equal(version(), undefined);
});

test("a registry that denies repositories which do not exist yet to readers is published to all the same", async () => {
  const { run, server, fetch, version, digest } = world();
  const isMade = (repository: string): boolean =>
    server.store.manifests(repository).length + server.store.blobs(repository).length > 0;
  let [denied, isPushing] = [0, false];
  // A push asks with a login that may write, and is told the truth.
  const wire =
    (mayWrite: boolean): Fetch =>
    (request) => {
      const repository =
        /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//.exec(new URL(request.url).pathname)?.[1] ?? "";
      isPushing ||= isWrite(request);
      if (mayWrite || isMade(repository)) return fetch(request);
      denied += 1;
      return Promise.resolve(new Response(null, { status: 403 }));
    };
  const dry = await run({ dryRun: true }, wire(true), undefined, wire(false));
  assert.ok(denied > 0 && !isPushing);
  const { content } = await run({}, wire(true), undefined, wire(false));
  assert.equal(dry.content.sentBytes, content.sentBytes);
  assert.equal(version(), digest);
});

test("an image that goes away while a release is sent keeps its version away", async () => {
  const { run, server, version, others, fetch } = world();
  const [image = ""] = others;
  const wire: Fetch = (request) => {
    if (isWrite(request)) {
      for (const { digest } of server.store.manifests(image)) server.store.deleteManifest(image, digest);
    }
    return fetch(request);
  };
  await assert.rejects(run({}, wire), { code: "release/incomplete" });
  assert.equal(version(), undefined);
});

test("a blob that is altered in place between push and read back is told, and nothing is tagged", async () => {
  const { run, server, fetch, version } = world();
  const wire: Fetch = async (request) => {
    const url = new URL(request.url);
    const isEnd = request.method === "PUT" && url.pathname.includes("/blobs/uploads/");
    const response = await fetch(request);
    const digest = url.searchParams.get("digest") ?? "";
    const repository = /^\/v2\/(.+)\/blobs\//.exec(url.pathname)?.[1] ?? "";
    const stored = isEnd ? server.store.blob(repository, digest) : undefined;
    if (stored?.[0] !== undefined) stored[0] ^= 1;
    return response;
  };
  await assert.rejects(run({}, wire), { code: "oci/digest-mismatch" });
  assert.equal(version(), undefined);
  assert.deepEqual(server.store.tags(`${BASE}/charts/sebastian`) ?? [], []);
});

test("a registry that dies at any request shows no version that is not whole, and the next run completes it", async () => {
  const { run, server, fetch, digest, version, others } = world();
  const clear = (): void => {
    for (const name of server.store.repositories().filter((one) => !others.includes(one))) {
      for (const one of server.store.manifests(name)) server.store.deleteManifest(name, one.digest);
      for (const one of server.store.blobs(name)) server.store.deleteBlob(name, one.digest);
    }
  };
  const kinds: boolean[] = [];
  await run({ verify: "sizes" }, (request) => {
    kinds.push(isWrite(request));
    return fetch(request);
  });
  const [requests, firstWrite] = [kinds.length, kinds.indexOf(true) + 1];
  assert.ok(requests > 100 && firstWrite > 1, `${requests}`);
  // Before the first write nothing can be half.
  for (let dies = firstWrite; dies <= requests; dies += 1) {
    clear();
    let seen = 0;
    const wire: Fetch = async (request) => {
      seen += 1;
      // The last request may be served although its answer does not arrive.
      if (seen === dies && dies % 2 === 0) await fetch(request);
      if (seen >= dies) throw died();
      return fetch(request);
    };
    await assert.rejects(run({ verify: "sizes" }, wire), { code: "net/reset" }, `request ${dies}`);
    if (version() !== undefined) assert.equal((await run({ dryRun: true })).content.blobs.sent, 0, `half at ${dies}`);
    if (dies % 8 !== 0 && dies < requests) continue;
    assert.ok(["published", "already"].includes((await run({ verify: "sizes" })).outcome));
    assert.equal(version(), digest, `request ${dies}`);
  }
});

test("a registry whose disk is full shows no version, and with room again the next run sends only the rest", async () => {
  const { run, fetch, version, digest } = world();
  let room = 5;
  const full: Fetch = (request) => {
    const isEnd = request.method === "PUT" && request.url.includes("/blobs/uploads/");
    if (isEnd) room -= 1;
    return isEnd && room < 0 ? Promise.resolve(new Response("no space left", { status: 507 })) : fetch(request);
  };
  await assert.rejects(run({}, full), { code: "oci/unavailable", message: /507/ });
  assert.equal(version(), undefined);
  const { outcome, content } = await run();
  assert.equal(outcome, "published");
  assert.ok(content.sentBytes > 0 && content.skippedBytes > 0);
  assert.equal(version(), digest);
});

test("two publishers at once come to the same end", async () => {
  const { run, digest, version } = world();
  const ends = await Promise.all([run(), run()]);
  assert.ok(ends.every(({ outcome }) => outcome !== "would-publish"));
  assert.equal(version(), digest);
});
