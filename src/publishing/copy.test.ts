import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock, testDeps, utf8 } from "../../test/support/oci.ts";
import { died } from "../../test/support/push.ts";
import type { Fetch } from "../core/ports.ts";
import { pushArtifact } from "../oci/artifact.ts";
import { createRegistryClient } from "../oci/client.ts";
import type { Verify } from "../oci/push.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { resolveRelease } from "../release/resolve.ts";
import { releaseClosure } from "./closure.ts";
import { type CopyWanted, copyRelease, targetPlace } from "./copy.ts";
import { historyStore } from "./history.ts";

const FROM = "registry.test";
const TO = "mirror.test";
const RELEASES = "alga-appliance-release";
const once = { attempts: 1, baseMs: 1, maxMs: 1 };

/** A registry with 1.0.4 as nightly, signed in both forms, with a history and trust metadata; and an empty one. */
function world() {
  const source = createRegistryServer();
  const { store } = source;
  buildSampleRelease(store, { registry: FROM, version: "1.0.3", channels: ["stable"] });
  const { digest } = buildSampleRelease(store, { registry: FROM, version: "1.0.4", channels: ["nightly"] });
  const repository = `nine-minds/${RELEASES}`;
  const own = store.manifest(repository, digest) ?? assert.fail();
  const subject = { mediaType: own.mediaType, digest, size: own.bytes.length };
  const layers = [{ mediaType: "text/plain", bytes: utf8("signed") }];
  const referrer = pushArtifact(store, repository, { artifactType: "application/vnd.test.signature", subject, layers });
  pushArtifact(store, repository, { tag: `${digest.replace(":", "-")}.sig`, layers });
  pushArtifact(store, "nine-minds/alga-appliance-trust", { tag: "timestamp", layers });
  pushArtifact(store, "nine-minds/alga-appliance-trust", { tag: "1.root", layers: [] });
  const history = historyStore({ repository, channel: "nightly" }, []);
  for (const name of history.repositories()) {
    for (const { bytes } of history.blobs(name)) store.putBlob(name, bytes);
    for (const { bytes, mediaType } of history.manifests(name)) store.putManifest(name, "nightly", bytes, mediaType);
  }
  const target = createRegistryServer({ referrers: false });
  const routed: Fetch = (request) => (new URL(request.url).host === TO ? target.fetch(request) : source.fetch(request));
  const run = (
    more: Partial<CopyWanted> = {},
    place = { registry: TO, base: "alga" },
    wire: Fetch = routed,
    verify: Verify = "sizes",
  ) => {
    const deps = { ...testDeps(fakeClock()), fetch: wire };
    const client = (registry: string) => createRegistryClient(deps, { registry, retry: once });
    const wanted = {
      ref: { channel: "nightly" },
      moveChannel: true,
      allowDowngrade: false,
      taken: "refuse",
      dryRun: false,
    } as const;
    return copyRelease(
      { ...deps, from: client(FROM), to: client(place.registry), wire: deps },
      { ...wanted, ...more },
      {
        source: { base: "nine-minds", repository, running: "1.0.0" },
        target: { registry: place.registry, retry: once, base: place.base, verify },
      },
    );
  };
  const mirror = createRegistryClient({ ...testDeps(fakeClock()), fetch: routed }, { registry: TO });
  return { run, source, target, digest, referrer, mirror, routed };
}

const isWrite = ({ method }: Request): boolean => method !== "GET" && method !== "HEAD";

test("brings everything with the same digests, signatures too, and the channel last", async () => {
  const { run, target, digest, referrer, mirror, source, routed } = world();
  const tagged: string[] = [];
  const wire: Fetch = (request) => {
    const path = new URL(request.url).pathname;
    if (request.method === "PUT" && /\/manifests\/(?!sha256:)/.test(path)) tagged.push(path.slice("/v2/alga/".length));
    return routed(request);
  };
  const copied = await run({}, undefined, wire);
  assert.deepEqual([copied.outcome, copied.digest], ["copied", digest]);
  const [last, before] = [tagged.at(-1), tagged.at(-2)];
  assert.deepEqual([last, before], [`${RELEASES}/manifests/nightly`, `${RELEASES}/manifests/1.0.4`]);
  const isPointer = (path: string): boolean => path.endsWith("/timestamp") || path.endsWith(".sig");
  assert.ok(
    tagged.findIndex(isPointer) >= 0 &&
      tagged.findIndex((path) => path.endsWith("/1.0.4")) > tagged.findIndex(isPointer),
  );
  const there = await releaseClosure(mirror, { channel: "nightly" }, { base: "alga", running: "1.0.0" });
  const here = await releaseClosure(
    createRegistryClient({ ...testDeps(fakeClock()), fetch: source.fetch }, { registry: FROM }),
    { channel: "nightly" },
    { running: "1.0.0" },
  );
  const digests = (closure: typeof there) => closure.manifests.map((one) => one.descriptor.digest).sort();
  assert.deepEqual(digests(there), digests(here));
  assert.deepEqual(there.missing, []);
  const { manifests } = await mirror.referrers(`alga/${RELEASES}`, digest);
  assert.deepEqual(
    manifests.map((one) => one.digest),
    [referrer],
  );
  assert.deepEqual(target.store.tags(`alga/${RELEASES}-history`), ["nightly"]);
  assert.deepEqual(target.store.tags("alga/alga-appliance-trust"), ["1.root", "timestamp"]);
});

