/** Flags that several verbs of publishing have, each with one meaning and one place. */
import type { CommandContext, Flag } from "../cli/command.ts";
import { flagText } from "../cli/flag-values.ts";
import type { Verify } from "../oci/push.ts";

export const BY_FLAG: Flag = {
  name: "by",
  type: "string",
  value: "<name>",
  summary: "Who does it, for the channel's history (default the login, then the user name)",
};

export const MOVE_TAGS_FLAG: Flag = {
  name: "move-tags",
  type: "boolean",
  summary: "Move also tags that name something else already",
};

export const DRY_RUN_FLAG: Flag = {
  name: "dry-run",
  type: "boolean",
  summary: "Check everything, say what would be done or refused, and write nothing",
};

export const ALLOW_DOWNGRADE_FLAG: Flag = {
  name: "allow-downgrade",
  type: "boolean",
  summary: "Move the channel also to an older release",
};

export const VERIFY_FLAG: Flag = {
  name: "verify",
  type: "string",
  value: "<what>",
  choices: ["sent", "all", "sizes"],
  summary: "Which blobs are read back whole: those sent in this run, all, or none (only their sizes)",
  fallback: "sent",
};

type Flags = Pick<CommandContext, "flags">;

/** Which blobs are read back. */
export function verifyOf({ flags }: Flags): Verify {
  const given = flagText(flags, "verify");
  return given === "all" || given === "sizes" ? given : "sent";
}

/** What happens to tags that name something else already. */
export function takenOf({ flags }: Flags): "move" | "refuse" {
  return flags[MOVE_TAGS_FLAG.name] === true ? "move" : "refuse";
}

/** Whether nothing may be written. */
export function isDryRun({ flags }: Flags): boolean {
  return flags[DRY_RUN_FLAG.name] === true;
}

/** Whether a channel may go back. */
export function mayDowngrade({ flags }: Flags): boolean {
  return flags[ALLOW_DOWNGRADE_FLAG.name] === true;
}

/** Who does it, for the history of a channel: --by, the login, or the user of this machine. */
export function authorOf({ flags, settings, env }: Pick<CommandContext, "flags" | "settings" | "env">): string {
  return flagText(flags, BY_FLAG.name) ?? settings.get("registry.username") ?? env.USER ?? "unknown";
}
