/**
 * Whose a new file is. A command that root types on the box writes into the state folder, which is the control plane's: what it makes
 * there must be the control plane's too, or that one cannot read its own journal afterwards.
 */
import { type FileHandle, lchown, stat } from "node:fs/promises";
import { dirname } from "node:path/posix";

/** Gives a file that root has made to whom its folder belongs. Nothing happens for anybody else, and in root's own folders. */
export async function giveToFolderOwner(handle: FileHandle, path: string): Promise<void> {
  const owner = await folderOwner(path);
  if (owner === undefined) return;
  const made = await handle.stat();
  // A second name would be a link that somebody laid to a file of root's elsewhere.
  if (made.uid === 0 && made.nlink === 1) await handle.chown(owner.uid, owner.gid).catch(() => {});
}

/** The same for folders, from the first one that was made down to the last. */
export async function giveFoldersToOwner(first: string, last: string): Promise<void> {
  const owner = await folderOwner(first);
  if (owner === undefined) return;
  for (let path = last; path.length >= first.length; path = dirname(path)) {
    await lchown(path, owner.uid, owner.gid).catch(() => {});
  }
}

async function folderOwner(path: string): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const { uid, gid } = await stat(dirname(path));
  return uid === 0 ? undefined : { uid, gid };
}
