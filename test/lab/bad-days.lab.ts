// The bad days. Each begins with a fresh box, goes wrong on purpose, and must do three things: tell its cause in JSON,
// leave /healthz answering where a process is left, and go on to a login page when the cause is mended.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOX, boot, inBox, kubectl, powerCut } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { pushLayout } from "../../scripts/lab/layout.ts";
import { ensureImages } from "../../scripts/lab/parts.ts";
import { BASE, goodImages, publishRelease } from "../../scripts/lab/publish.ts";
import { damageLayer, REGISTRY, startRegistry, stopRegistry } from "../../scripts/lab/registry.ts";
import { type LabState, restoreFreshBox } from "../../scripts/lab/up.ts";
import { ANSWERS, Appliance, loginAnswers, type Problem } from "./appliance.ts";
import { controlPlanePids, exists } from "./cluster.ts";
import { hasBrowser, pageShows } from "./page.ts";
import type { Case } from "./runner.ts";

// Limits are for the slowest machine that may run this; a machine that is fast never waits for them.
const SETUP_SECONDS = 900;
const CAUSE_SECONDS = 420;
const STEP_SECONDS = 420;
const START_SECONDS = 240;

/** A box that was never set up, claimed, ready for the answers. */
async function freshBox(lab: LabState, prepare?: () => void): Promise<Appliance> {
  await restoreFreshBox(prepare);
  const appliance = new Appliance(lab.address);
  await appliance.answers(START_SECONDS);
  await appliance.claim(lab.setupToken);
  return appliance;
}

function assertHelpful(problem: Problem): void {
  assert.match(problem.code, /^[a-z-]+\/[a-z0-9-]+$/);
  assert.ok(problem.message.length > 10, "the problem has no message");
  assert.ok((problem.hint ?? "").length > 5, `problem ${problem.code} has no next step`);
}

/**
 * Prints what was told, so that a person can judge the words, and looks for the cause on the page. The page may tell it in the words
 * of the operation or in those of a check that knows a deeper cause, whichever came first: both must name the same thing.
 */
async function show(appliance: Appliance, problem: Problem, words: RegExp): Promise<void> {
  const evidence = problem.evidence
    .map((one) => `${one.ref}: ${one.text}`)
    .join(" | ")
    .slice(0, 200);
  process.stdout.write(`      ${problem.code}: ${problem.message}\n      next: ${problem.hint}\n      ${evidence}\n`);
  if (hasBrowser()) await pageShows(appliance, words);
}

export function badDays(lab: LabState): Case[] {
  return [
    { name: "bad day: the registry goes down midway", run: () => registryDown(lab) },
    { name: "bad day: the registry serves bytes of another digest", run: () => wrongDigest(lab) },
    { name: "bad day: the API server is restarted midway", run: () => apiServerRestart(lab) },
    { name: "bad day: the control plane is killed midway", run: () => podKilled(lab) },
    { name: "bad day: the power is cut midway", run: () => powerLost(lab) },
    { name: "bad day: an image tag is wrong", run: () => wrongImageTag(lab) },
    { name: "bad day: there is no StorageClass", run: () => noStorage(lab) },
  ];
}

async function registryDown(lab: LabState): Promise<void> {
  const appliance = await freshBox(lab);
  const { id } = await appliance.start(ANSWERS);
  await appliance.reaches(id, "flux", STEP_SECONDS);
  await stopRegistry();
  try {
    const problem = await appliance.tells(id, /registry\.alga\.test|10\.77\.0\.1:5443/, CAUSE_SECONDS);
    assertHelpful(problem);
    await show(appliance, problem, /registry\.alga\.test:5443/);
    assert.equal((await appliance.call("GET", "/healthz")).status, 200);
  } finally {
    await startRegistry();
  }
  await appliance.finishes(id, SETUP_SECONDS, true);
  await loginAnswers();
}

async function wrongDigest(lab: LabState): Promise<void> {
  const appliance = await freshBox(lab);
  const mend = damageLayer(lab.published.fluxDigest);
  try {
    const { id } = await appliance.start(ANSWERS);
    const problem = await appliance.tells(id, /"oci\/digest-mismatch"/, CAUSE_SECONDS);
    assertHelpful(problem);
    await show(appliance, problem, /digest|changes the release/);
    assert.ok(!exists("namespace", "default", "flux-system"), "bytes of a wrong digest were used");
    mend();
    await appliance.finishes(id, SETUP_SECONDS, true);
  } finally {
    mend();
  }
  await loginAnswers();
}

async function apiServerRestart(lab: LabState): Promise<void> {
  const appliance = await freshBox(lab);
  const { id } = await appliance.start(ANSWERS);
  await appliance.reaches(id, "reconcile", STEP_SECONDS);
  unit("stop");
  const told = await appliance.shows("that Kubernetes does not answer", CAUSE_SECONDS, (status) => {
    const platform = status.checks.filter((check) => check.tier === "platform" && check.state !== "ok");
    const words = JSON.stringify([platform, status.tiers.platform]);
    return status.tiers.platform?.state !== "ready" && /unreachable|not answer|refused/i.test(words);
  });
  assert.notEqual(told.phase, "running");
  process.stdout.write(`      platform: ${told.tiers.platform?.state}, ${told.tiers.platform?.reason}\n`);
  unit("start");
  await appliance.finishes(id, SETUP_SECONDS, true);
  await loginAnswers();
}

