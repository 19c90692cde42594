import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Fetch } from "../core/ports.ts";
import { createRegistryClient } from "../oci/client.ts";
import { moveTag, pushStore, type TagMove } from "../oci/push.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { systemRandom } from "../platform/random.ts";
import { buildSampleRelease, type SampleFault } from "../rehearsal/sample-release.ts";
import { generateKey, openSigningKey, type PublicKey, readPublicKey, type SigningKey } from "../trust/keys.ts";
import { historyGaps, historyStore, readHistory } from "./history.ts";
import { verifyHistory } from "./history-signing.ts";
import { type PromoteDeps, type Promotion, promote } from "./promote.ts";

const HOST = "registry.test";
const REPOSITORY = "nine-minds/alga-appliance-release";

const INDEX = "application/vnd.oci.image.index.v1+json";
const AMD = { os: "linux", architecture: "amd64" };
const ARM = { os: "linux", architecture: "arm64" };

type Keys = Pick<PromoteDeps, "key" | "trustedKeys">;

function newKeys(): { readonly key: SigningKey; readonly trustedKeys: readonly PublicKey[] } {
  const files = generateKey({ random: systemRandom }, { kind: "ed25519", passphrase: undefined });
  return { key: openSigningKey(files.privatePem, undefined), trustedKeys: [readPublicKey(files.publicPem)] };
}

/** A registry with stable at 1.0.3 and nightly at 1.0.4. */
function world(fault?: SampleFault) {
  const { fetch, store } = createRegistryServer();
  const old = buildSampleRelease(store, { registry: HOST, version: "1.0.3", channels: ["stable"] });
  const release = {
    registry: HOST,
    version: "1.0.4",
    imageTag: "new",
    chartVersion: "0.2.0",
    channels: ["nightly"],
    additional: "pinned" as const,
  };
  const next = buildSampleRelease(store, fault === undefined ? release : { ...release, fault });
  const stable = () => store.manifest(REPOSITORY, "stable")?.digest;
  const clock = { now: () => 0, monotonic: () => 0, sleep: async () => {}, after: () => () => {} };
  const random = { bytes: (count: number) => new Uint8Array(count), uuid: () => "id", fraction: () => 0 };
  const open = (wire: Fetch = fetch) => {
    const deps = { clock, random, log: SILENT_LOG, fetch: wire };
    const client = createRegistryClient(deps, { registry: HOST });
    return {
      ...deps,
      client,
      moveTag: (move: TagMove) => moveTag(deps, move, { registry: HOST }),
      push: async (pushed: typeof store) => void (await pushStore(pushed, deps, { registry: HOST })),
    };
  };
  const run = (wanted: Partial<Promotion> = {}, wire: Fetch = fetch, keys: Keys = {}) => {
    const promotion = {
      ref: { channel: "nightly" },
      channel: "stable",
      by: "ann",
      allowDowngrade: false,
      dryRun: false,
    };
    return promote(
      { ...open(wire), ...keys },
      { ...promotion, ...wanted },
      { repository: REPOSITORY, running: "1.0.0" },
    );
  };
  const history = (channel = "stable") => readHistory(open().client, { repository: REPOSITORY, channel });
  return { fetch, store, old, next, stable, run, history };
}

const isWrite = (request: Request): boolean => !["GET", "HEAD"].includes(request.method);

test("moves the channel, records who, when, from and to, and has nothing to do the second time", async () => {
  const { run, stable, history, old, next } = world();
  const moved = await run();
  assert.deepEqual([moved.outcome, moved.from?.version, moved.to.version], ["moved", "1.0.3", "1.0.4"]);
  assert.equal(stable(), next.digest);
  const entry = {
    at: "1970-01-01T00:00:00Z",
    by: "ann",
    from: { version: "1.0.3", digest: old.digest },
    to: { version: "1.0.4", digest: next.digest },
  };
  const [found, ...more] = await history();
  assert.deepEqual({ ...found, at: found?.at.replace(".000", "") }, entry);
  assert.deepEqual(more, []);
  assert.equal((await run()).outcome, "already");
  assert.equal((await history()).length, 1);
});

test("makes a channel that does not exist", async () => {
  const { run, store, next, history } = world();
  const moved = await run({ channel: "beta", ref: { version: "1.0.4" } });
  assert.deepEqual([moved.from, store.manifest(REPOSITORY, "beta")?.digest], [null, next.digest]);
  assert.equal((await history("beta"))[0]?.from, null);
});

for (const [fault, code] of [
  ["missing-image", "release/incomplete"],
  ["missing-flux-image", "release/incomplete"],
  ["missing-chart", "release/incomplete"],
  ["missing-config", "release/incomplete"],
  ["moved-chart", "oci/digest-mismatch"],
] as const) {
  test(`refuses a release with a ${fault} before anything is written`, async () => {
    const { run, stable, old, fetch } = world(fault);
    const wire: Fetch = (request) => {
      assert.ok(!isWrite(request), request.method);
      return fetch(request);
    };
    await assert.rejects(run({}, wire), { code });
    assert.equal(stable(), old.digest);
  });
}

