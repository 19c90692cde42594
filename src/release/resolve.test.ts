import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryFiles, type MemoryFiles } from "../../test/crash/memory-files.ts";
import { digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Clock, Fetch } from "../core/ports.ts";
import { createRegistryClient, type RegistryClient } from "../oci/client.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { buildSampleRelease, type SampleOptions } from "../rehearsal/sample-release.ts";
import { findRelease, resolveOrLast, resolveRelease } from "./resolve.ts";
import { createResolvedStore, type ResolvedStore } from "./resolved-store.ts";

const REGISTRY = "registry.test";
const RELEASES = "nine-minds/alga-appliance-release";
const SAMPLE: SampleOptions = { registry: REGISTRY, version: "1.0.3", channels: ["stable"] };
const OPTIONS = { running: "1.0.0" };

interface World {
  readonly store: RegistryStore;
  readonly client: RegistryClient;
  readonly deps: { readonly clock: Clock; readonly log: typeof SILENT_LOG };
  readonly kept: ResolvedStore;
  readonly files: MemoryFiles;
  /** Switches the network. */
  readonly line: { up: boolean; nowMs: number };
}

function world(sample: Partial<SampleOptions> = {}): World {
  const line = { up: true, nowMs: 1_000_000 };
  const clock: Clock = {
    now: () => line.nowMs,
    monotonic: () => line.nowMs,
    sleep: async (ms) => {
      line.nowMs += ms;
    },
    after: () => () => {},
  };
  const { fetch, store } = createRegistryServer({ store: createMemoryStore() });
  const wire: Fetch = (request) =>
    line.up ? fetch(request) : Promise.reject(new ApplianceError("net/unreachable", "down"));
  buildSampleRelease(store, { ...SAMPLE, ...sample });
  const random = { bytes: (n: number) => new Uint8Array(n), uuid: () => "id", fraction: () => 0 };
  const client = createRegistryClient({ clock, random, log: SILENT_LOG, fetch: wire }, { registry: REGISTRY });
  const files = createMemoryFiles();
  const kept = createResolvedStore({ files, log: SILENT_LOG }, "/state/resolved");
  return { store, client, deps: { clock, log: SILENT_LOG }, kept, files, line };
}

const rejects = (work: Promise<unknown>, code: string, message?: RegExp) =>
  assert.rejects(work, (thrown) => {
    assert.ok(thrown instanceof ApplianceError, String(thrown));
    assert.equal(thrown.code, code, thrown.message);
    if (message !== undefined) assert.match(thrown.message, message);
    return true;
  });

test("resolves a channel to a manifest, its digest and the digests and sizes of all it refers to", async () => {
  const { client, deps, store } = world();
  const resolved = await resolveRelease(deps, client, { channel: "stable" }, OPTIONS);
  assert.equal(resolved.manifest.version, "1.0.3");
  assert.equal(resolved.digest, store.manifest(RELEASES, "stable")?.digest);
  assert.deepEqual(
    resolved.artifacts.map((one) => one.name),
    [
      "config",
      "flux",
      "chart sebastian",
      "chart pgbouncer",
      "chart temporal",
      "chart workflow-worker",
      "chart email-service",
      "chart temporal-worker",
      "image algaCore",
      "image workflowWorker",
      "image emailService",
      "image temporalWorker",
      "control-plane image",
    ],
  );
  for (const one of resolved.artifacts) assert.ok(one.sizeBytes > 0, one.name);
  assert.deepEqual(resolved.missing, []);
  const core = resolved.artifacts.find((one) => one.name === "image algaCore");
  assert.equal(core?.reference, "registry.test/nine-minds/alga-psa-ee:1.0.3");
});

test("a warm resolve takes one round trip, and none by digest", async () => {
  const { client, deps, kept } = world();
  const cold = await resolveRelease(deps, client, { channel: "stable" }, { ...OPTIONS, store: kept });
  const warm = await resolveRelease(deps, client, { channel: "stable" }, { ...OPTIONS, store: kept });
  const exact = await resolveRelease(deps, client, { digest: cold.digest }, { ...OPTIONS, store: kept });
  assert.equal(warm.roundTrips, 1);
  assert.equal(exact.roundTrips, 0);
  assert.deepEqual({ ...warm, roundTrips: 0, resolvedAt: "" }, { ...cold, roundTrips: 0, resolvedAt: "" });
  assert.equal(cold.roundTrips, 2 + cold.artifacts.length);
});

