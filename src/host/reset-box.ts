/** Takes what is ours off the host: images of the product and the state folder. Root's own folder keeps the journal of it. */
import { join } from "node:path/posix";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { StepResult } from "../operation/step.ts";
import type { BootstrapCall } from "./bootstrap-context.ts";
import { findK3s, listImages } from "./containerd.ts";
import { releaseImages } from "./kept-images.ts";

const REMOVE_MS = 10 * 60_000;
/** Images named in one call. */
const AT_ONCE = 50;
/** Folders below the state folder; deeper is none of ours. */
const MAX_DEPTH = 32;

/**
 * Names of the product's images: those below its own place, and those that its releases name there. Images of others stay, also where a
 * release uses them, and the control plane's, which starts again afterwards. Pure.
 */
function ownedImages(
  images: ReadonlySet<string>,
  { place, named }: { readonly place: string | null; readonly named: ReadonlySet<string> },
): readonly string[] {
  const isBelow = (name: string): boolean => place !== null && name.startsWith(`${place}/`);
  const isNamed = (name: string): boolean => named.has(name) && !OTHERS.test(name);
  return [...images]
    .filter((name) => (isBelow(name) || isNamed(name)) && !name.includes("/alga-appliance-control-plane"))
    .sort();
}

/** Registries of everybody: what is pulled from there may be anybody's. */
const OTHERS = /^(?:docker\.io|quay\.io|registry\.k8s\.io|gcr\.io)\//;

/** Removes the product's images. What others brought stays; a containerd that refuses one keeps it. */
export async function removeImages(call: BootstrapCall, place: string | null): Promise<StepResult> {
  const { deps, settings, signal } = call;
  const named = await releaseImages(deps, settings.paths).catch((thrown: unknown) => {
    // A damaged record names nothing; what lies below the place goes all the same.
    if (!isApplianceError(thrown)) throw thrown;
    return new Set<string>();
  });
  const names = ownedImages(await listImages(deps, settings.paths, signal), { place, named });
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
