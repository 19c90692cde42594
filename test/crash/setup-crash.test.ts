/** A setup that is killed before and after every write to disk and cluster ends as one that was not. In this process. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fetch } from "../../src/core/ports.ts";
import { ANSWERS, bringToEnd, openBench } from "./bench.ts";
import { createFakeBox, FOREVER_MS } from "./fake-box.ts";
import { createMemoryFiles } from "./memory-files.ts";
import { makeMortal, type When } from "./mortal.ts";
import { comparableFiles } from "./remains.ts";
import { createSampleRegistry, createStage } from "./stage.ts";
import { depsOf, REGISTRY, STATE, type World } from "./update-world.ts";

/** The world at one moment: what a process leaves when it dies then. */
interface Moment extends World {
  readonly name: string;
}

const box = createFakeBox({ instant: true });

/** Runs a setup from what is there to its end, in a new process. */
async function runOn(world: World, registry: Fetch, onWrite: (name: string, when: When) => void = () => {}) {
  const process = box.spawn();
  const mortal = makeMortal(depsOf(world, { box, process, registry }), {
    kube: world.stage.kube,
    stateFolder: STATE,
    diesAt: (name, when) => {
      onWrite(name, when);
      return false;
    },
    die: () => {},
  });
  const bench = openBench(mortal.deps, {
    root: "/",
    registry: REGISTRY,
    kube: { server: "http://api", fetch: mortal.kube },
    license: { url: "http://license", fetch: world.stage.license },
    followMs: FOREVER_MS,
  });
  const end = await bringToEnd(bench);
  await bench.operations.stop();
  box.kill(process);
  assert.equal(end, "done", JSON.stringify(bench.operations.current()?.problem));
  assert.deepEqual(world.stage.replaced, [], "a generated secret was replaced");
  assert.equal(world.stage.redeemed(), 1, "the install code was redeemed more than once");
  return { objects: await world.stage.objects(), files: comparableFiles(world.files.snapshot()) };
}

for (const tenantSecret of ["hashed", "plaintext"] as const) {
  const name = `killed before and after every write, a setup with a ${tenantSecret} password ends as an undisturbed one`;
  test(name, { timeout: 180_000 }, async () => {
    const registry = createSampleRegistry(REGISTRY, tenantSecret);
    const world: World = { files: createMemoryFiles(() => box.clock.now()), stage: await createStage(box) };
    const moments: Moment[] = [];
    const keep = (write: string, when: When): void => {
      // After one write and before the next the world is the same; one variant looks at both.
      if (tenantSecret === "plaintext" && when === "before") return;
      moments.push({ name: `${when} ${write}`, files: world.files.copy(), stage: world.stage.copy() });
    };
    const calm = await runOn(world, registry, keep);
    assert.ok(moments.length > 80, `only ${moments.length} moments were seen`);
    for (const moment of moments) {
      const found = await runOn(moment, registry);
      assert.deepEqual(found.objects, calm.objects, `killed ${moment.name}: other objects`);
      assert.deepEqual(found.files, calm.files, `killed ${moment.name}: other files`);
    }
    console.log(`# went on from ${moments.length} moments`);
  });
}

test("an answer of a license service without keys that was lost is told as lost, and a new code goes on", async () => {
  const registry = createSampleRegistry(REGISTRY, "hashed");
  const world: World = { files: createMemoryFiles(() => box.clock.now()), stage: await createStage(box) };
  let moment: World | undefined;
  await runOn(world, registry, (name, when) => {
    if (name === "write secrets/license" && when === "before")
      moment = { files: world.files.copy(), stage: world.stage.copy() };
  });
  assert.ok(moment !== undefined, "the process never died between the answer and the disk");
  const codes: string[] = [];
  const forgetful: Fetch = async (request) => {
    const { claim_code: given } = (await request.json()) as { claim_code: string };
    codes.push(given);
    if (given === "NEWCODE1") return Response.json({ tenant_id: "tenant-2", edition: "premium" });
    return Response.json({ code: "consumed_claim_code" }, { status: 409 });
  };
  const process = box.spawn();
  const bench = openBench(depsOf(moment, { box, process, registry }), {
    root: "/",
    registry: REGISTRY,
    kube: { server: "http://api", fetch: moment.stage.kube },
    license: { url: "http://license", fetch: forgetful },
    followMs: FOREVER_MS,
  });
  assert.equal(await bringToEnd(bench), "blocked");
  const { problem, step } = bench.operations.current() ?? {};
  assert.equal(step, "secrets");
  assert.match(problem?.message ?? "", /request "[\w-]+" of this appliance has used it, and the answer was lost/);
  assert.match(problem?.hint ?? "", /^Ask for a new install code/);
  assert.deepEqual([problem?.fields, codes], [["installCode"], ["K7QPM2RX"]]);
  const { adminPassword: _password, adminPasswordConfirm: _confirm, ...kept } = ANSWERS;
  await bench.setup.start({ ...kept, installCode: "newcode1" }, new AbortController().signal);
  assert.equal((await bench.operations.settled())?.state, "done");
  assert.deepEqual(codes, ["K7QPM2RX", "NEWCODE1"]);
  assert.ok(![...moment.files.snapshot().keys()].some((path) => path.includes("install-")), "a used secret stays");
  await bench.operations.stop();
  box.kill(process);
});
