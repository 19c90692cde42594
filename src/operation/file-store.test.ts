import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { isApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import type { Files } from "../core/ports.ts";
import { createFileStore, isJournalId } from "./file-store.ts";
import type { JournalEntry } from "./journal.ts";
import type { HistoryRecord } from "./store.ts";

const STATE = "/var/lib/alga-appliance";
const schema = z.object({ schema: z.literal("test/v1"), value: z.number() });
const clock = { now: () => Date.UTC(2026, 10, 21), monotonic: () => 0, sleep: async () => {}, after: () => () => {} };

function scene() {
  const files = createMemoryFiles(() => clock.now());
  return { files, store: createFileStore({ files, clock }, statePaths("/")) };
}

test("a document comes back as it was written, and a missing one is undefined", async () => {
  const { store } = scene();
  assert.equal(await store.readDocument("answers", schema), undefined);
  await store.writeDocument("answers", { schema: "test/v1", value: 1 });
  assert.deepEqual(await store.readDocument("answers", schema), { schema: "test/v1", value: 1 });
});

for (const text of ["", "{", '{"schema":"test/v1"}', '{"schema":"test/v1","value":1,"value":2}', "null"]) {
  test(`a document that holds ${JSON.stringify(text)} is moved aside and told about`, async () => {
    const { files, store } = scene();
    files.garble(`${STATE}/answers.json`, text);
    await assert.rejects(store.readDocument("answers", schema), (thrown) => {
      assert.ok(isApplianceError(thrown, "file/corrupt"));
      assert.match(thrown.hint ?? "", /answers\.json\.corrupt-2026-11-21T000000000Z/);
      return true;
    });
    assert.equal(files.snapshot().get(`${STATE}/answers.json.corrupt-2026-11-21T000000000Z`), text);
    assert.equal(await store.readDocument("answers", schema), undefined);
  });
}

test("secrets are apart, closed to others, and gone when removed", async () => {
  const { files, store } = scene();
  await store.writeSecret("admin-password", "hunter2");
  assert.equal((await files.stat(`${STATE}/secrets/admin-password`))?.mode, 0o600);
  assert.deepEqual(await store.secretNames(), ["admin-password"]);
  await store.removeSecret("admin-password");
  await store.removeSecret("admin-password");
  assert.equal(await store.readSecret("admin-password"), undefined);
});

const entry = (seq: number): JournalEntry => ({ kind: "resumed", seq, at: "", uptimeMs: 0 });

test("a torn last line is cut, unreadable lines are kept aside", async () => {
  const { files, store } = scene();
  assert.equal(await store.createJournal("0001-setup", entry(1)), true);
  assert.equal(await store.createJournal("0001-setup", entry(1)), false);
  await files.append(`${STATE}/journal/0001-setup.ndjson`, '{"kind":"res');
  assert.equal((await store.readJournal("0001-setup"))?.rest, "torn");
  assert.equal(await store.repairJournal("0001-setup"), undefined);
  await store.appendJournal("0001-setup", entry(2));
  assert.equal((await store.readJournal("0001-setup"))?.entries.length, 2);
  await files.append(`${STATE}/journal/0001-setup.ndjson`, "\0\0\0\nmore\n");
  const aside = await store.repairJournal("0001-setup");
  assert.equal(files.snapshot().get(`${STATE}/journal/${aside}`), "\0\0\0\nmore\n");
  assert.equal((await store.readJournal("0001-setup"))?.rest, "none");
  assert.deepEqual(await store.listJournals(), ["0001-setup"]);
});

test("an id from a request reaches no other file", async () => {
  const { store } = scene();
  for (const id of ["../secrets/admin-password", "0001-setup/../x", "", "0001-SETUP", "1-setup"]) {
    assert.equal(isJournalId(id), false, id);
    assert.equal(await store.readJournal(id), undefined);
  }
});

test("history keeps its lines over a torn one", async () => {
  const { files, store } = scene();
  const record = (operationId: string): HistoryRecord => ({
    schema: "alga.appliance.history/v1",
    at: "",
    operationId,
    kind: "setup",
    state: "done",
    startedAt: "",
    about: {},
  });
  await store.appendHistory(record("0001-setup"));
  await files.append(`${STATE}/history.ndjson`, '{"torn":');
  await store.appendHistory(record("0002-setup"));
  assert.deepEqual(
    (await store.readHistory()).map(({ operationId }) => operationId),
    ["0001-setup", "0002-setup"],
  );
});

test("leftovers of interrupted writes are swept, files of others stay", async () => {
  const { files, store } = scene();
  await store.writeSecret("admin-password", "x");
  await store.createJournal("0001-setup", entry(1));
  const leftovers = [
    "secrets/.admin-password.a1.tmp",
    "journal/.0002-setup.ndjson.a1.tmp",
    ".answers.json.a1.tmp",
    "..preflight.a1.tmp",
  ];
  for (const name of [...leftovers, ".sessions.json.a1.tmp"]) files.garble(`${STATE}/${name}`, "x");
  await store.sweep();
  const left = [...files.snapshot().keys()].filter((path) => path.endsWith(".tmp"));
  assert.deepEqual(left, [`${STATE}/.sessions.json.a1.tmp`]);
});

test("a document is its owner's alone, also what a command of root's says: its file becomes the control plane's", async () => {
  const files = createMemoryFiles();
  const modes = new Map<string, number | undefined>();
  const write: Files["write"] = (path, content, options) => {
    modes.set(path.split("/").at(-1) ?? "", options?.mode);
    return files.write(path, content, options);
  };
  const store = createFileStore({ files: { ...files, write }, clock }, statePaths("/"));
  for (const name of ["operator-word", "update-policy", "answers"] as const) {
    await store.writeDocument(name, { schema: "x" });
  }
  const wanted = ["operator-word.json", "update-policy.json", "answers.json"].map((name) => [name, 0o600]);
  assert.deepEqual([...modes], wanted);
});
