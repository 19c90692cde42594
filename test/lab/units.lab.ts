// The box by our own units and the payload of the ISO alone.

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { BOX, inBox, kubernetesReady, shutDown } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import {
  bootstrapDone,
  bootstrapJournal,
  bootUnitsBox,
  freshUnitsBox,
  pageAnswers,
  screenShows,
  UNITS_BOX,
  unitState,
} from "../../scripts/lab/units-box.ts";
import { assertFrame } from "./frames.ts";
import type { Case } from "./runner.ts";

// Limits are for the slowest machine that may run this; a machine that is fast never waits for them.
const START_SECONDS = 420;

const OURS = ["alga-appliance-bootstrap", "alga-appliance-console", "alga-host-agent"];
/** What the first boot left, to be met again after later ones. */
let token = "";

/** The cases build on each other. */
export function units(): Case[] {
  return [
    { name: "units: the first boot brings the page, by the payload alone and without a registry", run: firstBoot },
    { name: "units: the screen shows the address and the token, and nothing else knows the token", run: tokenIsSecret },
    { name: "units: a reboot brings the page again and changes nothing", run: reboots },
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
  const there = inBox(["k3s", "kubectl", "get", "storageclass", "-o", "name"]).stdout;
  assert.doesNotMatch(there, /local-path/, "the storage that k3s brings is not switched off");
}

/** Archives that the newest bootstrap imported. */
function imports(): number | undefined {
  const line = bootstrapJournal().lines.findLast((one) => one.includes('"step-done","step":"images"'));
  const found = /"detail":"(\d+) of \d+ archives imported/.exec(line ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
}

async function tokenIsSecret(): Promise<void> {
  assertFrame("unclaimed", await screenShows(`Setup token: ${token}`, 60));
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
