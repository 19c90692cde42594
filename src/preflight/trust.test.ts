/** The check of trust before anything is changed: what it warns of, what it refuses, and which answer mends it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANSWERS } from "../../test/crash/bench.ts";
import { BASE, DAY, HOST, keyNamed, REPOSITORY, rolled, START, trustWorld } from "../../test/support/trust.ts";
import { ApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Fetch } from "../core/ports.ts";
import { createResolvedStore } from "../release/resolved-store.ts";
import { openTrust, type ReleaseTrust } from "../release/trust.ts";
import { answersAgainst, findForSetup } from "../setup/release-of-run.ts";
import { validateAnswers } from "../setup/validate.ts";
import { readPublicKey } from "../trust/keys.ts";
import { signManifest } from "../trust/signatures.ts";
import type { PreflightContext } from "./check.ts";
import { TRUST_CHECKS } from "./trust.ts";

interface Change {
  /** null: the box trusts nothing. */
  readonly trust?: Partial<ReleaseTrust> | null;
  readonly answers?: Readonly<Record<string, string>>;
  readonly wire?: Fetch;
}

async function checked() {
  const world = await trustWorld();
  const { files, clock } = world;
  const common = { clock, files, random: rolled("preflight"), log: SILENT_LOG };
  const releases = createResolvedStore(common, "/var/resolved");
  const look = ({ trust = {}, answers = {}, wire = world.fetch }: Change = {}) => {
    const deps = { clock, files, log: SILENT_LOG };
    const believed = { keys: [], root: world.root, folder: "/var/trust", allowUnsigned: false, deps, ...trust };
    const { inputs } = validateAnswers({ ...ANSWERS, ...answers });
    const context = {
      ...common,
      releases,
      transports: { open: () => wire },
      registry: { place: { registry: HOST, base: BASE }, ...(trust === null ? {} : { trust: believed }) },
    };
    const settings = { controlPlane: "9.0.0", stateFolder: "/var", rehearsal: false };
    const find = (signal: AbortSignal) => findForSetup(context, { inputs, settings, signal });
    const [check] = TRUST_CHECKS;
    assert.ok(check !== undefined);
    return check.look(
      { ...context, find, answersAgainst } as unknown as PreflightContext,
      new AbortController().signal,
    );
  };
  return { ...world, common, look };
}

test("a release that verifies is told with its key and how long the metadata is good", async () => {
  const { look, keys } = await checked();
  const found = await look();
  assert.ok(found.ok && found.warning === undefined);
  const said = found.evidence.map(({ ref, text }) => `${ref}: ${text}`);
  assert.deepEqual(said, [
    "what this box trusts: a root document",
    `release 1.0.3: verified by key ${keys.targets.id.slice(0, 12)}`,
    "signed metadata: good until 2026-12-21T00:00:00Z",
  ]);
});

test("a box without keys is warned, and the registry is not asked for it", async () => {
  const { look } = await checked();
  const found = await look({ trust: null, wire: () => Promise.reject(new Error("asked")) });
  assert.deepEqual([found.ok, found.ok && found.warning], [true, "release unverified"]);
});

test("an unsigned release is refused by a box with keys, with the answers that choose another; allowed, it is a warning", async () => {
  const { look } = await checked();
  const keys = [readPublicKey(keyNamed("signer").publicPem)];
  const refused = await look({ trust: { keys } });
  assert.ok(!refused.ok);
  assert.deepEqual([refused.code, refused.fields], ["trust/unsigned", ["channel", "releaseRef"]]);
  assert.match(refused.next, /trust\.allowUnsigned/);
  const allowed = await look({ trust: { keys, allowUnsigned: true } });
  assert.deepEqual([allowed.ok, allowed.ok && allowed.warning], [true, undefined], "the metadata still stands for it");
});

test("a foreign signature is refused whatever the settings allow", async () => {
  const { look, publisher, old } = await checked();
  await signManifest(publisher(), keyNamed("foreign"), { repository: REPOSITORY, digest: old.digest });
  const keys = [readPublicKey(keyNamed("signer").publicPem)];
  const refused = await look({ trust: { keys, allowUnsigned: true } });
  assert.ok(!refused.ok);
  assert.deepEqual([refused.code, refused.fields], ["trust/untrusted-signature", ["channel", "releaseRef"]]);
  assert.match(refused.wrong ?? "", /signed, but by none of the trusted keys/);
  assert.match(refused.evidence[0]?.text ?? "", /^key [0-9a-f]{12}, a root document$/);
});

test("expired metadata is refused with its age and the answer that decides; decided, it is a warning", async () => {
  const { look, clock } = await checked();
  clock.nowMs = START + 33 * DAY;
  const refused = await look();
  assert.ok(!refused.ok);
  assert.deepEqual([refused.code, refused.fields], ["trust/expired", ["acceptExpired"]]);
  assert.match(refused.cause, /timestamp metadata: it expired 3 days ago/);
  assert.match(refused.next, /--accept-expired/);
  const decided = await look({ answers: { acceptExpired: "2027-01-15T00:00:00Z" } });
  assert.deepEqual([decided.ok, decided.ok && decided.warning], [true, "timestamp metadata expired 3 days ago"]);
  assert.equal((await look({ answers: { acceptExpired: "2026-12-23T00:00:00Z" } })).ok, false, "the instant is past");
});

test("keys that cannot be read are refused, and no answer mends that", async () => {
  const { look, files, common } = await checked();
  await files.makeDirectory("/box/etc/alga-appliance/trusted-keys");
  await files.write("/box/etc/alga-appliance/trusted-keys/publisher.pem", "garbage");
  const trust = openTrust(common, { get: (key) => (key === "root" ? "/box" : undefined) });
  const { read } = trust;
  const refused = await look({ trust: { ...({ read } as object) } });
  assert.ok(!refused.ok);
  assert.deepEqual([refused.code, refused.fields], ["trust/bad-key", undefined]);
  assert.match(refused.cause, /publisher\.pem/);
});

test("a registry that is away is another check's matter", async () => {
  const { look } = await checked();
  const away = new ApplianceError("net/unreachable", "Cannot connect: refused");
  const found = await look({ wire: () => Promise.reject(away) });
  assert.deepEqual([found.ok, found.evidence[0]?.ref], [true, "net/unreachable"]);
});