test("a channel that moves is seen, and an operation that carries a digest notices", async () => {
  const { client, deps, kept, store } = world();
  const first = await resolveRelease(deps, client, { channel: "stable" }, { ...OPTIONS, store: kept });
  buildSampleRelease(store, { ...SAMPLE, version: "1.0.4" });
  const second = await resolveRelease(deps, client, { channel: "stable" }, { ...OPTIONS, store: kept });
  assert.equal(second.manifest.version, "1.0.4");
  for (const options of [OPTIONS, { ...OPTIONS, store: kept }]) {
    await rejects(findRelease(client, { channel: "stable" }, { ...options, expect: first.digest }), "oci/tag-moved");
  }
});

test("a tag that moves after every request of a resolve still gives one whole release", async () => {
  for (const isWarm of [false, true]) {
    const { deps, kept, store, client } = world();
    const digests = new Map([["1.0.3", (await findRelease(client, { channel: "stable" }, OPTIONS)).digest]]);
    digests.set("1.0.4", buildSampleRelease(store, { ...SAMPLE, version: "1.0.4" }).digest);
    if (isWarm) await resolveRelease(deps, client, { version: "1.0.3" }, { ...OPTIONS, store: kept });
    const { fetch } = createRegistryServer({ store });
    let count = 0;
    const moving: Fetch = async (request) => {
      const response = await fetch(request);
      count += 1;
      store.tag(RELEASES, "stable", digests.get(count % 2 === 0 ? "1.0.3" : "1.0.4") ?? assert.fail());
      return response;
    };
    const random = { bytes: (n: number) => new Uint8Array(n), uuid: () => "id", fraction: () => 0 };
    const over = createRegistryClient({ ...deps, random, fetch: moving }, { registry: REGISTRY });
    const resolved = await resolveRelease(deps, over, { channel: "stable" }, { ...OPTIONS, store: kept });
    assert.equal(resolved.digest, digests.get(resolved.manifest.version));
    const config = resolved.artifacts.find(({ kind }) => kind === "config");
    assert.equal(config?.digest, resolved.manifest.config.digest);
  }
});

test("a lower version than the installed one is refused, unless it is named", async () => {
  const { client, deps, store } = world();
  buildSampleRelease(store, { ...SAMPLE, version: "1.0.2", channels: ["old"] });
  const installed = { ...OPTIONS, installed: "1.0.3" };
  await rejects(resolveRelease(deps, client, { channel: "old" }, installed), "release/downgrade");
  const named = await resolveRelease(deps, client, { version: "1.0.2" }, installed);
  assert.equal(named.manifest.version, "1.0.2");
  await resolveRelease(deps, client, { digest: named.digest }, installed);
});

test("a release that needs a newer control plane is refused before anything is pulled", async () => {
  const { client, deps } = world({ minimumControlPlane: "2.0.0" });
  await rejects(resolveRelease(deps, client, { channel: "stable" }, OPTIONS), "release/control-plane-too-old");
});

test("an unknown channel and an unknown version say what to do", async () => {
  const { client, deps, kept } = world();
  await rejects(
    resolveRelease(deps, client, { channel: "beta" }, OPTIONS),
    "release/unknown-channel",
    /channel "beta"/,
  );
  await rejects(resolveRelease(deps, client, { version: "9.9.9" }, OPTIONS), "oci/not-found", /version "9.9.9"/);
  await resolveRelease(deps, client, { channel: "stable" }, { ...OPTIONS, store: kept });
  await rejects(findRelease(client, { channel: "beta" }, { ...OPTIONS, store: kept }), "release/unknown-channel");
});

test("a version tag that holds another version is refused", async () => {
  const { client, deps, store } = world();
  const digest = store.manifest(RELEASES, "1.0.3")?.digest ?? digestOf("");
  store.tag(RELEASES, "1.0.9", digest);
  await rejects(
    resolveRelease(deps, client, { version: "1.0.9" }, OPTIONS),
    "release/invalid-manifest",
    /says version 1.0.3/,
  );
});

