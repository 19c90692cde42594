/** A run that the operator pauses stands still where that is safe, stays so over kills and boots, and goes on when told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox, type FakeBox, settle } from "../../test/crash/fake-box.ts";
import { createMemoryFiles, type MemoryFiles } from "../../test/crash/memory-files.ts";
import { ApplianceError, type ErrorCode, isApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { ProcessIdentity } from "../core/ports.ts";
import { createOperations } from "./engine.ts";
import { createFileStore } from "./file-store.ts";
import type { Operations, OperationsOptions } from "./operations.ts";
import { createProgram, type Step, type StepResult } from "./step.ts";

const ID = "0001-update";
const JOURNAL = `/var/lib/alga-appliance/journal/${ID}.ndjson`;
const WORD = "/var/lib/alga-appliance/operator-word.json";

type Part = Partial<Step<undefined>> & Pick<Step<undefined>, "id">;

interface Opened {
  readonly operations: Operations;
  readonly process: ProcessIdentity;
}

function scene(parts: readonly Part[], files: MemoryFiles | undefined = undefined, box: FakeBox = createFakeBox()) {
  const disk = files ?? createMemoryFiles(() => box.clock.now());
  const ran: string[] = [];
  const steps = parts.map((part): Step<undefined> => {
    const run = part.run ?? done;
    return {
      title: part.id.toUpperCase(),
      budgetMs: 3_600_000,
      retry: { attempts: 3, baseMs: 60_000, maxMs: 60_000 },
      needsNetwork: true,
      ...part,
      run: async (context, progress, signal) => {
        ran.push(part.id);
        return run(context, progress, signal);
      },
    };
  });
  const open = (options: Partial<OperationsOptions> = {}): Opened => {
    const process = box.spawn();
    const store = createFileStore({ files: disk, clock: box.clock }, statePaths("/"));
    const deps = { clock: box.clock, random: box.random, log: SILENT_LOG, machine: box.machineOf(process), store };
    const programs = { update: createProgram(steps, async () => undefined) };
    return { operations: createOperations(deps, { programs, ...options }), process };
  };
  return { box, files: disk, ran, open };
}

const done = async (): Promise<StepResult> => ({ state: "done" });
const untilStopped: Step<undefined>["run"] = (_context, _progress, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
const code = (wanted: ErrorCode) => (thrown: unknown) => isApplianceError(thrown, wanted);

/** Entries in their order, as "kind step". */
async function told(operations: Operations): Promise<readonly string[]> {
  const found = await operations.get(ID);
  return (found?.journal ?? []).map((entry) => ("step" in entry ? `${entry.kind} ${entry.step}` : entry.kind));
}

const look = (operations: Operations) => {
  const { state, pausing, step, steps } = operations.current() ?? {};
  return [state, pausing, step, steps?.map((one) => one.state).join(" ")];
};

test("a pause begins when the step has ended, and the run goes on with the next one", async () => {
  const gate = Promise.withResolvers<StepResult>();
  const { open, ran } = scene([{ id: "a", run: () => gate.promise }, { id: "b" }]);
  const { operations } = open();
  await operations.start("update", {});
  await settle();
  assert.equal((await operations.pause(ID)).pausing, true);
  assert.deepEqual(look(operations), ["running", true, "a", "running pending"]);
  assert.equal((await operations.pause(ID)).pausing, true, "asking twice is asking once");
  gate.resolve({ state: "done" });
  assert.equal((await operations.settled())?.state, "paused");
  assert.deepEqual(look(operations), ["paused", undefined, "b", "done pending"]);
  assert.deepEqual(ran, ["a"]);
  assert.equal((await operations.pause(ID)).state, "paused");
  await operations.resume(ID);
  assert.equal((await operations.settled())?.state, "done");
  assert.deepEqual(await told(operations), [
    "planned",
    "step-started a",
    "pause-asked",
    "step-done a",
    "paused",
    "recovered",
    "resumed",
    "step-started b",
    "step-done b",
    "finished",
  ]);
});

test("a pause that is taken back before it begins is none", async () => {
  const gate = Promise.withResolvers<StepResult>();
  const { open } = scene([{ id: "a", run: () => gate.promise }, { id: "b" }]);
  const { operations } = open();
  await operations.start("update", {});
  await settle();
  await operations.pause(ID);
  assert.equal((await operations.resume(ID)).pausing, undefined);
  gate.resolve({ state: "done" });
  assert.equal((await operations.settled())?.state, "done");
});

