// The life of a box by our own units after its first start: it takes its control plane from a registry of the house, is set up with the
// token of its screen, is damaged in the ways that recover is for, and is reset while the power fails, to be set up anew.

import assert from "node:assert/strict";
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { BOX, inBox, kubernetesReady, powerCut } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { plugNetwork } from "../../scripts/lab/network.ts";
import { ensureImages, testedExecutable } from "../../scripts/lab/parts.ts";
import { publishControlPlanes, publishRelease } from "../../scripts/lab/publish.ts";
import { REGISTRY } from "../../scripts/lab/registry.ts";
import { run } from "../../scripts/lab/shell.ts";
import {
  bootstrapDone,
  bootUnitsBox,
  freshUnitsBox,
  hostJournal,
  pageAnswers,
  screenNow,
  screenShows,
  UNITS_BOX,
  useHouseRegistry,
} from "../../scripts/lab/units-box.ts";
import type { LabState } from "../../scripts/lab/up.ts";
import { ANSWERS, Appliance, loginAnswers } from "./appliance.ts";
import { objects } from "./cluster.ts";
import { marked, writeMark } from "./data.ts";
import { footprint } from "./footprint.ts";
import { assertFrame } from "./frames.ts";
import type { Case } from "./runner.ts";
import { DAMAGES, type Damage } from "./units-damages.ts";
import {
  assertForeign,
  assertNothingLeft,
  existing,
  FOREIGN,
  gone,
  type Listed,
  layForeign,
  planned,
} from "./units-reset.ts";

// Limits are for the slowest machine that may run this; a machine that is fast never waits for them.
const START_SECONDS = 420;
const SETUP_SECONDS = 900;
const SAID_SECONDS = 240;
const COMMAND_MS = 420_000;
/** What the box follows; no other story uses it. */
const CHANNEL = "house";
/** A stick with the executable on it. */
const STICK = "/media/stick/alga-appliance";
/** A box without a network is told to be one. */
const NOT_READY = 3;

/** What a box is before its setup, and the control plane of its channel. */
let untouched: Listed = new Map();
let house = "";

/** The cases build on each other. */
export function unitsLife(lab: LabState): Case[] {
  const told = (name: string, run: () => Promise<void>): Case => ({ name: `life: ${name}`, run });
  return [
    told("the node takes the control plane from the registry of the house", () => followsHouse(lab)),
    told("a setup to its end with the token of the screen", () => setsUp({ frame: "running" })),
    ...DAMAGES.map((damage) => told(`recover: ${damage.name}`, () => recovers(damage))),
    told("a reset lists what goes, and does nothing without the name", asksFirst),
    told("a reset that the power cuts comes to its end, and leaves what is not the appliance's", resets),
    told("a box that was reset is set up anew", () => setsUp({ frame: "running-again" })),
    told("a reset that keeps the data: the next setup takes it over", keepsData),
  ];
}

async function followsHouse(lab: LabState): Promise<void> {
  const version = /\d+\.\d+\.\d+\S*/.exec(run([testedExecutable(), "--version"]))?.[0] ?? "";
  const controlPlane = publishControlPlanes(ensureImages()).first;
  publishRelease(lab.published, { version, channels: [CHANNEL], changes: { controlPlane } });
  await freshUnitsBox(() => prepare());
  await bootstrapDone(START_SECONDS);
  await kubernetesReady();
  house = imageNow();
  assert.ok(house.startsWith(`${REGISTRY.host}/`) && house.includes("@sha256:"), house);
  assert.equal(statSync(join(BOX.tree, "etc/rancher/k3s/registries.yaml")).mode & 0o777, 0o600);
  const record = JSON.parse(readFileSync(join(UNITS_BOX.host, "control-plane.json"), "utf8"));
  assert.equal(record.healthy.image, house);
  // By the settings alone: without what k3s made of them the node trusts nobody there.
  const socket = "/run/k3s/containerd/containerd.sock";
  const pull = inBox(["/usr/local/lib/k3s/ctr", "-a", socket, "-n", "default", "images", "pull", house]);
  assert.match(pull.stderr, /certificate/);
  untouched = existing();
  inside(`mkdir -p ${dirname(STICK)} && cp /usr/local/bin/alga-appliance ${STICK}`);
}

/** Settings of the house, and a payload that is older than what the house has. */
function prepare(): void {
  useHouseRegistry(REGISTRY.host);
  appendFileSync(join(BOX.tree, "etc/alga-appliance/config.yaml"), `channel: ${CHANNEL}\n`);
  const path = join(UNITS_BOX.payload, "control-plane/bundle.json");
  const bundle = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...bundle, version: "0.0.1" }));
}

