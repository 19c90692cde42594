/** Takes what is ours off the host: images of the product and the state folder. Root's own folder keeps the journal of it. */
import { join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { StepResult } from "../operation/step.ts";
import type { BootstrapCall } from "./bootstrap-context.ts";
import { findK3s, listImages } from "./containerd.ts";

const REMOVE_MS = 10 * 60_000;
/** Images named in one call. */
const AT_ONCE = 50;
/** Folders below the state folder; deeper is none of ours. */
const MAX_DEPTH = 32;

/** Names of the product's images below a registry's base, without the control plane, which starts again afterwards. Pure. */
function ownedImages(images: ReadonlySet<string>, place: string | null): readonly string[] {
  if (place === null) return [];
  return [...images]
    .filter((name) => name.startsWith(`${place}/`) && !name.includes("/alga-appliance-control-plane"))
    .sort();
}

/** Removes the product's images. What others brought stays; a containerd that refuses one keeps it. */
export async function removeImages(call: BootstrapCall, place: string | null): Promise<StepResult> {
  const { deps, settings, signal } = call;
  const names = ownedImages(await listImages(deps, settings.paths, signal), place);
  const k3s = await findK3s(deps, settings.paths);
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const some = names.slice(at, at + AT_ONCE);
    call.progress(`${at} of ${names.length}`);
    await deps.exec([k3s, "ctr", "images", "rm", ...some], { timeoutMs: REMOVE_MS, signal });
  }
  return { state: "done", detail: names.length === 0 ? "None was there" : `${names.length} images removed` };
}

/** Removes everything in the state folder; the folder itself is made right by the next bootstrap. Safe to call again. */
export async function removeState({ deps, settings }: BootstrapCall): Promise<StepResult> {
  let count = 0;
  for (const name of await deps.files.list(settings.paths.state)) {
    count += await removeTree(deps, join(settings.paths.state, name), MAX_DEPTH);
  }
  return { state: "done", detail: count === 0 ? "It was empty" : `${count} files and folders removed` };
}

/** Removes a file, or a folder with what is in it; a symbolic link itself. @returns how many were removed. */
async function removeTree(deps: Pick<Deps, "files">, path: string, depth: number): Promise<number> {
  if (depth === 0) {
    throw new ApplianceError(
      "file/unwritable",
      `Cannot remove "${path}": it lies too deep, a folder of the appliance is wanted`,
    );
  }
  const { files } = deps;
  let count = 1;
  if ((await files.stat(path, { links: "show" }))?.kind === "directory") {
    for (const name of await files.list(path)) count += await removeTree(deps, join(path, name), depth - 1);
  }
  await files.remove(path);
  return count;
}
