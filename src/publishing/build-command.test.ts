import assert from "node:assert/strict";
import { test } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { CLOCK, sourceTree, TREE, world } from "../../test/support/source-tree.ts";
import type { FlagValue } from "../cli/command.ts";
import type { MemoryFiles } from "../rehearsal/memory-files.ts";
import { commands } from "./build-command.ts";
import { lockSource } from "./lock.ts";

const OUT = "/out";

async function locked(): Promise<MemoryFiles> {
  const files = await sourceTree();
  await lockSource({ files, clock: CLOCK }, TREE, world().options());
  return files;
}

async function build(files: MemoryFiles, flags: Readonly<Record<string, FlagValue>>, env: Record<string, string> = {}) {
  const { context, said } = commandContext({
    deps: { files, clock: CLOCK },
    flags,
    args: [TREE],
    env: { PWD: "/", ...env },
  });
  await commands[0]?.run(context);
  return said;
}

const outputOf = (files: MemoryFiles): readonly (readonly [string, string])[] =>
  [...files.snapshot()].filter(([path]) => path.startsWith(`${OUT}/`)).sort();

test("writes a layout and says what is in it", async () => {
  const files = await locked();
  const { text, value } = await build(files, { out: OUT });
  assert.match(text, /alga-appliance-release:1\.0\.3 +[0-9a-f]{12}\n[\s\S]*release 1\.0\.3 for ghcr\.io\/nine-minds/);
  assert.equal((value as { layout: string }).layout, OUT);
  assert.ok(outputOf(files).some(([path]) => path === `${OUT}/oci-layout`));
});

test("a dry run builds and writes nothing, and needs no folder", async () => {
  const files = await locked();
  const before = files.snapshot();
  const { text } = await build(files, { "dry-run": true });
  assert.match(text, /nothing was written$/);
  assert.deepEqual(files.snapshot(), before);
});

test("without a folder, or over something, nothing is done", async () => {
  const files = await locked();
  await assert.rejects(build(files, {}), { code: "cli/usage", message: /--out <folder> is wanted/ });
  await build(files, { out: OUT });
  await assert.rejects(build(files, { out: OUT }), { code: "build/output-in-use", hint: /--force/ });
  const before = files.snapshot();
  await assert.rejects(build(files, { out: TREE, force: true }), {
    code: "build/output-in-use",
    message: /a layout or an empty folder/,
  });
  assert.deepEqual(files.snapshot(), before);
});

test("a layout that is replaced keeps nothing of the one before", async () => {
  const [files, fresh] = [await locked(), await locked()];
  await build(files, { out: OUT }, { SOURCE_DATE_EPOCH: "1700000000" });
  await build(files, { out: OUT, force: true });
  await build(fresh, { out: OUT });
  assert.deepEqual(outputOf(files), outputOf(fresh));
});

test("the time of the build is the one that was asked for", async () => {
  const { value } = await build(await locked(), { "dry-run": true }, { SOURCE_DATE_EPOCH: "1700000000" });
  assert.equal((value as { createdAt: string }).createdAt, "2023-11-14T22:13:20Z");
});
