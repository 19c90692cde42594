// One box: boot, commands inside it, an orderly stop, a power cut, a snapshot to start the next case from.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { daemonLog, daemonPid, Hopeless, startDaemon, stopDaemon, until } from "./daemon.ts";
import { BOX_NAME, LAB_SOURCES, NETWORK, RUN } from "./places.ts";
import { lay } from "./run-folder.ts";
import { type RunOptions, type RunResult, run, say, tryRun } from "./shell.ts";

export const BOX = {
  tree: join(RUN, "tree"),
  snapshot: join(RUN, "snapshot"),
  programs: join(RUN, "programs"),
  archives: join(RUN, "archives"),
  /** A small disk of its own for the state folder or another, while a case wants one; beside it stands for which. */
  stateDisk: join(RUN, "state.img"),
  kubeconfig: join(RUN, "kubeconfig"),
} as const;

const KUBERNETES_PROGRAMS = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "kubectl",
  "containerd",
  "containerd-shim-runc-v2",
  "ctr",
  "registries",
];

/** Lays the programs and image archives beside the tree; the box sees both folders read-only. */
export function furnish(programs: Readonly<Record<string, string>>, archives: readonly string[]): void {
  for (const [folder, files] of [
    [BOX.programs, KUBERNETES_PROGRAMS.map((name) => [name, programs[name] ?? ""] as const)],
    [BOX.archives, archives.map((path) => [`${basename(join(path, ".."))}.tar`, path] as const)],
  ] as const) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const [name, source] of files) lay(source, join(folder, name));
  }
}

/** Lays more image archives beside those the box has; its next start imports what it has not imported yet. */
export function addArchives(archives: readonly string[]): void {
  for (const path of archives) {
    const place = join(BOX.archives, `${basename(join(path, ".."))}.tar`);
    if (!existsSync(place)) lay(path, place);
  }
}

/** What the lab's own box sees beside its tree: the images that its k3s imports by itself. */
const LAB_BINDS = [`--bind-ro=${BOX.archives}:/var/lib/rancher/k3s/agent/images`];

/**
 * Boots the box's tree; answers when its systemd runs. A box that ends while it starts is started again, twice at most.
 * @param binds What the box sees beside its tree and k3s' programs, as words for systemd-nspawn
 */
export async function boot(binds: readonly string[] = LAB_BINDS): Promise<void> {
  if (boxPid() !== undefined) return;
  for (let left = 2; ; left -= 1) {
    try {
      return await bootOnce(binds);
    } catch (problem) {
      if (left === 0) throw problem;
      say(`the box does not start, trying again: ${daemonLog("box").trim().split("\n").at(-1)}`);
      await powerCut();
    }
  }
}

async function bootOnce(binds: readonly string[]): Promise<void> {
  endStrays();
  removeControlGroups();
  startDaemon(
    "box",
    [
      join(LAB_SOURCES, "box/boot.sh"),
      BOX.tree,
      BOX_NAME,
      `--network-bridge=${NETWORK.bridge}`,
      `--bind-ro=${BOX.programs}:/usr/local/lib/k3s`,
      ...binds,
    ],
    existsSync(BOX.stateDisk)
      ? { LAB_DISK: BOX.stateDisk, LAB_DISK_AT: readFileSync(`${BOX.stateDisk}.at`, "utf8") }
      : {},
  );
  await until("systemd of the box", 120, () => {
    if (daemonPid("box") === undefined) throw new Hopeless("Cannot boot the box: it has ended");
    return boxPid() !== undefined && inBox(["systemctl", "is-system-running"]).stdout !== "";
  });
}

