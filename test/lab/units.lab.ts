// The box by our own units and the payload of the ISO alone: its first boot, what keeps it from coming up and how the page of that
// name mends it, and the power cut at each step of bootstrap.

import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { BOX, inBox, kubernetesReady, powerCut, shutDown } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { testedExecutable } from "../../scripts/lab/parts.ts";
import { run } from "../../scripts/lab/shell.ts";
import {
  bootstrapDone,
  bootstrapJournal,
  bootUnitsBox,
  freshUnitsBox,
  layUnitsBox,
  pageAnswers,
  screenShows,
  UNITS_BOX,
  unitState,
} from "../../scripts/lab/units-box.ts";
import { assertFrame } from "./frames.ts";
import { follow, readGuide, sectionOf } from "./guide.ts";
import type { Case } from "./runner.ts";
import { layTroubles, TROUBLES, type Trouble } from "./units-troubles.ts";

// Limits are for the slowest machine that may run this; a machine that is fast never waits for them.
const START_SECONDS = 420;
const SAID_SECONDS = 240;

const OURS = ["alga-appliance-bootstrap", "alga-appliance-console", "alga-host-agent"];
/** What the first boot left, to be met again after later ones. */
let token = "";

/** The cases build on each other. */
export function units(): Case[] {
  return [
    { name: "units: the first boot brings the page, by the payload alone and without a registry", run: firstBoot },
    { name: "units: the screen shows the address and the token, and nothing else knows the token", run: tokenIsSecret },
    { name: "units: a reboot brings the page again and changes nothing", run: reboots },
    { name: "units: the screen that is empty is drawn again as the page says", run: drawsAgain },
    {
      name: "units: a box on which everything is wrong comes up, one section of the page after the other",
      run: meetsAll,
    },
    { name: "units: every section of the page was followed", run: async () => guideIsWhole() },
    { name: "units: the power is cut at each step of bootstrap", run: cutAtEachStep },
  ];
}

async function firstBoot(): Promise<void> {
  await freshUnitsBox();
  await bootstrapDone(START_SECONDS);
  await kubernetesReady();
  token = readFileSync(UNITS_BOX.token, "utf8").trim();
  assert.match(token, /^\d{4}(-\d{4}){4}$/);
  await until("a system that runs", 60, () => inBox(["systemctl", "is-system-running"]).stdout.trim() === "running");
  for (const unit of OURS) assert.equal(unitState(unit), "active", unit);
  const imported = imports();
  assert.ok(imported !== undefined && imported > 0, bootstrapJournal().lines.join("\n"));
  assert.equal(statSync(join(BOX.tree, "etc/rancher/k3s/k3s.yaml")).mode & 0o777, 0o600);
  const theirs = join(BOX.tree, "var/lib/rancher/k3s/server/manifests/local-storage.yaml");
  assert.ok(!existsSync(theirs), "the storage that k3s brings is not switched off");
  const policy = ["k3s", "kubectl", "get", "storageclass", "local-path", "-o", "jsonpath={.reclaimPolicy}"];
  await until("our own storage", SAID_SECONDS, () => inBox(policy).stdout === "Retain");
}

/** Archives that the newest bootstrap imported. */
function imports(): number | undefined {
  const line = bootstrapJournal().lines.findLast((one) => one.includes('"step-done","step":"images"'));
  const found = /"detail":"(\d+) of \d+ archives imported/.exec(line ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
}

async function tokenIsSecret(): Promise<void> {
  await screenShows(`Setup token: ${token}`, SAID_SECONDS);
  // The page is there before its certificate was seen.
  assertFrame("unclaimed", await screenShows("Certificate: SHA-256", SAID_SECONDS));
  for (const place of ["/run/issue.d", "/run/motd.d", "/run/alga-appliance", "/var/lib/alga-appliance-host"]) {
    const found = inBox(["grep", "-rlF", token, place]);
    assert.equal(found.stdout, "", "the token is written where others read it");
  }
  assert.equal(inBox(["sh", "-c", `journalctl --no-pager | grep -F '${token}'`]).stdout, "");
  assert.equal(inBox(["stat", "-c", "%a %u", "/var/lib/alga-appliance/setup-token"]).stdout.trim(), "600 10001");
}

async function reboots(): Promise<void> {
  await shutDown();
  await bootUnitsBox();
  await pageAnswers(START_SECONDS);
  await bootstrapDone(START_SECONDS);
  assert.equal(readFileSync(UNITS_BOX.token, "utf8").trim(), token, "a reboot made another token");
  assert.equal(imports(), 0, "a reboot imported archives again");
}

async function drawsAgain(): Promise<void> {
  inBox(["systemctl", "stop", "alga-appliance-console"]);
  follow(sectionOf("The screen is empty"));
  // Without the first login: it is shown in one boot alone.
  assertFrame("unclaimed-again", await screenShows("Certificate: SHA-256", SAID_SECONDS));
  follow(sectionOf("What does it say?"));
}

/** From a box that was never started. */
async function meetsAll(): Promise<void> {
  await layUnitsBox();
  const troubles = layTroubles();
  for (const { section } of TROUBLES.filter((one) => !troubles.includes(one)))
    process.stdout.write(`      not here: ${section} (this machine has no loop device)\n`);
  await bootUnitsBox();
  for (const trouble of troubles) await meets(trouble);
  await bootstrapDone(START_SECONDS);
  await pageAnswers(START_SECONDS);
  await screenShows("Set up this appliance", SAID_SECONDS);
}

/** The screen tells it, and the page mends it. */
async function meets({ section: title, frame, byHand, values = {} }: Trouble): Promise<void> {
  const section = sectionOf(title);
  const started = Date.now();
  for (const words of section.says) assertFrame(frame, await screenShows(words, SAID_SECONDS));
  process.stdout.write(`      ${title}: told after ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
  byHand?.();
  follow(section, values);
}

function guideIsWhole(): void {
  const told = new Set([...TROUBLES.map(({ section }) => section), "The screen is empty", "What does it say?"]);
  assert.deepEqual(
    readGuide()
      .filter(({ title }) => !told.has(title))
      .map(({ title }) => title),
    [],
    "sections of the page that no case follows",
  );
}

/** From a box that was never started: each boot is cut a step later, and goes on from what it finds. */
async function cutAtEachStep(): Promise<void> {
  await layUnitsBox();
  const steps = planOfSteps();
  for (const step of steps) {
    const before = bootstrapJournal().name;
    await bootUnitsBox();
    await until(`step ${step} of bootstrap`, START_SECONDS, () => {
      const { name, lines } = bootstrapJournal();
      return name !== before && lines.some((line) => line.includes(`"step-started","step":"${step}"`));
    });
    await powerCut();
  }
  await bootUnitsBox();
  await pageAnswers(START_SECONDS);
  await bootstrapDone(START_SECONDS);
  await screenShows("Set up this appliance", SAID_SECONDS);
}

function planOfSteps(): readonly string[] {
  const plan = JSON.parse(run([testedExecutable(), "bootstrap", "plan", "-o", "json"])) as { steps: { id: string }[] };
  return plan.steps.map(({ id }) => id);
}
