// The whole life of two releases with the executable as the only tool: locked, built, published, promoted, installed by setup,
// promoted again, mirrored to a second registry, bundled, and installed from the bundle with every registry gone.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { TLS } from "../../scripts/lab/authority.ts";
import { addArchives, BOX, inBox } from "../../scripts/lab/box.ts";
import { startDaemon, stopDaemon, until } from "../../scripts/lab/daemon.ts";
import { pushLayout } from "../../scripts/lab/layout.ts";
import { BAKED, bakedImages, ensureImages, testedExecutable } from "../../scripts/lab/parts.ts";
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
import { ANSWERS, Appliance, loginAnswers } from "./appliance.ts";
import { object } from "./cluster.ts";
import { applicationTargets, LISTEN, type Place, Publisher } from "./publisher.ts";
import type { Case } from "./runner.ts";

const SETUP_SECONDS = 900;
const START_SECONDS = 240;
const FIRST = "2.0.0";
const SECOND = "2.1.0";

interface Built {
  readonly digest: string;
}

interface Cycle {
  readonly lab: LabState;
  readonly publisher: Publisher;
  readonly field: Place;
  readonly mirror: Place;
  readonly digests: Map<string, string>;
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
  };
  const told = (name: string, work: (cycle: Cycle) => Promise<void>): Case => ({
    name: `publishing: ${name}`,
    run: () => work(cycle),
  });
  return [
    told("two releases are locked and built, byte by byte the same when built again", buildBoth),
    told("both are published, and no channel shows them before it is promoted", publishBoth),
    told("the first is promoted, and a fresh box installs it", installFirst),
    told("the next is promoted, and a way back is refused", promoteSecond),
    told("all of it is mirrored to a second registry, under the same digests", mirrorAll),
    told("a bundle is made from the mirror; a part of one is refused with the place where it ends", bundleMirror),
    told("with every registry gone, a fresh box installs from the bundle", installFromBundle),
  ];
}

async function buildBoth({ publisher, field, digests }: Cycle): Promise<void> {
  pushLayout(ensureImages().standins.layout, applicationTargets(field));
  publishFlux(BAKED.controllers, field.base);
  for (const version of [FIRST, SECOND]) {
    const folder = publisher.laySource(version, version, field);
    publisher.does("release", "lock", folder, ...publisher.at(field));
    const built = buildRelease(publisher, folder, version);
    const again = buildRelease(publisher, folder, `${version}-again`);
    assert.equal(again.digest, built.digest);
    run(["diff", "-r", publisher.path(`${version}.layout`), publisher.path(`${version}-again.layout`)]);
    digests.set(version, built.digest);
  }
  assert.notEqual(digests.get(FIRST), digests.get(SECOND));
}

function buildRelease(publisher: Publisher, folder: string, name: string): Built {
  const made = ["--out", publisher.path(`${name}.layout`), "--executable", testedExecutable(), "--runtime-libs", "/"];
  return publisher.does<Built>("release", "build", folder, ...made);
}

async function publishBoth({ publisher, field }: Cycle): Promise<void> {
  for (const version of [FIRST, SECOND]) {
    const layout = publisher.path(`${version}.layout`);
    publisher.does("release", "publish", layout, ...publisher.at(field));
    const again = publisher.does<{ outcome: string; content: { sentBytes: number } }>(
      ...(["release", "publish", layout, ...publisher.at(field)] as const),
    );
    assert.deepEqual([again.outcome, again.content.sentBytes], ["already", 0]);
  }
  const listed = publisher.does<{ channels: string[]; versions: string[] }>("release", "list", ...publisher.at(field));
  assert.deepEqual(listed, { channels: [], versions: [SECOND, FIRST] });
}

async function installFirst({ lab, publisher, field, digests }: Cycle): Promise<void> {
  publisher.does("release", "promote", "--version", FIRST, "--to", "stable", "--by", "lab", ...publisher.at(field));
  await install(lab, field, digests.get(FIRST));
}

