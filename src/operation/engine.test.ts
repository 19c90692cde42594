import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox, type FakeBox, settle } from "../../test/crash/fake-box.ts";
import { createMemoryFiles, type MemoryFiles } from "../../test/crash/memory-files.ts";
import { ApplianceError, type ErrorCode, isApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { Files, ProcessIdentity } from "../core/ports.ts";
import { createOperations } from "./engine.ts";
import { createFileStore } from "./file-store.ts";
import type { Operations, OperationsOptions } from "./operations.ts";
import { createProgram, type Step, stepError } from "./step.ts";

type Body = Step<undefined>["run"];
const POLICY = { attempts: 3, baseMs: 10_000, maxMs: 60_000 };

interface Scene {
  readonly box: FakeBox;
  readonly files: MemoryFiles;
  readonly ran: string[];
  /** Opens the state as another process does. */
  open(more?: Partial<OperationsOptions> & { readonly files?: Partial<Files> }): {
    operations: Operations;
    process: ProcessIdentity;
  };
}

function scene(bodies: Readonly<Record<string, Body>>, more: Partial<Step<undefined>> = {}): Scene {
  const box = createFakeBox();
  const files = createMemoryFiles(() => box.clock.now());
  const ran: string[] = [];
  const steps = Object.entries(bodies).map(
    ([id, run]): Step<undefined> => ({
      id,
      title: id.toUpperCase(),
      budgetMs: 60_000,
      retry: POLICY,
      answers: [`answer-${id}`],
      needsNetwork: true,
      ...more,
      run: async (context, progress, signal) => {
        ran.push(id);
        return run(context, progress, signal);
      },
    }),
  );
  const open: Scene["open"] = (options = {}) => {
    const process = box.spawn();
    const store = createFileStore({ files: { ...files, ...options.files }, clock: box.clock }, statePaths("/"));
    const deps = { clock: box.clock, random: box.random, log: SILENT_LOG, machine: box.machineOf(process), store };
    const { files: _files, ...rest } = options;
    const operations = createOperations(deps, {
      programs: { setup: createProgram(steps, async () => undefined) },
      ...rest,
    });
    return { operations, process };
  };
  return { box, files, ran, open };
}

const done: Body = async () => ({ state: "done", detail: "well" });
const fail = (code: ErrorCode): never => {
  throw new ApplianceError(code, "Cannot do it: it is broken", { hint: "Mend it" });
};
const states = (operations: Operations): string =>
  operations
    .current()
    ?.steps.map((step) => step.state)
    .join(" ") ?? "";
const code = (wanted: ErrorCode) => (thrown: unknown) => isApplianceError(thrown, wanted);

test("a run does its steps in order, tells each and remembers its end", async () => {
  const { open, ran } = scene({ a: done, b: async () => ({ state: "skipped" }), c: done });
  const { operations } = open();
  const kinds: string[] = [];
  operations.subscribe((event) => void (event.type === "journal" && kinds.push(event.entry.kind)));
  const view = await operations.start("setup", { about: { release: "1.0.3" } });
  assert.equal(view.id, "0001-setup");
  const end = await operations.settled();
  assert.deepEqual(
    [end?.state, end?.progress, states(operations)],
    ["done", { done: 3, total: 3, unit: "steps" }, "done skipped done"],
  );
  assert.deepEqual(ran, ["a", "b", "c"]);
  assert.deepEqual(kinds, [
    "planned",
    "step-started",
    "step-done",
    "step-started",
    "step-skipped",
    "step-started",
    "step-done",
    "finished",
  ]);
  const found = await operations.get("0001-setup");
  assert.deepEqual(
    found?.journal.map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  assert.equal((await operations.start("setup", {})).id, "0002-setup");
});

test("a failure that may pass is tried again with growing waits, then needs the operator; resuming counts anew", async () => {
  let broken = true;
  const body: Body = async () => (broken ? fail("kube/unreachable") : { state: "done" });
  const { open, box, ran } = scene({ a: body, b: done });
  const { operations } = open();
  await operations.start("setup", {});
  await settle();
  assert.equal(operations.current()?.state, "waiting");
  assert.equal(operations.current()?.problem?.nextAttemptAt, "2026-11-21T00:00:07.500Z");
  await box.pass(7_500);
  assert.equal(operations.current()?.problem?.attempt, 2);
  await box.pass(15_000);
  const blocked = operations.current();
  assert.deepEqual(
    [blocked?.state, blocked?.problem?.code, blocked?.problem?.hint],
    ["blocked", "kube/unreachable", "Mend it"],
  );
  assert.equal(ran.length, 3);
  await assert.rejects(operations.start("setup", {}), code("operation/busy"));
  broken = false;
  await operations.resume("0001-setup");
  assert.equal((await operations.settled())?.state, "done");
  await assert.rejects(operations.resume("0001-setup"), code("operation/not-resumable"));
  await assert.rejects(operations.resume("0009-setup"), code("operation/unknown"));
});

test("the cause of a failed attempt stays on the screen while the step is tried again", async () => {
  const body: Body = async (_context, progress) => {
    progress("trying");
    if (ran.length === 1) return fail("kube/unreachable");
    return new Promise(() => {});
  };
  const { open, box, ran } = scene({ a: body });
  const { operations } = open();
  await operations.start("setup", {});
  await settle();
  await box.pass(7_500);
  assert.equal(ran.length, 2);
  const view = operations.current();
  assert.deepEqual(
    [view?.state, view?.problem?.code, view?.problem?.nextAttemptAt],
    ["running", "kube/unreachable", null],
  );
});

test("attempts and waits survive the process, and a boot ends a wait", async () => {
  const { open, box, ran } = scene({ a: async () => fail("kube/unreachable") });
  const first = open();
  await first.operations.start("setup", {});
  await settle();
  box.kill(first.process);
  const second = open();
  await second.operations.recover();
  await settle();
  assert.equal(ran.length, 1, "the wait goes on where it was");
  await box.pass(7_500);
  assert.equal(ran.length, 2);
  box.boot();
  const third = open();
  await third.operations.recover();
  await settle();
  assert.equal(ran.length, 3, "uptimes of another boot cannot be compared");
  assert.equal(third.operations.current()?.state, "blocked");
  assert.equal(third.operations.current()?.problem?.attempt, 3);
});

test("a failure for good blocks at once and names the answers to correct", async () => {
  const bodies = {
    a: done,
    b: done,
    c: async () => {
      throw stepError({
        code: "setup/license-rejected",
        message: "Cannot use it",
        hint: null,
        retrySafe: false,
        fields: ["installCode"],
        evidence: [{ ref: "x", text: "password: hunter2" }],
      });
    },
  } satisfies Record<string, Body>;
  const { open, ran } = scene(bodies);
  const { operations } = open();
  await operations.start("setup", {});
  const view = await operations.settled();
  assert.deepEqual(
    [view?.state, view?.problem?.fields, view?.problem?.nextAttemptAt],
    ["blocked", ["installCode"], null],
  );
  assert.equal(view?.problem?.evidence[0]?.text, "password: [redacted]");
  let saved = false;
  const save = async (): Promise<void> => {
    saved = true;
  };
  ran.length = 0;
  await operations.correct("0001-setup", { fields: ["answer-b"], save });
  await operations.settled();
  assert.equal(saved, true);
  assert.deepEqual(ran, ["b", "c"], "the steps that read the answer run again, earlier ones do not");
});

test("a network failure is tried again only when the network answers", async () => {
  let network = false;
  const { open, box, ran } = scene({ a: async () => (network ? { state: "done" } : fail("oci/unavailable")) });
  const { operations } = open({ networkReady: async () => network });
  await operations.start("setup", {});
  await box.pass(3_600_000);
  assert.equal(ran.length, 1);
  assert.equal(operations.current()?.steps[0]?.detail, "Waits for the network");
  network = true;
  await box.pass(15_000);
  assert.equal(operations.current()?.state, "done");
});

test("resuming a run that waits does not wait any longer", async () => {
  const { open, ran } = scene({ a: async () => (ran.length < 2 ? fail("kube/unreachable") : { state: "done" }) });
  const { operations } = open();
  await operations.start("setup", {});
  await settle();
  await operations.resume("0001-setup");
  assert.equal((await operations.settled())?.state, "done");
});

test("a step over its budget fails with what it complained about", async () => {
  const body: Body = async (_context, progress, signal) => {
    const problem = {
      code: "flux/source-not-ready",
      message: "The source is not ready",
      hint: "Look",
      retrySafe: false,
      fields: [],
      evidence: [],
    };
    progress("Waits for the source", problem);
    return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const { open, box } = scene({ a: body });
  const { operations } = open();
  await operations.start("setup", {});
  await settle();
  assert.deepEqual(
    [operations.current()?.state, operations.current()?.problem?.code],
    ["blocked", "flux/source-not-ready"],
  );
  await box.pass(60_000);
  assert.deepEqual(
    [operations.current()?.state, operations.current()?.problem?.code],
    ["waiting", "flux/source-not-ready"],
  );
});

test("cancelling stops the step and ends the run", async () => {
  let stopped = false;
  const body: Body = (_context, _progress, signal) =>
    new Promise((_resolve, reject) =>
      signal.addEventListener("abort", () => {
        stopped = true;
        reject(signal.reason);
      }),
    );
  const { open } = scene({ a: body });
  const { operations } = open();
  await operations.start("setup", {});
  await settle();
  const view = await operations.cancel("0001-setup");
  assert.deepEqual([view.state, stopped], ["cancelled", true]);
  await assert.rejects(operations.cancel("0001-setup"), code("operation/not-cancellable"));
  assert.equal((await operations.start("setup", {})).id, "0002-setup");
});

test("two processes: one works, the other follows with the same views, and takes over when the first dies", async () => {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { open, box, ran } = scene({
    a: done,
    b: async (_context, progress) => {
      progress("working");
      await gate;
      return { state: "done" };
    },
  });
  const one = open();
  const two = open();
  await Promise.all([one.operations.recover(), two.operations.recover()]);
  await one.operations.start("setup", {});
  await box.pass(2_000);
  assert.deepEqual(two.operations.current(), one.operations.current());
  assert.equal(two.operations.current()?.steps[1]?.detail, "working");
  await assert.rejects(two.operations.resume("0001-setup"), code("operation/busy"));
  await assert.rejects(two.operations.start("setup", {}), code("operation/busy"));
  assert.deepEqual(ran, ["a", "b"]);
  box.kill(one.process);
  await box.pass(2_000);
  assert.deepEqual(ran, ["a", "b", "b"], "only the step that was not done runs again");
  release();
  await settle();
  assert.equal(two.operations.current()?.state, "done");
  assert.equal(one.operations.current()?.state !== "failed", true);
});

test("stopping a process leaves the run to the next", async () => {
  const { open, box, ran } = scene({
    a: done,
    b: async () => (ran.length > 2 ? { state: "done" } : new Promise(() => {})),
  });
  const one = open();
  await one.operations.recover();
  await one.operations.start("setup", {});
  await settle();
  const stopping = one.operations.stop();
  await box.pass(6_000);
  await stopping;
  const two = open();
  await two.operations.recover();
  assert.equal((await two.operations.settled())?.state, "done");
});

test("a full disk holds the run, says why, and the run goes on when there is room", async () => {
  let full = false;
  const { open, box, files } = scene({
    a: async () => {
      full = true;
      return { state: "done" };
    },
  });
  const append: Files["append"] = async (path, content) => {
    if (full) throw new ApplianceError("file/disk-full", "Cannot write: the disk is full");
    return files.append(path, content);
  };
  const { operations } = open({ files: { append } });
  await operations.start("setup", {});
  await settle();
  assert.deepEqual([operations.current()?.state, operations.current()?.problem?.code], ["waiting", "file/disk-full"]);
  full = false;
  await box.pass(5_000);
  assert.equal(operations.current()?.state, "done");
});

test("a journal with unreadable lines goes on from the last good one", async () => {
  const { open, files, ran, box } = scene({ a: done, b: async () => fail("kube/invalid") });
  const one = open();
  await one.operations.start("setup", {});
  await one.operations.settled();
  box.kill(one.process);
  const path = "/var/lib/alga-appliance/journal/0001-setup.ndjson";
  const lines = files.snapshot().get(path)?.split("\n") ?? [];
  files.garble(path, `${lines.slice(0, 3).join("\n")}\n\0\0\0\n`);
  const two = open();
  await two.operations.recover();
  await two.operations.settled();
  assert.deepEqual(ran, ["a", "b", "b"]);
  assert.ok((await two.operations.get("0001-setup"))?.journal.some(({ kind }) => kind === "repaired"));
});

test("an end that history missed is written at the next start", async () => {
  const { open, files, box } = scene({ a: done });
  const one = open();
  await one.operations.start("setup", { about: { version: "1.0.3" } });
  await one.operations.settled();
  const line = files.snapshot().get("/var/lib/alga-appliance/history.ndjson");
  await files.remove("/var/lib/alga-appliance/history.ndjson");
  box.kill(one.process);
  await open().operations.recover();
  assert.equal(files.snapshot().get("/var/lib/alga-appliance/history.ndjson"), line);
});

for (const text of ["\0\0\0\n", "", '{"kind":"finished","seq":1,"at":"","uptimeMs":0}\n']) {
  test(`a journal that begins with ${JSON.stringify(text)} is told about, and a new run starts`, async () => {
    const { open, files } = scene({ a: done });
    const path = "/var/lib/alga-appliance/journal/0001-setup.ndjson";
    await files.makeDirectory("/var/lib/alga-appliance/journal");
    files.garble(path, text);
    const { operations } = open();
    await operations.recover();
    const [listed] = await operations.list();
    assert.deepEqual(
      [listed?.id, listed?.state, listed?.problem?.code],
      ["0001-setup", "failed", "operation/journal-corrupt"],
    );
    assert.deepEqual(operations.current(), listed);
    await assert.rejects(operations.resume("0001-setup"), (thrown) => {
      assert.ok(isApplianceError(thrown, "operation/journal-corrupt"));
      assert.ok(thrown.message.includes(`"${path}"`));
      assert.match(thrown.hint ?? "", /setup run/);
      return true;
    });
    await assert.rejects(operations.cancel("0001-setup"), code("operation/journal-corrupt"));
    assert.equal((await operations.start("setup", {})).id, "0002-setup");
    assert.equal((await operations.settled())?.state, "done");
    assert.equal(files.snapshot().get(path), text);
    await operations.stop();
  });
}

test("a step that ends its run leaves nothing to resume: the run has failed, and another may start", async () => {
  const failing = async (): Promise<never> => {
    throw new ApplianceError("release/incomplete", "Cannot go on: it is not there");
  };
  const { box, files, open, ran } = scene({ look: failing, never: async () => ({ state: "done" }) }, { endsRun: true });
  const { operations } = open();
  await operations.start("setup", { about: { version: "1.0.4" } });
  await settle();
  const view = operations.current();
  assert.deepEqual([view?.state, view?.problem?.code, view?.endedAt !== null], ["failed", "release/incomplete", true]);
  await assert.rejects(operations.resume("0001-setup"), (thrown) =>
    isApplianceError(thrown, "operation/not-resumable"),
  );
  const history = createFileStore({ files, clock: box.clock }, statePaths("/"));
  const [record] = await history.readHistory();
  assert.deepEqual(
    [record?.state, record?.about.version, record?.about.problem],
    ["failed", "1.0.4", { code: "release/incomplete", message: "Cannot go on: it is not there" }],
  );
  assert.deepEqual([(await operations.start("setup", {})).id, ran[0]], ["0002-setup", "look"]);
  await operations.stop();
});

const untilStopped: Body = (_context, _progress, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });

test("a run is not stopped at a step that must reach its end", async () => {
  const { operations } = scene({ move: untilStopped }, { unstoppable: true }).open();
  await operations.start("setup", {});
  await settle();
  await assert.rejects(operations.cancel("0001-setup"), /Cannot stop operation "0001-setup": it is at the step "MOVE"/);
  assert.equal(operations.current()?.state, "running");
  await operations.stop();
});
