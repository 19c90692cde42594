/** Errors of the file system as errors of the product. Paths are shown, contents never. */
import { ApplianceError } from "../core/errors.ts";

/** The error name of the system ("ENOENT"), or undefined for other errors. */
export function errnoOf(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined;
}

/** Tells whether an error of the system says that the path, or a folder on its way, is not there. */
export function isMissing(cause: unknown): boolean {
  return errnoOf(cause) === "ENOENT" || errnoOf(cause) === "ENOTDIR";
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: "the permission is missing",
  EPERM: "the permission is missing",
  EROFS: "the file system is read-only",
  ENOENT: "its folder does not exist",
  ENOTDIR: "a part of its path is not a folder",
  EISDIR: "it is a folder",
  ENOTEMPTY: "the folder is not empty",
  ELOOP: "it is a symbolic link",
  EIO: "the disk reports an error",
  EMFILE: "the process has too many open files",
};

function words(cause: unknown): string {
  const errno = errnoOf(cause);
  if (errno !== undefined) return WORDS[errno] ?? `the system says ${errno}`;
  return cause instanceof Error ? cause.message : "the system refuses";
}

/** An error for a write: file/disk-full when there is no room, file/unwritable otherwise. */
export function unwritable(path: string, cause: unknown): ApplianceError {
  if (cause instanceof ApplianceError) return cause;
  if (errnoOf(cause) === "ENOSPC" || errnoOf(cause) === "EDQUOT") {
    return new ApplianceError("file/disk-full", `Cannot write file "${path}": the disk is full, free space is wanted`, {
      cause,
      hint: `Free space on the disk of ${path}: df -h shows what is used`,
      details: { path },
    });
  }
  return new ApplianceError("file/unwritable", `Cannot write file "${path}": ${words(cause)}`, {
    cause,
    hint: `Look at the owner and the mode: ls -ld ${path}`,
    details: { path },
  });
}

/** The error file/unreadable for a read, with what the system said in words. An error of ours passes unchanged. */
export function unreadable(path: string, cause: unknown): ApplianceError {
  if (cause instanceof ApplianceError) return cause;
  return new ApplianceError("file/unreadable", `Cannot read file "${path}": ${words(cause)}`, {
    cause,
    hint: `Look at the owner and the mode: ls -ld ${path}`,
    details: { path },
  });
}
