import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { type Digest, digestOf } from "../core/digest.ts";
import { type ApplianceError, type ErrorCode, isApplianceError } from "../core/errors.ts";
import { systemFiles as files } from "../platform/files.ts";
import { systemMachine as machine } from "../platform/machine.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { pushArtifact } from "./artifact.ts";
import type { Layout } from "./layout.ts";
import type { Wanted } from "./layout-content.ts";
import { openLayoutAt, openLayoutTar } from "./layout-tar.ts";
import { layoutTarBytes, type TarLayout, writeLayoutTar } from "./layout-tar-writer.ts";
import { createLayout, writeStore } from "./layout-writer.ts";
import { MEDIA } from "./media-types.ts";
import { createMemoryStore } from "./store.ts";
import { tarHeader } from "./tar.ts";

const root = mkdtempSync(join(tmpdir(), "alga-layout-tar-"));
after(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const code =
  (...wanted: readonly ErrorCode[]) =>
  (thrown: unknown) =>
    isApplianceError(thrown, ...wanted);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const signal = new AbortController().signal;

/** Three artifacts of some hundred bytes, as a layout folder. */
async function sampleFolder(name: string): Promise<Layout> {
  const store = createMemoryStore();
  for (const tag of ["1", "2", "3"]) {
    const layers = [{ mediaType: MEDIA.layerTar, bytes: bytesOf(`layer ${tag} `.repeat(80)) }];
    pushArtifact(store, "charts/one", { tag, layers });
  }
  const layout = await createLayout({ files }, at(name));
  await writeStore(store, layout);
  await layout.finish();
  return layout;
}

const folder = await sampleFolder("folder");
const names = readdirSync(at("folder/blobs/sha256"));
const contents: readonly Wanted[] = names.map((name) => ({
  digest: `sha256:${name}` as Digest,
  size: statSync(join(at("folder/blobs/sha256"), name)).size,
}));
const layout: TarLayout = { entries: folder.entries(), contents, open: (wanted) => folder.stream(wanted) };
await writeLayoutTar({ files, machine }, at("sample.tar"), { ...layout, signal });
const sample = readFileSync(at("sample.tar"));

/** Opens these bytes as a tar in memory. */
async function openBytes(bytes: Uint8Array): Promise<Layout> {
  const memory = createMemoryFiles();
  await memory.write("/x.tar", bytes);
  return openLayoutTar({ files: memory }, "/x.tar");
}

/** Opens and reads all that the sample holds. */
async function readAll(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
  const opened = await openBytes(bytes);
  const wanted = [...contents, ...opened.entries().map(({ descriptor }) => descriptor)];
  return Promise.all(wanted.map((one) => opened.bytes(one)));
}

test("a tar reads like the folder that it was made from", async () => {
  const opened = await openLayoutAt({ files }, at("sample.tar"));
  assert.deepEqual(opened.entries(), folder.entries());
  for (const wanted of contents) {
    assert.ok(await opened.has(wanted.digest));
    assert.equal(await opened.size(wanted.digest), wanted.size);
    assert.deepEqual(await opened.bytes(wanted), await folder.bytes(wanted));
    const part = await new Response(opened.part(wanted.digest, { fromByte: 1, bytes: 3 })).bytes();
    assert.deepEqual(part, (await folder.bytes(wanted)).subarray(1, 4));
  }
  assert.equal(await opened.has(digestOf("other")), false);
  await assert.rejects(opened.bytes({ digest: digestOf("other"), size: 5 }), code("oci/not-found"));
  await opened.close();
  assert.equal((await openLayoutAt({ files }, at("folder"))).entries().length, 3);
  await assert.rejects(openLayoutAt({ files }, at("nowhere")), code("oci/bad-layout"));
});

test("the same content gives the same tar, of the size that was announced, and tar unpacks it", async () => {
  await writeLayoutTar({ files, machine }, at("again.tar"), { ...layout, contents: contents.toReversed(), signal });
  assert.deepEqual(readFileSync(at("again.tar")), sample);
  assert.equal(layoutTarBytes(layout), sample.length);
  mkdirSync(at("unpacked"));
  execFileSync("tar", ["-xf", at("again.tar"), "-C", at("unpacked")]);
  for (const name of ["index.json", "oci-layout", ...names.map((one) => `blobs/sha256/${one}`)]) {
    assert.deepEqual(readFileSync(join(at("unpacked"), name)), readFileSync(join(at("folder"), name)));
  }
});

for (const format of ["ustar", "gnu", "posix"]) {
  test(`a layout packed by tar --format=${format} is read, with folders and ./ before the names`, async () => {
    execFileSync("tar", [`--format=${format}`, "-cf", at(`${format}.tar`), "-C", at("folder"), "."]);
    await readAll(readFileSync(at(`${format}.tar`)));
  });
}

test("a tar cut at any byte is refused, and says where it ends and in what", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: sample.length - 1 }), async (length) => {
      await assert.rejects(openBytes(sample.subarray(0, length)), (thrown: ApplianceError) => {
        assert.equal(thrown.code, "oci/truncated");
        assert.ok(thrown.message.includes(`ends at byte ${length},`), thrown.message);
        return true;
      });
    }),
    { numRuns: 400 },
  );
  const inside = sample.indexOf("layer 1 layer 1") + 5;
  await assert.rejects(
    openBytes(sample.subarray(0, inside)),
    /inside "blobs\/sha256\/[0-9a-f]{64}", of which 5 of \d+/,
  );
});

