/**
 * The attacks of TUF 1.0.33, section 1.5.2, each with a registry that tries it and the code by which a box refuses.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  BASE,
  DAY,
  keyNamed,
  publicPart,
  REPOSITORY,
  START,
  TRUST,
  type TrustWorld,
  trustWorld,
} from "../../test/support/trust.ts";
import { digestOf } from "../core/digest.ts";
import type { Fetch } from "../core/ports.ts";
import type { createMemoryStore } from "../oci/store.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { beginTrust, rotateRoot } from "./ceremony.ts";
import { hashesOf, readMetadata, signMetadata, writeMetadata } from "./metadata.ts";
import { refreshDates } from "./publisher.ts";
import { putDocument } from "./registry-source.ts";

/** What the registry of a world holds under a tag of its trust repository. */
function documentOf({ store }: TrustWorld, name: string, repository = TRUST): Uint8Array {
  const tag = store.tags(repository)?.find((one) => one === name || one.startsWith(`${name}-`)) ?? name;
  const manifest = JSON.parse(new TextDecoder().decode(store.manifest(repository, tag)?.bytes));
  const bytes = store.blob(repository, manifest.layers[0].digest);
  assert.ok(bytes !== undefined, tag);
  return bytes;
}

const isBlob = (request: Request, bytes: Uint8Array): boolean =>
  pathOf(request).includes(`/alga-appliance-trust/blobs/${digestOf(bytes)}`);

function put(
  { store }: TrustWorld,
  role: "root" | "targets" | "snapshot" | "timestamp",
  tag: string,
  bytes: Uint8Array,
): void {
  putDocument(store, { base: BASE, role, tag }, bytes);
}

const pathOf = (request: Request): string => new URL(request.url).pathname;

describe("a box that believes in a root", () => {
  it("resolves what signed metadata says, whatever the tag says, and names the key", async () => {
    const world = await trustWorld();
    world.store.tag(REPOSITORY, "stable", world.next.digest);
    const resolved = await world.resolve();
    assert.deepEqual([resolved.digest, resolved.verifiedBy], [world.old.digest, world.keys.targets.id]);
    await world.promote(world.next, "1.0.4");
    assert.equal((await world.resolve()).digest, world.next.digest);
    assert.equal((await world.resolve({ version: "1.0.3" })).digest, world.old.digest);
    assert.equal((await world.resolve({ digest: world.old.digest })).verifiedBy, world.keys.targets.id);
  });

  it("goes on without a registry by what it saw last, until that expires", async () => {
    const world = await trustWorld();
    await world.resolve();
    const away: Fetch = async (request) => {
      if (pathOf(request).includes("/alga-appliance-trust/")) throw new TypeError("no way");
      return world.fetch(request);
    };
    const gone: Fetch = async (request) =>
      pathOf(request).includes("/alga-appliance-trust/") ? new Response(null, { status: 404 }) : world.fetch(request);
    await assert.rejects(world.resolve(undefined, { wire: away, files: createMemoryFiles() }));
    await assert.rejects(world.resolve(undefined, { wire: gone, files: createMemoryFiles() }), {
      code: "trust/unsigned",
    });
    assert.equal((await world.resolve(undefined, { wire: gone })).digest, world.old.digest);
    world.clock.nowMs = START + 33 * DAY;
    await assert.rejects(world.resolve(undefined, { wire: gone }), {
      code: "trust/expired",
      message: /timestamp.* 3 days ago/,
    });
    const accepted = await world.resolve(undefined, { wire: gone, trust: { acceptExpiredUntil: START + 40 * DAY } });
    assert.equal(accepted.digest, world.old.digest);
    assert.match(accepted.accepted ?? "", /timestamp metadata expired 3 days ago/);
    world.clock.nowMs = START + 41 * DAY;
    await assert.rejects(world.resolve(undefined, { wire: gone, trust: { acceptExpiredUntil: START + 40 * DAY } }), {
      code: "trust/expired",
    });
  });

  it("takes an unsigned channel only when the settings say so, and calls it unverified", async () => {
    const world = await trustWorld();
    for (const tag of world.store.tags(TRUST) ?? []) world.store.deleteManifest(TRUST, tag);
    await assert.rejects(world.resolve(), { code: "trust/unsigned" });
    const taken = await world.resolve(undefined, { trust: { allowUnsigned: true } });
    assert.deepEqual([taken.digest, taken.verifiedBy], [world.old.digest, "none"]);
  });

  it("follows a chain of roots, each signed by the keys of the one before", async () => {
    const world = await trustWorld();
    const { rootB, rootC, targets, online } = world.keys;
    const fresh = keyNamed("root d");
    const roles = {
      ...world.roles,
      root: [rootB, rootC, fresh].map(publicPart),
      targets: [publicPart(keyNamed("targets 2"))],
    };
    await rotateRoot(world.publisher(), roles, {
      base: BASE,
      anchor: world.root,
      keys: [rootB, rootC, keyNamed("targets 2"), online],
    });
    assert.equal((await world.resolve()).verifiedBy, keyNamed("targets 2").id);
    await assert.rejects(world.promote(world.next, "1.0.4", { keys: [targets, online] }), { code: "trust/threshold" });
    await world.promote(world.next, "1.0.4", { keys: [keyNamed("targets 2"), online] });
    assert.equal((await world.resolve()).digest, world.next.digest);
  });
});

