// The whole life of two releases with the executable as the only tool: keys and signed metadata made, releases locked, built,
// signed, published, promoted, installed by setup on a box that believes the publisher's keys only, promoted again, mirrored to a
// second registry, bundled, and installed from the bundle with every registry gone. In between somebody moves a channel.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { TLS } from "../../scripts/lab/authority.ts";
import { addArchives, BOX, inBox } from "../../scripts/lab/box.ts";
import { startDaemon, stopDaemon, until } from "../../scripts/lab/daemon.ts";
import { pushLayout } from "../../scripts/lab/layout.ts";
import { bakedParts, ensureImages, testedExecutable } from "../../scripts/lab/parts.ts";
import { publishFlux } from "../../scripts/lab/publish.ts";
import {
  MEDIA,
  MIRROR,
  REGISTRY,
  startMirror,
  startServices,
  stopMirror,
  stopServices,
} from "../../scripts/lab/registry.ts";
import { run } from "../../scripts/lab/shell.ts";
import { useRegistry } from "../../scripts/lab/tree.ts";
import { type LabState, restoreFreshBox } from "../../scripts/lab/up.ts";
import { ANSWERS, Appliance, loginAnswers, type Operation, type UpdatePlan } from "./appliance.ts";
import { isReady, object, objects } from "./cluster.ts";
import { applicationTargets, LISTEN, type Place, Publisher } from "./publisher.ts";
import type { Case } from "./runner.ts";
import { beginTrusted, believe, refusesChannel, type Trusted } from "./trusted.ts";
import { startVisitor, stopVisitor } from "./visitor.ts";

const SETUP_SECONDS = 900;
const START_SECONDS = 240;
const FIRST = "2.0.0";
const SECOND = "2.1.0";
const FIRST_BUNDLE = "first.tar";
const SECOND_BUNDLE = "media.tar";
/** What the second release changes. */
const NEW_CHARTS = { "email-service": "0.2.0" } as const;
/** Signed by nobody. */
const FOREIGN = "2.2.0";

interface Built {
  readonly digest: string;
}

interface Cycle {
  readonly lab: LabState;
  readonly publisher: Publisher;
  readonly field: Place;
  readonly mirror: Place;
  readonly digests: Map<string, string>;
  /** Keys and root of the publisher, once they are made. */
  trusted: Trusted | undefined;
  /** The box that was set up last. */
  installed: Appliance | undefined;
}

/** The cases build on each other. Every telling has repositories of its own. */
export function publishing(lab: LabState): Case[] {
  const base = `field${randomInt(1_000_000)}`;
  const cycle: Cycle = {
    lab,
    publisher: new Publisher(),
    field: { host: REGISTRY.host, base },
    mirror: { host: MIRROR.host, base },
    digests: new Map(),
    trusted: undefined,
    installed: undefined,
  };
  const told = (name: string, work: (cycle: Cycle) => Promise<void>): Case => ({
    name: `publishing: ${name}`,
    run: () => work(cycle),
  });
  return [
    told("keys and signed metadata are made", makeKeys),
    told("two releases are locked and built, byte by byte the same when built again", buildBoth),
    told("both are signed and published, and no channel shows them before it is promoted", publishBoth),
    told("the first is promoted, and a fresh box that believes these keys installs it", installFirst),
    told("a bundle is made of the first", bundleFirst),
    told("the next is promoted, and a way back is refused", promoteSecond),
    told("the box is offered the next, shows its plan, and updates itself to it", updateBox),
    told("a channel that is moved to a release signed by nobody is refused", refuseForeign),
    told("what the signed metadata says counts, not where the tag points", ignoreTag),
    told("all of it is mirrored to a second registry, under the same digests", mirrorAll),
    told("a bundle is made from the mirror; a part of one is refused with the place where it ends", bundleMirror),
    told("with every registry gone, a fresh box installs from a bundle", cutOff(installFromBundle)),
    told("it takes the next from the next bundle, and nobody at the login page notices", cutOff(updateFromBundle)),
    told("the laptop is gone too, and the box goes back by what it has kept", cutOff(goBackAlone)),
    told("the registries come back", restoreRegistries),
  ];
}

async function makeKeys(cycle: Cycle): Promise<void> {
  const { publisher, field } = cycle;
  cycle.trusted = beginTrusted(publisher, field);
  assert.match(cycle.trusted.keyId, /^[0-9a-f]{64}$/);
}

function trustOf({ trusted }: Cycle): Trusted {
  assert.ok(trusted !== undefined, "there are no keys");
  return trusted;
}