async function promoteSecond({ publisher, field, digests }: Cycle): Promise<void> {
  const promote = (version: string): readonly string[] => [
    ...["release", "promote", "--version", version, "--to", "stable", "--by", "lab"],
    ...publisher.at(field),
  ];
  publisher.does(...promote(SECOND));
  const back = publisher.tries(...promote(FIRST));
  assert.notEqual(back.code, 0, "a channel went back without being told to");
  const resolved = publisher.does<Built>("release", "resolve", "--channel", "stable", ...publisher.at(field));
  assert.equal(resolved.digest, digests.get(SECOND));
}

async function mirrorAll({ publisher, field, mirror, digests }: Cycle): Promise<void> {
  await startMirror();
  const to = [`${mirror.host}/${mirror.base}`, "--to-ca", TLS.authority];
  publisher.does("release", "copy", "stable", ...to, ...publisher.at(field));
  const found = publisher.does<Built>("release", "resolve", "--channel", "stable", ...publisher.at(mirror));
  assert.equal(found.digest, digests.get(SECOND));
}

async function bundleMirror({ publisher, mirror }: Cycle): Promise<void> {
  const file = publisher.path("media.tar");
  publisher.does("release", "bundle", "--channel", "stable", "--out", file, ...publisher.at(mirror));
  publisher.does("release", "check", file);
  const part = publisher.path("part.tar");
  writeFileSync(part, readFileSync(file));
  truncateSync(part, Math.floor(statSync(file).size / 2));
  const refused = publisher.tries("release", "check", part);
  assert.notEqual(refused.code, 0, "half a bundle is taken for a whole one");
  assert.match(`${refused.stdout}${refused.stderr}`, /ends (?:at|after)|byte/i);
}

async function installFromBundle({ lab, publisher, mirror, digests }: Cycle): Promise<void> {
  await stopMirror();
  await stopServices();
  try {
    await startServices({ onlyNames: true });
    const tls = ["--tls-cert", TLS.certificate, "--tls-key", TLS.key];
    const where = ["--listen", LISTEN, "--port", String(MEDIA.port), "--repository", mirror.base];
    startDaemon("media", publisher.argv("release", "serve", publisher.path("media.tar"), ...where, ...tls));
    await install(lab, { host: MEDIA.host, base: mirror.base }, digests.get(SECOND));
    for (const { host } of [REGISTRY, MIRROR]) {
      const asked = inBox(["curl", "-sk", "-m", "5", "-o", "/dev/null", `https://${host}/v2/`]);
      assert.notEqual(asked.code, 0, `${host} answers the box that is cut off`);
    }
  } finally {
    await stopDaemon("media");
    await stopServices();
    await startServices();
  }
}

/** Sets up a fresh box from a place, and looks at what it says it runs. */
async function install(lab: LabState, place: Place, digest: string | undefined): Promise<void> {
  addArchives(bakedImages().map((image) => image.archive));
  await restoreFreshBox(() => useRegistry(BOX.tree, { host: place.host, repository: place.base }));
  const appliance = new Appliance(lab.address);
  await appliance.answers(START_SECONDS);
  await appliance.claim(lab.setupToken);
  await until("the offer of the release", START_SECONDS, async () => {
    const config = await appliance.ask<{ channels: { name: string; digest: string }[] }>("GET", "/api/setup/config");
    return config.channels.find((one) => one.name === "stable")?.digest === digest;
  });
  const { id } = await appliance.start(ANSWERS);
  await appliance.finishes(id, SETUP_SECONDS, true);
  const status = await appliance.status();
  assert.deepEqual([status.phase, status.release?.digest], ["running", digest]);
  await loginAnswers();
  const source = object("ocirepository", "flux-system", "alga-appliance");
  assert.equal(source.spec.url, `oci://${place.host}/${place.base}/alga-appliance-config`);
}
