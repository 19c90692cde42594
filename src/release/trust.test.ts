import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BASE,
  DAY,
  HOST,
  keyNamed,
  REPOSITORY,
  rolled,
  START,
  type TrustWorld,
  trustWorld,
} from "../../test/support/trust.ts";
import { ApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Fetch } from "../core/ports.ts";
import { createRegistryClient } from "../oci/client.ts";
import { readPublicKey } from "../trust/keys.ts";
import { signManifest } from "../trust/signatures.ts";
import { resolveOrLast, resolveRelease } from "./resolve.ts";
import type { ReleaseRef } from "./resolved.ts";
import { createResolvedStore } from "./resolved-store.ts";
import { acceptingExpired, type BoxTrust, openTrust, type ReleaseTrust, readableTrust } from "./trust.ts";

const away: Fetch = async () => {
  throw new ApplianceError("net/unreachable", "Cannot reach the registry: it is down");
};

/** A box that keeps what it resolved, over a wire that may be gone. */
function box(world: TrustWorld) {
  const deps = { clock: world.clock, log: SILENT_LOG, files: world.files };
  const store = createResolvedStore(deps, "/var/resolved");
  const believes = (change: Partial<ReleaseTrust> = {}): ReleaseTrust => ({
    keys: [],
    root: world.root,
    folder: "/var/trust",
    allowUnsigned: false,
    deps,
    ...change,
  });
  const options = (trust: BoxTrust | undefined) => ({ base: BASE, running: "9.0.0", store, trust });
  const client = (wire: Fetch) =>
    createRegistryClient({ ...deps, random: rolled("box"), fetch: wire }, { registry: HOST });
  return {
    deps,
    believes,
    resolve: (ref: ReleaseRef, trust: BoxTrust | undefined, wire: Fetch = world.fetch) =>
      resolveRelease(deps, client(wire), ref, options(trust)),
    last: (ref: ReleaseRef, trust: BoxTrust, wire: Fetch) => resolveOrLast(deps, client(wire), ref, options(trust)),
  };
}

test("what was verified stays so on the disk, without a registry and past its date, while its key is trusted", async () => {
  const world = await trustWorld();
  const { resolve, believes, last } = box(world);
  const first = await resolve({ channel: "stable" }, believes());
  world.clock.nowMs = START + 60 * DAY;
  const again = await resolve({ digest: first.digest }, believes(), away);
  assert.deepEqual([again.digest, again.verifiedBy, again.roundTrips], [first.digest, world.keys.targets.id, 0]);
  await assert.rejects(resolve({ channel: "stable" }, believes(), away), { code: "trust/expired" });
  await assert.rejects(last({ channel: "stable" }, believes(), away), { code: "trust/expired" });
  const stranger = readPublicKey(keyNamed("somebody else").publicPem);
  await assert.rejects(resolve({ digest: first.digest }, believes({ keys: [stranger] }), away));
});

test("a decision to accept expired metadata is kept with the release, for the journal", async () => {
  const world = await trustWorld();
  const { resolve, believes } = box(world);
  await resolve({ channel: "stable" }, believes());
  world.clock.nowMs = START + 33 * DAY;
  const trust = believes({ acceptExpiredUntil: START + 40 * DAY });
  const accepted = await resolve({ channel: "stable" }, trust);
  assert.equal(accepted.accepted, "timestamp metadata expired 3 days ago");
  assert.equal((await resolve({ digest: accepted.digest }, trust, away)).accepted, accepted.accepted);
});

test("with keys and a root both must hold, and the signer is named", async () => {
  const world = await trustWorld();
  const { resolve, believes } = box(world);
  const signer = keyNamed("signer");
  const trust = believes({ keys: [readPublicKey(signer.publicPem)] });
  await assert.rejects(resolve({ channel: "stable" }, trust), { code: "trust/unsigned" });
  await signManifest(world.publisher(), signer, { repository: REPOSITORY, digest: world.old.digest });
  assert.equal((await resolve({ channel: "stable" }, trust)).verifiedBy, signer.id);
  await signManifest(world.publisher(), signer, { repository: REPOSITORY, digest: world.next.digest });
  await assert.rejects(resolve({ version: "1.0.4" }, trust), { code: "trust/unknown-release" });
});

test("a box without keys and without root verifies nothing and says so", async () => {
  const world = await trustWorld();
  const { deps } = box(world);
  const settings = { get: (key: string) => (key === "root" ? "/box" : undefined) };
  const trust = openTrust(deps, settings);
  assert.equal(await readableTrust(trust), undefined);
  const client = createRegistryClient({ ...deps, random: rolled("box"), fetch: world.fetch }, { registry: HOST });
  const resolved = await resolveRelease(deps, client, { channel: "stable" }, { base: BASE, running: "9.0.0", trust });
  assert.equal(resolved.verifiedBy, "none");
  assert.equal(resolved.goodUntil, undefined);
});

