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
    { name: "bad days: the registry serves bytes of another digest, then it goes down", run: () => badRegistry(lab) },
    {
      name: "bad days: the control plane is killed midway, the API server is restarted, it is killed again",
      run: () => killedAndSilent(lab),
    },
    { name: "bad day: the power is cut midway", run: () => powerLost(lab) },
    { name: "bad days: there is no StorageClass, then an image tag is wrong", run: () => badParts(lab) },
  ];
}

/** One installation meets both, one after the other: each is told as what it is, and the login page comes all the same. */
async function badRegistry(lab: LabState): Promise<void> {
  const appliance = await freshBox(lab);
  const mend = damageLayer(lab.published.fluxDigest);
  let id: string;
  try {
    ({ id } = await appliance.start(ANSWERS));
    const problem = await appliance.tells(id, /"oci\/digest-mismatch"/, CAUSE_SECONDS);
    assertHelpful(problem);
    await show(appliance, problem, /digest|changes the release/);
    assert.ok(!exists("namespace", "default", "flux-system"), "bytes of a wrong digest were used");
    await stopRegistry();
  } finally {
    mend();
  }
  try {
    await appliance.resume(id);
    const away = /"net\/[^"]*".*(?:registry\.alga\.test|10\.77\.0\.1:5443)/s;
    const problem = await appliance.tells(id, away, CAUSE_SECONDS);
    assertHelpful(problem);
    await show(appliance, problem, /registry\.alga\.test:5443/);
    assert.equal((await appliance.call("GET", "/healthz")).status, 200);
  } finally {
    await startRegistry();
  }
  await appliance.finishes(id, SETUP_SECONDS, true);
  await loginAnswers();
}

async function silentKubernetes(appliance: Appliance): Promise<void> {
  unit("stop");
  const told = await appliance.shows("that Kubernetes does not answer", CAUSE_SECONDS, (status) => {
    const platform = status.checks.filter((check) => check.tier === "platform" && check.state !== "ok");
    const words = JSON.stringify([platform, status.tiers.platform]);
    return status.tiers.platform?.state !== "ready" && /unreachable|not answer|refused/i.test(words);
  });
  assert.notEqual(told.phase, "running");
  process.stdout.write(`      platform: ${told.tiers.platform?.state}, ${told.tiers.platform?.reason}\n`);
  unit("start");
}

/** Asked of systemd without waiting for the job: what follows waits for what it wants to see. */
function unit(verb: "start" | "stop"): void {
  const { code, stderr } = inBox(["systemctl", verb, "--no-block", "k3s"]);
  assert.equal(code, 0, `systemctl ${verb} k3s: ${stderr}`);
}

/** Killed once while Kubernetes works, once while it comes back from a silence that was told. */
async function killedAndSilent(lab: LabState): Promise<void> {
  const appliance = await freshBox(lab);
  const { id } = await appliance.start(ANSWERS);
  await appliance.reaches(id, "flux", STEP_SECONDS);
  await killControlPlane();
  await appliance.answers(START_SECONDS);
  await appliance.reaches(id, "reconcile", STEP_SECONDS);
  await silentKubernetes(appliance);
  await killControlPlane();
  await appliance.answers(START_SECONDS);
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

async function badParts(lab: LabState): Promise<void> {
  for (const name of ["rancher/local-path-provisioner", "library/busybox"]) {
    rmSync(join(REGISTRY.storage, "docker/registry/v2/repositories", name), { recursive: true, force: true });
  }
  // A second try must find the tag absent again.
  const tag = `absent-${randomInt(1_000_000)}`;
  const changes = { images: { ...goodImages(), algaCore: tag } };
  publishRelease(lab.published, { version: "1.0.1", channels: ["wrong-tag"], changes });
  const appliance = await freshBox(lab, () => {
    for (const name of ["storage-class.yaml", "local-path-storage.yaml"]) {
      writeFileSync(join(BOX.tree, "var/lib/rancher/k3s/server/manifests", `${name}.skip`), "");
    }
  });
  await removeStorage();
  const { id } = await appliance.start({ ...ANSWERS, channel: "wrong-tag" });
  await noStorage(appliance, id);
  await wrongImageTag(appliance, id, tag);
  await appliance.finishes(id, SETUP_SECONDS, true);
  await loginAnswers();
}

async function noStorage(appliance: Appliance, id: string): Promise<void> {
  const problem = await appliance.tells(id, /StorageClass/, CAUSE_SECONDS);
  assertHelpful(problem);
  await show(appliance, problem, /storage provisioner/);
  // The registry also stands in for docker.io in this box, so pushing the images is what mends it.
  const images = ensureImages();
  pushLayout(images.provisioner.layout, ["rancher/local-path-provisioner:v0.0.31"]);
  pushLayout(images.busybox.layout, ["library/busybox:1.37"]);
  await appliance.resume(id);
}

async function wrongImageTag(appliance: Appliance, id: string, tag: string): Promise<void> {
  const problem = await appliance.tells(id, new RegExp(`alga-psa-ee:${tag}`), CAUSE_SECONDS);
  assertHelpful(problem);
  await show(appliance, problem, new RegExp(tag));
  pushLayout(ensureImages().standins.layout, [`${BASE}/alga-psa-ee:${tag}`]);
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
