/**
 * Updates and returns on the real kube-apiserver, killed: SIGKILL of the process after each step and each write that counts, and
 * a power cut, which is SIGKILL of the process, the API server and etcd at once. What is left is one of two exact states: the
 * release before, or the wanted one. Flux and the kubelet are played; skipped, and said so, without the binaries.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, test } from "node:test";
import type { Listening } from "../../src/cli/command.ts";
import type { Fetch } from "../../src/core/ports.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { listen } from "../../src/platform/http-server.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { createStageOver, INSTALL_CODE } from "../crash/stage.ts";
import { BAD, createUpdateServer, GOOD } from "../crash/update-bench.ts";
import { type Binaries, findBinaries, type RealKube, startKubeApiServer } from "../support/kube-apiserver.ts";

const deps = { clock: systemClock, random: systemRandom };
const binaries = findBinaries(process.env);

/** Each step as it begins and is done, what the box keeps of it, and what the cluster is given. */
const EVERY = [
  "^append step-(started|done|skipped) ",
  "^write (release|previous-release|update-run)\\.json$",
  "^write kept/index\\.json$",
  "/(ocirepositories|kustomizations)/alga-appliance",
  "/configmaps/appliance-(values-alga-core|release-selection)",
  "/helmreleases/alga-core",
  "/pods",
].join("|");
/** The steps of a bad update that differ from those of a good one, and the way back. */
const BACK = [
  "^append step-(started|done|skipped) (switch|reconcile|judge|return|return-watch|conclude)$",
  "^write (release|previous-release|update-run)\\.json$",
  "/(ocirepositories|kustomizations)/alga-appliance",
  "/configmaps/appliance-(values-alga-core|release-selection)",
].join("|");
/** Where a power cut hurts most: the cluster has half of a release, or all of it and it is judged. */
const POWER = "^append step-started judge$|/ocirepositories/alga-appliance";
/** Kills of one run at most: a chain that does not end is a defect. */
const MAX_KILLS = 120;

type Wanted =
  | { readonly kind: "update"; readonly version: string }
  | { readonly kind: "rollback"; readonly after: string };

interface End {
  readonly state: string;
  readonly version: string;
  readonly problem: { readonly code: string; readonly message: string } | null;
}

if ("missing" in binaries) {
  console.log(`skipped: updates that are killed on the real kube-apiserver: ${binaries.missing}`);
  test("updates that are killed on the real kube-apiserver", { skip: binaries.missing }, () => {});
} else {
  describe("on the real kube-apiserver", () => killed(binaries));
}