test("refuses an image of which one layer, or one platform, is gone", async () => {
  for (const gone of ["layer", "platform"] as const) {
    const { run, stable, old, store } = world();
    const repository = "nine-minds/alga-psa-ee";
    const image = store.manifest(repository, "new") ?? assert.fail();
    const document = JSON.parse(new TextDecoder().decode(image.bytes));
    if (gone === "layer") {
      store.deleteBlob(repository, document.layers?.[0]?.digest ?? document.config.digest);
    } else {
      const other = { mediaType: image.mediaType, digest: digestOf("arm64"), size: 7, platform: ARM };
      const own = { mediaType: image.mediaType, digest: image.digest, size: image.bytes.length, platform: AMD };
      const index = { schemaVersion: 2, mediaType: INDEX, manifests: [own, other] };
      store.putManifest(repository, "new", new TextEncoder().encode(JSON.stringify(index)), INDEX);
    }
    await assert.rejects(run(), { code: "release/incomplete" }, gone);
    assert.equal(stable(), old.digest);
  }
});

test("refuses an older release without the flag", async () => {
  const { run, store, next, old } = world();
  const back = { ref: { channel: "stable" }, channel: "nightly" };
  await assert.rejects(run(back), { code: "release/downgrade" });
  assert.equal(store.manifest(REPOSITORY, "nightly")?.digest, next.digest);
  assert.equal((await run({ ...back, allowDowngrade: true })).outcome, "moved");
  assert.equal(store.manifest(REPOSITORY, "nightly")?.digest, old.digest);
});

test("a dry run checks all and writes nothing", async () => {
  const { run, fetch, stable, old, history } = world();
  const wire: Fetch = (request) => {
    assert.ok(!isWrite(request), request.method);
    return fetch(request);
  };
  assert.equal((await run({ dryRun: true }, wire)).outcome, "would-move");
  assert.deepEqual([stable(), await history()], [old.digest, []]);
});

for (const moment of ["before", "after"] as const) {
  test(`tells a publisher who lost a race ${moment} the move`, async () => {
    const { run, store, fetch, stable, old } = world();
    const third = buildSampleRelease(store, { registry: HOST, version: "1.0.5" });
    const wire: Fetch = async (request) => {
      const path = new URL(request.url).pathname;
      const isMove = request.method === "PUT" && path.endsWith(`/alga-appliance-release/manifests/stable`);
      const isRecord = request.method === "PUT" && path.endsWith(`/alga-appliance-release-history/manifests/stable`);
      const response = await fetch(request);
      if (moment === "before" ? isRecord : isMove) store.tag(REPOSITORY, "stable", third.digest);
      return response;
    };
    assert.notEqual(third.digest, old.digest);
    await assert.rejects(run({}, wire), { code: "oci/tag-moved" });
    assert.equal(stable(), third.digest);
  });
}

test("a registry that dies at any request leaves the old or the new release, and the next run completes it", async () => {
  const { run, fetch, store, stable, history, old, next } = world();
  /** Which of the requests write: only those matter although their answer is lost. */
  const kinds: boolean[] = [];
  await run({}, (request) => {
    kinds.push(isWrite(request));
    return fetch(request);
  });
  const requests = kinds.length;
  assert.ok(requests > 20, `${requests}`);
  const dieAt = async (dies: number, isServed: boolean): Promise<void> => {
    store.tag(REPOSITORY, "stable", old.digest);
    const kept = `${REPOSITORY}-history`;
    for (const { digest } of store.manifests(kept)) store.deleteManifest(kept, digest);
    for (const { digest } of store.blobs(kept)) store.deleteBlob(kept, digest);
    let [seen, written] = [0, 0];
    const wire: Fetch = async (request) => {
      seen += 1;
      const isKept = seen < dies || (seen === dies && isServed);
      if (isKept && isWrite(request)) written += 1;
      // The last request may be served although its answer does not arrive.
      if (seen === dies && isServed) await fetch(request);
      if (seen >= dies) throw new ApplianceError("net/reset", "Cannot go on: the registry died");
      return fetch(request);
    };
    await assert.rejects(run({}, wire), { code: "net/reset" });
    assert.ok(stable() === old.digest || stable() === next.digest, `request ${dies}`);
    // Nothing was written: the next run is the first one again.
    if (written === 0) return void assert.equal(stable(), old.digest);
    assert.ok(stable() === old.digest || (await history()).length === 1, `moved without a record at ${dies}`);
    await run();
    assert.equal(stable(), next.digest);
    assert.equal((await history()).length, 1, `request ${dies}`);
  };
  for (let dies = 1; dies <= requests; dies += 1) {
    await dieAt(dies, false);
    if (kinds[dies - 1]) await dieAt(dies, true);
  }
});