async function buildBoth(cycle: Cycle): Promise<void> {
  const { publisher, field, digests } = cycle;
  pushLayout(ensureImages().standins.layout, applicationTargets(field));
  publishFlux(`${REGISTRY.host}/fluxcd`, field.base);
  const sealed = trustOf(cycle).building;
  for (const version of [FIRST, SECOND]) {
    const folder = lockedSource(cycle, version);
    const built = buildRelease(publisher, folder, version, sealed);
    const again = buildRelease(publisher, folder, `${version}-again`, sealed);
    assert.equal(again.digest, built.digest);
    run(["diff", "-r", publisher.path(`${version}.layout`), publisher.path(`${version}-again.layout`)]);
    digests.set(version, built.digest);
  }
  assert.notEqual(digests.get(FIRST), digests.get(SECOND));
}

function lockedSource({ publisher, field }: Cycle, version: string): string {
  const folder = publisher.laySource(version, field, version === FIRST ? {} : NEW_CHARTS);
  publisher.does("release", "lock", folder, ...publisher.at(field));
  return folder;
}

function buildRelease(publisher: Publisher, folder: string, name: string, sealed: readonly string[]): Built {
  const made = ["--out", publisher.path(`${name}.layout`), "--executable", testedExecutable(), "--runtime-libs", "/"];
  return publisher.does<Built>("release", "build", folder, ...made, ...sealed);
}

async function publishBoth(cycle: Cycle): Promise<void> {
  const { publisher, field } = cycle;
  for (const version of [FIRST, SECOND]) {
    const words = ["release", "publish", publisher.path(`${version}.layout`), ...trustOf(cycle).publishing];
    publisher.does(...words, ...publisher.at(field));
    const again = publisher.does<{ outcome: string; content: { sentBytes: number } }>(...words, ...publisher.at(field));
    assert.deepEqual([again.outcome, again.content.sentBytes], ["already", 0]);
  }
  const listed = publisher.does<{ channels: string[]; versions: string[] }>("release", "list", ...publisher.at(field));
  assert.deepEqual(listed, { channels: [], versions: [SECOND, FIRST] });
}

function promote({ publisher, field }: Cycle, version: string, flags: readonly string[]): readonly string[] {
  return [
    "release",
    "promote",
    "--version",
    version,
    "--to",
    "stable",
    "--by",
    "lab",
    ...flags,
    ...publisher.at(field),
  ];
}

async function installFirst(cycle: Cycle): Promise<void> {
  const { publisher, field, digests } = cycle;
  publisher.does(...promote(cycle, FIRST, trustOf(cycle).publishing));
  await install(cycle, field, digests.get(FIRST));
}

async function bundleFirst({ publisher, field }: Cycle): Promise<void> {
  publisher.does(
    "release",
    "bundle",
    "--channel",
    "stable",
    "--out",
    publisher.path(FIRST_BUNDLE),
    ...publisher.at(field),
  );
}

async function promoteSecond(cycle: Cycle): Promise<void> {
  const { publisher, field, digests } = cycle;
  publisher.does(...promote(cycle, SECOND, trustOf(cycle).publishing));
  const back = publisher.tries(...promote(cycle, FIRST, trustOf(cycle).publishing));
  assert.notEqual(back.code, 0, "a channel went back without being told to");
  const resolved = publisher.does<Built>("release", "resolve", "--channel", "stable", ...publisher.at(field));
  assert.equal(resolved.digest, digests.get(SECOND));
}

async function updateBox(cycle: Cycle): Promise<void> {
  const appliance = boxOf(cycle);
  const digest = cycle.digests.get(SECOND);
  await until("the offer of the next", START_SECONDS, async () => {
    const view = await appliance.ask<{ offered: Built | null }>("POST", "/api/updates/check", {});
    return view.offered?.digest === digest;
  });
  const plan = await until("a plan that may run", START_SECONDS, async () => {
    const made = await appliance.ask<UpdatePlan>("POST", "/api/updates/plan", { channel: "stable" });
    assert.deepEqual(made.notNow, []);
    return made;
  });
  assert.deepEqual([plan.to.digest, plan.to.verifiedBy], [digest, trustOf(cycle).keyId]);
  assert.deepEqual(
    plan.components.map((component) => component.name),
    Object.keys(NEW_CHARTS),
  );
  const { operation } = await appliance.ask<{ operation: Operation }>("POST", "/api/updates", {
    planDigest: plan.digest,
    channel: "stable",
  });
  // From here on it watches for five minutes whether all stays well: that is left to the rehearsal.
  await appliance.reaches(operation.id, "judge", SETUP_SECONDS);
  const { phase, release } = await appliance.status();
  assert.deepEqual([phase, release?.version, release?.digest], ["updating", SECOND, digest]);
  await loginAnswers();
  const { ref } = object("ocirepository", "flux-system", "alga-chart-email-service").spec;
  assert.equal((ref as { tag?: string }).tag, NEW_CHARTS["email-service"]);
  assert.ok(isReady(object("helmrelease", "alga-system", "email-service")), "the new chart is not installed");
}

