// Updates of a box that works, one after another, while a visitor asks for the login page many times a second: a release of which
// an image is missing, one whose web application and whose control plane crash, one that is good and brings a new control plane.
// What people have written stays through all of them. The box is one of our own units, because the host replaces the control plane.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { appendFileSync, copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BOX, kubernetesReady } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { pushLayout } from "../../scripts/lab/layout.ts";
import { brokenApplication, ensureImages } from "../../scripts/lab/parts.ts";
import { LAB_SOURCES } from "../../scripts/lab/places.ts";
import {
  BASE,
  type ControlPlanes,
  goodImages,
  publishControlPlanes,
  publishRelease,
} from "../../scripts/lab/publish.ts";
import { REGISTRY } from "../../scripts/lab/registry.ts";
import { bootstrapDone, freshUnitsBox, UNITS_BOX, useHouseRegistry } from "../../scripts/lab/units-box.ts";
import type { LabState } from "../../scripts/lab/up.ts";
import { type Alarms, hearAlarms } from "./alarms.ts";
import {
  ADMIN_PASSWORD,
  ANSWERS,
  Appliance,
  loginAnswers,
  type Operation,
  type Status,
  signIn,
  type UpdatePlan,
  type UpdateRecord,
} from "./appliance.ts";
import { object } from "./cluster.ts";
import { marked, writeMark } from "./data.ts";
import { footprint, productFootprint } from "./footprint.ts";
import type { Case } from "./runner.ts";
import { startVisitor, stopVisitor, type Visits } from "./visitor.ts";

const START_SECONDS = 420;
const SETUP_SECONDS = 900;
const UPDATE_SECONDS = 900;
const CALM_SECONDS = 300;
/** The web server of the application is on the host's network, so that the old one must go before the new one comes. */
const WINDOW_MS = 180_000;
const INSTALLED = "3.0.0";
const GOOD = "3.3.0";
/** What the box follows; no other story uses it. */
const CHANNEL = "night";
const APPLICATION = "alga-psa-ee";

/** What the next case goes on with. */
interface Scene {
  readonly appliance: Appliance;
  readonly alarms: Alarms;
  /** Tags of this telling: a second try must find absent what was absent. */
  readonly tags: { readonly missing: string; readonly broken: string; readonly good: string };
  readonly controlPlanes: ControlPlanes;
}

let scene: Scene | undefined;

function theScene(): Scene {
  assert.ok(scene !== undefined, "there is no box");
  return scene;
}

/** The cases build on each other: the first sets the box up. */
export function updates(lab: LabState): Case[] {
  const told = (name: string, run: () => Promise<void>): Case => ({ name: `update: ${name}`, run });
  return [
    told("a box is set up, and people have written something", () => install(lab)),
    told("of which an image is missing: nothing is touched", () => imageMissing(lab, theScene())),
    told("whose web application crashes: it goes back by itself, and nothing is lost", () => crashes(lab, theScene())),
    told("that is good: it is judged and remembered", () => isGood(lab, theScene())),
    told("none of them has raised an alarm about the node", () => isQuiet(theScene())),
  ];
}

async function install(lab: LabState): Promise<void> {
  const run = randomInt(1_000_000);
  scene?.alarms.stop();
  await stopVisitor();
  const controlPlanes = publishControlPlanes(ensureImages());
  publish(lab, { version: INSTALLED, controlPlane: controlPlanes.first });
  await freshUnitsBox(prepare);
  await bootstrapDone(START_SECONDS);
  await kubernetesReady();
  const appliance = new Appliance(UNITS_BOX.address);
  await appliance.claim(readFileSync(UNITS_BOX.token, "utf8").trim());
  const { id } = await appliance.start({ ...ANSWERS, channel: CHANNEL });
  await appliance.finishes(id, SETUP_SECONDS, true);
  await appliance.shows("a box that works", CALM_SECONDS, isCalm);
  await loginAnswers();
  await writeMark();
  // As short as they go: what is waited for is seen all the same.
  const judge = { soakMinutes: 1, patienceMinutes: 1 };
  await appliance.ask("POST", "/api/updates/policy", { automatic: "never", judge });
  const tags = { missing: `missing-${run}`, broken: `broken-${run}`, good: `good-${run}` };
  scene = { appliance, tags, controlPlanes, alarms: hearAlarms(appliance) };
}