/** Asked of systemd without waiting for the job: what follows waits for what it wants to see. */
function unit(verb: "start" | "stop"): void {
  const { code, stderr } = inBox(["systemctl", verb, "--no-block", "k3s"]);
  assert.equal(code, 0, `systemctl ${verb} k3s: ${stderr}`);
}

async function podKilled(lab: LabState): Promise<void> {
  const appliance = await freshBox(lab);
  const { id } = await appliance.start(ANSWERS);
  for (const step of ["flux", "reconcile"]) {
    await appliance.reaches(id, step, STEP_SECONDS);
    await killControlPlane();
    await appliance.answers(START_SECONDS);
  }
  await appliance.login();
  await appliance.finishes(id, SETUP_SECONDS, true);
  const { journal } = await appliance.operation(id);
  assert.ok(
    journal.filter((entry) => entry.kind === "recovered").length >= 2,
    "the journal does not say that the run was taken up again",
  );
  await loginAnswers();
}

/** Kills every process of the control plane there is, and waits until none of them is left. */
async function killControlPlane(): Promise<void> {
  const pids = await until("a process to kill", START_SECONDS, () => {
    const found = controlPlanePids();
    return found.length > 0 ? found : undefined;
  });
  inBox(["kill", "-9", ...pids.map(String)]);
  await until("the end of the killed", START_SECONDS, () => !controlPlanePids().some((pid) => pids.includes(pid)));
}

async function powerLost(lab: LabState): Promise<void> {
  const appliance = await freshBox(lab);
  const { id } = await appliance.start(ANSWERS);
  await appliance.reaches(id, "reconcile", STEP_SECONDS);
  await powerCut();
  await boot();
  await appliance.answers(START_SECONDS);
  await appliance.login();
  await appliance.finishes(id, SETUP_SECONDS, true);
  const { journal } = await appliance.operation(id);
  assert.ok(
    journal.some((entry) => entry.kind === "recovered"),
    "the journal does not say that the run was taken up again",
  );
  await loginAnswers();
}

async function wrongImageTag(lab: LabState): Promise<void> {
  // A second try must find the tag absent again.
  const tag = `absent-${randomInt(1_000_000)}`;
  const changes = { images: { ...goodImages(), algaCore: tag } };
  publishRelease(lab.published, { version: "1.0.1", channels: ["wrong-tag"], changes });
  const appliance = await freshBox(lab);
  const { id } = await appliance.start({ ...ANSWERS, channel: "wrong-tag" });
  const problem = await appliance.tells(id, new RegExp(`alga-psa-ee:${tag}`), CAUSE_SECONDS);
  assertHelpful(problem);
  await show(appliance, problem, new RegExp(tag));
  pushLayout(ensureImages().standins.layout, [`${BASE}/alga-psa-ee:${tag}`]);
  await appliance.finishes(id, SETUP_SECONDS, true);
  await loginAnswers();
}

async function noStorage(lab: LabState): Promise<void> {
  for (const name of ["rancher/local-path-provisioner", "library/busybox"]) {
    rmSync(join(REGISTRY.storage, "docker/registry/v2/repositories", name), { recursive: true, force: true });
  }
  const appliance = await freshBox(lab, () => {
    for (const name of ["storage-class.yaml", "local-path-storage.yaml"]) {
      writeFileSync(join(BOX.tree, "var/lib/rancher/k3s/server/manifests", `${name}.skip`), "");
    }
  });
  await removeStorage();
  const { id } = await appliance.start(ANSWERS);
  const problem = await appliance.tells(id, /StorageClass/, CAUSE_SECONDS);
  assertHelpful(problem);
  await show(appliance, problem, /storage provisioner/);
  // The registry also stands in for docker.io in this box, so pushing the images is what mends it.
  const images = ensureImages();
  pushLayout(images.provisioner.layout, ["rancher/local-path-provisioner:v0.0.31"]);
  pushLayout(images.busybox.layout, ["library/busybox:1.37"]);
  await appliance.finishes(id, SETUP_SECONDS, true);
  await loginAnswers();
}

async function removeStorage(): Promise<void> {
  kubectl(["delete", "storageclass", "--all"]);
  kubectl(["delete", "namespace", "local-path-storage", "--wait=false"]);
  kubectl(["delete", "clusterrole,clusterrolebinding", "local-path-provisioner"]);
  await until("a box without storage", START_SECONDS, () => {
    const classes = kubectl(["get", "storageclass", "-o", "name"]);
    return classes.code === 0 && classes.stdout === "" && !exists("namespace", "default", "local-path-storage");
  });
}