function boxOf({ installed }: Cycle): Appliance {
  assert.ok(installed !== undefined, "there is no box");
  return installed;
}

/** Whoever may write to the registry, but has none of the keys, publishes a release of their own and moves the tag. */
async function refuseForeign(cycle: Cycle): Promise<void> {
  const { lab, publisher, field } = cycle;
  const built = buildRelease(publisher, lockedSource(cycle, FOREIGN), FOREIGN, []);
  publisher.does("release", "publish", publisher.path(`${FOREIGN}.layout`), ...publisher.at(field));
  publisher.does(...promote(cycle, FOREIGN, []));
  const tag = publisher.does<Built>("release", "resolve", "--channel", "stable", ...publisher.at(field));
  assert.equal(tag.digest, built.digest);
  const appliance = await freshBox(lab, () => {
    useRegistry(BOX.tree, { host: field.host, repository: field.base });
    believe(BOX.tree, trustOf(cycle), "keys");
  });
  await refusesChannel(appliance, ANSWERS, "trust/unsigned");
}

async function ignoreTag(cycle: Cycle): Promise<void> {
  const { publisher, field, digests } = cycle;
  const appliance = await believingBox(cycle, field);
  await offers(appliance, cycle, digests.get(SECOND));
  // So that what follows goes on with a channel whose tag and metadata say the same.
  publisher.does(...promote(cycle, SECOND, ["--allow-downgrade", ...trustOf(cycle).publishing]));
}

async function mirrorAll({ publisher, field, mirror, digests }: Cycle): Promise<void> {
  await startMirror();
  const to = [`${mirror.host}/${mirror.base}`, "--to-ca", TLS.authority];
  publisher.does("release", "copy", "stable", ...to, ...publisher.at(field));
  const found = publisher.does<Built>("release", "resolve", "--channel", "stable", ...publisher.at(mirror));
  assert.equal(found.digest, digests.get(SECOND));
}

async function bundleMirror(cycle: Cycle): Promise<void> {
  const { publisher, mirror } = cycle;
  const file = publisher.path(SECOND_BUNDLE);
  publisher.does("release", "bundle", "--channel", "stable", "--out", file, ...publisher.at(mirror));
  publisher.does("release", "check", file, "--trusted-key", trustOf(cycle).publicKey);
  const part = publisher.path("part.tar");
  writeFileSync(part, readFileSync(file));
  truncateSync(part, Math.floor(statSync(file).size / 2));
  const refused = publisher.tries("release", "check", part);
  assert.notEqual(refused.code, 0, "half a bundle is taken for a whole one");
  assert.match(`${refused.stdout}${refused.stderr}`, /ends (?:at|after)|byte/i);
}

async function installFromBundle(cycle: Cycle): Promise<void> {
  const { mirror, digests } = cycle;
  await stopMirror();
  await stopServices();
  await startServices({ onlyNames: true });
  await serveBundles(cycle, FIRST_BUNDLE);
  await install(cycle, { host: MEDIA.host, base: mirror.base }, digests.get(FIRST));
  const images = fluxImages();
  assert.ok(images.length >= 3 && images.every((image) => image.startsWith(`${MEDIA.host}/`)), images.join(" "));
  assertCutOff();
}

/** What fails without registries must not leave the cases after it without them. */
function cutOff(work: (cycle: Cycle) => Promise<void>): (cycle: Cycle) => Promise<void> {
  return async (cycle) => {
    try {
      await work(cycle);
    } catch (problem) {
      await restoreRegistries();
      throw problem;
    }
  };
}

/** The laptop beside the box serves these instead of what it served before. */
async function serveBundles({ publisher, mirror }: Cycle, ...files: readonly string[]): Promise<void> {
  await stopDaemon("media");
  const tls = ["--tls-cert", TLS.certificate, "--tls-key", TLS.key];
  const where = ["--listen", LISTEN, "--port", String(MEDIA.port), "--repository", mirror.base];
  const paths = files.map((file) => publisher.path(file));
  startDaemon("media", publisher.argv("release", "serve", ...paths, ...where, ...tls));
}

function assertCutOff(): void {
  for (const { host } of [REGISTRY, MIRROR]) {
    const asked = inBox(["curl", "-sk", "-m", "5", "-o", "/dev/null", `https://${host}/v2/`]);
    assert.notEqual(asked.code, 0, `${host} answers the box that is cut off`);
  }
}

