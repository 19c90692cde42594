// The run folder: on this machine's disk, or on one of its own where that is short of room. A box tells of a disk that is nearly full,
// and what it sees is the disk that its tree lies on, which others fill too.

import { copyFileSync, existsSync, linkSync, mkdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "./daemon.ts";
import { CACHE, RUN } from "./places.ts";
import { run, say, tryRun } from "./shell.ts";

/** Free part below which a box could call its disk nearly full (15 %) before the suite has ended. */
const SHORT = 0.2;
const DISK = join(CACHE, "run.img");
/** Only what is written takes room of this machine. As large as a server's disk, with room for the files of some trees. */
const SIZE = "250G";
const FILES = "1500000";

/** Makes the empty run folder. Where there are no loop devices it lies on this machine's disk whatever that has left. */
export function makeRunFolder(short = SHORT): void {
  mkdirSync(RUN, { recursive: true });
  const { bavail, blocks } = statfsSync(RUN);
  if (bavail >= blocks * short) return;
  run(["truncate", "--size", SIZE, DISK]);
  run(["mkfs.ext4", "-q", "-m", "0", "-N", FILES, "-J", "size=64", DISK]);
  // Without noinit_itable the kernel writes all tables of files, in the background.
  const { code, stderr } = tryRun(["mount", "-o", "loop,noinit_itable", DISK, RUN]);
  if (code !== 0) rmSync(DISK, { force: true });
  const what = code === 0 ? "the box gets one of its own" : `and the box may say so: ${stderr.trim()}`;
  say(`this machine's disk is short of room, ${what}`);
}

/** Removes the folder with all in it, also after a lab that was killed. Safe to call again. */
export async function removeRunFolder(): Promise<void> {
  for (let tries = 0; existsSync(RUN) && tries < 20; tries++) {
    if (tryRun(["mountpoint", "-q", RUN]).code === 0) tryRun(["umount", "--lazy", RUN]);
    rmSync(RUN, { recursive: true, force: true });
    await sleep(100);
  }
  rmSync(DISK, { force: true });
}

/** Lays a file of the cache into the run folder without taking room, or as a copy where that is another disk. */
export function lay(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch (problem) {
    if (!(problem instanceof Error && "code" in problem && problem.code === "EXDEV")) throw problem;
    copyFileSync(source, target);
  }
}
