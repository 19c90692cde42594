/**
 * Reading what the loader of Linux reads of a program or a library: its machine, its loader, the libraries it needs and
 * the symbol versions it needs and offers.
 *
 * So that an image without a library, or with one of another machine or too old, fails while it is built and not on a box.
 * Bytes come from files of the publisher or from a base image; every offset is checked and every list is bounded.
 *
 * @see Tool Interface Standard, "Executable and Linking Format" 1.2, book I; System V ABI, gABI 4.1, chapter 5; LSB 5.0
 *   core, "Symbol Versioning"
 */
import { ApplianceError } from "../core/errors.ts";

/** The machines that images are built for, in the words of OCI. */
export type Architecture = "amd64" | "arm64";

export interface ElfFile {
  /** An OCI architecture, or "machine <number>" for one that is not built for. */
  readonly machine: Architecture | `machine ${number}`;
  /** Path of the loader; libraries and static programs have none. */
  readonly interpreter: string | undefined;
  /** File names of the libraries that must be there, in the order of the file. */
  readonly needed: readonly string[];
  /** Symbol versions that must be offered, with the file that must offer them. Weak ones are left out. */
  readonly wants: readonly { readonly file: string; readonly version: string }[];
  /** Symbol versions that this file offers; the first is its own name. */
  readonly offers: readonly string[];
}

const MACHINES: Readonly<Record<number, Architecture>> = { 62: "amd64", 183: "arm64" };
const SEGMENT = { load: 1, dynamic: 2, interpreter: 3 } as const;
const TAG = { needed: 1n, strings: 5n, offers: 0x6ffffffcn, wants: 0x6ffffffen } as const;
const WEAK = 2;
/** Entries of any list in the file. The largest library of glibc has about 100. */
const MAX_ENTRIES = 4_096;
const MAX_STRING = 4_096;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly sizeBytes: number;
}

/** A file with what is needed to find places in it. Reading outside of it is a RangeError, caught once. */
interface Reader {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly segments: readonly Segment[];
  readonly dynamic: readonly (readonly [tag: bigint, value: number])[];
}

/** The part of a file that says what machine it is for. */
export const ELF_HEADER_BYTES = 64;

/** What machine a file is for, from its header alone. Throws as `readElf` does. */
export function elfMachine(bytes: Uint8Array, what: string): ElfFile["machine"] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isElf64 =
    bytes.length >= ELF_HEADER_BYTES && view.getUint32(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1;
  if (!isElf64) throw badElf(what, "it is no 64-bit little-endian ELF file, a program or library for Linux is wanted");
  const machine = view.getUint16(18, true);
  return MACHINES[machine] ?? `machine ${machine}`;
}

/**
 * Reads a 64-bit little-endian ELF program or library.
 *
 * @param what The file, for messages: `executable "/x/alga-appliance"`.
 * @throws {ApplianceError} image/bad-elf when it is no such file or damaged.
 */
export function readElf(bytes: Uint8Array, what: string): ElfFile {
  const machine = elfMachine(bytes, what);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const segments = readSegments(view);
    const reader = { view, bytes, segments, dynamic: readDynamic(view, segments) };
    return fileOf(reader, machine);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw badElf(what, "it is cut short or damaged: a table points outside of it", cause);
  }
}

function fileOf(reader: Reader, machine: ElfFile["machine"]): ElfFile {
  const interpreter = reader.segments.find((segment) => segment.type === SEGMENT.interpreter);
  return {
    machine,
    interpreter: interpreter === undefined ? undefined : stringAt(reader.bytes, interpreter.offset),
    needed: reader.dynamic.filter(([tag]) => tag === TAG.needed).map(([, value]) => name(reader, value)),
    wants: readWants(reader),
    offers: readOffers(reader),
  };
}

