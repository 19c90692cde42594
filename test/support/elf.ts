/** Programs and libraries for tests: the few tables that a loader reads, without any code. */

/** What a made file says; everything is optional but the machine. */
export interface MadeElf {
  readonly machine: "amd64" | "arm64" | number;
  readonly interpreter?: string;
  readonly needed?: readonly string[];
  /** Library -> symbol versions that this file needs of it. */
  readonly wants?: Readonly<Record<string, readonly string[]>>;
  /** Symbol versions that this file offers. */
  readonly offers?: readonly string[];
  /** Bytes at the end: a payload, a sentence, the folders of a loader. */
  readonly tail?: string;
}

const MACHINES = { amd64: 62, arm64: 183 } as const;
const HEADER = 64;
const SEGMENT = 56;

/** Makes a 64-bit little-endian file; addresses are offsets, so that one segment covers it all. */
export function makeElf(made: MadeElf): Uint8Array {
  const strings = stringTable(made);
  const interpreter = Buffer.from(`${made.interpreter ?? ""}\u0000`);
  const segments = made.interpreter === undefined ? 2 : 3;
  const at = { strings: HEADER + segments * SEGMENT, interpreter: 0, wants: 0, offers: 0, dynamic: 0 };
  at.interpreter = at.strings + strings.bytes.length;
  at.wants = aligned(at.interpreter + interpreter.length);
  const wants = wantsTable(made.wants ?? {}, strings.at);
  at.offers = at.wants + wants.length;
  const offers = offersTable(made.offers ?? [], strings.at);
  at.dynamic = aligned(at.offers + offers.length);
  const dynamic = dynamicTable([
    ...(made.needed ?? []).map((name): [bigint, number] => [1n, strings.at(name)]),
    [5n, at.strings],
    ...(wants.length === 0 ? [] : [[0x6ffffffen, at.wants] as [bigint, number]]),
    ...(offers.length === 0 ? [] : [[0x6ffffffcn, at.offers] as [bigint, number]]),
    [0n, 0],
  ]);
  const tail = Buffer.from(made.tail ?? "", "latin1");
  const file = Buffer.alloc(at.dynamic + dynamic.length + tail.length);
  file.set(header(made, segments));
  const whole = [1, 0, file.length] as const;
  const tables = [whole, [2, at.dynamic, dynamic.length], [3, at.interpreter, interpreter.length]] as const;
  tables.slice(0, segments).forEach((one, index) => void file.set(segment(one), HEADER + index * SEGMENT));
  file.set(strings.bytes, at.strings);
  file.set(interpreter, at.interpreter);
  file.set(wants, at.wants);
  file.set(offers, at.offers);
  file.set(dynamic, at.dynamic);
  file.set(tail, at.dynamic + dynamic.length);
  return new Uint8Array(file);
}

/** A loader, libc and libm of a made-up distribution, by file name. */
export function madeLibraries(machine: "amd64" | "arm64"): Readonly<Record<string, Uint8Array>> {
  const amd64 = machine === "amd64";
  const loader = amd64 ? "ld-linux-x86-64.so.2" : "ld-linux-aarch64.so.1";
  const triplet = amd64 ? "x86_64-linux-gnu" : "aarch64-linux-gnu";
  const folders = `\u0000/lib/${triplet}/\u0000/usr/lib/${triplet}/\u0000/lib/\u0000/usr/lib/\u0000`;
  const sentence = "GNU C Library (Made GLIBC 2.36-1) stable release version 2.36.\n";
  return {
    [loader]: makeElf({ machine, offers: [loader, "GLIBC_2.3"], tail: folders }),
    "libc.so.6": makeElf({
      machine,
      needed: [loader],
      wants: { [loader]: ["GLIBC_2.3"] },
      offers: ["libc.so.6", "GLIBC_2.17", "GLIBC_2.34"],
      tail: sentence,
    }),
    "libm.so.6": makeElf({
      machine,
      needed: ["libc.so.6"],
      wants: { "libc.so.6": ["GLIBC_2.17"] },
      offers: ["libm.so.6", "GLIBC_2.17"],
    }),
  };
}

