/**
 * The folder of the volumes on the host: root's alone. Pods get each volume mounted by the kubelet, which is root, so nobody else
 * has to pass through it.
 *
 * What is inside is never touched: the folders of volumes belong to the pods that use them.
 */
import { dirname, join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { FolderFacts } from "../storage/findings.ts";
import { HOST_FOLDER } from "../storage/objects.ts";
import { type BootstrapCall, run } from "./bootstrap-context.ts";

/** Where k3s' own provisioner put volumes, which stay there. */
const K3S_FOLDER = "/var/lib/rancher/k3s/storage";
const OTHERS = 0o077;

/** Looks at the folder and its disk; of a folder that is not there, the disk on which it would be. Reads only. */
export async function lookAtFolder({ files }: Pick<Deps, "files">, root: string): Promise<FolderFacts> {
  const path = join(root, HOST_FOLDER);
  const stat = await files.stat(path, { links: "show" });
  let there = path;
  while (there !== "/" && (await files.stat(there)) === undefined) there = dirname(there);
  const disk = await files.space(there);
  if (stat === undefined) return { path, state: "none", mode: null, disk };
  if (stat.kind !== "directory") return { path, state: "foreign", mode: null, disk };
  return { path, state: (stat.mode & OTHERS) === 0 ? "closed" : "open", mode: stat.mode & 0o7777, disk };
}

/**
 * Makes the folder, closes it and that of k3s to everybody but root. Safe to call again; drift is put right each time.
 *
 * @returns what was changed, in words.
 * @throws {ApplianceError} storage/bad-folder when something else stands there, and what `Exec` and `Files` throw.
 */
export async function putFolderRight(
  call: Pick<BootstrapCall, "signal"> & { readonly deps: Pick<Deps, "files" | "exec"> },
  root: string,
): Promise<readonly string[]> {
  const { files } = call.deps;
  const { path, state, mode } = await lookAtFolder(call.deps, root);
  const changed: string[] = [];
  if (state === "foreign") throw badFolder(path);
  if (state === "none") {
    await files.makeDirectory(dirname(path), { mode: 0o755 });
    await files.makeDirectory(path, { mode: 0o700 });
    changed.push(`made ${path}`);
  }
  if (state === "open") {
    await close(call, path);
    changed.push(`closed ${path} to others (it had mode ${octal(mode ?? 0)})`);
  }
  const old = join(root, K3S_FOLDER);
  const stat = await files.stat(old, { links: "show" });
  if (stat?.kind === "directory" && (stat.mode & OTHERS) !== 0) {
    await close(call, old);
    changed.push(`closed ${old} to others (it had mode ${octal(stat.mode)})`);
  }
  return changed;
}

async function close(
  call: Pick<BootstrapCall, "signal"> & { readonly deps: Pick<Deps, "exec"> },
  path: string,
): Promise<void> {
  await run(call, ["chown", "--no-dereference", "0:0", path]);
  await run(call, ["chmod", "0700", path]);
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function badFolder(path: string): ApplianceError {
  return new ApplianceError(
    "storage/bad-folder",
    `Cannot use "${path}" for volumes: it is a link or a file, a folder is wanted`,
    { hint: "Mount the disk there itself, or move what is there away; then: alga-appliance host storage install" },
  );
}
