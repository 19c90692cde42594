/** What the verbs that write to registries share: pushing a store, and moving a tag from what it was. */
import type { CommandContext } from "../cli/command.ts";
import { moveTag, pushStore } from "../oci/push.ts";
import { type RegistryAccess, registryWire } from "../release/registry-access.ts";
import type { PromoteDeps } from "./promote.ts";

/** A registry may take its time to put a large blob together before it answers. */
export const PUSH_IDLE_MS = 300_000;

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
