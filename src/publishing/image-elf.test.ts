import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { makeElf } from "../../test/support/elf.ts";
import { ApplianceError } from "../core/errors.ts";
import { elfMachine, readElf } from "./image-elf.ts";

const PROGRAM = makeElf({
  machine: "amd64",
  interpreter: "/lib64/ld-linux-x86-64.so.2",
  needed: ["libc.so.6", "libm.so.6"],
  wants: { "libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.17"], "libm.so.6": ["GLIBC_2.17"] },
  offers: ["program", "OWN_1"],
});

const isBad = (thrown: unknown): boolean => thrown instanceof ApplianceError && thrown.code === "image/bad-elf";

describe("readElf", () => {
  it("reads what the loader reads", () => {
    assert.deepEqual(readElf(PROGRAM, "x"), {
      machine: "amd64",
      interpreter: "/lib64/ld-linux-x86-64.so.2",
      needed: ["libc.so.6", "libm.so.6"],
      wants: [
        { file: "libc.so.6", version: "GLIBC_2.2.5" },
        { file: "libc.so.6", version: "GLIBC_2.17" },
        { file: "libm.so.6", version: "GLIBC_2.17" },
      ],
      offers: ["program", "OWN_1"],
    });
  });

  it("names a machine that is not built for", () => {
    assert.equal(readElf(makeElf({ machine: 243 }), "x").machine, "machine 243");
    assert.equal(elfMachine(makeElf({ machine: "arm64" }), "x"), "arm64");
  });

  it("reads a library without versions and without needs", () => {
    const { interpreter, needed, wants, offers } = readElf(makeElf({ machine: "arm64" }), "x");
    assert.deepEqual(
      { interpreter, needed, wants, offers },
      { interpreter: undefined, needed: [], wants: [], offers: [] },
    );
  });

  for (const [name, bytes] of [
    ["text", new TextEncoder().encode("#!/bin/sh\n".repeat(20))],
    ["nothing", new Uint8Array()],
    ["a 32-bit program", patched(PROGRAM, 4, 1)],
    ["a big-endian program", patched(PROGRAM, 5, 2)],
  ] as const) {
    it(`refuses ${name}`, () => assert.throws(() => readElf(bytes, "x"), isBad));
  }

  it("refuses or reads a file that is cut anywhere, and never hangs", () => {
    for (let length = 0; length < PROGRAM.length; length += 1) {
      try {
        readElf(PROGRAM.slice(0, length), "x");
      } catch (thrown) {
        assert.ok(isBad(thrown), String(thrown));
      }
    }
  });

  it("refuses or reads a file with any byte changed, and never hangs", () => {
    for (let at = 0; at < PROGRAM.length; at += 1) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        try {
          readElf(patched(PROGRAM, at, value), "x");
        } catch (thrown) {
          assert.ok(isBad(thrown), `${at} ${value} ${String(thrown)}`);
        }
      }
    }
  });

  it("refuses a chain of records without an end", () => {
    const endless = makeElf({ machine: "amd64", offers: Array.from({ length: 5_000 }, (_, index) => `V_${index}`) });
    assert.throws(() => readElf(endless, "x"), isBad);
  });

  const libc = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"].find(
    (path) => existsSync(path),
  );
  it("reads the libc of this machine", { skip: libc === undefined ? "no glibc here" : false }, () => {
    const elf = readElf(readFileSync(libc ?? ""), "libc");
    assert.equal(elf.machine, process.arch === "arm64" ? "arm64" : "amd64");
    assert.ok(elf.offers.includes("GLIBC_2.17"));
    assert.ok(elf.needed.some((name) => name.startsWith("ld-linux")));
  });
});

function patched(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = value;
  return copy;
}