async function updateFromBundle(cycle: Cycle): Promise<void> {
  await serveBundles(cycle, SECOND_BUNDLE, FIRST_BUNDLE);
  const judge = { soakMinutes: 1, patienceMinutes: 5 };
  await boxOf(cycle).ask("POST", "/api/updates/policy", { automatic: "never", judge });
  await startVisitor();
  try {
    await updateBox(cycle);
  } finally {
    const { served, failed } = await stopVisitor();
    process.stdout.write(`      login page: ${served} served, ${failed} failed\n`);
    assert.deepEqual([failed, served > 0], [0, true], "people have noticed an update of another component");
  }
  const [image = ""] = objects("pods", "msp").flatMap(({ metadata, spec }) =>
    metadata.name.startsWith("email-service-") ? [JSON.stringify(spec)] : [],
  );
  assert.ok(image.includes(`${MEDIA.host}/`), "the new pod is not from the bundle");
  assertCutOff();
}

/** Nobody answers the box any more: bundle and charts of the release before come from the box itself. */
async function goBackAlone(cycle: Cycle): Promise<void> {
  const appliance = boxOf(cycle);
  const { operation } = await appliance.ask<{ operation: Operation }>("GET", "/api/updates");
  assert.equal((await appliance.ends(operation.id, SETUP_SECONDS)).state, "done");
  await stopDaemon("media");
  const back = await appliance.ask<{ operation: Operation }>("POST", "/api/updates/rollback", {});
  await appliance.reaches(back.operation.id, "judge", SETUP_SECONDS);
  const { release } = await appliance.status();
  assert.deepEqual([release?.version, release?.digest], [FIRST, cycle.digests.get(FIRST)]);
  await loginAnswers();
  const { ref, url } = object("ocirepository", "flux-system", "alga-chart-email-service").spec;
  assert.notEqual((ref as { tag?: string }).tag, NEW_CHARTS["email-service"]);
  assert.match(String(url), /^oci:\/\/appliance-control-plane\./, "Flux does not read from the box");
  assert.ok(isReady(object("helmrelease", "alga-system", "email-service")), "the chart of before is not installed");
}

async function restoreRegistries(): Promise<void> {
  await stopDaemon("media");
  await stopServices();
  await startServices();
}

/** Where the controllers of Flux were pulled from. */
function fluxImages(): string[] {
  return objects("pods", "flux-system").flatMap(({ spec }) =>
    (spec.containers as readonly { readonly image: string }[]).map((container) => container.image),
  );
}

async function freshBox(lab: LabState, prepare: () => void): Promise<Appliance> {
  addArchives([bakedParts().archive]);
  await restoreFreshBox(prepare);
  const appliance = new Appliance(lab.address);
  await appliance.answers(START_SECONDS);
  await appliance.claim(lab.setupToken);
  return appliance;
}

/** A fresh box that takes releases from a place, and believes this publisher only. */
function believingBox(cycle: Cycle, place: Place): Promise<Appliance> {
  return freshBox(cycle.lab, () => {
    useRegistry(BOX.tree, { host: place.host, repository: place.base });
    believe(BOX.tree, trustOf(cycle));
  });
}

interface Offer {
  readonly name: string;
  readonly digest: string;
  readonly verifiedBy: string;
}

/** Waits until the box offers a release, and looks whose signature it says that is. */
async function offers(appliance: Appliance, cycle: Cycle, digest: string | undefined): Promise<void> {
  const offer = await until("the offer of the release", START_SECONDS, async () => {
    const config = await appliance.ask<{ channels: Offer[] }>("GET", "/api/setup/config");
    return config.channels.find((one) => one.name === "stable");
  });
  assert.deepEqual([offer.digest, offer.verifiedBy], [digest, trustOf(cycle).keyId]);
}

/** Sets up a fresh box from a place, and looks at what it says it runs, and whom it believes. */
async function install(cycle: Cycle, place: Place, digest: string | undefined): Promise<void> {
  const appliance = await believingBox(cycle, place);
  cycle.installed = appliance;
  await offers(appliance, cycle, digest);
  const { id } = await appliance.start(ANSWERS);
  await appliance.finishes(id, SETUP_SECONDS, true);
  const { phase, release } = await appliance.status();
  assert.deepEqual([phase, release?.digest, release?.verifiedBy], ["running", digest, trustOf(cycle).keyId]);
  await loginAnswers();
  const source = object("ocirepository", "flux-system", "alga-appliance");
  assert.equal(source.spec.url, `oci://${place.host}/${place.base}/alga-appliance-config`);
}
