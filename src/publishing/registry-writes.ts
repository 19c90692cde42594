/** The two ways in which verbs write to a registry: pushing a store, and moving a tag from what it was. */
import type { CommandContext } from "../cli/command.ts";
import { flagText } from "../cli/flag-values.ts";
import { moveTag, pushStore } from "../oci/push.ts";
import { type RegistryAccess, registryWire } from "../release/registry-access.ts";
import type { PromoteDeps } from "./promote.ts";

/** Opens them for the registry of an access record. Nothing is sent yet. */
export function registryWrites(
  { deps, signal }: Pick<CommandContext, "deps" | "signal">,
  access: RegistryAccess,
): Pick<PromoteDeps, "push" | "moveTag"> {
  const wire = registryWire(deps, access);
  const options = { ...wire.options, signal };
  return {
    push: async (store) => void (await pushStore(store, wire.deps, options)),
    moveTag: (move) => moveTag(wire.deps, move, options),
  };
}

/** Who does it, for the history of a channel: --by, the login, or the user of this machine. */
export function authorOf({ flags, settings, env }: Pick<CommandContext, "flags" | "settings" | "env">): string {
  return flagText(flags, "by") ?? settings.get("registry.username") ?? env.USER ?? "unknown";
}
