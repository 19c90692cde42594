/** Updates on worse days: two processes at once, the number of a dead process given to another, a clock that jumps under it, a full disk. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApplianceError, isApplianceError } from "../../src/core/errors.ts";
import type { Deps, Files } from "../../src/core/ports.ts";
import { createFakeBox } from "./fake-box.ts";
import { createUpdateServer, GOOD, openUpdateBench, type UpdateBench } from "./update-bench.ts";
import { depsOf, installed, REGISTRY, STATE, type World } from "./update-world.ts";

const registry = createUpdateServer(REGISTRY).fetch;
const SIGNAL = new AbortController().signal;
const YEAR_MS = 366 * 86_400_000;

function scene() {
  const box = createFakeBox({ instant: true });
  const open = (world: World, more: Partial<Deps> = {}) => {
    const process = box.spawn();
    const deps = { ...depsOf(world, { box, process, registry }), ...more };
    return { ...openUpdateBench(deps, { registry: REGISTRY, kube: world.stage.kube, stateFolder: STATE }), process };
  };
  return { box, open, install: () => installed(box, registry) };
}

async function start({ updates }: Pick<UpdateBench, "updates">): Promise<string> {
  const { digest } = await updates.plan({ version: GOOD }, SIGNAL);
  return (await updates.start({ planDigest: digest }, SIGNAL)).id;
}

test("of two processes that start at once one runs, and the other is told the id of the first", async () => {
  const { open, install } = scene();
  const world = await install();
  const [one, other] = [open(world), open(world)];
  const results = await Promise.allSettled([start(one), start(other)]);
  const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  assert.equal(refused.length, 1, JSON.stringify(results));
  assert.ok(isApplianceError(refused[0], "operation/busy"), String(refused[0]));
  assert.equal(refused[0].details.operation, "0002-update");
  const worker = results[0]?.status === "fulfilled" ? one : other;
  assert.equal((await worker.operations.settled())?.state, "done");
  assert.deepEqual(
    (await worker.operations.list()).map(({ id }) => id),
    ["0002-update", "0001-setup"],
  );
  await Promise.all([one.operations.stop(), other.operations.stop()]);
});

test("the number of the process that was killed belongs to another one now: the update goes on at once", async () => {
  const { box, open, install } = scene();
  const world = await install();
  const first = open(world);
  let left: World | undefined;
  first.operations.subscribe((event) => {
    const isSwitched = event.type === "journal" && event.entry.kind === "step-done" && event.entry.step === "switch";
    if (isSwitched) left = { files: world.files.copy(), stage: world.stage.copy() };
  });
  await start(first);
  await first.operations.settled();
  await first.operations.stop();
  box.kill(first.process);
  assert.ok(left !== undefined);
  const machine = box.machineOf(box.spawn());
  const asked: number[] = [];
  const reused: Deps["machine"] = {
    ...machine,
    processStart: async (pid) => {
      asked.push(pid);
      return pid === first.process.pid ? "another start" : machine.processStart(pid);
    },
  };
  const next = open(left, { machine: reused });
  const beforeMs = box.clock.monotonic();
  await next.operations.recover();
  const journal = (await next.operations.get("0002-update"))?.journal ?? [];
  assert.ok(journal.some(({ kind }) => kind === "recovered"));
  assert.ok(box.clock.monotonic() - beforeMs < 15_000, "it waited for the lease of a process that is dead");
  assert.ok(asked.includes(first.process.pid));
  assert.equal((await next.operations.settled())?.state, "done");
  assert.equal((await next.updates.view(SIGNAL)).installed?.version, GOOD);
  await next.operations.stop();
});

test("the number of the process that was killed is the next one's own: it is not taken for the one that is dead", async () => {
  const { box, open, install } = scene();
  const world = await install();
  const first = open(world);
  let left: World | undefined;
  first.operations.subscribe((event) => {
    const isFetched = event.type === "journal" && event.entry.kind === "step-done" && event.entry.step === "fetch";
    if (isFetched) left = { files: world.files.copy(), stage: world.stage.copy() };
  });
  await start(first);
  await first.operations.settled();
  await first.operations.stop();
  box.kill(first.process);
  assert.ok(left !== undefined);
  const own = { ...first.process, startTicks: "another start" };
  const machine = { ...box.machineOf(own), processStart: async () => own.startTicks };
  const next = open(left, { machine });
  await next.operations.recover();
  assert.equal((await next.operations.settled())?.state, "done");
  await next.operations.stop();
});

for (const jumpMs of [YEAR_MS, -YEAR_MS]) {
  test(`a clock that jumps a year ${jumpMs > 0 ? "on" : "back"} while an update runs moves nothing but dates`, async () => {
    const { box, open, install } = scene();
    const bench = open(await install());
    bench.operations.subscribe((event) => {
      if (event.type !== "journal" || event.entry.kind !== "step-started" || event.entry.step !== "reconcile") return;
      box.setWall(box.clock.now() + jumpMs);
    });
    await start(bench);
    const end = await bench.operations.settled();
    assert.deepEqual([end?.state, end?.steps.find(({ id }) => id === "judge")?.detail], ["done", "ok"]);
    const plan = await bench.updates.plan({ version: GOOD }, SIGNAL);
    assert.equal(plan.expectedFrom, "estimate", "a year is taken for how long updates take here");
    assert.ok(plan.expectedMs < 3_600_000);
    await bench.operations.stop();
  });
}

test("a full disk at the journal holds the update where it is, says so, and it goes on when there is room", async () => {
  const { open, install } = scene();
  const world = await install();
  const disk: { full: boolean } = { full: false };
  const append: Files["append"] = async (path, content) => {
    if (disk.full && path.includes("/journal/")) {
      throw new ApplianceError("file/disk-full", "Cannot write the journal: the disk is full");
    }
    return world.files.append(path, content);
  };
  const bench = open(world, { files: { ...world.files, append } });
  let isSeen = false;
  let switchesWhileFull = 0;
  bench.operations.subscribe((event) => {
    if (event.type === "journal" && event.entry.kind === "step-done" && event.entry.step === "keep") disk.full = true;
    if (event.type !== "operation" || event.operation.problem?.code !== "file/disk-full") return;
    isSeen = true;
    if (event.operation.steps.some(({ id, state }) => id === "switch" && state !== "pending")) switchesWhileFull += 1;
    disk.full = false;
  });
  await start(bench);
  const end = await bench.operations.settled();
  assert.deepEqual([end?.state, isSeen, switchesWhileFull], ["done", true, 0]);
  const journal = (await bench.operations.get("0002-update"))?.journal ?? [];
  assert.deepEqual(
    journal.map(({ seq }) => seq),
    journal.map((_entry, index) => index + 1),
  );
  assert.equal((await bench.updates.view(SIGNAL)).installed?.version, GOOD);
  await bench.operations.stop();
});
