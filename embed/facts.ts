/**
 * What an executable will say of itself: its version, commit, target and the packages in it.
 *
 * The bundler is asked which packages it took, for the program and for the web UI, and the lock file for their versions and
 * checksums; so the list is what is inside and not what was installed. A build-time script, like `build.ts`.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "bun";

export interface FactsInput {
  /** Folder of the sources. */
  readonly root: string;
  readonly version: string;
  readonly revision: string;
  /** Whole name of the commit; absent outside a checkout and for a tree that differs from it. */
  readonly commit: string | undefined;
}

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
}

/** The package of each target whose program carries ours. */
const RUNTIMES = { x64: "@oven/bun-linux-x64-baseline", arm64: "@oven/bun-linux-aarch64" } as const;

/**
 * Collects the facts once for all targets and returns the mark of each: what stands in the bytes of its executable.
 *
 * @throws {Error} when the sources cannot be bundled, or a package is not in the lock file.
 */
export async function buildMarks(input: FactsInput): Promise<(target: keyof typeof RUNTIMES) => string> {
  const { root, version, revision, commit } = input;
  const lock = readFileSync(join(root, "package-lock.json"));
  const { packages: locked }: { packages: Record<string, Locked> } = JSON.parse(lock.toString());
  const bundled = await bundledFolders(root);
  const describe = (folder: string, kind: "runtime" | "bundled") => {
    const found = locked[folder];
    if (found?.version === undefined)
      throw new Error(`Cannot describe package "${folder}": package-lock.json has no such`);
    const name = folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
    const { license, integrity } = found;
    return { name, version: found.version, license, integrity, kind };
  };
  const inside = bundled.map((folder) => describe(folder, "bundled"));
  return (target) => {
    const runtime = describe(runtimeFolder(locked, target), "runtime");
    const facts = {
      schema: "alga.appliance.build/v1",
      version,
      revision,
      commit,
      target: `linux-${target}`,
      lock: `sha256:${createHash("sha256").update(lock).digest("hex")}`,
      packages: [runtime, ...inside],
    };
    return `alga-appliance-facts:v1:${Buffer.from(JSON.stringify(facts)).toString("base64")}:end`;
  };
}

/** The baseline program is the default one under another name; the lock file of some versions has only the default. */
function runtimeFolder(locked: Readonly<Record<string, Locked>>, target: keyof typeof RUNTIMES): string {
  const exact = `node_modules/${RUNTIMES[target]}`;
  return locked[exact] === undefined ? exact.replace(/-baseline$/, "") : exact;
}

/** Folders in node_modules that the program and the web UI take code from, sorted. */
async function bundledFolders(root: string): Promise<readonly string[]> {
  const graphs = [
    { entrypoints: [join(root, "src/main.ts")], target: "bun", splitting: true, format: "esm" },
    { entrypoints: [join(root, "ui/main.ts")], target: "browser", format: "esm" },
  ] as const;
  const found = new Set<string>();
  for (const graph of graphs) {
    const { metafile } = await build({ ...graph, metafile: true });
    for (const path of Object.keys(metafile?.inputs ?? {})) {
      const folder = /(node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
      if (folder !== undefined) found.add(folder);
    }
  }
  if (found.size === 0) throw new Error("Cannot describe the packages of the executable: the bundler names none");
  return [...found].sort();
}
