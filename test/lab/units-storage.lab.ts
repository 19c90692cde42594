// A box that began with the storage of k3s, and has data on it, gets the appliance's: explained, planned, killed in the middle, run
// again, proven, kept in order by every start, and by one at a time, be it the host or the pod.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { BOX, kubectl } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { ensureImages } from "../../scripts/lab/parts.ts";
import { LAB_SOURCES } from "../../scripts/lab/places.ts";
import { lay } from "../../scripts/lab/run-folder.ts";
import { run } from "../../scripts/lab/shell.ts";
import { copyInto, PLACES } from "../../scripts/lab/tree.ts";
import { bootstrapJournal } from "../../scripts/lab/units-box.ts";
import { ANSWERS, type Appliance } from "./appliance.ts";
import { administers, object } from "./cluster.ts";
import { appliance, begins, endOf, saidBy, signals } from "./inside.ts";

const SECONDS = 300;
const K3S_FOLDER = join(BOX.tree, "var/lib/rancher/k3s/storage");
const OUR_FOLDER = join(BOX.tree, "var/mnt/alga-data/local-path-provisioner");
const IMAGES = ["--provisioner-image", "localhost/local-path-provisioner:1", "--helper-image", "localhost/busybox:1"];
const INSTALL = ["host", "storage", "install", ...IMAGES];
const OPEN = 0o777;

/** What is on the volumes from before the appliance. */
const MARK = randomUUID();

/** Makes of the tree a box with k3s and its storage on which the appliance is installed, and has not been started. */
export function layK3sStorage(): void {
  const { pause, coredns, busybox, provisioner } = ensureImages();
  const images = join(BOX.tree, "var/lib/rancher/k3s/agent/images");
  mkdirSync(images, { recursive: true });
  for (const { archive } of [pause, coredns, busybox, provisioner])
    lay(archive, join(images, `${basename(join(archive, ".."))}.tar`));
  for (const name of ["k3s", "k3s.service"])
    copyInto(join(LAB_SOURCES, "box", name), join(BOX.tree, PLACES[name] ?? ""));
  chmodSync(join(BOX.tree, PLACES.k3s ?? ""), 0o755);
  const component = join(BOX.tree, "usr/local/share/k3s/local-storage.yaml");
  copyInto(join(LAB_SOURCES, "manifests/k3s-local-storage.yaml"), component);
  // As older boxes had it.
  mkdirSync(OUR_FOLDER, { recursive: true });
  chmodSync(OUR_FOLDER, OPEN);
  const systemctl = ["chroot", BOX.tree, "systemctl"];
  run([...systemctl, "enable", "k3s.service"]);
  run([...systemctl, "disable", "alga-appliance-bootstrap.service"]);
}

/** Two pods of others than the appliance get volumes and write to them. */
export async function writesData(): Promise<void> {
  administers("apply", "-f", join(LAB_SOURCES, "manifests/two-volumes.yaml"));
  for (const claim of ["stays", "goes"]) {
    await until(`a start of the pod ${claim}`, SECONDS, () => startsOf(claim) >= 1);
    writeFileSync(join(folderOf(claim), "mark"), MARK);
  }
}

/** Starts that the pod of a claim has written down; 0 without a volume. */
function startsOf(claim: string): number {
  const file = join(folderOf(claim), "starts");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").length : 0;
}

/** Where the volume of a claim lies, as this machine sees it; the name is k3s' own provisioner's. */
function folderOf(claim: string): string {
  const name = existsSync(K3S_FOLDER)
    ? readdirSync(K3S_FOLDER).find((one) => one.endsWith(`_default_${claim}`))
    : undefined;
  return join(K3S_FOLDER, name ?? "none yet");
}

/** @throws {Error} when the data of a claim is gone */
export function assertData(claim: string): void {
  assert.equal(readFileSync(join(folderOf(claim), "mark"), "utf8"), MARK, claim);
}

/** What an installation changes, by the versions of the objects. */
function versions(): string {
  const path = "jsonpath={range .items[*]}{.kind}/{.metadata.name}={.metadata.resourceVersion} {end}";
  const one = (...kinds: readonly string[]): string => kubectl(["get", ...kinds, "-o", path]).stdout;
  const deployment = kubectl([
    "-n",
    "kube-system",
    "get",
    "deployment",
    "local-path-provisioner",
    "-o",
    "jsonpath={.spec}",
  ]);
  return `${one("pv,sc")} ${one("ns")} ${deployment.stdout} ${statSync(OUR_FOLDER).mode.toString(8)}`;
}

/** The command explains each thing that is wrong, and ends with 3; a dry run says what would be done. Neither changes anything. */
export async function isExplained(): Promise<void> {
  const before = versions();
  const { code, text } = appliance("host", "storage", "check");
  assert.equal(code, 3, text);
  for (const words of [
    /^failed +The default class local-path \(rancher\.io\/local-path\) is not the appliance's: its volumes go with their claims/m,
    /^failed +The provisioner of k3s runs\.$/m,
    /^failed +2 of 2 volumes would be deleted with their claims, data and all\.$/m,
    /^ +PersistentVolume pvc-\S+: claimed by default\/stays, reclaim policy Delete$/m,
    /^failed +Others than root may look into the folder of the volumes .*mode 0777/ms,
    /alga-appliance host storage install/,
  ])
    assert.match(text, words);
  const plan = appliance(...INSTALL, "--dry-run");
  assert.equal(plan.code, 0, plan.text);
  for (const words of [
    /close \S+ to others/,
    /tell pvc-\S+, pvc-\S+ to stay when their claims go/,
    /stop the provisioner of k3s/,
    /make StorageClass local-path anew: no volume is touched/,
    /apply the provisioner and its class: [1-9]\d* new/,
  ])
    assert.match(plan.text, words);
  assert.equal(versions(), before, "something was changed");
}