/** A registry of the house, the channel, and a StorageClass that was there before the appliance. */
function prepare(): void {
  useHouseRegistry(REGISTRY.host);
  appendFileSync(join(BOX.tree, "etc/alga-appliance/config.yaml"), `channel: ${CHANNEL}\n`);
  for (const name of ["local-path-storage.yaml", "storage-class.yaml"]) {
    const place = join(BOX.tree, "var/lib/rancher/k3s/server/manifests", name);
    mkdirSync(dirname(place), { recursive: true });
    copyFileSync(join(LAB_SOURCES, "manifests", name), place);
  }
}

function isCalm({ phase, summary, components }: Status): boolean {
  return phase === "running" && summary.state === "ready" && components.every((one) => one.state === "ready");
}

async function imageMissing(lab: LabState, { appliance, tags, controlPlanes }: Scene): Promise<void> {
  const images = { emailService: tags.missing };
  publish(lab, { version: "3.1.0", images, controlPlane: controlPlanes.first });
  const before = footprint();
  const { operation, visits } = await underLoad(() => update(appliance));
  assert.deepEqual([operation.state, operation.problem?.code], ["failed", "update/image-unavailable"]);
  assert.ok(operation.problem?.message.includes(`email-service:${tags.missing}`), operation.problem?.message);
  assert.equal(stateOf(operation, "switch"), "pending");
  assert.deepEqual(footprint(), before, "something was touched");
  assert.deepEqual([visits.failed, visits.wrong], [0, []], "people have noticed");
  await remembers(appliance, { outcome: "untouched", verdict: null, version: INSTALLED });
}

async function crashes(lab: LabState, { appliance, tags, controlPlanes }: Scene): Promise<void> {
  pushLayout(brokenApplication().layout, [`${BASE}/${APPLICATION}:${tags.broken}`]);
  publish(lab, { version: "3.2.0", images: { algaCore: tags.broken }, controlPlane: controlPlanes.broken });
  const before = productFootprint();
  const { operation } = await underLoad(() => update(appliance));
  assert.deepEqual(
    [operation.state, operation.problem?.code],
    ["failed", "update/returned"],
    operation.problem?.message,
  );
  assert.match(detailOf(operation, "control-plane"), /^It stays as it is: the host has chosen /);
  runsControlPlane(controlPlanes.first);
  const record = readFileSync(join(UNITS_BOX.host, "control-plane.json"), "utf8");
  assert.ok(record.includes(digestIn(controlPlanes.broken)), `the host does not remember what has failed: ${record}`);
  await peopleWork();
  await appliance.shows("a box that works as before", CALM_SECONDS, isCalm);
  assert.deepEqual(productFootprint(), before, "it is not what it was");
  await remembers(appliance, { outcome: "returned", verdict: "failed", version: INSTALLED });
}

async function isGood(lab: LabState, { appliance, tags, controlPlanes }: Scene): Promise<void> {
  pushLayout(ensureImages().standins.layout, [
    `${BASE}/${APPLICATION}:${tags.good}`,
    `${BASE}/email-service:${tags.good}`,
  ]);
  const images = { algaCore: tags.good, emailService: tags.good };
  publish(lab, { version: GOOD, images, controlPlane: controlPlanes.second });
  const { operation, visits } = await underLoad(() => update(appliance));
  assert.deepEqual([operation.state, operation.problem], ["done", null]);
  runsControlPlane(controlPlanes.second);
  const { journal } = await appliance.operation(operation.id);
  assert.ok(
    journal.some(({ kind }) => kind === "recovered"),
    "the new control plane has not taken up the journal of the one before",
  );
  assert.ok(visits.windowMs < WINDOW_MS, `nobody could log in for ${visits.windowMs} ms`);
  await peopleWork();
  assert.match(imageOf("alga-core-sebastian"), new RegExp(`${APPLICATION}:${tags.good}`));
  await remembers(appliance, { outcome: "installed", verdict: "ok", version: GOOD });
}