test("a box finds all parts in the mirror", async () => {
  const { run, mirror } = world();
  await run();
  const deps = { clock: fakeClock(), log: testDeps().log };
  const resolved = await resolveRelease(deps, mirror, { channel: "nightly" }, { base: "alga", running: "1.0.0" });
  assert.deepEqual(resolved.missing, []);
  assert.ok(resolved.artifacts.every(({ reference }) => reference.startsWith(`${TO}/alga/`)));
});

test("has nothing to do the second time, and reads no blob again", async () => {
  const { run, routed } = world();
  await run();
  const wire: Fetch = (request) => {
    const url = new URL(request.url);
    assert.ok(!isWrite(request), request.url);
    assert.ok(
      request.method !== "GET" || url.host !== FROM || !url.pathname.includes("/blobs/") || isSmall(url),
      url.href,
    );
    return routed(request);
  };
  // The config of the release is read to know what it refers to.
  const isSmall = (url: URL): boolean => url.pathname.includes(`/${RELEASES}/blobs/`);
  const again = await run({}, undefined, wire);
  assert.deepEqual([again.outcome, again.content.sentBytes], ["already", 0]);
});

test("into another base of the same registry nothing is sent: all of it is mounted", async () => {
  const { run, source } = world();
  const copied = await run({}, { registry: FROM, base: "mirror" });
  assert.deepEqual([copied.outcome, copied.content.sentBytes, copied.content.blobs.sent], ["copied", 0, 0]);
  assert.ok((source.store.tags(`mirror/${RELEASES}`) ?? []).includes("nightly"));
});

test("a dry run writes nothing, and says how much it would send", async () => {
  const { run, routed } = world();
  const wire: Fetch = (request) => {
    assert.ok(!isWrite(request), request.url);
    return routed(request);
  };
  const would = await run({ dryRun: true }, undefined, wire);
  assert.equal(would.outcome, "would-copy");
  assert.equal(would.content.sentBytes, would.content.totalBytes);
});

test("a version alone, or a channel without it, leaves the channels of the mirror", async () => {
  for (const more of [{ ref: { version: "1.0.4" } }, { moveChannel: false }]) {
    const { run, target } = world();
    await run(more);
    assert.ok(!(target.store.tags(`alga/${RELEASES}`) ?? []).includes("nightly"));
  }
});

test("a mirror's channel does not go down without the flag", async () => {
  const { run, target, digest, source } = world();
  await run();
  const repository = `nine-minds/${RELEASES}`;
  const old = source.store.manifest(repository, "1.0.3")?.digest ?? assert.fail();
  source.store.tag(repository, "nightly", old);
  await assert.rejects(run(), { code: "release/downgrade" });
  assert.equal(target.store.manifest(`alga/${RELEASES}`, "nightly")?.digest, digest);
  await run({ allowDowngrade: true });
  assert.equal(target.store.manifest(`alga/${RELEASES}`, "nightly")?.digest, old);
});

test("a source that lacks a part, or gives other bytes, is refused before a version is tagged", async () => {
  const gone = world();
  for (const { digest } of gone.source.store.manifests("nine-minds/email-service")) {
    gone.source.store.deleteManifest("nine-minds/email-service", digest);
  }
  await assert.rejects(gone.run(), { code: "release/incomplete", message: /^Cannot copy release/ });
  assert.deepEqual(gone.target.store.repositories(), []);
  const lying = world();
  for (const { bytes } of lying.source.store.blobs("nine-minds/email-service")) bytes[1] = (bytes[1] ?? 0) ^ 1;
  await assert.rejects(lying.run(), { code: "oci/digest-mismatch" });
  assert.ok(!(lying.target.store.tags(`alga/${RELEASES}`) ?? []).includes("1.0.4"));
});

/** Tags of the mirror that people and boxes follow. */
const followed = ({ target }: ReturnType<typeof world>): readonly string[] =>
  (target.store.tags(`alga/${RELEASES}`) ?? []).filter((tag) => !tag.startsWith("sha256-"));

test("a blob that is altered in place at the mirror is told before a version is tagged", async () => {
  const made = world();
  const wire: Fetch = async (request) => {
    const url = new URL(request.url);
    const response = await made.routed(request);
    const place = /^\/v2\/(.+)\/blobs\/uploads\//.exec(url.pathname)?.[1];
    const digest = url.searchParams.get("digest");
    const stored = place === undefined || digest === null ? undefined : made.target.store.blob(place, digest);
    if (request.method === "PUT" && stored?.[0] !== undefined) stored[0] ^= 1;
    return response;
  };
  await assert.rejects(made.run({}, undefined, wire, "sent"), { code: "oci/digest-mismatch" });
  assert.deepEqual(followed(made), []);
});