/** Killed when half of it is done; the next one waits until the dead one's lease has stood still, and does the rest. */
export async function isMovedTwice(): Promise<void> {
  begins("storage-killed", ...INSTALL);
  await until("a move that has begun", SECONDS, () => policies() === "Retain Retain" && bundledReplicas() === 0);
  signals("storage-killed", "KILL");
  await until("the end of the killed one", SECONDS, () => endOf("storage-killed") !== undefined);
  assert.equal(endOf("storage-killed"), "signal 9", `it was done before: ${saidBy("storage-killed")}`);
  assert.match(holder(), /^host\//, "the killed one has given its lease back");
  const again = appliance(...INSTALL);
  assert.equal(again.code, 0, again.text);
  assert.match(again.text, /Waits for the host, which is at work on the storage/);
  assert.match(again.text, /proved it by a volume of its own/);
  const check = appliance("host", "storage", "check");
  assert.equal(check.code, 0, check.text);
  assert.deepEqual([policies(), bundledReplicas()], ["Retain Retain", 0]);
  const { reclaimPolicy } = object("storageclass", "default", "local-path") as unknown as { reclaimPolicy: string };
  assert.equal(reclaimPolicy, "Retain");
  for (const claim of ["stays", "goes"]) {
    assertData(claim);
    assert.equal(startsOf(claim), 1, `the pod of ${claim} was started again`);
  }
  assert.equal(
    kubectl(["get", "pv", "-o", "name"]).stdout.trim().split("\n").length,
    2,
    "the smoke test left its volume",
  );
}

/** What is claimed no more stays on the disk. */
export async function outlivesItsClaim(): Promise<void> {
  const volume = kubectl(["get", "pvc", "goes", "-o", "jsonpath={.spec.volumeName}"]).stdout;
  administers("delete", "pod/goes", "persistentvolumeclaim/goes", "--timeout=60s");
  const phase = (): string => kubectl(["get", "pv", volume, "-o", "jsonpath={.status.phase}"]).stdout;
  await until("a volume without a claim", SECONDS, () => phase() === "Released");
  assertData("goes");
}

/** Somebody has opened the folder of the volumes; the next bootstrap closes it and says so. */
export function opensFolder(): void {
  chmodSync(OUR_FOLDER, OPEN);
}

/** After a bootstrap that met `opensFolder`. */
export function isClosedAgain(): void {
  const { mode, uid } = statSync(OUR_FOLDER);
  assert.deepEqual([(mode & 0o7777).toString(8), uid], ["700", 0]);
  const said = bootstrapJournal().lines.findLast((line) => line.includes('"step-done","step":"storage"'));
  assert.match(said ?? "", /closed \/var\/mnt\/alga-data\/local-path-provisioner to others \(it had mode 0777\)/);
  assertData("stays");
  assertData("goes");
}

/** A setup in the pod and a command on the host: who comes second waits, says for whom, and goes on then. */
export async function isOneAtATime(box: Appliance): Promise<void> {
  begins("storage-host", ...INSTALL);
  await until("the host at work", SECONDS, () => holder().startsWith("host/"));
  signals("storage-host", "STOP");
  assert.equal(endOf("storage-host"), undefined, `it was done before: ${saidBy("storage-host")}`);
  const { id } = await box.start(ANSWERS);
  const step = async () => (await box.operation(id)).operation.steps.find((one) => one.id === "storage");
  await until("a setup that waits for the host", SECONDS, async () =>
    (await step())?.detail?.includes("Waits for the host, which is at work on the storage"),
  );
  signals("storage-host", "CONT");
  await until("the end of the host's command", SECONDS, () => endOf("storage-host") !== undefined);
  assert.equal(endOf("storage-host"), "success", saidBy("storage-host"));
  await until("the setup's own proof", SECONDS, async () => (await step())?.state === "done");
  assert.match((await step())?.detail ?? "", /^local-path/);
  assertData("stays");
}

/** After another start of the box: the pod of the claim that was kept has its volume again. */
export async function comesBack(): Promise<void> {
  await until("another start of the pod", SECONDS, () => startsOf("stays") >= 2);
  assertData("stays");
  assertData("goes");
}

/** Who holds the lease on the storage; empty for nobody. */
function holder(): string {
  const path = "jsonpath={.spec.holderIdentity}";
  return kubectl(["-n", "alga-appliance-control-plane", "get", "lease", "storage", "-o", path]).stdout;
}

function policies(): string {
  return kubectl(["get", "pv", "-o", "jsonpath={.items[*].spec.persistentVolumeReclaimPolicy}"]).stdout;
}

function bundledReplicas(): number {
  const path = "jsonpath={.spec.replicas}";
  return Number(
    kubectl(["-n", "kube-system", "get", "deployment", "local-path-provisioner", "-o", path]).stdout || "-1",
  );
}