test("a history of another form is not overwritten, and the channel stays", async () => {
  const { run, store, stable, old } = world();
  const bytes = new TextEncoder().encode('{"schema":"other"}');
  const config = { mediaType: "application/json", ...store.putBlob(`${REPOSITORY}-history`, bytes) };
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const document = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [] }));
  store.putManifest(`${REPOSITORY}-history`, "stable", document, mediaType);
  await assert.rejects(run(), { code: "release/invalid-manifest" });
  assert.equal(stable(), old.digest);
});

test("a signed history is chained: what was changed, dropped, reordered or added without the key stops the next one", async () => {
  const { run, store, history, old } = world();
  const keys = newKeys();
  assert.equal((await run({}, undefined, keys)).signedBy, keys.key.id);
  const back = { ref: { version: "1.0.3" }, allowDowngrade: true };
  await run(back, undefined, keys);
  await run({}, undefined, keys);
  const entries = await history();
  const given = { channel: "stable", keys: keys.trustedKeys };
  assert.deepEqual(verifyHistory(entries, given), [keys.key.id, keys.key.id, keys.key.id]);
  const [one, two, three] = entries;
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  const plain = { at: one.at, by: "eve", from: one.to, to: one.to };
  const tampered = {
    changed: [one, { ...two, by: "eve" }, three],
    dropped: [one, three],
    reordered: [two, one, three],
    added: [one, two, plain, three],
    "added at its end": [one, two, three, plain],
    "of another channel": undefined,
  };
  for (const [name, changed] of Object.entries(tampered)) {
    const of = changed === undefined ? { ...given, channel: "nightly" } : given;
    assert.throws(() => verifyHistory(changed ?? entries, of), { code: "trust/untrusted-signature" }, name);
  }
  assert.throws(() => verifyHistory(entries, { ...given, keys: newKeys().trustedKeys }), {
    code: "trust/untrusted-signature",
  });
  for (const repository of [`${REPOSITORY}-history`]) {
    const forged = historyStore({ repository: REPOSITORY, channel: "stable" }, tampered.changed);
    for (const { bytes } of forged.blobs(repository)) store.putBlob(repository, bytes);
    for (const { bytes, mediaType } of forged.manifests(repository)) {
      store.putManifest(repository, "stable", bytes, mediaType);
    }
  }
  await assert.rejects(run(back, undefined, keys), { code: "trust/untrusted-signature" });
  assert.notEqual(store.manifest(REPOSITORY, "stable")?.digest, old.digest);
});

test("a history without signatures is refused where keys are given, and goes on signed where only a key is", async () => {
  const { run, history } = world();
  await run();
  const keys = newKeys();
  const back = { ref: { version: "1.0.3" }, allowDowngrade: true };
  await assert.rejects(run(back, undefined, keys), { code: "trust/unsigned" });
  await run(back, undefined, { key: keys.key });
  assert.deepEqual(verifyHistory(await history(), { channel: "stable", keys: keys.trustedKeys }), [
    undefined,
    keys.key.id,
  ]);
});

test("a move without a record shows as a gap, in the next promotion and ever after", async () => {
  const { run, store, history } = world();
  await run();
  const third = buildSampleRelease(store, { registry: HOST, version: "1.0.5" });
  const fourth = buildSampleRelease(store, { registry: HOST, version: "1.0.6" });
  assert.notEqual(fourth.digest, third.digest);
  store.tag(REPOSITORY, "stable", third.digest);
  const moved = await run({ ref: { version: "1.0.6" } });
  assert.deepEqual(
    moved.gaps.map(({ found }) => found),
    [third.digest],
  );
  assert.equal(historyGaps(await history()).length, 1);
});

test("of two publishers who write the history at once, both are in it", async () => {
  const { run, fetch, store, history } = world();
  const other = buildSampleRelease(store, { registry: HOST, version: "1.0.3" });
  let isDone = false;
  const wire: Fetch = async (request) => {
    const response = await fetch(request);
    const path = new URL(request.url).pathname;
    if (isDone || request.method !== "PUT" || !path.endsWith("release/manifests/stable")) return response;
    isDone = true;
    const [mine] = await history();
    assert.ok(mine !== undefined);
    const theirs = { ...mine, by: "ben", to: { version: "1.0.3", digest: other.digest } };
    const overwritten = historyStore({ repository: REPOSITORY, channel: "stable" }, [theirs]);
    const repository = `${REPOSITORY}-history`;
    for (const { bytes } of overwritten.blobs(repository)) store.putBlob(repository, bytes);
    for (const one of overwritten.manifests(repository))
      store.putManifest(repository, "stable", one.bytes, one.mediaType);
    return response;
  };
  await run({}, wire);
  assert.deepEqual((await history()).map(({ by }) => by).sort(), ["ann", "ben"]);
});
