import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemFiles } from "../platform/files.ts";
import { type FolderOptions, readFolder } from "./folder.ts";

const root = mkdtempSync(join(tmpdir(), "folder-"));
after(() => rmSync(root, { recursive: true, force: true }));

function made(name: string, files: Readonly<Record<string, string>>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, name, path, ".."), { recursive: true });
    writeFileSync(join(root, name, path), text);
  }
  return join(root, name);
}

const read = (folder: string, options: Partial<FolderOptions> = {}) =>
  readFolder({ files: systemFiles }, folder, { what: "it", maxBytes: 1_000, ...options });

test("reads everything below a folder, in the order of paths, links followed", async () => {
  const folder = made("plain", { "b/z.txt": "z", "b.txt": "b", "a/deep/x.txt": "x" });
  symlinkSync(join(folder, "b.txt"), join(folder, "link.txt"));
  assert.deepEqual([...(await read(folder)).keys()], ["a/deep/x.txt", "b.txt", "b/z.txt", "link.txt"]);
});

test("does not look into a folder that is left out", async () => {
  const folder = made("skip", { "in/a.txt": "a", "out/b.txt": "b" });
  execFileSync("mkfifo", [join(folder, "out/pipe")]);
  const found = await read(folder, { skip: (path, isFolder) => isFolder && path === "out" });
  assert.deepEqual([...found.keys()], ["in/a.txt"]);
});

test("refuses what is no folder, no regular file, too much, too many, or a circle", async () => {
  const folder = made("bad", { "a.txt": "a".repeat(600), "b.txt": "b".repeat(600) });
  await assert.rejects(read(join(root, "nowhere")), { code: "build/missing-input" });
  await assert.rejects(read(join(folder, "a.txt")), { code: "build/missing-input" });
  await assert.rejects(read(folder), { code: "build/bad-source", message: /more than 1000 bytes/ });
  await assert.rejects(read(folder, { maxBytes: 9_000, maxFiles: 1 }), { message: /too many files/ });
  const pipes = made("pipes", { "a.txt": "a" });
  execFileSync("mkfifo", [join(pipes, "pipe")]);
  await assert.rejects(read(pipes), { code: "build/bad-source", message: /"pipe" is no regular file/ });
  const circle = made("circle", { "a.txt": "a" });
  symlinkSync(circle, join(circle, "again"));
  await assert.rejects(read(circle, { maxBytes: 1_000_000 }), { code: "build/bad-source" });
});