function imageNow(): string {
  const path = "-o=jsonpath={.spec.template.spec.containers[0].image}";
  const named = ["-n", "alga-appliance-control-plane", "get", "deployment", "appliance-control-plane", path];
  return inBox(["k3s", "kubectl", ...named]).stdout;
}

async function setsUp({ frame, keepsData = false }: { frame: string; keepsData?: boolean }): Promise<void> {
  const token = await claims();
  const appliance = new Appliance(UNITS_BOX.address);
  await appliance.login();
  const { id } = await appliance.start({ ...ANSWERS, channel: CHANNEL });
  await appliance.finishes(id, SETUP_SECONDS);
  await loginAnswers();
  await (keepsData ? marked() : writeMark());
  const shown = await screenShows("Everything works", SAID_SECONDS);
  assert.ok(!shown.join("\n").includes(token), "the token is shown after it was used");
  // Without the first login after a start: it is shown in one boot alone.
  assertFrame(frame, shown);
}

/** With the token that the screen shows; it is gone from there afterwards. */
async function claims(): Promise<string> {
  const lines = await screenShows("Setup token: ", SAID_SECONDS);
  const token = /\d{4}(?:-\d{4}){4}/.exec(lines.join("\n"))?.[0] ?? "";
  await new Appliance(UNITS_BOX.address).claim(token);
  await screenShows("Claimed ", SAID_SECONDS);
  assert.ok(!screenNow().join("\n").includes(token), "the token is shown after it was used");
  return token;
}

/** The diagnosis names it and touches nothing; then the stick alone puts it right. */
async function recovers({ script, found, isOffline, runs, isUnclaimed, leaves = [] }: Damage): Promise<void> {
  // The start that the case before has ended with.
  await bootstrapDone(START_SECONDS);
  if (isOffline) await pullsOut();
  inside(script);
  const before = traces();
  const named = codes(recover(["--dry-run"], 0).findings);
  for (const code of found) assert.ok(named.includes(code), `${code} is not among ${named.join(", ")}`);
  assert.equal(traces(), before, "the diagnosis has changed something");
  const { left, problem } = recover(["--yes"], isOffline ? NOT_READY : 0);
  assert.equal(problem, null);
  assert.deepEqual(codes(left), isOffline ? ["no-network"] : []);
  inside("curl -sSf http://127.0.0.1:8080/healthz");
  assert.equal(imageNow(), runs ?? house);
  if (isOffline) plugNetwork("in");
  await pageAnswers(START_SECONDS);
  await bootstrapDone(START_SECONDS);
  if (runs !== undefined) await followsAgain();
  for (const path of leaves) assertThere(path);
  await marked();
  if (isUnclaimed) await claims();
  const { release } = await loggedIn().then((appliance) => appliance.status());
  assert.equal(release?.channel, CHANNEL, "the appliance does not know what is installed");
}

async function loggedIn(): Promise<Appliance> {
  const appliance = new Appliance(UNITS_BOX.address);
  await appliance.login();
  return appliance;
}

async function pullsOut(): Promise<void> {
  plugNetwork("out");
  const addresses = ["ip", "-4", "-o", "address", "show", "host0"];
  await until("a box without an address", SAID_SECONDS, () => inBox(addresses).stdout === "");
}

/** With its network the box takes what its channel names again. */
async function followsAgain(): Promise<void> {
  inside("systemctl restart --no-block alga-appliance-bootstrap");
  await until("the control plane of the house", START_SECONDS, () => imageNow() === house);
  await bootstrapDone(START_SECONDS);
  await pageAnswers(START_SECONDS);
}

interface Finding {
  readonly code: string;
}

interface Recovered {
  readonly findings: readonly Finding[];
  readonly left: readonly Finding[];
  readonly problem: unknown;
}

function recover(flags: readonly string[], code: number): Recovered {
  const done = inBox([STICK, "recover", ...flags, "-o", "json"], { timeoutMs: COMMAND_MS });
  assert.equal(done.code, code, `${done.stdout}${done.stderr}`);
  return JSON.parse(done.stdout);
}

const codes = (findings: readonly Finding[]): string[] => findings.map(({ code }) => code);

