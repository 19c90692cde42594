/** What all writers of files do around a name: a hidden name beside it, no odd target, a synced folder. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path/posix";
import { isMissing } from "./file-errors.ts";

/** A free hidden name in the folder of a file, on the same file system. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
}

/** Uses a handle and closes it, whatever happens. */
export async function withHandle(handle: FileHandle, use: (handle: FileHandle) => Promise<void>): Promise<void> {
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}

/** @throws {Error} when something that is no regular file has the name. */
export async function refuseOddTarget(path: string): Promise<void> {
  if ((await exists(path)) && !(await lstat(path)).isFile()) throw new Error("it is not a regular file");
}

/** Tells whether a name is taken, by whatever. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (cause) {
    if (isMissing(cause)) return false;
    throw cause;
  }
}

/** A rename or a new name is on disk only after its folder is. */
export async function syncFolder(path: string): Promise<void> {
  await withHandle(await open(path, constants.O_RDONLY | constants.O_DIRECTORY), (handle) => handle.sync());
}
