/** Reading a folder of the publisher's source tree whole: bounded, in one order, symbolic links followed. */
import { join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { Deps, FileStat } from "../core/ports.ts";

export interface FolderOptions {
  /** For messages: "charts/sebastian". */
  readonly what: string;
  /** Bytes of all files together. */
  readonly maxBytes: number;
  /** Default 5,000. */
  readonly maxFiles?: number;
  /** Leaves a file or folder out; default: nothing. A folder that is left out is not looked into. */
  readonly skip?: (path: string, isFolder: boolean) => boolean;
}

const MAX_FILES = 5_000;
/** Folders in folders; a link to a parent would otherwise never end. */
const MAX_DEPTH = 32;

/**
 * Reads every file below a folder: path with `/` -> bytes, sorted by path.
 *
 * @throws {ApplianceError} build/missing-input when the folder is not there; build/bad-source for what is no regular file, and
 *   for more than the bounds.
 */
export async function readFolder(
  { files }: Pick<Deps, "files">,
  folder: string,
  options: FolderOptions,
): Promise<Map<string, Uint8Array>> {
  if ((await files.stat(folder))?.kind !== "directory") {
    throw new ApplianceError("build/missing-input", `Cannot read "${options.what}": it is no folder, one is wanted`);
  }
  const found = new Map<string, Uint8Array>();
  let left = options.maxBytes;
  for (const path of (await paths({ files }, folder, options)).sort()) {
    const bytes = (await files.read(join(folder, path), { maxBytes: options.maxBytes })) ?? new Uint8Array();
    left -= bytes.length;
    if (left < 0) throw unusable(options, `it has more than ${options.maxBytes} bytes, less is wanted`);
    found.set(path, bytes);
  }
  return found;
}

async function paths(deps: Pick<Deps, "files">, folder: string, options: FolderOptions): Promise<string[]> {
  const found: string[] = [];
  const waiting = [""];
  const sort = ({ path, kind }: Entry): void => {
    if (kind === "directory") waiting.push(path);
    else found.push(regular(path, kind, options));
  };
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    if (below.split("/").length > MAX_DEPTH) throw unusable(options, "its folders lie too deep or in a circle");
    for (const { path, kind } of await entries(deps, join(folder, below), below)) {
      if (options.skip?.(path, kind === "directory") === true) continue;
      sort({ path, kind });
    }
    if (found.length > (options.maxFiles ?? MAX_FILES)) throw unusable(options, "it has too many files");
  }
  return found;
}

interface Entry {
  readonly path: string;
  readonly kind: FileStat["kind"] | undefined;
}

async function entries({ files }: Pick<Deps, "files">, folder: string, below: string): Promise<readonly Entry[]> {
  const names = await files.list(folder);
  return Promise.all(
    names.map(async (name) => ({
      path: below === "" ? name : `${below}/${name}`,
      kind: (await files.stat(join(folder, name)))?.kind,
    })),
  );
}

function regular(path: string, kind: FileStat["kind"] | undefined, options: FolderOptions): string {
  if (kind === "file") return path;
  throw unusable(options, `"${path.slice(0, 200)}" is no regular file, one is wanted`);
}

function unusable({ what }: FolderOptions, is: string): ApplianceError {
  return new ApplianceError("build/bad-source", `Cannot read folder "${what.slice(0, 200)}": ${is}`);
}