describe("attacks", () => {
  it("arbitrary software: a release that the publisher never signed", async () => {
    const world = await trustWorld();
    world.store.tag(REPOSITORY, "beta", world.next.digest);
    await assert.rejects(world.resolve({ channel: "beta" }), { hint: /\S/, code: "trust/unknown-release" });
    await assert.rejects(world.resolve({ digest: world.next.digest }), { hint: /\S/, code: "trust/unknown-release" });
    await assert.rejects(world.resolve({ version: "1.0.4" }), { hint: /\S/, code: "trust/unknown-release" });
  });

  it("rollback: metadata that was good once", async () => {
    const world = await trustWorld();
    const before = documentOf(world, "timestamp");
    await world.promote(world.next, "1.0.4");
    assert.equal((await world.resolve()).digest, world.next.digest);
    put(world, "timestamp", "timestamp", before);
    await assert.rejects(world.resolve(), { hint: /\S/, code: "trust/rollback" });
  });

  it("rollback by the key of the timestamp alone: an older snapshot under a higher number", async () => {
    const world = await trustWorld();
    const old = readMetadata("timestamp", documentOf(world, "timestamp"));
    await world.promote(world.next, "1.0.4");
    await world.resolve();
    const forged = Object.assign(old, { signatures: {} });
    Object.assign(forged.signed, { version: 99 });
    signMetadata(forged, [world.keys.online]);
    put(world, "timestamp", "timestamp", writeMetadata(forged));
    await assert.rejects(world.resolve(), { hint: /\S/, code: "trust/rollback" });
  });

  it("indefinite freeze: the same metadata for ever", async () => {
    const world = await trustWorld();
    await world.resolve();
    world.clock.nowMs = START + 31 * DAY;
    await assert.rejects(world.resolve(), { hint: /\S/, code: "trust/expired" });
    await refreshDates(world.publisher(), { base: BASE, anchor: world.root, keys: [world.keys.online] });
    assert.equal((await world.resolve()).digest, world.old.digest);
  });

  it("endless data: a document without an end, and one that is only too large", async () => {
    const world = await trustWorld();
    let sent = 0;
    const endless: Fetch = async (request) => {
      const answer = await world.fetch(request);
      if (!/alga-appliance-trust\/blobs/.test(pathOf(request)) || request.method !== "GET") return answer;
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          sent += 65_536;
          controller.enqueue(new Uint8Array(65_536));
        },
      });
      return new Response(body, { headers: { "content-type": "application/octet-stream" } });
    };
    await assert.rejects(world.resolve(undefined, { wire: endless }), { hint: /\S/, code: "trust/too-large" });
    assert.ok(sent < 1024 * 1024, `${sent} bytes were read`);
    put(world, "timestamp", "timestamp", new Uint8Array(17 * 1024));
    await assert.rejects(world.resolve(), { hint: /\S/, code: "trust/too-large" });
  });

  it("extraneous dependencies: a signed release that takes something in by its tag", async () => {
    const world = await trustWorld();
    const stored = world.store.manifest(REPOSITORY, world.old.digest);
    const manifest = JSON.parse(new TextDecoder().decode(stored?.bytes));
    const config = JSON.parse(new TextDecoder().decode(world.store.blob(REPOSITORY, manifest.config.digest)));
    const { imageDigests: _gone, ...loose } = { ...config, version: "1.0.5" };
    const blob = world.store.putBlob(REPOSITORY, new TextEncoder().encode(JSON.stringify(loose)));
    const bytes = new TextEncoder().encode(JSON.stringify({ ...manifest, config: { ...manifest.config, ...blob } }));
    const digest = world.store.putManifest(REPOSITORY, "1.0.5", bytes, stored?.mediaType ?? "");
    await world.promote({ ...world.old, digest }, "1.0.5");
    await assert.rejects(world.resolve(), { hint: /\S/, code: "trust/extraneous" });
  });

  it("mix and match: documents of different moments", async () => {
    const world = await trustWorld();
    const before = documentOf(world, "2.targets");
    await world.promote(world.next, "1.0.4");
    const now = documentOf(world, "3.targets");
    const mixing: Fetch = async (request) =>
      isBlob(request, now)
        ? new Response(new Uint8Array(before), { headers: { "content-length": `${before.length}` } })
        : world.fetch(request);
    await assert.rejects(world.resolve(undefined, { wire: mixing }), { hint: /\S/, code: "trust/mixed" });
    // The key of snapshot and timestamp alone cannot give older targets a newer number either.
    const forged = readMetadata("snapshot", documentOf(world, "3.snapshot"));
    Object.assign(forged.signed, { version: 9 });
    Object.assign(forged.signed.meta["targets.json"] ?? {}, hashesOf(before));
    Object.assign(forged, { signatures: {} });
    signMetadata(forged, [world.keys.online]);
    const snapshot = writeMetadata(forged);
    put(world, "snapshot", "9.snapshot-x", snapshot);
    const stamp = readMetadata("timestamp", documentOf(world, "timestamp"));
    Object.assign(stamp.signed, { version: 9 });
    Object.assign(stamp.signed.snapshotMeta, { version: 9, ...hashesOf(snapshot) });
    Object.assign(stamp, { signatures: {} });
    signMetadata(stamp, [world.keys.online]);
    put(world, "timestamp", "timestamp", writeMetadata(stamp));
    await assert.rejects(world.resolve(), { hint: /\S/, code: "trust/mixed" });
  });

  it("wrong software: a signed release in the place of another one", async () => {
    const world = await trustWorld();
    await world.promote(world.next, "1.0.5");
    await assert.rejects(world.resolve(), { hint: /\S/, code: "trust/wrong-release" });
  });

  it("malicious mirror: it hides what signed metadata names", async () => {
    const world = await trustWorld();
    await world.resolve();
    await world.promote(world.next, "1.0.4");
    const hidden = documentOf(world, "3.targets");
    const hiding: Fetch = async (request) =>
      isBlob(request, hidden) ? new Response(null, { status: 404 }) : world.fetch(request);
    await assert.rejects(world.resolve(undefined, { wire: hiding }), { hint: /\S/, code: "trust/withheld" });
  });

  it("compromise of one role's key: timestamp and snapshot cannot bring other targets", async () => {
    const world = await trustWorld();
    const thief = { keys: [world.keys.online] };
    await assert.rejects(world.promote(world.next, "1.0.4", thief), { hint: /\S/, code: "trust/threshold" });
    const other = await trustWorld();
    const forged = await beginTrust(
      { ...other.publisher(), push: async (pushed) => void copyInto(other, pushed) },
      { ...world.roles, targets: [publicPart(world.keys.online)] },
      { base: "forged", keys: [world.keys.rootA, world.keys.rootB, world.keys.online] },
    );
    assert.ok(forged.length > 0);
    // Snapshot and timestamp signed by the stolen key over targets that it signed too.
    const stolen = (name: string): Uint8Array => documentOf(other, name, "forged/alga-appliance-trust");
    put(world, "targets", "1.targets-x", stolen("1.targets"));
    put(world, "snapshot", "1.snapshot-x", stolen("1.snapshot"));
    put(world, "timestamp", "timestamp", stolen("timestamp"));
    await assert.rejects(world.resolve(), { hint: /\S/, code: "trust/threshold" });
  });

  it("compromise of one root key: it makes no root by itself", async () => {
    const world = await trustWorld();
    const options = { base: BASE, anchor: world.root, keys: [world.keys.rootA, world.keys.targets, world.keys.online] };
    await assert.rejects(rotateRoot(world.publisher(), { ...world.roles, rootThreshold: 1 }, options), {
      code: "trust/threshold",
    });
    const next = readMetadata("root", world.root);
    Object.assign(next.signed, { version: 2 });
    Object.assign(next, { signatures: {} });
    signMetadata(next, [world.keys.rootA]);
    put(world, "root", "2.root", writeMetadata(next));
    await assert.rejects(world.resolve(), { hint: /\S/, code: "trust/threshold" });
  });

  it("slow retrieval: metadata that never quite arrives", async () => {
    const world = await trustWorld();
    let fire: (() => void) | undefined;
    Object.assign(world.clock, {
      after: (ms: number, call: () => void) => {
        if (ms === 60_000) fire = call;
        return () => {};
      },
    });
    const slow: Fetch = async (request) => {
      if (!/alga-appliance-trust\/blobs/.test(pathOf(request))) return world.fetch(request);
      queueMicrotask(() => fire?.());
      return new Promise<Response>(() => {});
    };
    await assert.rejects(world.resolve(undefined, { wire: slow }), { hint: /\S/, code: "trust/slow" });
  });

  it("a document of another form, or with a key under the name of another one", async () => {
    const world = await trustWorld();
    put(world, "timestamp", "timestamp", new TextEncoder().encode("{}"));
    await assert.rejects(world.resolve(), { hint: /\S/, code: "trust/bad-metadata" });
    const root = JSON.parse(new TextDecoder().decode(world.root));
    const [one = "", two = ""] = Object.keys(root.signed.keys);
    root.signed.keys[one] = root.signed.keys[two];
    const bytes = new TextEncoder().encode(JSON.stringify(root));
    assert.throws(() => readMetadata("root", bytes), { hint: /\S/, code: "trust/bad-metadata" });
  });
});

