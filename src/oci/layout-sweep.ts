/** Clearing a layout folder: content that no root leads to, and what writers left that died. Only for its one writer. */
import { join } from "node:path/posix";
import type { Deps } from "../core/ports.ts";
import { openLayout } from "./layout.ts";
import { readCatalog } from "./layout-catalog.ts";

/**
 * Removes content that no root leads to. Safe to call again; a crash leaves content that the next call removes.
 *
 * @returns bytes that were freed.
 * @throws {ApplianceError} oci/bad-layout for a folder that is none, and what `readCatalog` throws; nothing is removed then.
 */
export async function sweepLayout(deps: Pick<Deps, "files">, folder: string): Promise<number> {
  const catalog = await readCatalog(await openLayout(deps, folder));
  const needed = new Set<string>();
  for (const { manifests, blobs } of catalog.repositories.values()) {
    for (const digest of [...manifests.keys(), ...blobs.keys()]) needed.add(digest.slice("sha256:".length));
  }
  let freedBytes = 0;
  const blobs = join(folder, "blobs/sha256");
  for (const name of await deps.files.list(blobs)) {
    if (needed.has(name)) continue;
    freedBytes += (await deps.files.stat(join(blobs, name), { links: "show" }))?.sizeBytes ?? 0;
    await deps.files.remove(join(blobs, name));
  }
  return freedBytes;
}

/** Removes the hidden files of writers that died; a folder that is not there has none. Safe to call again. */
export async function removeLeftovers({ files }: Pick<Deps, "files">, folder: string): Promise<void> {
  for (const place of [folder, join(folder, "blobs/sha256")]) {
    for (const name of await files.list(place)) {
      if (/^\..+\.[0-9a-f]{12}\.tmp$/.test(name)) await files.remove(join(place, name));
    }
  }
}
