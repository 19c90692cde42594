// Failures of a box that works, made for real on its node one after another. Each must be told with its root cause in the
// status, by the command in the pod and on a page that is open meanwhile, and must vanish from all of them when it is mended.

import assert from "node:assert/strict";
import { BOX, giveStateDisk, kubectl } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { testedExecutable } from "../../scripts/lab/parts.ts";
import { PORTAL } from "../../scripts/lab/registry.ts";
import { tryRun } from "../../scripts/lab/shell.ts";
import { type LabState, restoreFreshBox } from "../../scripts/lab/up.ts";
import { ANSWERS, Appliance, loginAnswers, type Status } from "./appliance.ts";
import { administers } from "./cluster.ts";
import { CERTIFICATE_DAYS, FAILURES, type Failure } from "./faults.ts";
import { logs } from "./logs.lab.ts";
import { hasBrowser, type OpenPage, openPage } from "./page.ts";
import { startPortal, stopPortal } from "./portal.ts";
import type { Case } from "./runner.ts";

// Limits are for the slowest machine that may run this; what it took is printed.
const START_SECONDS = 240;
const SETUP_SECONDS = 900;
const CAUSE_SECONDS = 240;
const MENDED_SECONDS = 300;
const APP = "msp";
/** As much as setup asks for; the file of it has holes and takes none of it. */
const STATE_DISK = "24G";
const REASON = "relation tenants has a column that nobody expected";

/** The box of the story, and what stands beside it. */
interface Scene {
  readonly appliance: Appliance;
  readonly page: OpenPage | undefined;
  /** Whether the state folder is a disk of its own, that can be filled. */
  readonly hasDisk: boolean;
  /** The sentence when all is well. */
  calm: string;
}

/** What an earlier telling has left open when it ended midway. */
let scene: Scene | undefined;

async function closeScene(): Promise<void> {
  await scene?.page?.close();
  await stopPortal();
  scene = undefined;
}

function theScene(): Scene {
  assert.ok(scene !== undefined, "there is no box");
  return scene;
}

/** The cases build on each other: the first sets the box up, the last takes away what stood beside it. */
export function failures(lab: LabState): Case[] {
  return [
    { name: "failure: the bootstrap job fails while setup runs", run: () => failsJob(lab) },
    { name: "failure: none is left when setup is done", run: () => settles(theScene()) },
    ...logs(() => theScene().appliance),
    ...FAILURES.map((failure) => ({ name: `failure: ${failure.name}`, run: () => produce(theScene(), failure) })),
    { name: "failure: the last one leaves nothing behind", run: closeScene },
  ];
}

async function failsJob(lab: LabState): Promise<void> {
  scene = await newScene(lab);
  const { appliance, page } = scene;
  const orders = ["configmap", "lab-orders"];
  administers("create", "namespace", APP);
  administers("-n", APP, "create", ...orders, `--from-literal=LAB_BOOTSTRAP_FAILS=${REASON}`);
  const { id } = await appliance.start({ ...ANSWERS, appHostname: PORTAL.url });
  const told = await appliance.shows("bootstrap/failed as the cause", SETUP_SECONDS, (status) =>
    isRoot(status, "bootstrap/failed", /the first tenant could not be created/),
  );
  assert.ok(JSON.stringify(told.checks[0]?.evidence).includes(REASON), JSON.stringify(told.checks[0]));
  await page?.shows(/the first tenant could not be created/);
  const problem = await appliance.tells(id, /"bootstrap\/failed"/, CAUSE_SECONDS);
  assert.ok(JSON.stringify(problem.evidence).includes(REASON), JSON.stringify(problem));
  assert.ok((problem.hint ?? "").length > 5, `problem ${problem.code} has no next step`);
  await page?.shows(new RegExp(REASON));
  administers("-n", APP, "delete", ...orders);
  // The job has failed for good: the operator says that it may be tried again.
  await appliance.resume(id);
  await appliance.finishes(id, SETUP_SECONDS, true);
  await loginAnswers();
}

async function newScene(lab: LabState): Promise<Scene> {
  await closeScene();
  let hasDisk = false;
  await restoreFreshBox(() => {
    hasDisk = giveStateDisk(STATE_DISK);
  });
  const appliance = new Appliance(lab.address);
  await appliance.answers(START_SECONDS);
  await appliance.claim(lab.setupToken);
  await startPortal(CERTIFICATE_DAYS);
  return { appliance, page: hasBrowser() ? await openPage(appliance) : undefined, hasDisk, calm: "" };
}

/** Everything runs, and nothing that setup did is left as a failure. */
async function settles(scene: Scene): Promise<void> {
  const calm = await scene.appliance.shows("a box without failures", MENDED_SECONDS, (status) => {
    const { phase, summary, components } = status;
    return phase === "running" && summary.state === "ready" && components.every((one) => one.state === "ready");
  });
  scene.calm = calm.summary.message;
  print(`calm: ${scene.calm}`);
}

async function produce(scene: Scene, failure: Failure): Promise<void> {
  const { appliance, page } = scene;
  const { code, words } = failure;
  if (failure.needsDisk === true && !scene.hasDisk) return print("skipped: this machine has no loop device to fill");
  const watch = stopwatch();
  await failure.make();
  const made = watch();
  try {
    const status = await appliance.shows(`${code} as the cause`, failure.seconds ?? CAUSE_SECONDS, (now) =>
      isRoot(now, code, words),
    );
    const told = watch();
    await page?.shows(words);
    const shown = watch();
    const check = status.checks[0];
    assert.ok((check?.next ?? "").length > 5, `check ${code} has no next step`);
    await until(`the command that names ${words}`, CAUSE_SECONDS, () => words.test(commandSays(failure)));
    const printed = watch();
    print(`${code}: ${status.summary.message}`);
    print(`  next: ${check?.next}`);
    print(
      `  made in ${made}, status after ${told - made} ms, page after ${shown - made} ms, command after ${printed - made} ms`,
    );
  } finally {
    await failure.mend();
  }
  const mending = watch();
  await appliance.shows(`that ${code} has gone`, MENDED_SECONDS, (now) => isCalm(now, scene.calm));
  const gone = watch();
  await page?.shows(new RegExp(literal(scene.calm)));
  print(`  gone ${gone - mending} ms after it was mended, from the page after ${watch() - mending} ms`);
}

/** The first check is the root that the sentence is about. */
function isRoot(status: Status, code: string, words: RegExp): boolean {
  const first = status.checks[0];
  return first?.code === code && first.state === "failed" && words.test(status.summary.message);
}

function isCalm(status: Status, calm: string): boolean {
  return status.summary.message === calm && !status.checks.some((check) => check.state === "failed");
}

/** What an operator reads at a terminal. */
function commandSays({ cliOutside }: Failure): string {
  const inPod = ["-n", "alga-appliance-control-plane", "exec", "deploy/appliance-control-plane", "--"];
  const said =
    cliOutside === true
      ? tryRun([testedExecutable(), "status", "--kubeconfig", BOX.kubeconfig], { timeoutMs: 60_000 })
      : kubectl([...inPod, "/usr/local/bin/alga-appliance", "status"]);
  return said.stdout;
}

function stopwatch(): () => number {
  const started = Date.now();
  return () => Date.now() - started;
}

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function print(line: string): void {
  process.stdout.write(`      ${line}\n`);
}