test("a byte altered anywhere is noticed, or changes nothing that is read", async () => {
  const good = await readAll(sample);
  let noticed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: sample.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      async (place, change) => {
        const bad = Uint8Array.from(sample);
        bad[place] = (bad[place] ?? 0) ^ change;
        try {
          assert.deepEqual(await readAll(bad), good);
        } catch (thrown) {
          assert.ok(isApplianceError(thrown), String(thrown));
          noticed += 1;
        }
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(noticed > 100, `${noticed} of 400 were noticed`);
});

/** One entry as an attacker would make it. */
function raw(
  name: string,
  options: { readonly type?: string; readonly content?: string; readonly size?: string } = {},
): Buffer {
  const content = Buffer.from(options.content ?? "");
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write(options.size ?? content.length.toString(8).padStart(11, "0"), 124);
  block.write("        ", 148);
  block.write(options.type ?? "0", 156);
  block.write("ustar\u000000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([block, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

const pax = (record: string): string => `${record.length + String(record.length + 4).length + 2} ${record}\n`;
const blob = `blobs/sha256/${"0".repeat(64)}`;
const END = Buffer.alloc(1024);
const start = sample.subarray(0, sample.length - END.length);

const HOSTILE: readonly (readonly [string, readonly Buffer[], ErrorCode])[] = [
  ["an entry twice", [raw(`blobs/sha256/${names[0]}`), END], "oci/bad-layout"],
  ["index.json twice", [raw("./index.json"), END], "oci/bad-layout"],
  ["a path that leaves the folder", [raw("../../etc/passwd"), END], "oci/bad-layout"],
  ["a blob whose name leaves the folder", [raw("blobs/sha256/../../x"), END], "oci/bad-layout"],
  ["an absolute path", [raw("/etc/passwd"), END], "oci/bad-layout"],
  ["a stranger", [raw("readme.txt"), END], "oci/bad-layout"],
  ["a folder of its own", [raw("etc/", { type: "5" }), END], "oci/bad-layout"],
  ["a hard link", [raw(blob, { type: "1" }), END], "oci/bad-layout"],
  ["a symbolic link", [raw(blob, { type: "2" }), END], "oci/bad-layout"],
  [
    "a link by a long target",
    [raw("x", { type: "K", content: "/etc/passwd" }), raw(blob, { type: "2" }), END],
    "oci/bad-layout",
  ],
  ["a device", [raw(blob, { type: "3" }), END], "oci/bad-layout"],
  ["a sparse file of GNU", [raw(blob, { type: "S" }), END], "oci/bad-layout"],
  [
    "a sparse file of pax",
    [raw("x", { type: "x", content: pax("GNU.sparse.major=1") }), raw(blob), END],
    "oci/bad-layout",
  ],
  ["a long name of GNU that leaves", [raw("x", { type: "L", content: "../x\0" }), raw(blob), END], "oci/bad-layout"],
  ["a name of pax that leaves", [raw("x", { type: "x", content: pax("path=../x") }), raw(blob), END], "oci/bad-layout"],
  ["a global name of pax", [raw("x", { type: "g", content: pax(`path=${blob}`) }), raw("x"), END], "oci/bad-layout"],
  [
    "a size of pax that is no number",
    [raw("x", { type: "x", content: pax("size=-1") }), raw(blob), END],
    "oci/bad-layout",
  ],
  [
    "a size of pax beyond the file",
    [raw("x", { type: "x", content: pax("size=99999999") }), raw(blob), END],
    "oci/truncated",
  ],
  [
    "a pax header with wrong lengths",
    [raw("x", { type: "x", content: "99 path=a\n" }), raw(blob), END],
    "oci/bad-layout",
  ],
  [
    "a pax header without end",
    [raw("x", { type: "x", content: "x".repeat(70_000) }), raw(blob), END],
    "oci/bad-layout",
  ],
  ["a size beyond the file", [raw(blob, { size: "77777777777" }), END], "oci/truncated"],
  ["a size that is no number", [raw(blob, { size: "-0000000001" }), END], "oci/bad-layout"],
  ["a negative size in binary", [raw(blob, { size: "\u00ff".repeat(11) }), END], "oci/bad-layout"],
  ["noise instead of a header", [Buffer.alloc(512, 7), END], "oci/bad-layout"],
  ["something after the end", [END, raw(blob), END], "oci/bad-layout"],
  [
    "headers without end",
    [Buffer.concat(Array.from({ length: 100_001 }, () => raw("blobs", { type: "5" }))), END],
    "oci/bad-layout",
  ],
];

for (const [name, tail, wanted] of HOSTILE) {
  test(`a tar with ${name} is refused`, async () => {
    await assert.rejects(openBytes(Buffer.concat([start, ...tail])), code(wanted));
  });
}

test("what is compressed or no tar at all is told from a damaged one", async () => {
  await assert.rejects(openBytes(gzipSync(sample)), /it is compressed with gzip, a plain tar or a folder is wanted/);
  await assert.rejects(openBytes(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...Buffer.alloc(600)])), /compressed with zstd/);
  await assert.rejects(openBytes(Buffer.alloc(600, "no tar ")), /it is no tar file/);
  await assert.rejects(openBytes(Buffer.concat([raw("oci-layout", { content: "{}" }), END])), code("oci/bad-layout"));
});

test("a blob beyond 8 GiB is found, and what stands behind it", async () => {
  const size = 9 * 1024 ** 3;
  const handle = openSync(at("large.tar"), "w");
  writeSync(handle, start);
  writeSync(handle, tarHeader({ path: blob, sizeBytes: size }));
  const behind = start.length + 512 + size;
  writeSync(handle, raw(`blobs/sha256/${digestOf("behind").slice(7)}`, { content: "behind" }), 0, 1024, behind);
  closeSync(handle);
  truncateSync(at("large.tar"), behind + 1024 + 1024);
  const opened = await openLayoutTar({ files }, at("large.tar"));
  assert.equal(await opened.size(`sha256:${"0".repeat(64)}` as Digest), size);
  assert.deepEqual(await opened.bytes({ digest: digestOf("behind"), size: 6 }), bytesOf("behind"));
  await opened.close();
  rmSync(at("large.tar"));
});

const leftIn = (place: string): string[] => readdirSync(place).filter((name) => name !== "filler");

test("content that is wrong or stops leaves the old file as it was, and what was written beside it", async () => {
  mkdirSync(at("out"));
  const path = at("out/media.tar");
  await writeLayoutTar({ files, machine }, path, { ...layout, signal });
  const [first] = contents;
  const cases: readonly (readonly [ErrorCode, () => ReadableStream<Uint8Array>])[] = [
    ["oci/short-body", () => new Blob([]).stream()],
    ["oci/long-body", () => new Blob(["x".repeat(5_000)]).stream()],
    ["oci/digest-mismatch", () => new Blob(["x".repeat(first?.size ?? 0)]).stream()],
  ];
  for (const [wanted, stream] of cases) {
    const open: TarLayout["open"] = (one) => (one.digest === first?.digest ? stream() : layout.open(one, { signal }));
    await assert.rejects(writeLayoutTar({ files, machine }, path, { ...layout, open, signal }), code(wanted));
  }
  const stop = new AbortController();
  const stopping = { ...layout, signal: stop.signal, onProgress: () => stop.abort() };
  await assert.rejects(writeLayoutTar({ files, machine }, path, stopping), code("internal/aborted"));
  assert.deepEqual(readFileSync(path), sample);
  const { keptBytes } = await writeLayoutTar({ files, machine }, path, { ...layout, signal });
  assert.ok(keptBytes > 512, `${keptBytes}`);
  assert.deepEqual(leftIn(at("out")), ["media.tar"]);
  assert.deepEqual(readFileSync(path), sample);
});

/** No process has this number: it is beyond the largest that Linux gives. */
const DEAD = "4999999-1";

test("what a dead writer left is gone on with from any byte, right or wrong, and nothing of it is asked for again", async () => {
  const memory = createMemoryFiles();
  await memory.makeDirectory("/out");
  const partial = `/out/.m.tar.${DEAD}.partial`;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: sample.length }),
      fc.option(fc.integer({ min: 0, max: sample.length - 1 })),
      async (length, wrong) => {
        const left = Uint8Array.from(sample.subarray(0, length));
        if (wrong !== null && wrong < length) left[wrong] = (left[wrong] ?? 0) ^ 1;
        await memory.write(partial, left);
        let askedBytes = 0;
        const open: TarLayout["open"] = (wanted, { start }) => {
          askedBytes += wanted.size - (start?.bytes ?? 0);
          return folder.stream(wanted, start === undefined ? {} : { fromByte: start.bytes });
        };
        const { keptBytes } = await writeLayoutTar({ files: memory, machine }, "/out/m.tar", {
          ...layout,
          open,
          signal,
        });
        assert.deepEqual(Buffer.from((await memory.read("/out/m.tar", { maxBytes: 1e9 })) ?? ""), sample);
        assert.deepEqual(await memory.list("/out"), ["m.tar"]);
        if (wrong !== null && wrong < length) return;
        assert.ok(keptBytes <= length);
        assert.ok(askedBytes <= sample.length - length, `${askedBytes} were asked for behind ${length}`);
      },
    ),
    { numRuns: 100 },
  );
});