function readSegments(view: DataView): Segment[] {
  const start = toNumber(view.getBigUint64(32, true));
  const entryBytes = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (count > MAX_ENTRIES) throw new RangeError("too many segments");
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entryBytes;
    return {
      type: view.getUint32(at, true),
      offset: toNumber(view.getBigUint64(at + 8, true)),
      address: toNumber(view.getBigUint64(at + 16, true)),
      sizeBytes: toNumber(view.getBigUint64(at + 32, true)),
    };
  });
}

function readDynamic(view: DataView, segments: readonly Segment[]): [bigint, number][] {
  const segment = segments.find((one) => one.type === SEGMENT.dynamic);
  if (segment === undefined) return [];
  const entries: [bigint, number][] = [];
  const end = segment.offset + segment.sizeBytes;
  for (let at = segment.offset; at + 16 <= end && entries.length < MAX_ENTRIES; at += 16) {
    const tag = view.getBigUint64(at, true);
    if (tag === 0n) break;
    // Values of tags that are not read here may be any 64 bits.
    const isRead = Object.values(TAG).some((known) => known === tag);
    if (isRead) entries.push([tag, toNumber(view.getBigUint64(at + 8, true))]);
  }
  return entries;
}

/** Walks the version records that a file needs: one for each library, with one below it for each version. */
function readWants(reader: Reader): { readonly file: string; readonly version: string }[] {
  const { view } = reader;
  return records(reader, { tag: TAG.wants, nextAt: 12 }).flatMap((at) => {
    const file = name(reader, view.getUint32(at + 4, true));
    return chain(view, at + view.getUint32(at + 8, true), 12)
      .filter((one) => (view.getUint16(one + 4, true) & WEAK) === 0)
      .map((one) => ({ file, version: name(reader, view.getUint32(one + 8, true)) }));
  });
}

function readOffers(reader: Reader): string[] {
  const { view } = reader;
  return records(reader, { tag: TAG.offers, nextAt: 16 }).map((at) =>
    name(reader, view.getUint32(at + view.getUint32(at + 12, true), true)),
  );
}

/** Offsets of the records of a version table; none when the file has no such table. */
function records(reader: Reader, table: { readonly tag: bigint; readonly nextAt: number }): number[] {
  const address = reader.dynamic.find(([tag]) => tag === table.tag)?.[1];
  return address === undefined ? [] : chain(reader.view, offsetOf(reader, address), table.nextAt);
}

/** Offsets of records where each says how far the next one is; 0 ends them. */
function chain(view: DataView, start: number, nextAt: number): number[] {
  const found = [start];
  for (let at = start; found.length < MAX_ENTRIES; ) {
    const next = view.getUint32(at + nextAt, true);
    if (next === 0) return found;
    at += next;
    found.push(at);
  }
  throw new RangeError("a chain of records has no end");
}

/** A string of the table of strings, by its place in the table. */
function name(reader: Reader, index: number): string {
  const address = reader.dynamic.find(([tag]) => tag === TAG.strings)?.[1];
  if (address === undefined) throw new RangeError("there is no table of strings");
  return stringAt(reader.bytes, offsetOf(reader, address) + index);
}

/** Where in the file an address of the loaded program stands. */
function offsetOf(reader: Reader, address: number): number {
  const holds = (one: Segment): boolean =>
    one.type === SEGMENT.load && address >= one.address && address < one.address + one.sizeBytes;
  const segment = reader.segments.find(holds);
  if (segment === undefined) throw new RangeError("an address is in no segment");
  return segment.offset + (address - segment.address);
}

function stringAt(bytes: Uint8Array, offset: number): string {
  const end = bytes.indexOf(0, offset);
  if (offset >= bytes.length || end < 0 || end - offset > MAX_STRING) throw new RangeError("a string has no end");
  return new TextDecoder().decode(bytes.subarray(offset, end));
}

function toNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError("a number is larger than any file");
  return Number(value);
}

const badElf = (what: string, is: string, cause?: unknown) =>
  new ApplianceError("image/bad-elf", `Cannot use ${what}: ${is}`, { cause });
