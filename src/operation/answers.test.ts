/** What is answered of an operation is never ahead of what was told of it: who reads "done" finds it done everywhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox, settle } from "../../test/crash/fake-box.ts";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { Files } from "../core/ports.ts";
import { createOperations } from "./engine.ts";
import { createFileStore } from "./file-store.ts";
import type { Operations } from "./operations.ts";
import { createProgram } from "./step.ts";

const ID = "0001-setup";

function scene() {
  const box = createFakeBox();
  const files = createMemoryFiles(() => box.clock.now());
  const step = {
    id: "only",
    title: "Only",
    budgetMs: 60_000,
    retry: { attempts: 1, baseMs: 1_000, maxMs: 1_000 },
    run: async () => ({ state: "done" as const }),
  };
  const open = (more: Partial<Files> = {}): { operations: Operations; heard: number[] } => {
    const store = createFileStore({ files: { ...files, ...more }, clock: box.clock }, statePaths("/"));
    const deps = { clock: box.clock, random: box.random, log: SILENT_LOG, machine: box.machineOf(box.spawn()), store };
    const programs = { setup: createProgram([step], async () => undefined) };
    const operations = createOperations(deps, { programs });
    const heard: number[] = [];
    operations.subscribe((event) => void (event.type === "journal" && heard.push(event.entry.seq)));
    return { operations, heard };
  };
  return { box, files, open };
}

test("an entry that is on disk and was not told yet is in no answer", async () => {
  const { files, open } = scene();
  const gate = Promise.withResolvers<void>();
  const { operations, heard } = open({
    append: async (path, text) => {
      await files.append(path, text);
      if (String(text).includes('"finished"')) await gate.promise;
    },
  });
  await operations.start("setup", {});
  await settle();
  assert.match(files.snapshot().get("/var/lib/alga-appliance/journal/0001-setup.ndjson") ?? "", /"finished"/);
  const early = await operations.get(ID);
  assert.deepEqual([early?.view.state, early?.journal.at(-1)?.kind], ["running", "step-done"]);
  assert.deepEqual(early?.view, operations.current());
  assert.equal((await operations.list())[0]?.state, "running");
  gate.resolve();
  await operations.settled();
  const late = await operations.get(ID);
  assert.deepEqual([late?.view.state, late?.journal.at(-1)?.kind], ["done", "finished"]);
  assert.deepEqual(heard, [1, 2, 3, 4]);
});

test("who follows another process and reads its news has it everywhere, once", async () => {
  const { box, open } = scene();
  const worker = open();
  const follower = open();
  await follower.operations.recover();
  await worker.operations.start("setup", {});
  await worker.operations.settled();
  assert.equal(follower.operations.current(), undefined, "it has not looked yet");
  const found = await follower.operations.get(ID);
  assert.equal(found?.view.state, "done");
  assert.deepEqual(follower.operations.current(), found?.view);
  await box.pass(5_000);
  assert.deepEqual(follower.heard, [1, 2, 3, 4]);
  assert.deepEqual(worker.heard, [1, 2, 3, 4]);
});

test("a reading that was overtaken by a later one does not bring the past back", async () => {
  const { files, open } = scene();
  const { operations } = open();
  const gate = Promise.withResolvers<void>();
  let slow = false;
  const follower = open({
    read: async (path, options) => {
      const bytes = await files.read(path, options);
      if (slow && path.endsWith(".ndjson")) await gate.promise;
      return bytes;
    },
  });
  await operations.start("setup", {});
  slow = true;
  const overtaken = follower.operations.get(ID);
  await operations.settled();
  slow = false;
  assert.equal((await follower.operations.get(ID))?.view.state, "done");
  gate.resolve();
  await overtaken;
  assert.equal(follower.operations.current()?.state, "done");
});