/** An executable of ours as `build.ts` marks it, in a few hundred bytes. */
export function madeExecutable(machine: "amd64" | "arm64", facts: Readonly<Record<string, unknown>> = {}): Uint8Array {
  const amd64 = machine === "amd64";
  const document = {
    schema: "alga.appliance.build/v1",
    version: "1.2.3",
    revision: "0123456789ab",
    commit: "0123456789abcdef0123456789abcdef01234567",
    target: amd64 ? "linux-x64" : "linux-arm64",
    lock: `sha256:${"a".repeat(64)}`,
    packages: [
      {
        name: amd64 ? "@oven/bun-linux-x64" : "@oven/bun-linux-aarch64",
        version: "1.4.5",
        license: "MIT",
        integrity: `sha512-${"A".repeat(86)}==`,
        kind: "runtime",
      },
      { name: "zod", version: "4.6.7", license: "MIT", integrity: `sha512-${"B".repeat(85)}A==`, kind: "bundled" },
    ],
    ...facts,
  };
  const mark = `alga-appliance-facts:v1:${Buffer.from(JSON.stringify(document)).toString("base64")}:end`;
  return makeElf({
    machine,
    interpreter: amd64 ? "/lib64/ld-linux-x86-64.so.2" : "/lib/ld-linux-aarch64.so.1",
    needed: ["libc.so.6", "libm.so.6"],
    wants: { "libc.so.6": ["GLIBC_2.17"], "libm.so.6": ["GLIBC_2.17"] },
    // The beginning alone stands in our own code: it must be passed over.
    tail: `alga-appliance-facts:v1:" not a mark ${mark}\u0000`,
  });
}

function header(made: MadeElf, segments: number): Uint8Array {
  const bytes = Buffer.alloc(HEADER);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(made.interpreter === undefined ? 3 : 2, 16);
  bytes.writeUInt16LE(typeof made.machine === "number" ? made.machine : MACHINES[made.machine], 18);
  bytes.writeBigUInt64LE(BigInt(HEADER), 32);
  bytes.writeUInt16LE(SEGMENT, 54);
  bytes.writeUInt16LE(segments, 56);
  return bytes;
}

function segment([type, offset, size]: readonly [number, number, number]): Uint8Array {
  const bytes = Buffer.alloc(SEGMENT);
  bytes.writeUInt32LE(type, 0);
  bytes.writeBigUInt64LE(BigInt(offset), 8);
  bytes.writeBigUInt64LE(BigInt(offset), 16);
  bytes.writeBigUInt64LE(BigInt(size), 32);
  return bytes;
}

function stringTable(made: MadeElf): { readonly bytes: Uint8Array; readonly at: (name: string) => number } {
  const wants = Object.entries(made.wants ?? {}).flatMap(([file, versions]) => [file, ...versions]);
  const names = [...new Set([...(made.needed ?? []), ...wants, ...(made.offers ?? [])])];
  const text = `\u0000${names.map((name) => `${name}\u0000`).join("")}`;
  return { bytes: Buffer.from(text), at: (name) => text.indexOf(`\u0000${name}\u0000`) + 1 };
}

function wantsTable(wants: NonNullable<MadeElf["wants"]>, at: (name: string) => number): Uint8Array {
  const files = Object.entries(wants);
  const parts = files.map(([file, versions], index) => {
    const bytes = Buffer.alloc(16 + versions.length * 16);
    bytes.writeUInt32LE(at(file), 4);
    bytes.writeUInt32LE(16, 8);
    bytes.writeUInt32LE(index === files.length - 1 ? 0 : bytes.length, 12);
    versions.forEach((version, order) => {
      bytes.writeUInt32LE(at(version), 16 + order * 16 + 8);
      bytes.writeUInt32LE(order === versions.length - 1 ? 0 : 16, 16 + order * 16 + 12);
    });
    return bytes;
  });
  return Buffer.concat(parts);
}

function offersTable(offers: readonly string[], at: (name: string) => number): Uint8Array {
  const parts = offers.map((name, index) => {
    const bytes = Buffer.alloc(28);
    bytes.writeUInt32LE(20, 12);
    bytes.writeUInt32LE(index === offers.length - 1 ? 0 : 28, 16);
    bytes.writeUInt32LE(at(name), 20);
    return bytes;
  });
  return Buffer.concat(parts);
}

function dynamicTable(entries: readonly (readonly [bigint, number])[]): Uint8Array {
  const bytes = Buffer.alloc(entries.length * 16);
  entries.forEach(([tag, value], index) => {
    bytes.writeBigUInt64LE(tag, index * 16);
    bytes.writeBigUInt64LE(BigInt(value), index * 16 + 8);
  });
  return bytes;
}

const aligned = (offset: number): number => Math.ceil(offset / 8) * 8;
