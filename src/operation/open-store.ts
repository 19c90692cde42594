/** The state of the box for commands: the folder under the root that settings name. */
import type { CommandContext } from "../cli/command.ts";
import { statePaths } from "../core/paths.ts";
import { createFileStore, type FileStoreOptions } from "./file-store.ts";
import type { StateStore } from "./store.ts";

/** Opens it. Reads and writes nothing yet. */
export function openStore(
  { deps, settings }: Pick<CommandContext, "deps" | "settings">,
  options: FileStoreOptions = {},
): StateStore {
  return createFileStore(deps, statePaths(settings.get("root") ?? "/"), options);
}