test("a step that mostly waits is stopped where it is, and runs again from its start", async () => {
  let calm = false;
  const run: Step<undefined>["run"] = async (...all) => (calm ? { state: "done" } : untilStopped(...all));
  const { open, ran } = scene([{ id: "images", pausesWithin: true, run }]);
  const { operations } = open();
  await operations.start("update", {});
  await settle();
  await operations.pause(ID);
  await operations.settled();
  assert.deepEqual(look(operations), ["paused", undefined, "images", "waiting"]);
  calm = true;
  await operations.resume(ID);
  assert.equal((await operations.settled())?.state, "done");
  assert.deepEqual(ran, ["images", "images"]);
  assert.ok(!(await told(operations)).includes("step-failed images"), "being paused is no failure");
});

test("a step that complains while it watches is stopped where it is", async () => {
  const run: Step<undefined>["run"] = (context, progress, signal) => {
    progress("Waits", { code: "x/y", message: "No", hint: null, retrySafe: true, fields: [], evidence: [] });
    return untilStopped(context, progress, signal);
  };
  const { open } = scene([{ id: "watch", run }]);
  const { operations } = open();
  await operations.start("update", {});
  await settle();
  assert.equal(operations.current()?.state, "waiting");
  await operations.pause(ID);
  assert.deepEqual([(await operations.settled())?.state, operations.current()?.problem], ["paused", null]);
});

for (const [name, networkReady] of [
  ["the next attempt", undefined],
  ["the network", async () => false],
] as const) {
  test(`a run that waits for ${name} is paused at once, and nothing is tried until it is resumed`, async () => {
    let broken = true;
    const run = async (): Promise<StepResult> => {
      if (broken) throw new ApplianceError("oci/unavailable", "Cannot ask: it is silent");
      return { state: "done" };
    };
    const { open, box, ran } = scene([{ id: "a", run }]);
    const { operations } = open(networkReady === undefined ? {} : { networkReady });
    await operations.start("update", {});
    await settle();
    assert.equal(operations.current()?.state, "waiting");
    await operations.pause(ID);
    await settle();
    assert.equal(operations.current()?.state, "paused");
    await box.pass(24 * 3_600_000);
    assert.deepEqual([operations.current()?.state, ran.length], ["paused", 1]);
    broken = false;
    await operations.resume(ID);
    assert.equal((await operations.settled())?.state, "done");
  });
}

test("it is refused where the box would be left between two states, and where nothing moves", async () => {
  const move = scene([{ id: "a" }, { id: "move", unstoppable: true, run: untilStopped }]).open().operations;
  await move.start("update", {});
  await settle();
  await assert.rejects(move.pause(ID), (thrown) => {
    assert.ok(isApplianceError(thrown, "operation/not-pausable"));
    assert.match(thrown.message, /at the step "MOVE", and between this step and the last the box is in no state/);
    return true;
  });
  assert.equal(move.current()?.state, "running");
  const fails = async (): Promise<never> => {
    throw new ApplianceError("kube/invalid", "Cannot do it: it is wrong");
  };
  const blocked = scene([{ id: "a", run: fails }]).open().operations;
  await blocked.start("update", {});
  await blocked.settled();
  await assert.rejects(blocked.pause(ID), /stands still already, at a step that has failed/);
  const over = scene([{ id: "a" }]).open().operations;
  await over.start("update", {});
  await over.settled();
  await assert.rejects(over.pause(ID), code("operation/not-pausable"));
  await assert.rejects(over.pause("0009-update"), code("operation/unknown"));
});

test("between the last step that may be left and the first that may not, one of pause and step comes first", async () => {
  const { open, ran } = scene([{ id: "a" }, { id: "move", unstoppable: true }]);
  const { operations } = open();
  const asked: Promise<unknown>[] = [];
  operations.subscribe((event) => {
    if (event.type === "journal" && event.entry.kind === "step-done" && event.entry.step === "a") {
      asked.push(operations.pause(ID).then(() => "asked", String));
    }
  });
  await operations.start("update", {});
  const end = await operations.settled();
  const [answer] = await Promise.all(asked);
  const lines = await told(operations);
  if (answer === "asked") {
    assert.deepEqual([end?.state, ran, lines.at(-1)], ["paused", ["a"], "paused"]);
  } else {
    assert.match(String(answer), /Cannot pause|has ended/);
    assert.deepEqual([end?.state, lines.includes("pause-asked")], ["done", false]);
  }
});

