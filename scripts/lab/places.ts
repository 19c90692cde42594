// Where the lab keeps things: the clone (read only), the cache (built once), the run folder (this boot), the addresses.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export const REPOSITORY = resolve(import.meta.dirname, "../..");
export const LAB_SOURCES = join(REPOSITORY, "test/lab");

/** Built once and kept: tools, the Debian tree, images, charts. Outside the clone. */
export const CACHE =
  process.env.ALGA_LAB_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "alga-appliance-lab");

/** State of the box that runs now; `lab down` removes it whole. */
export const RUN = join(CACHE, "run");

export const NETWORK = {
  bridge: "alga-lab0",
  host: "10.77.0.1",
  box: "10.77.0.2",
  prefix: 24,
} as const;

export const BOX_NAME = "alga-lab";

/** A short key of file contents: equal inputs give the same cache entry, any change gives a new one. */
export function keyOf(paths: readonly string[], extra = ""): string {
  const hash = createHash("sha256").update(extra);
  for (const path of paths) hash.update(`\0${readFileSync(path).length}\0`).update(readFileSync(path));
  return hash.digest("hex").slice(0, 16);
}