describe("two publishers", () => {
  it("at once lose nothing: both channels are in what is there at the end", async () => {
    const world = await trustWorld();
    let isOtherIn = false;
    // The other one publishes whole between our look and our move of the timestamp.
    const meanwhile: Fetch = async (request) => {
      if (!isOtherIn && request.method === "PUT" && /manifests\/3\.snapshot-/.test(pathOf(request))) {
        isOtherIn = true;
        await world.promote(world.next, "1.0.4", { channel: "beta" });
      }
      return world.fetch(request);
    };
    await world.promote(world.old, "1.0.3", { channel: "lts", wire: meanwhile });
    assert.ok(isOtherIn);
    assert.equal((await world.resolve({ channel: "beta" })).digest, world.next.digest);
    assert.equal((await world.resolve({ channel: "lts" })).digest, world.old.digest);
  });

  it("one of whom always writes last: the other one is told", async () => {
    const world = await trustWorld();
    const first = documentOf(world, "timestamp");
    const stubborn: Fetch = async (request) => {
      const answer = await world.fetch(request);
      if (request.method === "PUT" && pathOf(request).endsWith("/manifests/timestamp"))
        put(world, "timestamp", "timestamp", first);
      return answer;
    };
    await assert.rejects(world.promote(world.next, "1.0.4", { wire: stubborn }), {
      code: /trust\/lost-race|oci\/tag-moved/,
    });
    assert.equal((await world.resolve()).digest, world.old.digest);
  });

  it("one of whom dies anywhere: a box sees the old or the new, and the next run completes it", async () => {
    const counted = await trustWorld();
    let requests = 0;
    const counting: Fetch = (request) => {
      requests += 1;
      return counted.fetch(request);
    };
    await counted.promote(counted.next, "1.0.4", { wire: counting });
    assert.ok(requests > 20, `${requests}`);
    for (let dies = 1; dies <= requests; dies += 3) {
      const world = await trustWorld();
      let seen = 0;
      const wire: Fetch = async (request) => {
        seen += 1;
        if (seen === dies) await world.fetch(request);
        if (seen >= dies) return new Response(null, { status: 403 });
        return world.fetch(request);
      };
      await assert.rejects(world.promote(world.next, "1.0.4", { wire }));
      const { digest } = await world.resolve();
      assert.ok(digest === world.old.digest || digest === world.next.digest, `request ${dies}`);
      await world.promote(world.next, "1.0.4");
      assert.equal((await world.resolve()).digest, world.next.digest, `request ${dies}`);
    }
  });
});

function copyInto(world: TrustWorld, pushed: ReturnType<typeof createMemoryStore>): void {
  for (const repository of pushed.repositories()) {
    for (const { bytes } of pushed.blobs(repository)) world.store.putBlob(repository, bytes);
    for (const { digest, bytes, mediaType } of pushed.manifests(repository))
      world.store.putManifest(repository, digest, bytes, mediaType);
    for (const tag of pushed.tags(repository) ?? []) {
      const digest = pushed.manifest(repository, tag)?.digest;
      if (digest !== undefined) world.store.tag(repository, tag, digest);
    }
  }
}