test("a paused run may be stopped, also where the next step may not be left", async () => {
  const gate = Promise.withResolvers<StepResult>();
  const { open } = scene([
    { id: "a", run: () => gate.promise },
    { id: "move", unstoppable: true },
  ]);
  const { operations } = open();
  await operations.start("update", {});
  await settle();
  await operations.pause(ID);
  gate.resolve({ state: "done" });
  await operations.settled();
  assert.equal((await operations.cancel(ID)).state, "cancelled");
  assert.equal((await operations.start("update", {})).id, "0002-update");
  await operations.stop();
});

test("killed after any line of its journal, and booted, a paused run stays paused and an asked pause begins", async () => {
  const gate = Promise.withResolvers<StepResult>();
  const first = scene([{ id: "a", run: () => gate.promise }, { id: "b" }]);
  const { operations } = first.open();
  await operations.start("update", {});
  await settle();
  await operations.pause(ID);
  gate.resolve({ state: "done" });
  await operations.settled();
  const lines = (first.files.snapshot().get(JOURNAL) ?? "").trimEnd().split("\n");
  const asked = lines.findIndex((line) => line.includes('"pause-asked"'));
  assert.ok(asked > 0 && lines.at(-1)?.includes('"paused"') === true);
  for (let kept = asked + 1; kept <= lines.length; kept += 1) {
    for (const boots of [false, true]) {
      const files = first.files.copy();
      files.garble(JOURNAL, `${lines.slice(0, kept).join("\n")}\n`);
      const box = createFakeBox();
      if (boots) box.boot();
      const next = scene([{ id: "a" }, { id: "b" }], files, box);
      const again = next.open();
      await again.operations.recover();
      await box.pass(60_000);
      assert.deepEqual([again.operations.current()?.state, next.ran], ["paused", []], `${kept} lines, boots: ${boots}`);
      await again.operations.resume(ID);
      assert.equal((await again.operations.settled())?.state, "done");
      const stopping = again.operations.stop();
      await box.pass(10_000);
      await stopping;
    }
  }
});

test("a command beside the process that works pauses, resumes and stops it by a word", async () => {
  const gate = Promise.withResolvers<StepResult>();
  const { open, box, files, ran } = scene([
    { id: "move", run: () => gate.promise },
    { id: "wait", pausesWithin: true, run: untilStopped },
  ]);
  const worker = open();
  const command = open();
  await worker.operations.recover();
  await worker.operations.start("update", {});
  await settle();
  const pausing = command.operations.pause(ID);
  await box.pass(3_000);
  assert.equal((await pausing).pausing, true);
  const again = command.operations.resume(ID);
  await box.pass(3_000);
  assert.equal((await again).pausing, undefined, "it was taken back before it began");
  gate.resolve({ state: "done" });
  await settle();
  assert.deepEqual(ran, ["move", "wait"]);
  const once = command.operations.pause(ID);
  await box.pass(3_000);
  await once;
  await box.pass(1_000);
  assert.deepEqual([worker.operations.current()?.state, ran.length], ["paused", 2]);
  assert.equal(files.snapshot().has(WORD), false, "the word is taken away");
  await command.operations.resume(ID);
  await settle();
  assert.deepEqual([command.operations.current()?.state, ran.length], ["running", 3]);
  await command.operations.recover();
  const stopping = worker.operations.cancel(ID);
  await box.pass(3_000);
  assert.equal((await stopping).state, "cancelled");
});

test("a word that nobody hears is taken away, and the next process that works does not act on an old one", async () => {
  const { open, box, files } = scene([{ id: "a", run: untilStopped }]);
  const deaf = open();
  await deaf.operations.start("update", {});
  await settle();
  const asked = open().operations.pause(ID);
  const refused = assert.rejects(asked, code("operation/busy"));
  await box.pass(25_000);
  await refused;
  assert.equal(files.snapshot().has(WORD), false);
  await deaf.operations.recover();
  const old = { schema: "alga.appliance.operator-word/v1", operationId: "0000-update", deed: "cancel", at: "" };
  await files.write(WORD, new TextEncoder().encode(JSON.stringify(old)), { mode: 0o600 });
  await box.pass(2_000);
  assert.deepEqual([deaf.operations.current()?.state, files.snapshot().has(WORD)], ["running", false]);
});