test("of a tar that was to hold other things, what both hold is taken and not asked for again", async () => {
  const store = createMemoryStore();
  for (const tag of ["1", "2", "3", "4"]) {
    pushArtifact(store, "charts/one", {
      tag,
      layers: [{ mediaType: MEDIA.layerTar, bytes: bytesOf(`layer ${tag} `.repeat(80)) }],
    });
  }
  const grown = await createLayout({ files }, at("grown"));
  await writeStore(store, grown);
  await grown.finish();
  const more = readdirSync(at("grown/blobs/sha256")).map((name) => ({
    digest: `sha256:${name}` as Digest,
    size: statSync(join(at("grown/blobs/sha256"), name)).size,
  }));
  mkdirSync(at("former"));
  const asked: Digest[] = [];
  const renewed: TarLayout = {
    entries: grown.entries(),
    contents: more,
    open: (wanted) => {
      asked.push(wanted.digest);
      return grown.stream(wanted);
    },
  };
  const partial = (text: Uint8Array): void => writeFileSync(at(`former/.m.tar.${DEAD}.partial`), text);
  for (const damage of [false, true]) {
    asked.length = 0;
    const left = Uint8Array.from(sample.subarray(0, sample.length - 100));
    const inside = sample.indexOf("layer 2 layer 2") + 5;
    if (damage) left[inside] = (left[inside] ?? 0) ^ 1;
    partial(left);
    await writeLayoutTar({ files, machine }, at("former/m.tar"), { ...renewed, signal });
    assert.deepEqual(leftIn(at("former")), ["m.tar"]);
    const opened = await openLayoutTar({ files }, at("former/m.tar"));
    for (const one of more) await opened.bytes(one);
    await opened.close();
    const news = more.length - contents.length;
    assert.equal(asked.length, damage ? news + 1 : news, "the damaged one is asked for again");
  }
});

