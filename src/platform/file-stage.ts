/**
 * A file that is written piece by piece and becomes visible whole: temporary name, pieces, fsync, rename, fsync of the folder.
 * One that may be gone on with keeps its temporary name, whatever fails.
 */
import { constants } from "node:fs";
import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path/posix";
import type { ResumedFile, StagedFile } from "../core/ports.ts";
import { unwritable } from "./file-errors.ts";
import { refuseOddTarget, syncFolder, temporaryName } from "./file-names.ts";
import { giveToFolderOwner } from "./file-owner.ts";

const SECRET_MODE = 0o600;

/**
 * Starts a file.
 *
 * @throws {ApplianceError} file/unwritable when the target is a link, a folder or a device, or the folder is missing.
 */
export async function stageFile(path: string, options: { readonly mode?: number } = {}): Promise<StagedFile> {
  const mode = options.mode ?? SECRET_MODE;
  try {
    await refuseOddTarget(path);
    const temporary = temporaryName(path);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const handle = await open(temporary, flags, mode);
    await handle.chmod(mode);
    await giveToFolderOwner(handle, path);
    return stagedFile(handle, { path, temporary });
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

function stagedFile(handle: FileHandle, names: { readonly path: string; readonly temporary: string }): StagedFile {
  const { path, temporary } = names;
  let isOver = false;
  const end = (): boolean => {
    const first = !isOver;
    isOver = true;
    return first;
  };
  const discard = async (): Promise<void> => {
    if (!end()) return;
    await handle.close().catch(() => {});
    await unlink(temporary).catch(() => {});
  };
  /** Whatever fails, the temporary file goes: a full disk gets its room back. */
  const orDiscard = async (work: () => Promise<void>): Promise<void> => {
    try {
      if (isOver) throw new Error("it is no longer being written");
      await work();
    } catch (cause) {
      await discard();
      throw unwritable(path, cause);
    }
  };
  return {
    write: (bytes) => orDiscard(() => writeWhole(handle, bytes)),
    commit: () =>
      orDiscard(async () => {
        await handle.sync();
        await rename(temporary, path);
        end();
        await handle.close();
        await syncFolder(dirname(path));
      }),
    discard,
  };
}

/**
 * Goes on with a file.
 *
 * @throws {ApplianceError} file/unwritable when the target or the partial file is a link, a folder or a device.
 */
export async function resumeFile(
  path: string,
  options: { readonly partial: string; readonly keepBytes: number; readonly mode?: number },
): Promise<ResumedFile> {
  const { partial, keepBytes, mode = SECRET_MODE } = options;
  try {
    await refuseOddTarget(path);
    await refuseOddTarget(partial);
    const handle = await open(partial, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, mode);
    await handle.chmod(mode);
    await giveToFolderOwner(handle, path);
    await handle.truncate(keepBytes);
    return resumedFile(handle, { path, partial, keepBytes });
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

function resumedFile(
  handle: FileHandle,
  { path, partial, keepBytes }: { readonly path: string; readonly partial: string; readonly keepBytes: number },
): ResumedFile {
  let isOver = false;
  let at = keepBytes;
  const close = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    await handle.close().catch(() => {});
  };
  const explained = async (work: () => Promise<void>): Promise<void> => {
    try {
      if (isOver) throw new Error("it is no longer being written");
      await work();
    } catch (cause) {
      throw unwritable(path, cause);
    }
  };
  return {
    write: (bytes) =>
      explained(async () => {
        await writeWhole(handle, bytes, at);
        at += bytes.length;
      }),
    cut: (sizeBytes) =>
      explained(async () => {
        await handle.truncate(sizeBytes);
        at = sizeBytes;
      }),
    commit: () =>
      explained(async () => {
        await handle.sync();
        await rename(partial, path);
        await close();
        await syncFolder(dirname(path));
      }),
    leave: close,
    discard: async () => {
      if (isOver) return;
      await close();
      await unlink(partial).catch(() => {});
    },
  };
}

/** One write may take fewer bytes than it was given. */
async function writeWhole(handle: FileHandle, bytes: Uint8Array, place: number | null = null): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, place === null ? null : place + at);
    at += bytesWritten;
  }
}
