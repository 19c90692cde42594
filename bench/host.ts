/**
 * `bun run bench/host.ts`: how long a box that was never started takes to its banner and its page, and what the host's own processes
 * take, against the sequence of child processes of the appliance before this one. Both boot here, one after the other, on the lab's
 * box (root, Debian, Go): the same tree, images, Kubernetes and machine.
 */
import { copyFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONTROL_PLANE_MANIFESTS, HOST_FILES } from "../embed/manifests.ts";
import { BOX, boxPid, inBox } from "../scripts/lab/box.ts";
import { missingRequirements } from "../scripts/lab/requirements.ts";
import { bootUnitsBox, layUnitsBox, screenNow, UNITS_BOX } from "../scripts/lab/units-box.ts";
import { takeDown } from "../scripts/lab/up.ts";
import { pause, printTable, type Row, row, without } from "./measure.ts";

const LIMIT_MS = 240_000;
const LOOK_MS = 25;
/** A look at memory takes processor time from what is measured. */
const MEMORY_MS = 500;
const REST_MS = 5_000;
const UNIT = "reference-boot.service";
interface Boot {
  readonly bannerMs: number;
  readonly pageMs: number;
  readonly peakMb: number;
  readonly restMb: number;
}

/** Rows of both, or one that says why not. */
export async function hostTimes(): Promise<readonly Row[]> {
  const [missing] = missingRequirements();
  if (missing !== undefined) return [without("first boot of a box", missing)];
  try {
    const ours = await measure();
    const peer = await measure(layReference);
    const note = "the reference's sequence of child processes";
    return [
      row("first boot to the banner with the token", ours.bannerMs / 1_000, peer.bannerMs / 1_000, { unit: "s", note }),
      row("first boot to /healthz", ours.pageMs / 1_000, peer.pageMs / 1_000, { unit: "s", note }),
      row("host processes together, peak of the start", ours.peakMb, peer.peakMb, { unit: "MB", note }),
      row("host processes together, at rest", ours.restMb, Number.NaN, {
        unit: "MB",
        note: "nothing of it stays but its agent",
      }),
    ];
  } finally {
    await takeDown();
  }
}

async function measure(prepare?: () => void): Promise<Boot> {
  // The screen of the one before is gone with it.
  await takeDown();
  await layUnitsBox(prepare);
  const started = performance.now();
  const booting = bootUnitsBox();
  let [bannerMs, pageMs, peakMb, lookedMs] = [0, 0, 0, 0];
  while ((bannerMs === 0 || pageMs === 0) && performance.now() - started < LIMIT_MS) {
    if (bannerMs === 0 && /Setup token:\s+\d/.test(screenNow().join("\n"))) bannerMs = performance.now() - started;
    if (pageMs === 0 && (await answers())) pageMs = performance.now() - started;
    if (performance.now() - lookedMs > MEMORY_MS) {
      peakMb = Math.max(peakMb, hostMegabytes());
      lookedMs = performance.now();
    }
    await pause(LOOK_MS);
  }
  await booting;
  if (bannerMs === 0 || pageMs === 0)
    throw new Error(`the box does not come up; its screen:\n${screenNow().join("\n")}`);
  await pause(REST_MS);
  return { bannerMs, pageMs, peakMb, restMb: hostMegabytes() };
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
    grep -qs 'system.slice/\\(alga-\\|reference-boot\\)' $p/cgroup && sed -n 's/^Pss: *//p' $p/smaps_rollup
  done`;
  const found = inBox(["sh", "-c", script]).stdout.match(/\d+(?= kB)/g) ?? [];
  return found.reduce((sum, kilobytes) => sum + Number(kilobytes), 0) / 1_000;
}

/** The other way up: one unit with the script in the place of ours. */
function layReference(): void {
  const within = (path: string): string => join(BOX.tree, path);
  for (const path of Object.keys(HOST_FILES).filter((one) => one.endsWith(".service"))) {
    rmSync(within(path));
    rmSync(within(`etc/systemd/system/multi-user.target.wants/${path.split("/").at(-1)}`), { force: true });
  }
  for (const [name, text] of Object.entries(CONTROL_PLANE_MANIFESTS))
    writeFileSync(join(UNITS_BOX.payload, "control-plane", name), text);
  copyFileSync(join(import.meta.dirname, "host/reference-boot.sh"), within("usr/local/sbin/reference-boot.sh"));
  const unit = "[Service]\nType=oneshot\nExecStart=/usr/local/sbin/reference-boot.sh\n";
  writeFileSync(within(`etc/systemd/system/${UNIT}`), unit);
  symlinkSync(`/etc/systemd/system/${UNIT}`, within(`etc/systemd/system/multi-user.target.wants/${UNIT}`));
}

if (import.meta.main) printTable([...(await hostTimes())]);
