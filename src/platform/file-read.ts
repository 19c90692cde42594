/** Reading a file with a bound: regular files only, and never more bytes than asked for, whatever its size claims. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { ApplianceError } from "../core/errors.ts";
import type { OpenedFile } from "../core/ports.ts";
import { isMissing, unreadable } from "./file-errors.ts";

const CHUNK_BYTES = 64 * 1024;

/**
 * Reads a whole file. Follows symbolic links (mounted tokens are links); opens without waiting, so that a pipe cannot
 * hang the caller.
 *
 * @throws {ApplianceError} file/too-large, or file/unreadable also for folders, pipes and devices.
 */
export async function readBounded(
  path: string,
  options: { readonly maxBytes: number },
): Promise<Uint8Array | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw unreadable(path, cause);
  }
  try {
    if (!(await handle.stat()).isFile()) throw new Error("it is not a regular file");
    return await readAll(handle, path, options.maxBytes);
  } catch (cause) {
    throw unreadable(path, cause);
  } finally {
    await handle.close();
  }
}

/** Reads to the end rather than to the size: files of /proc say 0, and a file may grow meanwhile. */
async function readAll(handle: FileHandle, path: string, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const room = new Uint8Array(Math.min(CHUNK_BYTES, maxBytes - total + 1));
    const { bytesRead } = await handle.read(room, 0, room.length, null);
    if (bytesRead === 0) return new Uint8Array(Buffer.concat(parts));
    total += bytesRead;
    if (total > maxBytes) {
      throw new ApplianceError(
        "file/too-large",
        `Cannot read file "${path}": it is longer than ${maxBytes} bytes, at most that many are read`,
        { details: { path } },
      );
    }
    parts.push(room.subarray(0, bytesRead));
  }
}

/**
 * Opens a regular file for reading anywhere in it. Opens without waiting, so that a pipe cannot hang the caller.
 *
 * @param options.links "refuse": the last part of the path must not be a symbolic link.
 * @throws {ApplianceError} file/unreadable also for folders, pipes and devices.
 */
export async function openForReading(
  path: string,
  options: { readonly links?: "refuse" } = {},
): Promise<OpenedFile | undefined> {
  const noFollow = options.links === "refuse" ? constants.O_NOFOLLOW : 0;
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | noFollow);
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw unreadable(path, cause);
  }
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new Error("it is not a regular file");
    return openedFile(handle, { path, sizeBytes: found.size });
  } catch (cause) {
    await handle.close();
    throw unreadable(path, cause);
  }
}

function openedFile(handle: FileHandle, file: { readonly path: string; readonly sizeBytes: number }): OpenedFile {
  let closing: Promise<void> | undefined;
  return {
    sizeBytes: file.sizeBytes,
    readAt: async (offset, length) => {
      try {
        return await readRange(handle, offset, length);
      } catch (cause) {
        throw unreadable(file.path, cause);
      }
    },
    close: () => {
      closing ??= handle.close();
      return closing;
    },
  };
}

/** One read may give fewer bytes than there are. */
async function readRange(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const { bytesRead } = await handle.read(bytes, at, length - at, offset + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return bytes.subarray(0, at);
}
