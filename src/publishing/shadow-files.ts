/**
 * Files over the real ones of which nothing is written: what was written is in memory, and seen by whoever reads next.
 *
 * For a dry run of several steps of which one reads what the one before has written. Content is kept whole, so it is meant for
 * a source tree with its charts, not for images.
 */
import { dirname, join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { FileStat, Files, StagedFile } from "../core/ports.ts";

interface Shadow {
  readonly real: Files;
  /** Path to what was written; null: removed. */
  readonly written: Map<string, { readonly bytes: Uint8Array; readonly mode: number } | null>;
  readonly folders: Set<string>;
}

const FILE_MODE = 0o600;

/** Makes the port. Nothing is read yet. Calls throw as those of the real files do. */
export function shadowFiles(real: Files): Files {
  const shadow: Shadow = { real, written: new Map(), folders: new Set() };
  const put = (path: string, content: Uint8Array | string, mode = FILE_MODE): void => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content.slice();
    shadow.written.set(path, { bytes, mode });
  };
  const readWhole = async (path: string, maxBytes: number): Promise<Uint8Array | undefined> => {
    const own = shadow.written.get(path);
    if (own === undefined) return real.read(path, { maxBytes });
    if (own !== null && own.bytes.length > maxBytes)
      throw new ApplianceError("file/too-large", `Cannot read file "${path}": it is longer than ${maxBytes} bytes`);
    return own?.bytes.slice();
  };
  const bytesNow = async (path: string): Promise<Uint8Array> =>
    (await readWhole(path, Number.MAX_SAFE_INTEGER)) ?? new Uint8Array();
  return {
    read: (path, { maxBytes }) => readWhole(path, maxBytes),
    write: async (path, content, options) => put(path, content, options?.mode),
    create: async (path, content, options) => {
      if ((await statOf(shadow, path)) !== undefined) return false;
      put(path, content, options?.mode);
      return true;
    },
    stage: async (path, options) => stagedShadow((bytes) => put(path, bytes, options?.mode)),
    resume: async (path, { partial, keepBytes, mode }) => {
      let grown = (await bytesNow(partial)).slice(0, keepBytes);
      const nothing = async (): Promise<void> => {};
      return {
        write: async (bytes) => {
          grown = Buffer.concat([grown, bytes]);
        },
        cut: async (sizeBytes) => {
          grown = grown.slice(0, sizeBytes);
        },
        commit: async () => put(path, grown, mode),
        leave: nothing,
        discard: nothing,
      };
    },
    openRead: async (path, options) => {
      const own = shadow.written.get(path);
      if (own === undefined) return real.openRead(path, options);
      if (own === null) return undefined;
      const { bytes } = own;
      const readAt = async (offset: number, length: number): Promise<Uint8Array> =>
        bytes.slice(offset, offset + length);
      return { sizeBytes: bytes.length, readAt, close: async () => {} };
    },
    append: async (path, content) => {
      const more = typeof content === "string" ? new TextEncoder().encode(content) : content;
      put(path, Buffer.concat([await bytesNow(path), more]));
    },
    truncate: async (path, sizeBytes) => put(path, (await bytesNow(path)).slice(0, sizeBytes)),
    remove: async (path) => {
      shadow.written.set(path, null);
      shadow.folders.delete(path);
    },
    rename: async (from, to) => {
      put(to, await bytesNow(from), (await statOf(shadow, from))?.mode);
      shadow.written.set(from, null);
    },
    list: (path) => namesIn(shadow, path),
    stat: (path, options) => statOf(shadow, path, options),
    makeDirectory: async (path) => {
      for (let one = path; dirname(one) !== one; one = dirname(one)) shadow.folders.add(one);
    },
    space: real.space,
  };
}

async function statOf(
  { real, written, folders }: Shadow,
  path: string,
  options?: { readonly links?: "show" },
): Promise<FileStat | undefined> {
  const own = written.get(path);
  if (own === null) return undefined;
  if (own !== undefined) return { kind: "file", sizeBytes: own.bytes.length, mode: own.mode, modifiedMs: 0 };
  const found = await real.stat(path, options);
  const isNewFolder = found === undefined && folders.has(path);
  return isNewFolder ? { kind: "directory", sizeBytes: 0, mode: 0o750, modifiedMs: 0 } : found;
}

async function namesIn({ real, written, folders }: Shadow, path: string): Promise<readonly string[]> {
  const names = new Set(await real.list(path));
  for (const one of [...written.keys(), ...folders]) {
    if (dirname(one) === path && one !== path) names.add(one.slice(join(path, "x").length - 1));
  }
  for (const [one, content] of written) if (content === null) names.delete(one.slice(join(path, "x").length - 1));
  return [...names].sort();
}

function stagedShadow(keep: (bytes: Uint8Array) => void): StagedFile {
  const pieces: Uint8Array[] = [];
  return {
    write: async (bytes) => void pieces.push(bytes.slice()),
    commit: async () => keep(new Uint8Array(Buffer.concat(pieces))),
    discard: async () => {},
  };
}