const publishersFaults: readonly (readonly [NonNullable<SampleOptions["fault"]>, string, RegExp])[] = [
  ["missing-config", "release/incomplete", /its config "registry.test\/nine-minds\/alga-appliance-config@sha256:/],
  ["missing-chart", "release/incomplete", /its chart sebastian/],
  ["moved-chart", "oci/digest-mismatch", /chart sebastian .* the registry has sha256:.*, the release pins sha256:/],
  ["invalid-manifest", "release/invalid-manifest", /version is 1, a string is wanted/],
];
for (const [fault, code, message] of publishersFaults) {
  test(`refuses a release with ${fault}`, async () => {
    const { client, deps } = world({ fault });
    await rejects(resolveRelease(deps, client, { channel: "stable" }, OPTIONS), code, message);
  });
}

test("an image that is not there is told, not refused: it may be on the box", async () => {
  const { client, deps } = world({ fault: "missing-image" });
  const { missing } = await resolveRelease(deps, client, { channel: "stable" }, OPTIONS);
  assert.deepEqual(
    missing.map((one) => one.reference),
    ["registry.test/nine-minds/alga-psa-ee:1.0.3"],
  );
});

test("without a registry the last good resolve is given with its age, and only where there is one", async () => {
  const { client, deps, kept, line } = world();
  const known = { ...OPTIONS, store: kept };
  line.up = false;
  await rejects(resolveOrLast(deps, client, { channel: "stable" }, known), "release/offline");
  line.up = true;
  const fresh = await resolveOrLast(deps, client, { channel: "stable" }, known);
  assert.equal(fresh.stale, undefined);
  line.up = false;
  line.nowMs += 3_600_000;
  const stale = await resolveOrLast(deps, client, { channel: "stable" }, known);
  assert.ok((stale.stale?.ageMs ?? 0) >= 3_600_000);
  assert.equal(stale.stale?.problem.code, "net/unreachable");
  assert.equal(stale.digest, fresh.digest);
  assert.deepEqual(stale.artifacts, fresh.artifacts);
  await rejects(resolveOrLast(deps, client, { channel: "nightly" }, known), "release/offline");
});

test("a damaged file of the store is passed over and written anew", async () => {
  const { client, deps, kept, files } = world();
  const known = { ...OPTIONS, store: kept };
  const { digest } = await resolveRelease(deps, client, { channel: "stable" }, known);
  const path = `/state/resolved/${digest.slice(7)}.json`;
  files.garble(path, (files.snapshot().get(path) ?? "").replace("1.0.3", "6.6.6"));
  const again = await resolveRelease(deps, client, { channel: "stable" }, known);
  assert.equal(again.manifest.version, "1.0.3");
  assert.equal(again.roundTrips, 3);
  files.garble("/state/resolved/index.json", "{");
  assert.equal((await resolveRelease(deps, client, { channel: "stable" }, known)).manifest.version, "1.0.3");
});

test("a disk that takes or gives nothing costs the memory, not the resolve", async () => {
  for (const code of ["file/disk-full", "file/unwritable", "file/unreadable", "file/too-large"] as const) {
    const { client, deps, files } = world();
    const fail = (): Promise<never> => Promise.reject(new ApplianceError(code, "Cannot use the disk: it fails"));
    const broken: MemoryFiles = code.startsWith("file/un")
      ? { ...files, read: fail, makeDirectory: fail }
      : { ...files, read: fail, write: fail };
    const store = createResolvedStore({ files: broken, log: SILENT_LOG }, "/state/resolved");
    const resolved = await resolveOrLast(deps, client, { channel: "stable" }, { ...OPTIONS, store });
    assert.equal(resolved.manifest.version, "1.0.3");
    assert.equal(resolved.stale, undefined);
  }
});

test("a channel that was planned by digest may still not go down; a digest that was asked for may", async () => {
  const { client, deps } = world();
  const { digest } = await findRelease(client, { channel: "stable" }, OPTIONS);
  const installed = { ...OPTIONS, installed: "2.0.0" };
  await rejects(resolveRelease(deps, client, { digest }, { ...installed, asked: false }), "release/downgrade");
  assert.equal((await resolveRelease(deps, client, { digest }, installed)).manifest.version, "1.0.3");
});

test("the store keeps sixteen refs and the documents that they need", async () => {
  const { client, deps, kept, files } = world();
  const resolved = await resolveRelease(deps, client, { channel: "stable" }, { ...OPTIONS, store: kept });
  const document = await kept.bytes(resolved.digest);
  assert.ok(document !== undefined);
  for (let patch = 0; patch < 20; patch += 1) {
    const digest = digestOf(new TextEncoder().encode(String(patch)));
    await kept.keep(digest, document);
    await kept.save({ ...resolved, digest, ref: { version: `2.0.${patch}` } });
  }
  assert.equal([...files.snapshot().keys()].filter((path) => path.startsWith("/state/resolved/")).length, 17);
});
