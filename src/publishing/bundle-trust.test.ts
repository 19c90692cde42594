import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runWords, startWords } from "../../test/support/command-line.ts";
import { serveFetch } from "../../test/support/serve-registry.ts";
import { DAY, START, trustWorld } from "../../test/support/trust.ts";
import { systemClock } from "../platform/clock.ts";

const root = mkdtempSync(join(tmpdir(), "alga-bundle-trust-"));
const at = (name: string): string => join(root, name);
const world = await trustWorld();
const publisher = await serveFetch(world.fetch);
after(async () => {
  await publisher.close();
  rmSync(root, { recursive: true, force: true });
});
/** Boxes that believe in the publisher's root. */
for (const box of ["box", "new"]) {
  mkdirSync(at(`${box}/etc/alga-appliance`), { recursive: true });
  writeFileSync(at(`${box}/etc/alga-appliance/root.json`), world.root);
}

async function words(box: string, all: readonly string[], nowMs = START): Promise<Record<string, unknown>> {
  const clock = { ...systemClock, now: () => nowMs };
  const { stdout } = await runWords([...all, "-o", "json"], { root: at(box), env: { PWD: root }, deps: { clock } });
  return JSON.parse(stdout);
}

const codeOf = (said: Record<string, unknown>): unknown => (said.error as { code?: string } | undefined)?.code;
const bundle = (out: string) =>
  words("laptop", ["release", "bundle", "--registry", `127.0.0.1:${publisher.port}`, "--out", out]);

test("signed metadata goes along in a bundle, and a box with its root believes the bundle by it", async () => {
  const made = await bundle("first.tar");
  assert.ok(Number(made.trust) >= 4, "root, targets, snapshot and timestamp");
  const checked = await words("box", ["release", "check", "first.tar"]);
  const [{ version, verifiedBy }] = checked.signed as [{ version: string; verifiedBy: string }];
  assert.equal(version, "1.0.3");
  assert.match(verifiedBy, /^[0-9a-f]{64}$/);
  assert.deepEqual((await words("box", ["release", "load", "first.tar"])).signed, checked.signed);
  const served = await startWords(["release", "serve", "--port", "0", "-o", "json"], { root: at("box") });
  const resolved = await words("box", ["release", "resolve", "--registry", String(served.first.registry)]);
  assert.deepEqual([resolved.version, resolved.verifiedBy], ["1.0.3", verifiedBy]);
  await served.stop();
});

test("a bundle whose metadata is older than what the box has seen, or has expired, is refused", async () => {
  await world.promote(world.next, "1.0.4");
  world.store.tag("nine-minds/alga-appliance-release", "stable", world.next.digest);
  await bundle("second.tar");
  assert.equal(codeOf(await words("box", ["release", "load", "second.tar"])), undefined);
  assert.equal(codeOf(await words("box", ["release", "check", "first.tar"])), "trust/rollback");
  assert.equal(codeOf(await words("box", ["release", "load", "first.tar", "--allow-downgrade"])), "trust/rollback");
  const late = await words("fresh", ["release", "check", "second.tar"], START + 400 * DAY);
  assert.equal(codeOf(late), undefined, "without a root nothing is verified");
  assert.equal(codeOf(await words("box", ["release", "check", "second.tar"], START + 400 * DAY)), "trust/expired");
});

test("a bundle without metadata is refused by a box with a root that has seen none", async () => {
  const trust = "nine-minds/alga-appliance-trust";
  for (const tag of world.store.tags(trust) ?? []) world.store.deleteManifest(trust, tag);
  assert.equal((await bundle("bare.tar")).trust, 0);
  assert.equal(codeOf(await words("new", ["release", "check", "bare.tar"])), "trust/unsigned");
});
