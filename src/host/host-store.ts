/** The store of the host's own operations (bootstrap, recover, reset): root's folder, which no pod can reach. */
import { join } from "node:path/posix";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { createFileStore } from "../operation/file-store.ts";
import type { StateStore } from "../operation/store.ts";

/** The folders of the host's own operations. */
export function hostPaths(paths: StatePaths): StatePaths {
  const inside = (name: string): string => join(paths.host, name);
  return {
    ...paths,
    state: paths.host,
    journal: inside("journal"),
    lease: inside("lease"),
    history: inside("history.ndjson"),
    secrets: inside("secrets"),
  };
}

/** Opens it. Makes no folder before something is written. */
export function openHostStore(deps: Pick<Deps, "files" | "clock">, paths: StatePaths): StateStore {
  return createFileStore(deps, hostPaths(paths));
}
