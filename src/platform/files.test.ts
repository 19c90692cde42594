import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isApplianceError } from "../core/errors.ts";
import { systemFiles as files } from "./files.ts";

const root = mkdtempSync(join(tmpdir(), "alga-files-"));
after(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const text = async (path: string): Promise<string | undefined> => {
  const bytes = await files.read(path, { maxBytes: 1_000 });
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
};
const code = (wanted: Parameters<typeof isApplianceError>[1]) => (thrown: unknown) =>
  isApplianceError(thrown, wanted as never);

test("a written file is whole, has its mode whatever the umask, and leaves no temporary name", async () => {
  const before = process.umask(0o077);
  await files.write(at("a.json"), "one", { mode: 0o644 });
  process.umask(before);
  await files.write(at("a.json"), "two", { mode: 0o644 });
  assert.equal(await text(at("a.json")), "two");
  assert.equal(statSync(at("a.json")).mode & 0o777, 0o644);
  await files.write(at("secret"), "x");
  assert.equal(statSync(at("secret")).mode & 0o777, 0o600);
  assert.deepEqual(
    readdirSync(root).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("missing things are undefined or empty, not errors", async () => {
  assert.equal(await files.read(at("none"), { maxBytes: 1 }), undefined);
  assert.equal(await files.stat(at("none/deeper")), undefined);
  assert.deepEqual(await files.list(at("none")), []);
  await files.remove(at("none"));
});

test("reading is bounded also for files that say they are empty, and refuses what is no file", async () => {
  await files.write(at("ten"), "0123456789");
  assert.equal((await files.read(at("ten"), { maxBytes: 10 }))?.length, 10);
  await assert.rejects(files.read(at("ten"), { maxBytes: 9 }), code("file/too-large"));
  await assert.rejects(files.read("/proc/kallsyms", { maxBytes: 100 }), code("file/too-large"));
  await assert.rejects(files.read(root, { maxBytes: 10 }), code("file/unreadable"));
  execFileSync("mkfifo", [at("pipe")]);
  await assert.rejects(files.read(at("pipe"), { maxBytes: 10 }), code("file/unreadable"));
});

test("a reader follows a link, a writer refuses it", async () => {
  await files.write(at("target"), "kept");
  symlinkSync(at("target"), at("link"));
  assert.equal(await text(at("link")), "kept");
  await assert.rejects(files.write(at("link"), "gone"), code("file/unwritable"));
  await assert.rejects(files.append(at("link"), "gone"), code("file/unwritable"));
  await assert.rejects(files.write(root, "gone"), code("file/unwritable"));
  assert.equal(lstatSync(at("link")).isSymbolicLink(), true);
  assert.equal(readFileSync(at("target"), "utf8"), "kept");
});

test("of many that create one name, one wins, and its content stays", async () => {
  const tries = await Promise.all(Array.from({ length: 20 }, (_, n) => files.create(at("lease"), `winner ${n}`)));
  assert.equal(tries.filter(Boolean).length, 1);
  assert.equal(await text(at("lease")), `winner ${tries.indexOf(true)}`);
  assert.deepEqual(
    readdirSync(root).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("append grows, truncate cuts, rename moves", async () => {
  await files.append(at("log"), "one\n");
  await files.append(at("log"), new TextEncoder().encode("two\nthr"));
  await files.truncate(at("log"), 8);
  assert.equal(await text(at("log")), "one\ntwo\n");
  assert.equal(statSync(at("log")).mode & 0o777, 0o600);
  await files.rename(at("log"), at("log.old"));
  assert.equal(await text(at("log")), undefined);
  assert.equal((await files.stat(at("log.old")))?.sizeBytes, 8);
});

test("a staged file is invisible until it is committed, and whole then", async () => {
  const piece = (text: string): Uint8Array => new TextEncoder().encode(text);
  const before = process.umask(0o077);
  const staged = await files.stage(at("big"), { mode: 0o644 });
  process.umask(before);
  await staged.write(piece("one "));
  await staged.write(piece("two"));
  assert.equal(await files.stat(at("big")), undefined);
  await staged.commit();
  assert.equal(await text(at("big")), "one two");
  assert.equal(statSync(at("big")).mode & 0o777, 0o644);
  await staged.discard();
  assert.equal(await text(at("big")), "one two", "discarding after the commit takes nothing back");
  await assert.rejects(staged.write(piece("late")), code("file/unwritable"));

  const dropped = await files.stage(at("big"));
  await dropped.write(piece("other"));
  await dropped.discard();
  await dropped.discard();
  assert.equal(await text(at("big")), "one two");
  assert.deepEqual(
    readdirSync(root).filter((name) => name.endsWith(".tmp")),
    [],
  );
  symlinkSync(at("big"), at("big-link"));
  await assert.rejects(files.stage(at("big-link")), code("file/unwritable"));
  await assert.rejects(files.stage(at("no-folder/x")), code("file/unwritable"));
});

test("a file that is gone on with keeps its beginning, is cut, left and taken up, and is visible only when it is committed", async () => {
  const piece = (text: string): Uint8Array => new TextEncoder().encode(text);
  const partial = at(".grown.partial");
  const first = await files.resume(at("grown"), { partial, keepBytes: 0, mode: 0o644 });
  await first.write(piece("one two three"));
  await first.leave();
  await first.leave();
  await assert.rejects(first.write(piece("late")), code("file/unwritable"));
  assert.equal(await files.stat(at("grown")), undefined);
  const second = await files.resume(at("grown"), { partial, keepBytes: 7 });
  await second.write(piece(" 3"));
  await second.cut(4);
  await second.write(piece("2"));
  await second.commit();
  await second.leave();
  await second.discard();
  assert.equal(await text(at("grown")), "one 2");
  assert.equal(await files.stat(partial), undefined);
  const dropped = await files.resume(at("grown"), { partial, keepBytes: 0 });
  await dropped.discard();
  assert.equal(await files.stat(partial), undefined);
  symlinkSync(at("grown"), at(".link.partial"));
  const link = { partial: at(".link.partial"), keepBytes: 0 };
  await assert.rejects(files.resume(at("grown"), link), code("file/unwritable"));
  assert.equal(await text(at("grown")), "one 2");
});

test("an opened file is read anywhere, stays when its name goes, and may refuse a link", async () => {
  await files.write(at("ten-again"), "0123456789");
  const opened = await files.openRead(at("ten-again"));
  await files.remove(at("ten-again"));
  const part = async (offset: number, length: number): Promise<string | undefined> => {
    const bytes = await opened?.readAt(offset, length);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  };
  assert.equal(opened?.sizeBytes, 10);
  assert.equal(await part(3, 4), "3456");
  assert.equal(await part(8, 10), "89");
  assert.equal(await part(10, 1), "");
  await opened?.close();
  await opened?.close();
  await assert.rejects(opened?.readAt(0, 1) ?? Promise.resolve(), code("file/unreadable"));
  assert.equal(await files.openRead(at("nowhere")), undefined);
  await assert.rejects(files.openRead(root), code("file/unreadable"));
  await (await files.openRead(at("link")))?.close();
  await assert.rejects(files.openRead(at("link"), { links: "refuse" }), code("file/unreadable"));
  assert.equal((await files.stat(at("link")))?.kind, "file");
  assert.equal((await files.stat(at("link"), { links: "show" }))?.kind, "other");
});

test("folders are made with their parents and removed only empty", async () => {
  await files.makeDirectory(at("deep/er"), { mode: 0o700 });
  await files.makeDirectory(at("deep/er"), { mode: 0o700 });
  assert.equal(statSync(at("deep/er")).mode & 0o777, 0o700);
  await assert.rejects(files.remove(at("deep")), code("file/unwritable"));
  await files.remove(at("deep/er"));
  assert.deepEqual(await files.list(at("deep")), []);
});

test("a folder without permission says so", async (t) => {
  if (process.getuid?.() === 0) return t.diagnostic("not tried: root may write everywhere");
  await files.makeDirectory(at("closed"));
  chmodSync(at("closed"), 0o500);
  await assert.rejects(files.write(at("closed/x"), "x"), code("file/unwritable"));
});

test("room is known also for a folder that does not exist yet", async () => {
  const room = await files.space(at("not/yet/there"));
  assert.ok(room.freeBytes > 0 && room.totalBytes >= room.freeBytes);
});

test("a full disk gives file/disk-full, keeps the old file and cuts a half line off", async (t) => {
  const disk = at("small");
  await files.makeDirectory(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], { stdio: "pipe" });
  } catch {
    console.log("# not tried: a small file system needs root and mount");
    return t.diagnostic("not tried: a small file system needs root and mount");
  }
  try {
    await files.write(join(disk, "state"), "old");
    await files.append(join(disk, "journal"), "line\n");
    writeFileSync(join(disk, "filler"), new Uint8Array(48 * 1024));
    await assert.rejects(files.write(join(disk, "state"), "n".repeat(40_000)), code("file/disk-full"));
    await assert.rejects(files.append(join(disk, "journal"), "l".repeat(40_000)), code("file/disk-full"));
    await assert.rejects(files.create(join(disk, "new"), "n".repeat(40_000)), code("file/disk-full"));
    const staged = await files.stage(join(disk, "state"));
    await assert.rejects(staged.write(new Uint8Array(40_000)), code("file/disk-full"));
    assert.equal(await text(join(disk, "state")), "old");
    assert.equal(await text(join(disk, "journal")), "line\n");
    assert.deepEqual(readdirSync(disk).sort(), ["filler", "journal", "state"]);
  } finally {
    execFileSync("umount", [disk]);
  }
});

test("what root makes in the folder of somebody else is theirs, what it makes in its own stays its own", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("only root gives files away");
  const theirs = at("theirs");
  await files.makeDirectory(theirs);
  chownSync(theirs, 10_001, 10_002);
  const staged = async (path: string): Promise<void> => {
    const file = await files.stage(path);
    await file.write(new Uint8Array(3));
    await file.commit();
  };
  const resumed = async (path: string): Promise<void> => {
    const file = await files.resume(path, { partial: `${path}.partial`, keepBytes: 0 });
    await file.commit();
  };
  for (const folder of [theirs, join(theirs, "journal", "deep"), at("own")]) {
    await files.makeDirectory(folder);
    await files.write(join(folder, "written"), "x");
    await files.create(join(folder, "created"), "x");
    await files.append(join(folder, "appended"), "x");
    await staged(join(folder, "staged"));
    await resumed(join(folder, "resumed"));
    const wanted = folder === at("own") ? "0:0" : "10001:10002";
    for (const name of ["", "written", "created", "appended", "staged", "resumed"]) {
      const { uid, gid } = statSync(join(folder, name));
      assert.equal(`${uid}:${gid}`, wanted, `${folder}/${name}`);
    }
  }
  assert.equal(statSync(join(theirs, "journal")).uid, 10_001);
});

test("root gives away no file of its own that somebody has linked into their folder", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("only root gives files away");
  const theirs = at("with-a-link");
  await files.makeDirectory(theirs);
  chownSync(theirs, 10_001, 10_001);
  writeFileSync(at("roots"), "");
  linkSync(at("roots"), join(theirs, "journal"));
  linkSync(at("roots"), join(theirs, "blob.partial"));
  await files.append(join(theirs, "journal"), "line\n");
  await (await files.resume(join(theirs, "blob"), { partial: join(theirs, "blob.partial"), keepBytes: 0 })).leave();
  assert.equal(statSync(at("roots")).uid, 0);
});