test("a mirror whose disk is full shows nothing, and with room again the next run sends only the rest", async () => {
  const made = world();
  let room = 8;
  const full: Fetch = (request) => {
    const isEnd = request.method === "PUT" && request.url.includes("/blobs/uploads/");
    if (isEnd) room -= 1;
    return isEnd && room < 0 ? Promise.resolve(new Response("no space left", { status: 507 })) : made.routed(request);
  };
  await assert.rejects(made.run({}, undefined, full), { code: "oci/unavailable", message: /507/ });
  assert.deepEqual(followed(made), []);
  const { content, outcome } = await made.run();
  assert.equal(outcome, "copied");
  assert.ok(content.skippedBytes > 0);
  assert.deepEqual(followed(made), ["1.0.4", "nightly"]);
});

test("a source that dies at any reading leaves a mirror that shows nothing, and the next run completes it", async () => {
  const made = world();
  let reads = 0;
  const isOfSource = (request: Request): boolean => new URL(request.url).host === FROM;
  await made.run({}, undefined, (request) => {
    if (isOfSource(request)) reads += 1;
    return made.routed(request);
  });
  for (let dies = 1; dies <= reads; dies += 7) {
    const fresh = world();
    let seen = 0;
    const wire: Fetch = (request) => {
      if (isOfSource(request)) seen += 1;
      return isOfSource(request) && seen >= dies ? Promise.reject(died()) : fresh.routed(request);
    };
    await assert.rejects(fresh.run({}, undefined, wire), { code: "net/reset" }, `reading ${dies} of ${reads}`);
    assert.deepEqual(followed(fresh), []);
    if (dies % 4 === 0) assert.equal((await fresh.run()).outcome, "copied");
  }
});

test("two copies at once come to the same end", async () => {
  const made = world();
  await Promise.all([made.run(), made.run()]);
  assert.deepEqual(followed(made), ["1.0.4", "nightly"]);
  assert.equal((await made.run()).outcome, "already");
});

test("a dry run gives the figures and the refusals of the real run", async () => {
  const made = world();
  const dry = await made.run({ dryRun: true });
  const real = await made.run();
  assert.deepEqual(dry.content, { ...real.content, bytesPerSecond: 0 });
  assert.deepEqual([dry.tags, dry.version, dry.parts], [real.tags, real.version, real.parts]);
  const refusal = (dryRun: boolean): Promise<string> =>
    made.run({ ref: { channel: "stable" }, dryRun }).then(
      () => "it was not refused",
      ({ code, message }) => `${code} ${message}`,
    );
  const other = pushArtifact(made.target.store, `alga/${RELEASES}`, { layers: [] });
  made.target.store.tag(`alga/${RELEASES}`, "1.0.3", other);
  const said = await refusal(true);
  assert.match(said, /^oci\/tag-taken Cannot/);
  assert.equal(await refusal(false), said);
});

test("a mirror that dies now and then shows nothing half, and the next run completes it", async () => {
  const { run, target, routed, digest } = world();
  let writes = 0;
  const counting: Fetch = (request) => {
    if (isWrite(request)) writes += 1;
    return routed(request);
  };
  await run({}, undefined, counting);
  const total = writes;
  assert.ok(total > 60, `${total}`);
  // Every single request is the matter of the push's own tests; here every fifth write.
  for (let dies = 1; dies <= total; dies += 5) {
    for (const name of target.store.repositories()) {
      for (const one of target.store.manifests(name)) target.store.deleteManifest(name, one.digest);
      for (const one of target.store.blobs(name)) target.store.deleteBlob(name, one.digest);
    }
    let seen = 0;
    const wire: Fetch = (request) => {
      if (isWrite(request)) seen += 1;
      return seen >= dies ? Promise.reject(died()) : routed(request);
    };
    await assert.rejects(run({}, undefined, wire), { code: "net/reset" });
    assert.ok(!(target.store.tags(`alga/${RELEASES}`) ?? []).includes("nightly"));
    if (dies % 4 !== 0) continue;
    await run();
    assert.equal(target.store.manifest(`alga/${RELEASES}`, "nightly")?.digest, digest);
  }
});

test("the place of a mirror is a registry with a base", () => {
  assert.deepEqual(targetPlace("harbor.example.com/a/b"), { registry: "harbor.example.com", base: "a/b" });
  assert.deepEqual(targetPlace("oci://127.0.0.1:5000/"), { registry: "127.0.0.1:5000", base: "" });
  for (const wrong of ["", "h.test/a:1", "h.test/a@sha256:1", "h .test"]) {
    assert.throws(() => targetPlace(wrong), { code: "cli/usage" });
  }
});
