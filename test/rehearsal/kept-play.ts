/** A rehearsal that is kept in a folder, for the tests of one suite: its power is cut, it is opened again, and nothing is left behind. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import type { ApplianceStatus } from "../../src/status/model.ts";
import { type Play, startPlay } from "./play.ts";

/** Milliseconds until remains must be gone; generous, because CI machines are busy. */
const PATIENCE_MS = 60_000;
const SPEED = 40;

export interface KeptPlay {
  /** The process that runs now. */
  readonly play: Play;
  readonly folder: string;
  /** Kills the process as a power cut does, opens the folder again and logs in. */
  cutPower(): Promise<void>;
  /** Waits until no Job and no Secret of the application's namespace holds one word, and no file of the box another. */
  untilGone(remains: Remains): Promise<void>;
}

export interface Remains {
  readonly inCluster: RegExp;
  readonly onDisk: RegExp;
}

/** Begins before the tests of a suite, claimed; is killed and swept away after them. */
export function keptPlay(): KeptPlay {
  const now: { play?: Play; folder: string } = { folder: "" };
  const open = async (): Promise<void> => {
    now.play = await startPlay({ state: now.folder, speed: SPEED });
  };
  const running = (): Play => {
    if (now.play === undefined) throw new Error("the rehearsal has not begun");
    return now.play;
  };
  before(async () => {
    now.folder = mkdtempSync(join(tmpdir(), "alga-kept-play-"));
    await open();
    await running().claim();
  });
  after(async () => {
    await now.play?.kill("SIGKILL");
    rmSync(now.folder, { recursive: true, force: true });
  });
  return {
    get play() {
      return running();
    },
    get folder() {
      return now.folder;
    },
    cutPower: async () => {
      await running().kill("SIGKILL");
      await open();
      await running().logIn();
    },
    untilGone: (remains) => untilGone(running(), now.folder, remains),
  };
}

async function untilGone(play: Play, folder: string, { inCluster, onDisk }: Remains): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const jobs = await play.cluster("/apis/batch/v1/namespaces/msp/jobs");
    const secrets = await play.cluster("/api/v1/namespaces/msp/secrets");
    const found =
      inCluster.exec(JSON.stringify([jobs.items, secrets.items])) ?? onDisk.exec(filesBelow(join(folder, "var")));
    if (found === null) return;
    if (Date.now() > end) throw new Error(`it is still there: ${found[0]}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Everything that stands in the files of a folder. */
export function filesBelow(folder: string): string {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
}

/** Everything works and no run goes on. */
export function isSettled({ tiers, operation }: ApplianceStatus): boolean {
  return tiers.full.state === "ready" && operation?.state === "done";
}