/** Ends what a lab that was killed has left: its box, and the box's end of the bridge, which the kernel takes away late. */
function endStrays(): void {
  const ours = daemonPid("box");
  for (const pid of readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    const words = commandLine(pid);
    if (pid === ours || !words[0]?.endsWith("systemd-nspawn") || !words.includes(BOX.tree)) continue;
    for (const one of [findInit(pid), pid]) if (one !== undefined) tryRun(["kill", "-9", String(one)]);
  }
  tryRun(["ip", "link", "del", `vb-${BOX_NAME}`]);
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** Waits until the box's Kubernetes has a Ready node, and writes a kubeconfig for use outside the box. */
export async function kubernetesReady(seconds = 300): Promise<void> {
  const inside = join(BOX.tree, "etc/rancher/k3s/outside.yaml");
  // The box writes it in place; half of one would be used for ever.
  await until(
    "the kubeconfig of the box",
    seconds,
    () => existsSync(inside) && /^current-context: \S+\n/m.test(readFileSync(inside, "utf8")),
  );
  run(["cp", inside, BOX.kubeconfig]);
  await until("a Ready node", seconds, () => kubectl(["get", "nodes", "--no-headers"]).stdout.includes(" Ready "));
}

/** Runs a command inside the box; blocks this process meanwhile. */
export function inBox(argv: readonly string[], options: RunOptions = {}): RunResult {
  const pid = boxPid();
  if (pid === undefined) return { code: 1, stdout: "", stderr: "the box does not run" };
  return tryRun(["nsenter", "-t", String(pid), "-m", "-u", "-i", "-p", "-n", "-C", "--", ...argv], {
    timeoutMs: 60_000,
    ...options,
  });
}

/** kubectl as the box's administrator, from outside. */
export function kubectl(argv: readonly string[], options: RunOptions = {}): RunResult {
  const program = join(BOX.programs, "kubectl");
  return tryRun([program, `--kubeconfig=${BOX.kubeconfig}`, "--request-timeout=20s", ...argv], {
    timeoutMs: 60_000,
    ...options,
  });
}

/** Orderly shutdown; safe to call again. */
export async function shutDown(): Promise<void> {
  if (daemonPid("box") === undefined) return;
  await stopDaemon("box", "SIGTERM", 60_000);
  powerCutNow();
  removeControlGroups();
}

/** Kills PID 1 of the box, and with it every process inside at once, as a power cut does (the page cache survives). */
export async function powerCut(): Promise<void> {
  powerCutNow();
  await stopDaemon("box", "SIGTERM", 10_000);
  endStrays();
  removeControlGroups();
}

function powerCutNow(): void {
  const pid = boxPid();
  if (pid !== undefined) process.kill(pid, "SIGKILL");
}

/** Keeps the tree of a stopped box, to begin later cases from. */
export function takeSnapshot(): void {
  rmSync(BOX.snapshot, { recursive: true, force: true });
  run(["cp", "-a", BOX.tree, BOX.snapshot]);
}

/**
 * Lays a folder of a stopped box onto a disk of its own, a file with an ext4 in it, until its snapshot is restored.
 * Answers false where this machine has no loop devices, and changes nothing then.
 * @param options.filler a file on that disk that leaves no byte of it
 */
export function giveDisk(folder: string, size: string, options: { readonly filler?: string } = {}): boolean {
  const place = join(BOX.tree, folder);
  const owner = run(["stat", "-c", "%u:%g", place]).trim();
  run(["mkfs.ext4", "-q", "-m", "0", "-E", `root_owner=${owner}`, "-d", place, BOX.stateDisk, size]);
  // Nearly all is set aside and never written; the rest is written until there is no room.
  const fill =
    'fallocate -l $(($(stat -f -c "%a*%S" "$2") - 4194304)) "$2/$3" && ! dd if=/dev/zero of="$2/$3.rest" bs=4K 2> /dev/null';
  const script = `mount -o loop "$1" "$2"${options.filler === undefined ? "" : ` && ${fill}`}`;
  const words = ["sh", "-c", script, "sh", BOX.stateDisk, place, options.filler ?? ""];
  const can = tryRun(["unshare", "-m", ...words]).code === 0;
  if (can) writeFileSync(`${BOX.stateDisk}.at`, folder);
  else removeDisk();
  return can;
}

/** The state folder alone. */
export function giveStateDisk(size: string): boolean {
  return giveDisk("var/lib/alga-appliance", size);
}

/** What lies on the disk of a stopped box is gone with it. Safe to call again. */
export function removeDisk(): void {
  for (const file of [BOX.stateDisk, `${BOX.stateDisk}.at`]) rmSync(file, { force: true });
}

/** Puts the snapshot back in place of the tree of a stopped box, on the disk of this machine. */
export function restoreSnapshot(): void {
  removeDisk();
  run(["rsync", "-aHX", "--delete", `${BOX.snapshot}/`, `${BOX.tree}/`]);
}

/** The box's PID 1 as this machine numbers it: the first process below nspawn that is 1 in a namespace of its own. */
export function boxPid(): number | undefined {
  const root = daemonPid("box");
  return root === undefined ? undefined : findInit(root);
}

function findInit(pid: number): number | undefined {
  for (const child of childrenOf(pid)) {
    const status = statusOf(child);
    if (/^NSpid:.*\t1$/m.test(status) && /^Name:\tsystemd$/m.test(status)) return child;
    const deeper = findInit(child);
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}

/** Empty for a process that has ended since it was listed. */
function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Removes the control groups a stopped box leaves behind, deepest first; safe to call again. */
export function removeControlGroups(): void {
  for (const hierarchy of readdirSync("/sys/fs/cgroup")) removeGroup(join("/sys/fs/cgroup", hierarchy, BOX_NAME));
}

function removeGroup(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(folder, entry.name));
  }
  try {
    rmdirSync(folder);
  } catch (problem) {
    say(`control group ${folder} stays: ${problem instanceof Error ? problem.message : problem}`);
  }
}
