// One box from k3s' own storage to a cut of the power: what a host does for itself, on two boots. Its storage, its first login, its
// network, and the control plane that its channel brings, bad and good.

import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BOX, inBox, kubernetesReady } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { ensureImages } from "../../scripts/lab/parts.ts";
import { LAB_SOURCES } from "../../scripts/lab/places.ts";
import { type ControlPlanes, publishControlPlanes, publishRelease } from "../../scripts/lab/publish.ts";
import { REGISTRY } from "../../scripts/lab/registry.ts";
import {
  bootstrapDone,
  bootUnitsBox,
  layUnitsBox,
  pageAnswers,
  UNITS_BOX,
  unitState,
  useHouseRegistry,
} from "../../scripts/lab/units-box.ts";
import type { LabState } from "../../scripts/lab/up.ts";
import { Appliance } from "./appliance.ts";
import { administers, object } from "./cluster.ts";
import { typed } from "./inside.ts";
import type { Case } from "./runner.ts";
import * as screen from "./units-console.lab.ts";
import * as login from "./units-login.lab.ts";
import * as network from "./units-network.lab.ts";
import * as storage from "./units-storage.lab.ts";

const START_SECONDS = 420;
/** What the box follows; no other story uses it. */
const CHANNEL = "harbour";

let planes: ControlPlanes | undefined;

/** The cases build on each other. */
export function unitsHost(lab: LabState): Case[] {
  const told = (name: string, run: () => Promise<void>): Case => ({ name: `units-host: ${name}`, run });
  return [
    told("a box with k3s, its storage, a control plane of before, and data of others", () => begin(lab)),
    told("storage: it is explained, and a dry run changes nothing", storage.isExplained),
    told("storage: moved over, killed in the middle, and run again, without a byte lost", storage.isMovedTwice),
    told("storage: what was on a volume outlives its claim", storage.outlivesItsClaim),
    told("the first bootstrap takes over what it finds, and closes the folder of the volumes", takesOver),
    told("login: it is on the screen alone", login.isOnTheScreenAlone),
    told("login: its first use makes it worthless", login.isExpiredByItsUse),
    told("console: without its executable it ends in a login prompt that says why", screen.endsInALoginPrompt),
    told("network: it is shown, and what is wrong is refused", network.isRefused),
    told("network: a change that is confirmed stays", network.isConfirmed),
    told("network: so does one of another interface", network.isConfirmedElsewhere),
    told("network: a change that nobody confirms is undone", network.isUndone),
    told("network: a change whose process is killed is undone by the timer", network.isUndoneByTimer),
    told("control plane: one that does not live is left for the last healthy one", () => isBad(lab)),
    told("control plane: the next one is taken", () => isGood(lab)),
    told("storage: the host and a setup in the pod work one after the other", oneAtATime),
    told(
      "the power is cut while a change of the network waits: the next start undoes it",
      network.isUndoneByTheNextStart,
    ),
    told("nothing of all this is lost, and the login is gone", isWhole),
  ];
}

async function begin(lab: LabState): Promise<void> {
  planes = publishControlPlanes(ensureImages());
  publish(lab, "4.0.0", planes.first);
  await layUnitsBox(() => {
    storage.layK3sStorage();
    network.layNetplan();
    useHouseRegistry(REGISTRY.host);
    appendFileSync(join(BOX.tree, "etc/alga-appliance/config.yaml"), `channel: ${CHANNEL}\n`);
  });
  await bootUnitsBox();
  await kubernetesReady();
  administers("apply", "-f", join(LAB_SOURCES, "manifests/older-control-plane.yaml"));
  await storage.writesData();
}

async function takesOver(): Promise<void> {
  storage.opensFolder();
  typed("systemctl enable --now --no-block alga-appliance-bootstrap");
  await bootstrapDone(START_SECONDS);
  await pageAnswers(START_SECONDS);
  storage.isClosedAgain();
  assert.ok(runsControlPlane(thePlanes().first));
  // It could not have been changed to ours: it was kept on the disk and replaced.
  assert.match(readFileSync(join(UNITS_BOX.host, "control-plane-replaced.json"), "utf8"), /"app": ?"older"/);
}

/** An image that ends as soon as it starts. */
async function isBad(lab: LabState): Promise<void> {
  const { broken, first } = thePlanes();
  publish(lab, "4.1.0", broken);
  bootstrapsAgain();
  await until("a record of the failure", START_SECONDS, () =>
    record().failed.some(({ image }) => image.endsWith(digestIn(broken))),
  );
  await bootstrapDone(START_SECONDS);
  await pageAnswers(START_SECONDS);
  assert.ok(runsControlPlane(first));
  assert.ok(record().healthy.image.endsWith(digestIn(first)), JSON.stringify(record()));
  // It is not tried a second time.
  const { stdout } = inBox(["alga-appliance", "host", "resolve-control-plane-image"], { timeoutMs: 60_000 });
  assert.ok(stdout.includes(digestIn(first)) && !stdout.split("\n")[0]?.includes(digestIn(broken)), stdout);
}

async function isGood(lab: LabState): Promise<void> {
  const { second } = thePlanes();
  publish(lab, "4.2.0", second);
  bootstrapsAgain();
  await until("the new control plane", START_SECONDS, () => runsControlPlane(second));
  await bootstrapDone(START_SECONDS);
  await pageAnswers(START_SECONDS);
  assert.ok(record().healthy.image.endsWith(digestIn(second)), JSON.stringify(record()));
}

async function oneAtATime(): Promise<void> {
  const appliance = new Appliance(UNITS_BOX.address);
  await appliance.claim(readFileSync(UNITS_BOX.token, "utf8").trim());
  await login.isInNoAnswer(appliance);
  await storage.isOneAtATime(appliance);
}

async function isWhole(): Promise<void> {
  await bootstrapDone(START_SECONDS);
  await pageAnswers(START_SECONDS);
  assert.ok(runsControlPlane(thePlanes().second));
  await storage.comesBack();
  await until("the console", START_SECONDS, () => unitState("alga-appliance-console") === "active");
  login.isGone();
}

function publish(lab: LabState, version: string, controlPlane: string): void {
  publishRelease(lab.published, { version, channels: [CHANNEL], changes: { controlPlane } });
}

function bootstrapsAgain(): void {
  typed("systemctl restart --no-block alga-appliance-bootstrap");
}

function thePlanes(): ControlPlanes {
  assert.ok(planes !== undefined, "there is no box");
  return planes;
}

interface ControlPlaneRecord {
  readonly healthy: { readonly image: string };
  readonly failed: readonly { readonly image: string }[];
}

function record(): ControlPlaneRecord {
  return JSON.parse(readFileSync(join(UNITS_BOX.host, "control-plane.json"), "utf8"));
}

function runsControlPlane(name: string): boolean {
  const { spec } = object("deployment", "alga-appliance-control-plane", "appliance-control-plane");
  return JSON.stringify(spec).includes(digestIn(name));
}

/** @param name as a release names it: "tag@sha256:..." */
function digestIn(name: string): string {
  return name.slice(name.indexOf("@") + 1);
}
