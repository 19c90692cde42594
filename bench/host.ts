/**
 * `bun run bench/host.ts [runs]`: how long a box that was never started takes to its banner and its page, and what the host's own
 * processes take, against the sequence of child processes of the appliance before this one. Both boot here in turns, on the lab's box
 * (root, Debian, Go; the peer needs Node): the same tree, images, Kubernetes and machine.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONTROL_PLANE_MANIFESTS, HOST_FILES } from "../embed/manifests.ts";
import { BOX, boxPid, inBox } from "../scripts/lab/box.ts";
import { missingRequirements } from "../scripts/lab/requirements.ts";
import { bootUnitsBox, layUnitsBox, screenNow, UNITS_BOX } from "../scripts/lab/units-box.ts";
import { takeDown } from "../scripts/lab/up.ts";
import { STORAGE_IMAGES } from "../src/release/appliance-images.ts";
import { provisionerObjects } from "../src/storage/objects.ts";
import { median, pause, printTable, type Row, row, without } from "./measure.ts";

const LIMIT_MS = 240_000;
const LOOK_MS = 25;
/** A look at memory takes processor time from what is measured. */
const MEMORY_MS = 500;
const REST_MS = 5_000;
const HERE = join(import.meta.dirname, "host");

interface Boot {
  /** The first words on the screen. */
  readonly wordsMs: number;
  /** The token stands there, and the page where it is typed answers. */
  readonly usableMs: number;
  readonly pageMs: number;
  readonly peakMb: number;
  readonly restMb: number;
}

/** Rows of both, or one that says why not. */
export async function hostTimes(runs = 3): Promise<readonly Row[]> {
  const [missing] = missingRequirements();
  const node = spawnSync("sh", ["-c", "command -v node"], { encoding: "utf8" }).stdout.trim();
  if (missing !== undefined || node === "")
    return [without("first boot of a box", missing ?? "the peer is a program for Node")];
  const [ours, peer]: [Boot[], Boot[]] = [[], []];
  try {
    for (let index = 0; index < runs; index += 1) {
      ours.push(await measure());
      peer.push(await measure(() => layReference(node)));
    }
  } finally {
    await takeDown();
  }
  const note = "the reference's sequence of child processes";
  const compared = (what: string, key: keyof Boot, unit: "s" | "MB"): Row => {
    const of = (boots: readonly Boot[]): number => median(boots.map((boot) => boot[key])) / (unit === "s" ? 1_000 : 1);
    return row(what, of(ours), of(peer), { unit, note });
  };
  return [
    compared("first boot to the first words on the screen", "wordsMs", "s"),
    compared("first boot to a token on the screen that can be used", "usableMs", "s"),
    compared("first boot to /healthz", "pageMs", "s"),
    compared("host processes together, peak of the start", "peakMb", "MB"),
    compared("host processes together, at rest", "restMb", "MB"),
  ];
}

async function measure(prepare?: () => void): Promise<Boot> {
  // The screen of the one before is gone with it.
  await takeDown();
  await layUnitsBox(prepare);
  const started = performance.now();
  const booting = bootUnitsBox();
  const seen = { wordsMs: 0, usableMs: 0, pageMs: 0, peakMb: 0 };
  for (let lookedMs = 0; seen.usableMs === 0 && performance.now() - started < LIMIT_MS; await pause(LOOK_MS)) {
    const screen = screenNow().join("\n");
    if (seen.wordsMs === 0 && /Alga Appliance|Setup/.test(screen)) seen.wordsMs = performance.now() - started;
    if (seen.pageMs === 0 && (await answers())) seen.pageMs = performance.now() - started;
    if (seen.pageMs > 0 && /Setup token:\s+\d/.test(screen)) seen.usableMs = performance.now() - started;
    if (performance.now() - lookedMs > MEMORY_MS) {
      seen.peakMb = Math.max(seen.peakMb, hostMegabytes());
      lookedMs = performance.now();
    }
  }
  await booting;
  if (seen.usableMs === 0) throw new Error(`the box does not come up; its screen:\n${screenNow().join("\n")}`);
  await pause(REST_MS);
  return { ...seen, restMb: hostMegabytes() };
}

async function answers(): Promise<boolean> {
  const signal = AbortSignal.timeout(500);
  return fetch(`${UNITS_BOX.address}/healthz`, { signal }).then(
    (answer) => answer.ok,
    () => false,
  );
}

/** Proportional memory of all processes of the units that bring the box up and stay with it, children of theirs included. */
function hostMegabytes(): number {
  if (boxPid() === undefined) return 0;
  const script = `for p in /proc/[0-9]*; do
    grep -qs 'system.slice/\\(alga-\\|reference-\\)' $p/cgroup && sed -n 's/^Pss: *//p' $p/smaps_rollup
  done`;
  const found = inBox(["sh", "-c", script]).stdout.match(/\d+(?= kB)/g) ?? [];
  return found.reduce((sum, kilobytes) => sum + Number(kilobytes), 0) / 1_000;
}

/** The other way up: its three units in the place of ours, and Node for them. */
function layReference(node: string): void {
  const within = (path: string): string => join(BOX.tree, path);
  const wants = (name: string): string => within(`etc/systemd/system/multi-user.target.wants/${name}`);
  for (const path of Object.keys(HOST_FILES).filter((one) => one.endsWith(".service"))) {
    rmSync(within(path));
    rmSync(wants(path.split("/").at(-1) ?? ""), { force: true });
  }
  const storage = { apiVersion: "v1", kind: "List", items: provisionerObjects(STORAGE_IMAGES) };
  writeFileSync(join(UNITS_BOX.payload, "storage.json"), JSON.stringify(storage));
  for (const [name, text] of Object.entries(CONTROL_PLANE_MANIFESTS))
    writeFileSync(join(UNITS_BOX.payload, "control-plane", name), text);
  copyFileSync(node, within("usr/local/bin/node"));
  copyFileSync(join(HERE, "reference-boot.sh"), within("usr/local/sbin/reference-boot.sh"));
  mkdirSync(within("usr/local/lib"), { recursive: true });
  copyFileSync(join(HERE, "reference-host.mjs"), within("usr/local/lib/reference-host.mjs"));
  for (const unit of readdirSync(HERE).filter((name) => name.endsWith(".service"))) {
    copyFileSync(join(HERE, unit), within(`etc/systemd/system/${unit}`));
    symlinkSync(`/etc/systemd/system/${unit}`, wants(unit));
  }
}

if (import.meta.main) printTable([...(await hostTimes(Number(process.argv[2] ?? 3)))]);