/** A box that is busy is no box that is silent. The crash must have been heard, or nothing was. */
async function isQuiet({ alarms }: Scene): Promise<void> {
  alarms.stop();
  print(`alarms of all of it: ${alarms.heard().join(", ")}`);
  assert.ok(alarms.heard().includes("pod/crash-loop"), "nothing was heard");
  assert.deepEqual(
    alarms.heard().filter((code) => code.startsWith("node/")),
    [],
  );
}

interface NextRelease {
  readonly version: string;
  readonly images?: Readonly<Record<string, string>>;
  readonly controlPlane: string;
}

/** Publishes a release that differs from the others in some images, and moves the channel to it. */
function publish(lab: LabState, { version, images, controlPlane }: NextRelease): void {
  const changes = { images: { ...goodImages(), ...images }, controlPlane };
  publishRelease(lab.published, { version, channels: [CHANNEL], changes });
}

/** Plans, starts and waits for the end, however it ends. */
async function update(appliance: Appliance): Promise<Operation> {
  const plan = await until("a plan that may run", CALM_SECONDS, async () => {
    const made = await appliance.ask<UpdatePlan>("POST", "/api/updates/plan", { channel: CHANNEL });
    assert.deepEqual(made.notNow, []);
    return made;
  });
  const body = { planDigest: plan.digest, channel: CHANNEL };
  const { operation } = await appliance.ask<{ operation: Operation }>("POST", "/api/updates", body);
  return appliance.ends(operation.id, UPDATE_SECONDS);
}

/** Does something while a visitor comes twenty times a second, and prints what both have seen. */
async function underLoad(work: () => Promise<Operation>): Promise<{ operation: Operation; visits: Visits }> {
  const startedMs = Date.now();
  await startVisitor();
  let visits: Visits | undefined;
  try {
    const operation = await work();
    visits = await stopVisitor();
    const took = Math.round((Date.now() - startedMs) / 1000);
    print(`${operation.kind}: ${operation.state} after ${took} s; ${operation.problem?.message ?? "no problem"}`);
    for (const { id, state, detail } of operation.steps.filter((step) => step.state !== "pending"))
      print(`  ${id}: ${state}${detail === null ? "" : `, ${detail}`}`);
    print(`  login page: ${visits.served} served, ${visits.failed} failed, all of them within ${visits.windowMs} ms`);
    return { operation, visits };
  } finally {
    if (visits === undefined) await stopVisitor();
  }
}

/** The login page answers, the administrator of before signs in, and what was written is there. */
async function peopleWork(): Promise<void> {
  await loginAnswers();
  assert.equal(await signIn(ANSWERS.adminEmail.toLowerCase(), ADMIN_PASSWORD), 200);
  await marked();
}

async function remembers(
  appliance: Appliance,
  end: { readonly outcome: string; readonly verdict: string | null; readonly version: string },
): Promise<void> {
  const view = await appliance.ask<{ installed: { version: string }; history: UpdateRecord[] }>("GET", "/api/updates");
  const [record] = view.history;
  assert.deepEqual(
    { outcome: record?.outcome, verdict: record?.verdict, version: view.installed.version },
    end,
    JSON.stringify(record),
  );
  assert.equal((await appliance.status()).release?.version, end.version);
}

/** @param name as a release names it: "tag@sha256:..." */
function digestIn(name: string): string {
  return name.slice(name.indexOf("@") + 1);
}

function runsControlPlane(name: string): void {
  const spec = JSON.stringify(object("deployment", "alga-appliance-control-plane", "appliance-control-plane").spec);
  assert.ok(spec.includes(digestIn(name)), `another control plane runs than ${name}`);
}

function detailOf(operation: Operation, id: string): string {
  return operation.steps.find((step) => step.id === id)?.detail ?? "";
}

function stateOf(operation: Operation, id: string): string | undefined {
  return operation.steps.find((step) => step.id === id)?.state;
}

function imageOf(deployment: string): string {
  return JSON.stringify(object("deployment", "msp", deployment).spec);
}

function print(line: string): void {
  process.stdout.write(`      ${line}\n`);
}
