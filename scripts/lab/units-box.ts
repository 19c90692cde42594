// A box of our own units and nothing else of the lab's: the executable, the units that it carries, and the payload as the ISO lays
// it down. Kubernetes is what bootstrap finds under k3s' command; its parts and what is inside the real one's binary are the lab's.

import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { stringify } from "yaml";
import { HOST_FILES } from "../../embed/manifests.ts";
import { STORAGE_IMAGES } from "../../src/release/appliance-images.ts";
import { TLS } from "./authority.ts";
import { BOX, boot, furnish, inBox, powerCut, removeDisk } from "./box.ts";
import { daemonLog, daemonPid, startDaemon, until } from "./daemon.ts";
import type { BuiltImage } from "./images.ts";
import { ensureBridge } from "./network.ts";
import { ensureImages, type LabImages, storageImages, testedExecutable } from "./parts.ts";
import { LAB_SOURCES, NETWORK, RUN } from "./places.ts";
import { lay } from "./run-folder.ts";
import { run } from "./shell.ts";
import { ensureTools, toolPath } from "./tools.ts";
import { configureNames, copyInto, ensureDebianTree, PLACES } from "./tree.ts";

/** The version that the payload's control plane says it is. */
export const BAKED_VERSION = "0.9.0";

/** Where things are; all paths as this machine sees them. */
export const UNITS_BOX = {
  address: `http://${NETWORK.box}:8080`,
  payload: join(BOX.tree, "opt/alga-appliance"),
  token: join(BOX.tree, "var/lib/alga-appliance/setup-token"),
  host: join(BOX.tree, "var/lib/alga-appliance-host"),
  network: join(BOX.tree, PLACES["10-host0.network"] ?? ""),
} as const;

/** What is inside the binary of the real k3s, or what it unpacks. */
const INSIDE_K3S = ["containerd.toml", "kubelet.yaml", "kube-proxy.yaml", "10-lab.conflist"];
const INSTALLER = ["10-host0.network", "10-lab.conf", "lab-init"];
const COMPONENTS = { coredns: "coredns.yaml", "local-storage": "local-path-storage.yaml" } as const;

/** Lays the tree of a box that has never been started in the place of the stopped box's. */
function makeUnitsTree(images: LabImages): void {
  removeDisk();
  rmSync(BOX.tree, { recursive: true, force: true });
  run(["cp", "-a", ensureDebianTree(), BOX.tree]);
  for (const name of [...INSIDE_K3S, ...INSTALLER]) {
    copyInto(join(LAB_SOURCES, "box", name), join(BOX.tree, PLACES[name] ?? ""));
  }
  chmodSync(join(BOX.tree, PLACES["lab-init"] ?? ""), 0o755);
  for (const [name, source] of Object.entries(COMPONENTS)) {
    copyInto(join(LAB_SOURCES, "manifests", source), join(BOX.tree, `usr/local/share/k3s/${name}.yaml`));
  }
  configureNames(BOX.tree);
  layPayload(images);
  layUnits();
}

/** As the ISO does: everything of ours below /opt, the executable on the path. */
function layPayload({ pause, coredns, controlPlane }: LabImages): void {
  const { payload } = UNITS_BOX;
  const { busybox, provisioner } = storageImages(STORAGE_IMAGES);
  const archives: readonly (readonly [string, BuiltImage])[] = [
    ["images", pause],
    ["images", coredns],
    ["images", busybox],
    ["images", provisioner],
    ["control-plane/images", controlPlane],
  ];
  for (const [folder, { archive }] of archives) {
    mkdirSync(join(payload, folder), { recursive: true });
    lay(archive, join(payload, folder, `${basename(join(archive, ".."))}.tar`));
  }
  const bundle = { image: controlPlane.name, version: BAKED_VERSION };
  writeFileSync(join(payload, "control-plane/bundle.json"), JSON.stringify(bundle));
  copyInto(join(LAB_SOURCES, "box/k3s"), join(payload, "bin/k3s"));
  chmodSync(join(payload, "bin/k3s"), 0o755);
  const executable = join(BOX.tree, "usr/local/bin/alga-appliance");
  cpSync(testedExecutable(), executable);
  chmodSync(executable, 0o755);
}

function layUnits(): void {
  for (const [path, text] of Object.entries(HOST_FILES)) {
    mkdirSync(join(BOX.tree, path, ".."), { recursive: true });
    writeFileSync(join(BOX.tree, path), text);
  }
  const ours = Object.keys(HOST_FILES).filter((path) => path.endsWith(".service"));
  // A unit that is kept from the kernel's settings sees the number of this machine's boot there, and not that of the box's.
  const bootId = "[Service]\nBindReadOnlyPaths=/run/lab-boot-id:/proc/sys/kernel/random/boot_id\n";
  for (const path of ours) {
    const folder = join(BOX.tree, "etc/systemd/system", `${basename(path)}.d`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "10-lab.conf"), bootId);
  }
  const systemctl = ["chroot", BOX.tree, "systemctl"];
  run([...systemctl, "enable", "systemd-networkd.service", ...ours.map((path) => basename(path))]);
  run([...systemctl, "disable", "etcd.service"]);
}

