/** Reading the values of flags: one text, a list of texts, a path as it was typed. Pure. */
import { isAbsolute, join } from "node:path/posix";
import type { CommandContext } from "./command.ts";

type Flags = Pick<CommandContext, "flags">["flags"];

/** The text of a flag; undefined when it was not given, or is a switch. */
export function flagText(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

/** The texts of a flag that may be given several times; empty when it was not given. */
export function flagTexts(flags: Flags, name: string): readonly string[] {
  const value = flags[name];
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value : [];
}

/** A path of the command line, absolute: it is meant from the folder in which it was typed. */
export function typedPath(path: string, env: CommandContext["env"]): string {
  return isAbsolute(path) ? path : join(env.PWD ?? "/", path);
}