function killed(found: Binaries): void {
  const folder = mkdtempSync(join(tmpdir(), "alga-update-kill-"));
  const root = join(folder, "box");
  const programs = { setup: join(folder, "setup.js"), update: join(folder, "update.js") };
  const open: Listening[] = [];
  let real: RealKube;
  let stage: Awaited<ReturnType<typeof createStageOver>>;
  let env: Readonly<Record<string, string>>;
  /** What is there with each release, as undisturbed runs leave it. */
  const exact = new Map<string, ReadonlyMap<string, unknown>>();

  before(async () => {
    for (const [source, outfile] of [
      ["child.ts", programs.setup],
      ["update-child.ts", programs.update],
    ] as const) {
      const path = join(import.meta.dirname, "../crash", source);
      execFileSync(process.execPath, ["build", path, "--target=bun", `--outfile=${outfile}`], { stdio: "pipe" });
    }
    real = await startKubeApiServer(found);
    const address = async (handle: Fetch): Promise<string> => {
      const listening = await listen({ host: "127.0.0.1", port: 0, handle });
      open.push(listening);
      return `127.0.0.1:${listening.port}`;
    };
    const over: Fetch = (request) => {
      const { pathname, search } = new URL(request.url);
      return real.fetch(new Request(`${real.server}${pathname}${search}`, request));
    };
    stage = await createStageOver(deps, over);
    let serve: Fetch = async () => new Response(null, { status: 503 });
    const registry = await address((request) => serve(request));
    serve = createUpdateServer(registry).fetch;
    env = {
      ROOT: root,
      REGISTRY: registry,
      KUBE: `http://${await address(stage.kube)}`,
      LICENSE: `http://${await address(stage.license)}`,
    };
    assert.equal(INSTALL_CODE.length, 8);
    const end = await ended(start(programs.setup, env));
    assert.equal(end.state, "done", JSON.stringify(end.problem));
  });
  after(async () => {
    await Promise.all(open.map((one) => one.close(0)));
    await real?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (wanted: Wanted, more: Readonly<Record<string, string>> = {}): ChildProcess =>
    start(programs.update, { ...env, WANTED: JSON.stringify(wanted), ...more });

  /** Brings a run to its end by processes that are each killed at the next moment, and looks at what is left. */
  const killAlong = async (wanted: Wanted, moments: string, die: (child: ChildProcess) => Promise<void>) => {
    const survived: string[] = [];
    while (survived.length < MAX_KILLS) {
      const child = run(wanted, { MOMENTS: moments, SURVIVED: JSON.stringify(survived), HALT: "1" });
      const said = await firstLine(child);
      if (typeof said.at !== "string") return { end: said as unknown as End, kills: survived.length };
      survived.push(said.at);
      await die(child);
    }
    return assert.fail(`it did not end after ${MAX_KILLS} kills, the last at ${survived.at(-1)}`);
  };
  const sigkill = async (child: ChildProcess): Promise<void> => {
    child.kill("SIGKILL");
    await gone(child);
  };
  const powerCut = async (child: ChildProcess): Promise<void> => {
    child.kill("SIGKILL");
    await Promise.all([gone(child), real.killAll()]);
    await real.startAll();
  };
  const assertExact = async (version: string): Promise<void> =>
    assert.deepEqual(await left(stage), exact.get(version), `it is not exactly ${version}`);

  it("undisturbed runs leave the two states", { timeout: 120_000 }, async () => {
    exact.set("1.0.3", await left(stage));
    const updated = await ended(run({ kind: "update", version: GOOD }));
    assert.deepEqual([updated.state, updated.version], ["done", GOOD], JSON.stringify(updated.problem));
    exact.set(GOOD, await left(stage));
    const returned = await ended(run({ kind: "rollback", after: "0002" }));
    assert.deepEqual([returned.state, returned.version], ["done", "1.0.3"], JSON.stringify(returned.problem));
    await assertExact("1.0.3");
  });

  it("a good update that is killed at every step ends as the wanted release", { timeout: 180_000 }, async () => {
    const { end, kills } = await killAlong({ kind: "update", version: GOOD }, EVERY, sigkill);
    assert.deepEqual([end.state, end.version], ["done", GOOD], JSON.stringify(end.problem));
    await assertExact(GOOD);
    assert.ok(kills >= 24, `only ${kills} kills`);
    console.log(`# ${kills} processes killed in the update`);
  });

  it("a return that is killed at every step ends as the release before", { timeout: 180_000 }, async () => {
    const { end, kills } = await killAlong({ kind: "rollback", after: "0004" }, EVERY, sigkill);
    assert.deepEqual([end.state, end.version], ["done", "1.0.3"], JSON.stringify(end.problem));
    await assertExact("1.0.3");
    assert.ok(kills >= 10, `only ${kills} kills`);
    console.log(`# ${kills} processes killed in the return`);
  });

  it("after power cuts an update and a return end exactly too", { timeout: 180_000 }, async () => {
    const update = await killAlong({ kind: "update", version: GOOD }, POWER, powerCut);
    assert.deepEqual([update.end.state, update.end.version], ["done", GOOD], JSON.stringify(update.end.problem));
    await assertExact(GOOD);
    const back = await killAlong({ kind: "rollback", after: "0006" }, POWER, powerCut);
    assert.deepEqual([back.end.state, back.end.version], ["done", "1.0.3"], JSON.stringify(back.end.problem));
    await assertExact("1.0.3");
    assert.ok(update.kills >= 2 && back.kills >= 2, `only ${update.kills} and ${back.kills} cuts`);
    console.log(`# ${update.kills} power cuts in the update, ${back.kills} in the return`);
  });

  it("a bad update that is killed from the switch on goes back to the release before", {
    timeout: 180_000,
  }, async () => {
    const { end, kills } = await killAlong({ kind: "update", version: BAD }, BACK, sigkill);
    assert.deepEqual([end.state, end.problem?.code], ["failed", "update/returned"], JSON.stringify(end.problem));
    assert.equal(end.version, "1.0.3");
    await assertExact("1.0.3");
    assert.ok(kills >= 12, `only ${kills} kills`);
    console.log(`# ${kills} processes killed in the update that goes back`);
  });
}

function start(program: string, more: Readonly<Record<string, string>>): ChildProcess {
  const env = { PATH: process.env.PATH, TMPDIR: tmpdir(), ...more };
  return spawn(process.execPath, [program], { env, stdio: ["ignore", "pipe", "inherit"] });
}

/** The one line that a process says. @throws {Error} when it ends without. */
function firstLine(child: ChildProcess): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    let out = "";
    child.on("error", reject);
    child.on("close", () => reject(new Error(`it said nothing: ${out}`)));
    child.stdout?.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      const at = out.indexOf("\n");
      if (at >= 0) resolve(JSON.parse(out.slice(0, at)));
    });
  });
}

async function ended(child: ChildProcess): Promise<End> {
  const said = (await firstLine(child)) as unknown as End;
  await gone(child);
  return said;
}

function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => void child.once("exit", () => resolve()));
}

/** What is wanted of the cluster, without the namespace of the pod that fetches images, which stays. */
async function left(stage: {
  objects(): Promise<ReadonlyMap<string, unknown>>;
}): Promise<ReadonlyMap<string, unknown>> {
  const objects = [...(await stage.objects())] as [string, { spec?: unknown; data?: unknown }][];
  const ours = objects.filter(([name]) => !name.includes("alga-appliance-prefetch"));
  return new Map(ours.map(([name, { spec, data }]) => [name, { spec, data }]));
}