/** What an operator writes who has a registry of the house: where it is and who vouches for it. */
export function useHouseRegistry(host: string, repository?: string): void {
  const ca = "/etc/alga-appliance/registry-ca.pem";
  copyInto(TLS.authority, join(BOX.tree, ca));
  const registry = { host, ca, ...(repository === undefined ? {} : { repository }) };
  writeFileSync(join(BOX.tree, "etc/alga-appliance/config.yaml"), stringify({ registry }));
}

/** Prepares everything beside the tree: bridge, programs of k3s, the screen. Safe to call again. */
async function prepareUnitsBox(): Promise<void> {
  mkdirSync(RUN, { recursive: true });
  ensureBridge();
  const tools = ensureTools();
  furnish(tools, []);
  if (daemonPid("terminal") !== undefined) return;
  // The name of the terminal stands on the log's first line.
  rmSync(join(RUN, "daemons/terminal.log"), { force: true });
  startDaemon("terminal", [toolPath("terminal")]);
  await until("the screen", 20, () => screenPath() !== undefined);
}

/**
 * A box that has never been started comes up by our units alone; whatever ran before is gone.
 * @param prepare changes the tree before it boots
 */
export async function freshUnitsBox(prepare?: () => void): Promise<void> {
  await layUnitsBox(prepare);
  await unitsBoxAnswers();
}

/** As `freshUnitsBox`, but it stays switched off. */
export async function layUnitsBox(prepare?: () => void): Promise<void> {
  await powerCut();
  await prepareUnitsBox();
  makeUnitsTree(ensureImages());
  prepare?.();
}

/** Boots the tree as it is. Answers when systemd runs; bootstrap has begun by then or is about to. */
export async function bootUnitsBox(): Promise<void> {
  await boot([`--bind=${screenPath()}:/dev/tty1`]);
}

/** Boots, and waits until the control plane answers. */
export async function unitsBoxAnswers(seconds = 300): Promise<void> {
  await bootUnitsBox();
  await pageAnswers(seconds);
}

/** Waits for /healthz as anybody on the network sees it. */
export async function pageAnswers(seconds: number): Promise<void> {
  await until("the page of the box", seconds, async () => {
    const answer = await fetch(`${UNITS_BOX.address}/healthz`, { signal: AbortSignal.timeout(5_000) });
    return answer.ok && ((await answer.json()) as { ok?: boolean }).ok === true;
  });
}

/** Waits until bootstrap has come to its end by itself. @throws {Error} when its unit has failed */
export async function bootstrapDone(seconds: number): Promise<void> {
  await until("the end of bootstrap", seconds, () => unitState("alga-appliance-bootstrap") === "active");
}

export function unitState(unit: string): string {
  return inBox(["systemctl", "is-active", unit]).stdout.trim();
}

function screenPath(): string | undefined {
  return /^(\/dev\/pts\/\d+)$/m.exec(daemonLog("terminal").split("\n")[0] ?? "")?.[1];
}

const CLEAR = "\u001b[H\u001b[J";

/** A code stands on the right of the text; its first line is one bar, of signs or of reversed blanks. */
const CODE = /(?:#{20,}|█{15,}|\u001b\[7m {20,}(?:\u001b\[27m)?)\s*$/;

/** The lines on the first console of the box now, without the code beside them; empty before anything was drawn. */
export function screenNow(): readonly string[] {
  const frame = daemonLog("terminal").split(CLEAR).at(-1) ?? "";
  const drawn = frame.split(/\r?\n/);
  const at = drawn.find((line) => CODE.test(line))?.search(CODE);
  const lines = drawn.map((line) => line.slice(0, at).trimEnd());
  return lines.slice(0, lines.findLastIndex((line) => line !== "") + 1);
}

/** Waits until the screen shows words, over the ends of lines, and answers its lines. @throws {Error} with what it shows instead */
export async function screenShows(words: string, seconds: number): Promise<readonly string[]> {
  try {
    return await until(`"${words}" on the screen`, seconds, () => {
      const lines = screenNow();
      return lines
        .map((line) => line.trim())
        .join(" ")
        .includes(words)
        ? lines
        : undefined;
    });
  } catch (problem) {
    throw new Error(`${problem instanceof Error ? problem.message : problem}; it shows:\n${screenNow().join("\n")}`);
  }
}

/** The newest journal of bootstrap; without a name while there is none. */
export function bootstrapJournal(): { readonly name: string; readonly lines: readonly string[] } {
  return hostJournal("bootstrap");
}

/** The newest journal of a kind that the host keeps; without a name while there is none. */
export function hostJournal(kind: "bootstrap" | "reset"): { readonly name: string; readonly lines: readonly string[] } {
  const folder = join(UNITS_BOX.host, "journal");
  if (!existsSync(folder)) return { name: "", lines: [] };
  const name = readdirSync(folder)
    .filter((one) => one.endsWith(`-${kind}.ndjson`))
    .sort()
    .at(-1);
  return name === undefined
    ? { name: "", lines: [] }
    : { name, lines: readFileSync(join(folder, name), "utf8").trim().split("\n") };
}