test("metadata seen last that the disk has damaged counts as not seen, and the box goes on with the registry's", async () => {
  const world = await trustWorld();
  const { resolve, believes } = box(world);
  await resolve({ channel: "stable" }, believes());
  const [folder = ""] = await world.files.list("/var/trust");
  for (const role of ["root", "timestamp", "snapshot", "targets"])
    world.files.garble(`/var/trust/${folder}/${role}.json`, "{torn");
  assert.equal((await resolve({ channel: "stable" }, believes())).digest, world.old.digest);
});

const KEYS = "/box/etc/alga-appliance/trusted-keys";
const ROOT = "/box/etc/alga-appliance/root.json";
/** A box whose settings also take unsigned releases: that must not help where the keys cannot be read. */
const loose = {
  get: (key: string) => ({ root: "/box", "trust.allowUnsigned": "true" })[key],
};

test("a key file that is none opens, and then no release is taken: not by name, not from the disk, not unsigned", async () => {
  const world = await trustWorld();
  const { deps, resolve, last, believes } = box(world);
  const { digest } = await resolve({ channel: "stable" }, believes());
  const signer = keyNamed("signer");
  await world.files.makeDirectory(KEYS);
  await world.files.write(`${KEYS}/good.pem`, signer.publicPem);
  await world.files.write(`${KEYS}/other.pem`, "garbage");
  const trust = openTrust(deps, loose);
  const refused = { code: "trust/bad-key", message: /trusted-keys\/other\.pem/, hint: /public key, or remove it/ };
  await assert.rejects(resolve({ channel: "stable" }, trust), refused);
  await assert.rejects(resolve({ version: "1.0.4" }, trust), refused);
  await assert.rejects(resolve({ digest }, trust, away), refused);
  await assert.rejects(last({ channel: "stable" }, trust, away), refused);
  await signManifest(world.publisher(), signer, { repository: REPOSITORY, digest });
  await world.files.write(`${KEYS}/other.pem`, keyNamed("another").publicPem);
  const repaired = await resolve({ channel: "stable" }, trust);
  assert.equal(repaired.verifiedBy, signer.id, "the repaired file counts without a restart");
});

test("a root document that is none, and a key file without an end, refuse in the same way", async () => {
  const world = await trustWorld();
  const { deps, resolve } = box(world);
  await world.files.makeDirectory(KEYS);
  await world.files.write(ROOT, '{"signed":{"_type":"root"}}');
  const trust = openTrust(deps, loose);
  await assert.rejects(resolve({ channel: "stable" }, trust), { code: "trust/bad-metadata", message: /root\.json/ });
  await world.files.write(ROOT, world.root);
  assert.equal((await resolve({ channel: "stable" }, trust)).verifiedBy, world.keys.targets.id);
  await world.files.write(`${KEYS}/endless.pem`, "x".repeat(100_000));
  await assert.rejects(resolve({ channel: "stable" }, openTrust(deps, loose)), { code: "file/too-large" });
});

test("a key that is put on the box counts at once, and so does its removal", async () => {
  const world = await trustWorld();
  const { deps, resolve } = box(world);
  const trust = openTrust(deps, { get: (key: string) => (key === "root" ? "/box" : undefined) });
  assert.equal((await resolve({ channel: "stable" }, trust)).verifiedBy, "none");
  await world.files.makeDirectory(KEYS);
  await world.files.write(`${KEYS}/publisher.pem`, keyNamed("signer").publicPem);
  await assert.rejects(resolve({ channel: "stable" }, trust), { code: "trust/unsigned" });
  await world.files.remove(`${KEYS}/publisher.pem`);
  assert.equal((await resolve({ channel: "stable" }, trust)).verifiedBy, "none");
});

test("an operator's decision lasts until its instant, and never shortens that of the settings", async () => {
  const world = await trustWorld();
  const { resolve, believes } = box(world);
  const fresh = await resolve({ channel: "stable" }, believes());
  assert.equal(fresh.goodUntil, "2026-12-21T00:00:00Z", "the timestamp expires first");
  world.clock.nowMs = START + 33 * DAY;
  const decided = (until: string | undefined, settings?: number) =>
    acceptingExpired(believes(settings === undefined ? {} : { acceptExpiredUntil: settings }), until);
  await assert.rejects(resolve({ channel: "stable" }, decided(undefined)), { code: "trust/expired" });
  const taken = await resolve({ channel: "stable" }, decided("2026-12-25T00:00:00Z"));
  assert.equal(taken.accepted, "timestamp metadata expired 3 days ago");
  world.clock.nowMs = START + 35 * DAY;
  await assert.rejects(resolve({ channel: "stable" }, decided("2026-12-25T00:00:00Z")), { code: "trust/expired" });
  assert.match(
    (await resolve({ channel: "stable" }, decided("2026-12-25T00:00:00Z", START + 40 * DAY))).accepted ?? "",
    /5 days ago/,
  );
});
