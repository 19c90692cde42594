/** Taking from a layout of ours what nothing names any more. Only for layouts that one writer owns: a build, a vendor folder. */
import { join } from "node:path/posix";
import type { Digest } from "../core/digest.ts";
import type { Deps } from "../core/ports.ts";

/**
 * Removes the blobs of a layout that are not wanted. Safe to call again; a process that dies in between leaves some of them.
 *
 * @param wanted Digests of every manifest and blob that stays.
 */
export async function removeOtherBlobs(
  { files }: Pick<Deps, "files">,
  layout: string,
  wanted: ReadonlySet<Digest>,
): Promise<void> {
  const folder = join(layout, "blobs/sha256");
  const names = new Set([...wanted].map((digest) => digest.slice("sha256:".length)));
  for (const name of await files.list(folder)) if (!names.has(name)) await files.remove(join(folder, name));
}
