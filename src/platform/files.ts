/**
 * The `Files` port on `node:fs`: whole files or nothing, synced before they count.
 *
 * A written file becomes visible under its name only complete and on disk (temporary name, fsync, rename or link, fsync
 * of the folder). Writers refuse a target that is a symbolic link, folder or device, so that nobody can point the
 * appliance's own names elsewhere; readers follow links, because Kubernetes mounts tokens that way.
 */
import { constants } from "node:fs";
import { chmod, link, lstat, mkdir, open, readdir, rename, rmdir, stat, statfs, unlink } from "node:fs/promises";
import { dirname } from "node:path/posix";
import type { FileStat, Files } from "../core/ports.ts";
import { errnoOf, isMissing, unreadable, unwritable } from "./file-errors.ts";
import { exists, refuseOddTarget, syncFolder, temporaryName, withHandle } from "./file-names.ts";
import { giveFoldersToOwner, giveToFolderOwner } from "./file-owner.ts";
import { openForReading, readBounded } from "./file-read.ts";
import { resumeFile, stageFile } from "./file-stage.ts";

const SECRET_MODE = 0o600;
const FOLDER_MODE = 0o750;

export const systemFiles: Files = {
  read: readBounded,
  write,
  create,
  stage: stageFile,
  resume: resumeFile,
  openRead: openForReading,
  append,
  truncate,
  remove,
  rename: move,
  list,
  stat: describe,
  makeDirectory,
  space,
};

async function write(
  path: string,
  content: Uint8Array | string,
  options: { readonly mode?: number } = {},
): Promise<void> {
  try {
    await refuseOddTarget(path);
    await withTemporary(path, { content, mode: options.mode ?? SECRET_MODE }, (temporary) => rename(temporary, path));
    await syncFolder(dirname(path));
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

async function create(
  path: string,
  content: Uint8Array | string,
  options: { readonly mode?: number } = {},
): Promise<boolean> {
  try {
    const created = await withTemporary(path, { content, mode: options.mode ?? SECRET_MODE }, async (temporary) => {
      const linked = await linkIfFree(temporary, path);
      await unlink(temporary);
      return linked;
    });
    await syncFolder(dirname(path));
    return created;
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** Appends and syncs; a piece that did not fit is cut off again, so that a full disk leaves no half line. */
async function append(path: string, content: Uint8Array | string): Promise<void> {
  try {
    const isNew = !(await exists(path));
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
    await withHandle(await open(path, flags, SECRET_MODE), async (handle) => {
      const before = await handle.stat();
      if (!before.isFile()) throw new Error("it is not a regular file");
      if (isNew) await giveToFolderOwner(handle, path);
      try {
        await handle.appendFile(content);
        await handle.sync();
      } catch (cause) {
        await handle.truncate(before.size);
        throw cause;
      }
    });
    if (isNew) await syncFolder(dirname(path));
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

async function truncate(path: string, sizeBytes: number): Promise<void> {
  try {
    await withHandle(await open(path, constants.O_WRONLY | constants.O_NOFOLLOW), async (handle) => {
      await handle.truncate(sizeBytes);
      await handle.sync();
    });
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

async function remove(path: string): Promise<void> {
  try {
    const found = await lstat(path);
    await (found.isDirectory() ? rmdir(path) : unlink(path));
    await syncFolder(dirname(path));
  } catch (cause) {
    if (!isMissing(cause)) throw unwritable(path, cause);
  }
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
    await syncFolder(dirname(to));
    if (dirname(from) !== dirname(to)) await syncFolder(dirname(from));
  } catch (cause) {
    throw unwritable(from, cause);
  }
}

async function list(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw unreadable(path, cause);
  }
}

async function describe(path: string, options: { readonly links?: "show" } = {}): Promise<FileStat | undefined> {
  try {
    const found = await (options.links === "show" ? lstat(path) : stat(path));
    return {
      kind: found.isFile() ? "file" : found.isDirectory() ? "directory" : "other",
      sizeBytes: found.size,
      mode: found.mode & 0o7777,
      modifiedMs: found.mtimeMs,
    };
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw unreadable(path, cause);
  }
}

async function makeDirectory(path: string, options: { readonly mode?: number } = {}): Promise<void> {
  const mode = options.mode ?? FOLDER_MODE;
  try {
    const first = await mkdir(path, { recursive: true, mode });
    if (first === undefined) return;
    await chmod(path, mode);
    await giveFoldersToOwner(first, path);
    await syncFolder(dirname(first));
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** Asks the nearest folder that exists, so that the room is known before the state folder is made. */
async function space(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
  try {
    const found = await statfs(path);
    return { freeBytes: found.bavail * found.bsize, totalBytes: found.blocks * found.bsize };
  } catch (cause) {
    if (isMissing(cause) && dirname(path) !== path) return space(dirname(path));
    throw unreadable(path, cause);
  }
}

interface Piece {
  readonly content: Uint8Array | string;
  readonly mode: number;
}

/** Writes and syncs a temporary file beside the target, hands it over, and removes it when anything fails. */
async function withTemporary<T>(path: string, piece: Piece, use: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = temporaryName(path);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await open(temporary, flags, piece.mode);
  try {
    await withHandle(handle, async () => {
      await handle.chmod(piece.mode);
      await giveToFolderOwner(handle, path);
      await handle.writeFile(piece.content);
      await handle.sync();
    });
    return await use(temporary);
  } catch (cause) {
    await unlink(temporary).catch(() => {});
    throw cause;
  }
}

async function linkIfFree(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (cause) {
    if (errnoOf(cause) === "EEXIST") return false;
    throw cause;
  }
}
