import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync, zstdCompressSync } from "node:zlib";
import { ar, makeDeb } from "../../test/support/deb.ts";
import { ApplianceError } from "../core/errors.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { decompress } from "./image-decompress.ts";
import { type LayerEntry, packLayer } from "./image-layer.ts";
import { openPackage } from "./image-package.ts";
import { openRuntimeSource } from "./image-sources.ts";
import { fileTree } from "./image-tree.ts";

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const CONTROL = "Package: libc6\nVersion: 2.36-9+deb12u14\nArchitecture: amd64\nDescription: C library\n more\n";
const DATA: readonly LayerEntry[] = [
  { path: "./lib/x86_64-linux-gnu/libc.so.6", bytes: text("libc") },
  { path: "./lib/x86_64-linux-gnu/ld-2.36.so", bytes: text("loader") },
  { path: "./lib64/ld-linux-x86-64.so.2", target: "../lib/x86_64-linux-gnu/ld-2.36.so" },
];

describe("a package as a source", () => {
  const compressions = {
    gzip: undefined,
    zstd: { suffix: "zst", pack: (tar: Uint8Array) => zstdCompressSync(tar) },
    nothing: { suffix: "", pack: (tar: Uint8Array) => tar },
  };
  for (const [name, compress] of Object.entries(compressions)) {
    it(`gives libraries after links, packed with ${name}`, async () => {
      const bytes = await makeDeb({ control: CONTROL, entries: DATA, ...(compress === undefined ? {} : { compress }) });
      const source = await openPackage(bytes, { what: "package", architecture: "amd64" });
      assert.equal(source.what, "package libc6 2.36-9+deb12u14");
      assert.equal(source.origin?.purl, "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64");
      const loader = await source.find(["/lib64/ld-linux-x86-64.so.2"]);
      assert.equal(new TextDecoder().decode(loader?.bytes), "loader");
      const libc = await source.find(["/usr/lib/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"]);
      assert.equal(libc?.path, "/usr/lib/libc.so.6");
      assert.equal(await source.find(["/lib/none.so"]), undefined);
    });
  }

  it("unpacks what xz packed", async () => {
    const xz = "/Td6WFoAAAFpIt42AgAhARwAAAAQz1jMAQANaGVsbG8gZnJvbSB4egoAAABE8c6SAAEiDgzejGCQQpkNAQAAAAABWVo=";
    const bytes = await decompress(Buffer.from(xz, "base64"), { what: "it", maxBytes: 100 });
    assert.equal(new TextDecoder().decode(bytes), "hello from xz\n");
    await rejects(decompress(Buffer.from(xz, "base64"), { what: "it", maxBytes: 5 }), "oci/too-large");
    await rejects(
      decompress(Buffer.from(xz, "base64").subarray(0, 40), { what: "it", maxBytes: 100 }),
      "oci/bad-archive",
    );
  });

  it("refuses bombs and damaged parts of each compression", async () => {
    const { bytes } = await packLayer([{ path: "zeros", bytes: new Uint8Array(1_000_000) }], { modifiedSeconds: 0 });
    const zstd = zstdCompressSync(gunzipSync(bytes));
    for (const packed of [bytes, zstd]) {
      await rejects(decompress(packed, { what: "it", maxBytes: 10_000 }), "oci/too-large");
      assert.equal((await decompress(packed, { what: "it", maxBytes: 10_000_000 })).length, 1_001_984);
      for (let length = 10; length < packed.length; length += 7) {
        await rejects(decompress(packed.subarray(0, length), { what: "it", maxBytes: 10_000_000 }), "oci/bad-archive");
      }
    }
    await rejects(decompress(text("plain"), { what: "it", maxBytes: 2 }), "oci/too-large");
  });

  it("refuses a package for another machine", async () => {
    const bytes = await makeDeb({ control: CONTROL, entries: DATA });
    await rejects(openPackage(bytes, { what: "package", architecture: "arm64" }), "image/wrong-machine");
  });

  const whole = makeDeb({ control: CONTROL, entries: DATA });
  const wrong: readonly (readonly [string, () => Promise<Uint8Array>])[] = [
    ["no archive", async () => text("not a package at all, but long enough to be read as one")],
    ["an archive that is cut", async () => (await whole).slice(0, 300)],
    ["an archive without data", async () => ar([["debian-binary", text("2.0\n")]])],
    ["a package that does not name itself", () => makeDeb({ control: "Architecture: amd64\n", entries: DATA })],
    ["a size that is no number", async () => text(`!<arch>\n${"x".padEnd(48)}many      \`\ny`)],
  ];
  for (const [name, make] of wrong) {
    it(`refuses ${name}`, async () => {
      await rejects(openPackage(await make(), { what: "package", architecture: "amd64" }), "image/bad-source");
    });
  }
});

