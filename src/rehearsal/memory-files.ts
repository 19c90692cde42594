/**
 * The `Files` port in memory: a rehearsal without a state folder leaves nothing on the machine, and tests run a whole setup
 * hundreds of times. Keeps content and mode of each file; held to the same suite as the real one.
 */
import { dirname } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { Files, ResumedFile, StagedFile } from "../core/ports.ts";

export interface MemoryFiles extends Files {
  /** Everything there is: path to text. */
  snapshot(): ReadonlyMap<string, string>;
  /** The same files again, apart from these from now on. */
  copy(): MemoryFiles;
  /** Puts bytes under a name without any of the port's care, as a bad disk would. */
  garble(path: string, text: string): void;
}

interface Entry {
  readonly bytes: Uint8Array;
  readonly mode: number;
}

interface Content {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly folders: ReadonlySet<string>;
}

const EMPTY: Content = { entries: new Map(), folders: new Set(["/"]) };

/** Makes the port with an empty root folder, or with the content of another. `now` gives the time of files in milliseconds. */
export function createMemoryFiles(now: () => number = () => 0, content = EMPTY): MemoryFiles {
  const entries = new Map(content.entries);
  const folders = new Set(content.folders);
  const bytesOf = (content: Uint8Array | string): Uint8Array =>
    typeof content === "string" ? new TextEncoder().encode(content) : content.slice();
  const needFolder = (path: string): void => {
    if (!folders.has(dirname(path)))
      throw new ApplianceError("file/unwritable", `Cannot write file "${path}": its folder does not exist`);
  };
  const put = (path: string, bytes: Uint8Array, mode: number): void => {
    needFolder(path);
    entries.set(path, { bytes, mode });
  };
  const inside = (path: string): string[] =>
    [...entries.keys(), ...folders].filter((one) => dirname(one) === path && one !== "/");
  return {
    async read(path, { maxBytes }) {
      const found = entries.get(path)?.bytes;
      if (found !== undefined && found.length > maxBytes)
        throw new ApplianceError("file/too-large", `Cannot read file "${path}": it is longer than ${maxBytes} bytes`);
      return found?.slice();
    },
    write: async (path, content, options) => put(path, bytesOf(content), options?.mode ?? 0o600),
    async create(path, content, options) {
      if (entries.has(path)) return false;
      put(path, bytesOf(content), options?.mode ?? 0o600);
      return true;
    },
    stage: async (path, options) => stagedInMemory(path, (bytes) => put(path, bytes, options?.mode ?? 0o600)),
    resume: async (path, { partial, keepBytes, mode = 0o600 }) => {
      needFolder(path);
      const grown = (): Uint8Array => entries.get(partial)?.bytes ?? new Uint8Array();
      const keep = (bytes: Uint8Array): void => put(partial, bytes, mode);
      keep(grown().slice(0, keepBytes));
      return resumedInMemory(path, {
        grown,
        keep,
        remove: () => entries.delete(partial),
        commit: () => {
          put(path, grown(), mode);
          entries.delete(partial);
        },
      });
    },
    async openRead(path) {
      const found = entries.get(path)?.bytes;
      if (found === undefined) return undefined;
      return {
        sizeBytes: found.length,
        readAt: async (offset, length) => found.slice(offset, offset + length),
        close: async () => {},
      };
    },
    async append(path, content) {
      const before = entries.get(path);
      const piece = bytesOf(content);
      put(path, new Uint8Array([...(before?.bytes ?? []), ...piece]), before?.mode ?? 0o600);
    },
    async truncate(path, sizeBytes) {
      const before = entries.get(path);
      if (before !== undefined) put(path, before.bytes.slice(0, sizeBytes), before.mode);
    },
    async remove(path) {
      if (folders.has(path) && inside(path).length > 0)
        throw new ApplianceError("file/unwritable", `Cannot write file "${path}": the folder is not empty`);
      entries.delete(path);
      folders.delete(path);
    },
    async rename(from, to) {
      const found = entries.get(from);
      if (found === undefined)
        throw new ApplianceError("file/unwritable", `Cannot write file "${from}": it is missing`);
      entries.delete(from);
      put(to, found.bytes, found.mode);
    },
    list: async (path) =>
      inside(path)
        .map((one) => one.slice(path === "/" ? 1 : path.length + 1))
        .sort(),
    async stat(path) {
      const found = entries.get(path);
      if (found !== undefined)
        return { kind: "file", sizeBytes: found.bytes.length, mode: found.mode, modifiedMs: now() };
      return folders.has(path) ? { kind: "directory", sizeBytes: 0, mode: 0o750, modifiedMs: now() } : undefined;
    },
    async makeDirectory(path) {
      for (let one = path; !folders.has(one); one = dirname(one)) folders.add(one);
    },
    space: async () => ({ freeBytes: 200e9, totalBytes: 500e9 }),
    copy: () => createMemoryFiles(now, { entries, folders }),
    snapshot: () => new Map([...entries].map(([path, { bytes }]) => [path, new TextDecoder().decode(bytes)])),
    garble: (path, text) => {
      for (let one = dirname(path); !folders.has(one); one = dirname(one)) folders.add(one);
      entries.set(path, { bytes: bytesOf(text), mode: 0o600 });
    },
  };
}

function stagedInMemory(path: string, put: (bytes: Uint8Array) => void): StagedFile {
  let pieces: Uint8Array[] | undefined = [];
  const open = (): Uint8Array[] => {
    if (pieces !== undefined) return pieces;
    throw new ApplianceError("file/unwritable", `Cannot write file "${path}": it is no longer being written`);
  };
  return {
    write: async (bytes) => void open().push(bytes.slice()),
    commit: async () => {
      put(new Uint8Array(Buffer.concat(open())));
      pieces = undefined;
    },
    discard: async () => {
      pieces = undefined;
    },
  };
}

function resumedInMemory(
  path: string,
  file: {
    readonly grown: () => Uint8Array;
    readonly keep: (bytes: Uint8Array) => void;
    readonly remove: () => void;
    readonly commit: () => void;
  },
): ResumedFile {
  let isOver = false;
  const use = (act: () => void, isEnd = false): void => {
    if (isOver)
      throw new ApplianceError("file/unwritable", `Cannot write file "${path}": it is no longer being written`);
    isOver = isEnd;
    act();
  };
  return {
    write: async (bytes) => use(() => file.keep(new Uint8Array([...file.grown(), ...bytes]))),
    cut: async (sizeBytes) => use(() => file.keep(file.grown().slice(0, sizeBytes))),
    commit: async () => use(file.commit, true),
    leave: async () => {
      isOver = true;
    },
    discard: async () => {
      if (!isOver) use(file.remove, true);
    },
  };
}
