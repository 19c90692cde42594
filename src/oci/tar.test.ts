import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { isApplianceError } from "../core/errors.ts";
import { packTree, readTarGz, type TarFile } from "./tar.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const FILES: readonly TarFile[] = [
  { path: "base/kustomization.yaml", bytes: bytes("resources: []\n") },
  { path: "a.sh", bytes: bytes("#!/bin/sh\n"), mode: 0o755 },
  { path: `${"d/".repeat(70)}leaf`, bytes: bytes("deep") },
];

/** Makes one raw entry, as an attacker would: any type, any name, a right checksum. */
function rawEntry(
  name: string,
  options: { readonly type?: string; readonly content?: string; readonly size?: string },
): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write("0000644\0", 100);
  block.write(options.size ?? (options.content ?? "").length.toString(8).padStart(11, "0"), 124);
  block.write("        ", 148);
  block.write(options.type ?? "0", 156);
  block.write("ustar\u000000", 257);
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
  );
  const content = Buffer.from(options.content ?? "");
  return Buffer.concat([block, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

const tarGz = (...entries: readonly Buffer[]): Uint8Array => gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]));

describe("packTree()", () => {
  it("gives the same bytes whatever the order of the files", () => {
    assert.deepEqual(packTree(FILES), packTree([...FILES].reverse()));
  });

  it("comes back file by file", () => {
    const read = readTarGz(packTree(FILES));
    assert.deepEqual([...read.keys()].sort(), FILES.map((file) => file.path).sort());
    for (const file of FILES) assert.deepEqual(read.get(file.path), file.bytes);
  });

  it("refuses a path that leaves the folder, stands twice, or is too long", () => {
    for (const path of ["../x", "/etc/passwd", "", "x".repeat(300)]) {
      assert.throws(
        () => packTree([{ path, bytes: bytes("") }]),
        (e) => isApplianceError(e, "oci/bad-archive"),
      );
    }
    const twice = { path: "a", bytes: bytes("") };
    assert.throws(
      () => packTree([twice, twice]),
      (e) => isApplianceError(e, "oci/bad-archive"),
    );
  });
});

describe("readTarGz()", () => {
  it("reads long paths of GNU and pax, and leaves folders out", () => {
    const gnu = `${"long/".repeat(30)}gnu`;
    const pax = `${"long/".repeat(30)}pax`;
    const record = (path: string): string => `${` path=${path}\n`.length + 3} path=${path}\n`;
    const read = readTarGz(
      tarGz(
        rawEntry("./", { type: "5" }),
        rawEntry("././@LongLink", { type: "L", content: `${gnu}\0` }),
        rawEntry("short", { content: "1" }),
        rawEntry("PaxHeader", { type: "x", content: record(pax) }),
        rawEntry("short", { content: "2" }),
        rawEntry("./plain", { content: "3" }),
      ),
    );
    assert.deepEqual([...read.keys()], [gnu, pax, "plain"]);
  });

  for (const [what, archive] of [
    ["a path with ..", tarGz(rawEntry("a/../../x", {}))],
    ["an absolute path", tarGz(rawEntry("/etc/cron.d/x", {}))],
    ["a symbolic link", tarGz(rawEntry("x", { type: "2" }))],
    ["a hard link", tarGz(rawEntry("x", { type: "1" }))],
    ["a device", tarGz(rawEntry("x", { type: "3" }))],
    ["a path that stands twice", tarGz(rawEntry("x", {}), rawEntry("./x", {}))],
    ["a backslash", tarGz(rawEntry("a\\..\\x", {}))],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => readTarGz(archive),
        (e) => isApplianceError(e, "oci/unsafe-archive"),
      );
    });
  }

  it("stops a gzip bomb at its bound", () => {
    const bomb = gzipSync(Buffer.alloc(32 * 1024 * 1024));
    assert.throws(
      () => readTarGz(bomb, { maxBytes: 1024 * 1024 }),
      (e) => isApplianceError(e, "oci/too-large"),
    );
  });

  it("stops at too many files", () => {
    const many = packTree(Array.from({ length: 12 }, (_, index) => ({ path: `f${index}`, bytes: bytes("") })));
    assert.throws(
      () => readTarGz(many, { maxFiles: 10 }),
      (e) => isApplianceError(e, "oci/too-large"),
    );
  });

  it("refuses what is not gzip, not tar, damaged or cut off", () => {
    const damaged = rawEntry("x", { content: "y" });
    damaged[0] = 0x41;
    for (const archive of [
      bytes("hello"),
      gzipSync(Buffer.alloc(600, 1)),
      tarGz(damaged),
      tarGz(rawEntry("x", { size: "zzzzzzzzzzz" })),
      gzipSync(rawEntry("x", { size: "00000010000" })),
    ]) {
      assert.throws(
        () => readTarGz(archive),
        (e) => isApplianceError(e, "oci/bad-archive"),
      );
    }
  });
});
