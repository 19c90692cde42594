/** An update that is paused in each step where that may be, killed anywhere around it, and let go on ends as an undisturbed one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isApplianceError } from "../../src/core/errors.ts";
import { createFakeBox } from "./fake-box.ts";
import { makeMortal } from "./mortal.ts";
import { comparableFiles } from "./remains.ts";
import { createUpdateServer, GOOD, openUpdateBench, type UpdateBench } from "./update-bench.ts";
import { depsOf, installed, REGISTRY, STATE, type World } from "./update-world.ts";

const box = createFakeBox({ instant: true });
const registry = createUpdateServer(REGISTRY).fetch;
const SIGNAL = new AbortController().signal;
const ID = "0002-update";

/** Opens the state as another process, which copies the world after each of its writes. */
function open(world: World, onWrite: () => void = () => {}) {
  const process = box.spawn();
  const mortal = makeMortal(depsOf(world, { box, process, registry }), {
    kube: world.stage.kube,
    stateFolder: STATE,
    diesAt: (_name, when) => {
      if (when === "after") onWrite();
      return false;
    },
    die: () => {},
  });
  const bench = openUpdateBench(mortal.deps, { registry: REGISTRY, kube: mortal.kube, stateFolder: STATE });
  const close = async (): Promise<void> => {
    await bench.operations.stop();
    box.kill(process);
  };
  return { ...bench, close };
}

async function start({ updates }: UpdateBench): Promise<void> {
  const { digest } = await updates.plan({ version: GOOD }, SIGNAL);
  await updates.start({ planDigest: digest }, SIGNAL);
}

async function left(world: World): Promise<readonly [unknown, unknown]> {
  return [comparableFiles(world.files.snapshot()), await world.stage.objects()];
}

const LIMIT = { timeout: 180_000 };

test(
  "paused in each step that allows it, killed after any write, it stays paused and then ends as ever",
  LIMIT,
  async () => {
    const before = await installed(box, registry);
    const copy = (world: World): World => ({ files: world.files.copy(), stage: world.stage.copy() });
    const calm = copy(before);
    const undisturbed = open(calm);
    await start(undisturbed);
    const end = await undisturbed.operations.settled();
    assert.equal(end?.state, "done");
    await undisturbed.close();
    const wanted = await left(calm);
    const answers: string[] = [];
    let moments = 0;
    for (const { id } of end?.steps ?? []) {
      const world = copy(before);
      const after: World[] = [];
      let isAsked = false;
      const bench = open(world, () => void (isAsked && after.length < 3 && after.push(copy(world))));
      let answer = "";
      const asked = new Promise<void>((resolve) => {
        bench.operations.subscribe((event) => {
          if (event.type !== "journal" || event.operationId !== ID) return;
          if (event.entry.kind !== "step-started" || event.entry.step !== id) return;
          isAsked = true;
          bench.operations
            .pause(ID)
            .then(
              ({ state }) => `${id}: ${state}`,
              (thrown: unknown) => (isApplianceError(thrown, "operation/not-pausable") ? "refused" : String(thrown)),
            )
            .then((told) => {
              answer = told;
              resolve();
            });
        });
      });
      await start(bench);
      await asked;
      const rests = await bench.operations.settled();
      answers.push(answer === "refused" ? `${id}: refused` : `${id}: ${rests?.state} before ${rests?.step}`);
      await bench.close();
      if (answer === "refused") {
        assert.deepEqual(await left(world), wanted, `refused in ${id}, it ended otherwise`);
        continue;
      }
      for (const moment of [...after, world]) {
        const next = open(moment);
        await next.operations.recover();
        const still = await next.operations.settled();
        const isHeard = (await next.operations.get(ID))?.journal.some(({ kind }) => kind === "pause-asked");
        assert.equal(still?.state, isHeard === true ? "paused" : "done", `killed around a pause in ${id}`);
        if (isHeard === true) await next.operations.resume(ID);
        assert.equal((await next.operations.settled())?.state, "done");
        await next.close();
        assert.deepEqual(await left(moment), wanted, `paused in ${id}, it ended otherwise`);
        moments += 1;
      }
    }
    assert.deepEqual(answers, [
      "check: paused before fetch",
      "fetch: paused before images",
      "images: paused before images",
      "keep: paused before control-plane",
      "control-plane: paused before flux",
      ...["flux", "switch", "reconcile", "judge", "return", "return-watch", "conclude"].map((id) => `${id}: refused`),
    ]);
    assert.ok(moments > 12, `only ${moments} moments were seen`);
    console.log(`# paused, killed and let go on at ${moments} moments`);
  },
);
