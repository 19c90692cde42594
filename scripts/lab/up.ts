// From nothing to a box that serves its setup page: packages, tools, tree, images, registry, release, boot. What is built
// is kept in the cache; what runs is kept under the run folder and removed by `down`.

import { randomInt } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TLS } from "./authority.ts";
import {
  BOX,
  boot,
  boxPid,
  furnish,
  kubectl,
  kubernetesReady,
  powerCut,
  restoreSnapshot,
  shutDown,
  takeSnapshot,
} from "./box.ts";
import { stopDaemon, until } from "./daemon.ts";
import { ensureBridge, removeBridge } from "./network.ts";
import { ensurePackages, PACKAGES } from "./packages.ts";
import { ensureImages, type LabImages } from "./parts.ts";
import { LAB_SOURCES, NETWORK, REPOSITORY, RUN } from "./places.ts";
import { type Published, publishContent, publishRelease } from "./publish.ts";
import { REGISTRY, startServices, stopServices } from "./registry.ts";
import { makeRunFolder, removeRunFolder } from "./run-folder.ts";
import { say, tryRun } from "./shell.ts";
import { ensureTools } from "./tools.ts";
import { ensureDebianTree, makeBoxTree } from "./tree.ts";

export interface LabState {
  readonly setupToken: string;
  readonly address: string;
  readonly published: Published;
  readonly releaseDigest: string;
}

const STATE_FILE = join(RUN, "state.json");

/** Builds everything that is not in the cache yet. */
export function buildLab(): LabImages {
  ensurePackages(Object.values(PACKAGES).flat());
  ensureTools();
  ensureDebianTree();
  return ensureImages();
}

/**
 * Brings up registry and box; whatever ran before is taken down first.
 * @param options.box false: the registry with its release alone, for cases that make a box of their own
 */
export async function bringUp(options: { readonly box?: boolean } = {}): Promise<LabState> {
  await takeDown();
  const images = buildLab();
  makeRunFolder();
  ensureBridge();
  await startServices();
  const published = publishContent(images);
  const releaseDigest = publishRelease(published, { version: "1.0.0", channels: ["stable"] });
  say("registry is up, release 1.0.0 published");
  const state = { setupToken: newToken(), address: `http://${NETWORK.box}:8080`, published, releaseDigest };
  if (options.box !== false) await makeBox(images, state.setupToken);
  writeFileSync(STATE_FILE, JSON.stringify(state), { mode: 0o600 });
  return state;
}

/** The state of the lab that runs. */
export function labState(): LabState | undefined {
  return boxPid() !== undefined && existsSync(STATE_FILE) ? JSON.parse(readFileSync(STATE_FILE, "utf8")) : undefined;
}

async function makeBox(images: LabImages, setupToken: string): Promise<void> {
  rmSync(BOX.tree, { recursive: true, force: true });
  makeBoxTree(BOX.tree, { authority: TLS.authority, registry: REGISTRY.host, manifests: manifests(), setupToken });
  const archives = [images.pause, images.coredns, images.provisioner, images.busybox, images.controlPlane];
  furnish(
    ensureTools(),
    archives.map((image) => image.archive),
  );
  await boot();
  await boxReady();
  say("box is up, node is Ready, setup page answers");
}

/**
 * Waits until the box's own parts work: node, name service, storage, control plane. Right after a boot the API server
 * still shows what was true before it, so only containers that started since count.
 */
export async function boxReady(): Promise<void> {
  await kubernetesReady();
  const bootedAt = bootTime();
  for (const namespace of ["kube-system", "local-path-storage", "alga-appliance-control-plane"]) {
    await until(`the pod of ${namespace}`, 300, () => isRunning(namespace, bootedAt));
  }
}

interface PodList {
  readonly items: readonly {
    readonly status: {
      readonly conditions?: readonly { readonly type: string; readonly status: string }[];
      readonly containerStatuses?: readonly { readonly state: { readonly running?: { readonly startedAt: string } } }[];
    };
  }[];
}

function isRunning(namespace: string, sinceMs: number): boolean {
  const listed = kubectl(["-n", namespace, "get", "pods", "-o", "json"]);
  if (listed.code !== 0) return false;
  const [pod, ...more] = (JSON.parse(listed.stdout) as PodList).items;
  const startedAt = pod?.status.containerStatuses?.[0]?.state.running?.startedAt;
  const ready = pod?.status.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;
  return more.length === 0 && ready && startedAt !== undefined && Date.parse(startedAt) >= sinceMs;
}

// Container times have whole seconds.
function bootTime(): number {
  const elapsed = Number(tryRun(["ps", "-o", "etimes=", "-p", String(boxPid())]).stdout.trim());
  return Date.now() - (elapsed + 1) * 1000;
}

// k3s applies them in the order of their names; the namespace stands before what lies in it.
function manifests(): string[] {
  const controlPlane = join(REPOSITORY, "embed/control-plane");
  return [
    ...["coredns.yaml", "local-path-storage.yaml", "storage-class.yaml"].map((name) =>
      join(LAB_SOURCES, "manifests", name),
    ),
    ...readdirSync(controlPlane)
      .filter((name) => name.endsWith(".yaml"))
      .map((name) => join(controlPlane, name)),
  ];
}

/** Stops the box in order, keeps its tree as the start of later cases, and boots it again. */
export async function keepFreshBox(): Promise<void> {
  await shutDown();
  takeSnapshot();
  await boot();
  await boxReady();
}

/**
 * Boots the box as `keepFreshBox` kept it, whatever has become of it since.
 * @param prepare changes the stopped tree before it boots
 */
export async function restoreFreshBox(prepare?: () => void): Promise<void> {
  await powerCut();
  restoreSnapshot();
  prepare?.();
  await boot();
  await boxReady();
}

/** Removes every trace of a lab: processes, control groups, bridge, run folder. Safe to call again. */
export async function takeDown(): Promise<void> {
  await powerCut();
  await stopDaemon("terminal", "SIGKILL");
  await stopServices();
  removeBridge();
  await removeRunFolder();
}

function newToken(): string {
  return Array.from({ length: 5 }, () => String(randomInt(0, 10_000)).padStart(4, "0")).join("-");
}
