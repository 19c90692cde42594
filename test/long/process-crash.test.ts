/**
 * Real processes, killed with SIGKILL before and after every write to disk and cluster of a whole setup, and started again.
 *
 * API server and registry live in this process and are reached over loopback; disk and signals are the system's own.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Listening } from "../../src/cli/command.ts";
import type { Fetch } from "../../src/core/ports.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { listen } from "../../src/platform/http-server.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { comparableFiles } from "../crash/remains.ts";
import { createSampleRegistry, createStage, type Stage } from "../crash/stage.ts";

const deps = { clock: systemClock, random: systemRandom };
const roots = mkdtempSync(join(tmpdir(), "alga-crash-"));
/** The child as one file, which starts in half the time. */
const program = join(roots, "child.js");
let registry: Listening;

before(async () => {
  const source = join(import.meta.dirname, "../crash/child.ts");
  execFileSync(process.execPath, ["build", source, "--target=bun", `--outfile=${program}`], { stdio: "pipe" });
  let serve: Fetch = async () => new Response(null, { status: 503 });
  registry = await listen({ host: "127.0.0.1", port: 0, handle: (request) => serve(request) });
  serve = createSampleRegistry(`127.0.0.1:${registry.port}`);
});
after(async () => {
  await registry.close(0);
  rmSync(roots, { recursive: true, force: true });
});

interface Place {
  readonly root: string;
  readonly stage: Stage;
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function openPlace(): Promise<Place> {
  const stage = await createStage(deps);
  const root = mkdtempSync(join(roots, "box-"));
  const kube = await listen({ host: "127.0.0.1", port: 0, handle: stage.kube });
  const license = await listen({ host: "127.0.0.1", port: 0, handle: stage.license });
  const env = {
    ROOT: root,
    REGISTRY: `127.0.0.1:${registry.port}`,
    KUBE: `http://127.0.0.1:${kube.port}`,
    LICENSE: `http://127.0.0.1:${license.port}`,
  };
  return { root, stage, env, close: async () => void (await Promise.all([kube.close(0), license.close(0)])) };
}

interface Ended {
  readonly signal: string | null;
  /** The line it printed, empty when it was killed. */
  readonly said: Record<string, unknown>;
}

function startChild(place: Place, more: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env.PATH, TMPDIR: tmpdir(), ...place.env, ...more },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (_code, signal) => resolve({ signal, said: out === "" ? {} : JSON.parse(out) }));
  });
}

function readTree(folder: string, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(join(folder, prefix), { withFileTypes: true })) {
    const path = `${prefix}/${entry.name}`;
    if (entry.isDirectory()) for (const [name, text] of readTree(folder, path)) found.set(name, text);
    else found.set(path, readFileSync(join(folder, path), "utf8"));
  }
  return found;
}

async function remainsOf(place: Place): Promise<{ readonly objects: unknown; readonly files: unknown }> {
  assert.deepEqual(place.stage.replaced, [], "a generated secret was replaced");
  assert.equal(place.stage.redeemed(), 1, "the install code was redeemed more than once");
  return { objects: await place.stage.objects(), files: comparableFiles(readTree(place.root)) };
}

/** Kills of one setup at most: a chain that does not end is a defect. */
const MAX_KILLS = 300;

interface Chain {
  /** Names of the writes at which a process was killed, in their order. */
  readonly killed: readonly string[];
  readonly remains: unknown;
}

/**
 * One setup whose processes are killed at each write in turn: every process goes on from what the ones before left, up
 * to the first write at which none was killed yet. The last finds none and runs to the end.
 */
async function killAlong(when: "before" | "after"): Promise<Chain> {
  const place = await openPlace();
  const killed: string[] = [];
  while (killed.length < MAX_KILLS) {
    const { signal, said } = await startChild(place, { KILL: when, SURVIVED: JSON.stringify(killed) });
    if (signal === "SIGKILL") {
      killed.push(String(said.at));
      continue;
    }
    assert.equal(said.state, "done", JSON.stringify(said.problem));
    const remains = await remainsOf(place);
    await place.close();
    return { killed, remains };
  }
  return assert.fail(`the setup did not end after ${MAX_KILLS} kills, the last at ${killed.at(-1)}`);
}

test("SIGKILL before and after every write leaves what an undisturbed setup leaves", { timeout: 400_000 }, async () => {
  const place = await openPlace();
  const calm = await startChild(place);
  assert.equal(calm.said.state, "done", JSON.stringify(calm.said.problem));
  const undisturbed = await remainsOf(place);
  await place.close();
  for (const { killed, remains } of await Promise.all([killAlong("before"), killAlong("after")])) {
    assert.deepEqual(remains, undisturbed);
    // Progress is kept and leases are renewed by time, so not every run has the same of them; the test in memory has all.
    const writes = (calm.said.writes as string[]).filter((name) => !/^append step-progress|lease$/.test(name));
    const missed = writes.filter((name) => !killed.includes(name));
    assert.deepEqual(missed, [], "writes at which no process was killed");
    console.log(`# ${killed.length} processes killed, one at each write`);
  }
});

test("two processes at once: one works, the other follows its journal", { timeout: 60_000 }, async () => {
  const place = await openPlace();
  const follower = startChild(place, { WATCH: "1" });
  const worker = startChild(place);
  const [followed, worked] = await Promise.all([follower, worker]);
  assert.equal(worked.said.state, "done", JSON.stringify(worked.said.problem));
  assert.equal(followed.said.state, "done");
  assert.equal(followed.said.clusterWrites, 0, "the follower wrote to the cluster");
  const { state, steps } = followed.said.view as { state: string; steps: readonly { state: string }[] };
  assert.deepEqual([state, steps.length, new Set(steps.map((step) => step.state)).size], ["done", 12, 1]);
  await remainsOf(place);
  await place.close();
});