test("while a process that lives writes the file, others are refused", async () => {
  const { startTicks } = await machine.self();
  const other = { ...machine, self: async () => ({ ...(await machine.self()), pid: 4_999_998 }) };
  mkdirSync(at("busy"));
  writeFileSync(at(`busy/.m.tar.${process.pid}-${startTicks}.partial`), "half");
  await assert.rejects(
    writeLayoutTar({ files, machine: other }, at("busy/m.tar"), { ...layout, signal }),
    (thrown: ApplianceError) =>
      thrown.code === "operation/busy" && thrown.message.includes(`process ${process.pid} is`),
  );
  assert.deepEqual(leftIn(at("busy")), [`.m.tar.${process.pid}-${startTicks}.partial`]);
  await writeLayoutTar({ files, machine }, at("busy/m.tar"), { ...layout, signal });
  assert.deepEqual(leftIn(at("busy")), ["m.tar"]);
});

test("a full disk is known before the first byte; one that fills midway is told with what lacks, and gone on with", async () => {
  const small = { ...files, space: async () => ({ freeBytes: 100, totalBytes: 1_000 }) };
  await assert.rejects(
    writeLayoutTar({ files: small, machine }, at("none.tar"), { ...layout, signal }),
    (thrown: ApplianceError) => thrown.code === "file/disk-full" && thrown.details.neededBytes === sample.length,
  );
  assert.equal(await files.stat(at("none.tar")), undefined);
  mkdirSync(at("disk"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", at("disk")], { stdio: "pipe" });
  } catch {
    process.stdout.write("# not tried: a small file system needs root and mount\n");
    return;
  }
  try {
    writeFileSync(at("disk/filler"), new Uint8Array(56 * 1024));
    const lying = { ...files, space: async () => ({ freeBytes: 1e9, totalBytes: 1e9 }) };
    await assert.rejects(
      writeLayoutTar({ files: lying, machine }, at("disk/media.tar"), { ...layout, signal }),
      (thrown: ApplianceError) => thrown.code === "file/disk-full" && Number(thrown.details.lackingBytes) > 0,
    );
    const early = writeLayoutTar({ files, machine }, at("disk/media.tar"), { ...layout, signal });
    const lackingBytes = await early.catch((thrown: ApplianceError) => Number(thrown.details.lackingBytes));
    assert.ok(typeof lackingBytes === "number" && lackingBytes < sample.length, "what is there counts");
    truncateSync(at("disk/filler"), 0);
    const { keptBytes } = await writeLayoutTar({ files, machine }, at("disk/media.tar"), { ...layout, signal });
    assert.ok(keptBytes > 0);
    assert.deepEqual(leftIn(at("disk")), ["media.tar"]);
    rmSync(at("disk/media.tar"));
    writeFileSync(at("disk/filler"), new Uint8Array(56 * 1024));
    const writer = await createLayout({ files }, at("disk/layout"));
    await assert.rejects(writer.putBlob(new Uint8Array(20_000)), code("file/disk-full"));
    const big = { digest: digestOf("x"), size: 20_000 };
    await assert.rejects(writer.putStream(big, new Blob([new Uint8Array(20_000)]).stream()), code("file/disk-full"));
    assert.deepEqual(readdirSync(at("disk/layout/blobs/sha256")), []);
  } finally {
    execFileSync("umount", [at("disk")]);
  }
});