/** Everything that recover could change, as far as nobody else changes it meanwhile: files with their times, the Deployment. */
function traces(): string {
  const folders =
    "/etc/rancher /etc/systemd/system /opt/alga-appliance /usr/local/bin /var/lib/alga-appliance-host/journal";
  const files = `find ${folders} -printf '%p %u %m %s %T@\\n'; find /var/lib/alga-appliance -maxdepth 1 -printf '%f %u %m\\n'`;
  const get =
    "k3s kubectl --server=https://127.0.0.1:6443 get deployments -A -o jsonpath='{.items[*].metadata.generation}' 2> /dev/null";
  return inBox(["sh", "-c", `{ ${files}; systemctl show k3s -p ActiveState,UnitFileState; ${get}; }`]).stdout;
}

function assertThere(beginning: string): void {
  const path = join(BOX.tree, beginning);
  const names = existsSync(dirname(path)) ? readdirSync(dirname(path)) : [];
  const isWhole = !beginning.endsWith("-");
  assert.ok(
    names.some((name) => (isWhole ? name === basename(path) : name.startsWith(basename(path)))),
    `${beginning} is not among ${names.join(" ")}`,
  );
}

/** The name of the box, as its screen shows it. */
function nameOfBox(): string {
  return inBox(["hostname"]).stdout.trim();
}

async function asksFirst(): Promise<void> {
  await bootstrapDone(START_SECONDS);
  layForeign();
  const before = { objects: existing(), product: footprint() };
  const wrong = inBox(["alga-appliance", "reset", "--yes", "--name", `${nameOfBox()}x`], { timeoutMs: COMMAND_MS });
  assert.equal(wrong.code, 2, `${wrong.stdout}${wrong.stderr}`);
  assert.match(wrong.stderr, /nothing was changed/);
  const plan = inBox(["alga-appliance", "reset", "plan", "-o", "json"], { timeoutMs: COMMAND_MS });
  assert.equal(plan.code, 0, plan.stderr);
  assert.deepEqual(gone(before.objects, existing()), [], "the list has changed something");
  assert.deepEqual(footprint(), before.product, "the list has changed something");
  for (const name of FOREIGN) assert.ok(!planned(JSON.parse(plan.stdout)).includes(name), `${name} would go`);
}

const claimNames = (): string[] => objects("persistentvolumeclaims", "msp").map(({ metadata }) => metadata.name);

async function keepsData(): Promise<void> {
  const reset = ["alga-appliance", "reset", "--keep-data", "--yes", "--name", nameOfBox()];
  const before = claimNames();
  const done = inBox(reset, { timeoutMs: COMMAND_MS });
  assert.equal(done.code, 0, `${done.stdout}${done.stderr}`);
  assert.deepEqual([claimNames(), objects("pods", "msp")], [before, []]);
  await bootstrapDone(START_SECONDS);
  await pageAnswers(START_SECONDS);
  await setsUp({ frame: "running-again", keepsData: true });
  assertForeign();
}

async function resets(): Promise<void> {
  const before = existing();
  const plan = inBox(["alga-appliance", "reset", "plan", "-o", "json"], { timeoutMs: COMMAND_MS });
  const reset = ["alga-appliance", "reset", "--yes", "--name", nameOfBox()];
  const last = hostJournal("reset").name;
  inside(`systemd-run --quiet --collect ${reset.join(" ")}`);
  const { name } = await until("the namespaces that go", START_SECONDS, () => {
    const journal = hostJournal("reset");
    const isThere = journal.lines.some((line) => line.includes('"step-started","step":"namespaces"'));
    return journal.name !== last && isThere ? journal : undefined;
  });
  await powerCut();
  const { lines } = hostJournal("reset");
  assert.ok(!lines.some((line) => line.includes('"step-done","step":"namespaces"')), "the power was cut too late");
  await bootUnitsBox();
  await pageAnswers(START_SECONDS);
  await bootstrapDone(START_SECONDS);
  await kubernetesReady();
  const journal = hostJournal("reset");
  assert.equal(journal.name, name, "it did not go on with the same reset");
  assert.ok(journal.lines.some((line) => line.includes('"kind":"recovered"')));
  assert.match(journal.lines.at(-1) ?? "", /"kind":"finished"/);
  const after = existing();
  assert.deepEqual(gone(before, after).toSorted(), planned(JSON.parse(plan.stdout)).toSorted());
  assert.deepEqual([...after.keys()].toSorted(), [...untouched.keys(), ...FOREIGN].toSorted());
  assertForeign();
  assertNothingLeft();
  await screenShows("Setup token: ", SAID_SECONDS);
  assertFrame("unclaimed-again", await screenShows("Certificate: SHA-256", SAID_SECONDS));
}

function inside(script: string): void {
  const { code, stderr, stdout } = inBox(["sh", "-c", script], { timeoutMs: COMMAND_MS });
  assert.equal(code, 0, `${script}: ${stderr}${stdout}`);
}