describe("a folder as a source", () => {
  const open = async (paths: readonly string[], folder = "/libs") => {
    const files = createMemoryFiles();
    for (const path of paths) {
      await files.makeDirectory(path.slice(0, path.lastIndexOf("/")));
      await files.write(path, path);
    }
    return await openRuntimeSource({ files }, folder, { architecture: "amd64" });
  };
  const paths = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6"];

  for (const place of [
    "/libs/libc.so.6",
    "/libs/lib/libc.so.6",
    "/libs/lib64/libc.so.6",
    "/libs/lib/x86_64-linux-gnu/libc.so.6",
  ]) {
    it(`finds ${place}`, async () => {
      const found = await (await open([place])).find(paths);
      assert.equal(found?.path, paths[0]);
      assert.equal(new TextDecoder().decode(found?.bytes), place);
    });
  }

  it("takes the root of a system", async () => {
    const found = await (await open(["/lib64/libc.so.6"], "/")).find(paths);
    assert.equal(new TextDecoder().decode(found?.bytes), "/lib64/libc.so.6");
  });

  it("says that it has no such library", async () => {
    assert.equal(await (await open(["/libs/other"])).find(paths), undefined);
  });

  it("refuses what is not there, and a file that is no package", async () => {
    await rejects(open([]), "image/bad-source");
    await rejects(open(["/libs"]), "image/bad-source");
  });
});

describe("a tree of layers", () => {
  const tar = async (...entries: readonly LayerEntry[]): Promise<Uint8Array> =>
    gunzipSync((await packLayer(entries, { modifiedSeconds: 0 })).bytes);
  const read = async (layers: readonly Promise<Uint8Array>[], path: string): Promise<string | undefined> => {
    const bytes = fileTree(await Promise.all(layers), "layers").read(path);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  };
  const below = tar(
    { path: "usr/lib/a", bytes: text("a") },
    { path: "lib", target: "usr/lib" },
    { path: "up", target: "../../../usr" },
    { path: "loop", target: "loop" },
    { path: "etc/gone/x", bytes: text("x") },
    { path: "etc/kept", bytes: text("kept") },
  );

  it("follows links of folders and files, inside itself only", async () => {
    assert.equal(await read([below], "/lib/a"), "a");
    assert.equal(await read([below], "/up/lib/a"), "a");
    assert.equal(await read([below], "/usr/../lib/./a"), "a");
    assert.equal(await read([below], "/loop"), undefined);
    assert.equal(await read([below], "/usr"), undefined);
  });

  it("lays a file over a file, and takes away what a layer removes", async () => {
    const above = tar(
      { path: "usr/lib/a", bytes: text("b") },
      { path: "etc/.wh.gone", bytes: text("") },
      { path: "usr/.wh..wh..opq", bytes: text("") },
    );
    assert.equal(await read([below, above], "/etc/gone/x"), undefined);
    assert.equal(await read([below, above], "/etc/kept"), "kept");
    const opaque = tar({ path: "usr/lib/.wh..wh..opq", bytes: text("") });
    assert.equal(await read([below, opaque], "/lib/a"), undefined);
  });
});

function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  return assert.rejects(promise, (thrown) => {
    assert.ok(thrown instanceof ApplianceError, String(thrown));
    assert.equal(thrown.code, code, thrown.message);
    return true;
  });
}
