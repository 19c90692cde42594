/** What the verbs that write to registries share: flags, the author, pushing a store, and moving a tag from what it was. */
import type { CommandContext, Flag } from "../cli/command.ts";
import { flagText } from "../cli/flag-values.ts";
import { moveTag, pushStore, type Verify } from "../oci/push.ts";
import { type RegistryAccess, registryWire } from "../release/registry-access.ts";
import type { PromoteDeps } from "./promote.ts";

/** A registry may take its time to put a large blob together before it answers. */
export const PUSH_IDLE_MS = 300_000;

export const VERIFY_FLAG: Flag = {
  name: "verify",
  type: "string",
  value: "<what>",
  choices: ["sent", "all", "sizes"],
  summary: "Which blobs are read back whole: those sent in this run, all, or none (only their sizes)",
  fallback: "sent",
};

/** Which blobs are read back. */
export function verifyOf({ flags }: Pick<CommandContext, "flags">): Verify {
  const given = flagText(flags, "verify");
  return given === "all" || given === "sizes" ? given : "sent";
}

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
