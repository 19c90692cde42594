import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { madeExecutable, madeLibraries, makeElf } from "../../test/support/elf.ts";
import { ApplianceError } from "../core/errors.ts";
import { readElf } from "./image-elf.ts";
import { collectRuntime, type Runtime, type RuntimeSource } from "./image-runtime.ts";

/** A source that has libraries by name, wherever the loader asks for them. */
function sourceOf(libraries: Readonly<Record<string, Uint8Array | undefined>>): RuntimeSource {
  return {
    what: "the made libraries",
    find: async (paths) => {
      const path = paths[0] ?? "";
      const bytes = libraries[path.slice(path.lastIndexOf("/") + 1)];
      return bytes === undefined ? undefined : { path, bytes };
    },
  };
}

const AMD64 = madeLibraries("amd64");
const PROGRAM = readElf(madeExecutable("amd64"), "the program");
const collect = (libraries: Readonly<Record<string, Uint8Array | undefined>>): Promise<Runtime> =>
  collectRuntime(PROGRAM, sourceOf(libraries), { architecture: "amd64" });

describe("collectRuntime", () => {
  it("takes the loader and every library that anything needs, to where the loader looks", async () => {
    const { files, glibc, build } = await collect(AMD64);
    assert.deepEqual(
      files.map((file) => file.path),
      ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"],
    );
    assert.deepEqual({ glibc, build }, { glibc: "2.36", build: "Made GLIBC 2.36-1" });
  });

  it("puts libraries into the folder that the loader of another distribution searches", async () => {
    const loader = makeElf({
      machine: "amd64",
      offers: ["ld", "GLIBC_2.3"],
      tail: "\u0000/lib64/\u0000/usr/lib64/\u0000",
    });
    const { files } = await collect({ ...AMD64, "ld-linux-x86-64.so.2": loader });
    assert.equal(files[0]?.path, "/lib64/ld-linux-x86-64.so.2");
    assert.equal(files[1]?.path, "/lib64/libc.so.6");
  });

  it("follows what libraries need", async () => {
    const libm = makeElf({ machine: "amd64", needed: ["libextra.so.1"], offers: ["libm.so.6", "GLIBC_2.17"] });
    await rejects(
      collect({ ...AMD64, "libm.so.6": libm }),
      "image/runtime-missing",
      /"libextra\.so\.1".*it is not there/,
    );
  });

  const cases: readonly (readonly [string, Record<string, Uint8Array | undefined>, string, RegExp])[] = [
    ["a library that is not there", { "libm.so.6": undefined }, "image/runtime-missing", /"libm\.so\.6" of the made/],
    ["no loader", { "ld-linux-x86-64.so.2": undefined }, "image/runtime-missing", /"ld-linux-x86-64\.so\.2"/],
    [
      "a library of another machine",
      { "libm.so.6": madeLibraries("arm64")["libm.so.6"] },
      "image/wrong-machine",
      /arm64, one for amd64/,
    ],
    [
      "a library that is none",
      { "libm.so.6": new TextEncoder().encode("INPUT(libm.so)".repeat(9)) },
      "image/bad-elf",
      /libm/,
    ],
    [
      "a library without the version that is needed",
      { "libm.so.6": makeElf({ machine: "amd64", offers: ["libm.so.6", "GLIBC_2.2.5"] }) },
      "image/runtime-missing",
      /the executable needs GLIBC_2\.17 from it/,
    ],
    [
      "a glibc that loads name resolution at run time",
      {
        "libc.so.6": makeElf({
          machine: "amd64",
          offers: ["libc.so.6", "GLIBC_2.17"],
          tail: "GNU C Library (x) stable release version 2.31.",
        }),
      },
      "image/runtime-missing",
      /older than glibc 2\.34/,
    ],
    [
      "a libc that does not say what it is",
      { "libc.so.6": makeElf({ machine: "amd64", offers: ["libc.so.6", "GLIBC_2.17", "GLIBC_2.34"] }) },
      "image/runtime-missing",
      /does not say which glibc/,
    ],
    [
      "a loader that searches no folder",
      { "ld-linux-x86-64.so.2": makeElf({ machine: "amd64", offers: ["ld", "GLIBC_2.3"] }) },
      "image/runtime-missing",
      /names no folder/,
    ],
  ];
  for (const [name, change, code, words] of cases) {
    it(`refuses ${name}`, () => rejects(collect({ ...AMD64, ...change }), code, words));
  }

  it("refuses an executable of another machine", () =>
    rejects(
      collectRuntime(PROGRAM, sourceOf(AMD64), { architecture: "arm64" }),
      "image/wrong-machine",
      /the executable: it is for amd64, one for arm64/,
    ));

  it("refuses a static program", () =>
    rejects(
      collectRuntime(readElf(makeElf({ machine: "amd64" }), "x"), sourceOf(AMD64), { architecture: "amd64" }),
      "image/bad-elf",
      /names no loader/,
    ));

  it("refuses libraries that need each other without an end", async () => {
    const endless = new Proxy<Record<string, Uint8Array>>(
      {},
      {
        get: (_target, name) =>
          AMD64[String(name)] ??
          makeElf({ machine: "amd64", needed: [`${String(name)}x`], offers: ["l", "GLIBC_2.17"] }),
      },
    );
    const program = readElf(
      makeElf({ machine: "amd64", interpreter: "/lib64/ld-linux-x86-64.so.2", needed: ["liba"] }),
      "x",
    );
    await rejects(
      collectRuntime(program, sourceOf(endless), { architecture: "amd64" }),
      "image/runtime-missing",
      /more than 64/,
    );
  });
});

function rejects(promise: Promise<unknown>, code: string, words: RegExp): Promise<void> {
  return assert.rejects(promise, (thrown) => {
    assert.ok(thrown instanceof ApplianceError, String(thrown));
    assert.equal(thrown.code, code, thrown.message);
    assert.match(thrown.message, words);
    return true;
  });
}
