/** A noun of the command line: what it is for, who uses it, and how its commands are loaded when it is typed. */
import type { Command } from "./command.ts";

export interface Noun {
  readonly name: string;
  readonly summary: string;
  /** Heading of the overview. */
  readonly group: string;
  /** Loads the room; only the noun that was typed pays for it. */
  readonly load: () => Promise<readonly Command[]>;
}

/**
 * Other names of the executable (symbolic links) and what they stand for.
 *
 * @see interfaces.md section 1
 */
const ALIASES: Readonly<Record<string, { readonly prefix: readonly string[]; readonly only?: readonly string[] }>> = {
  alga: { prefix: ["extension"], only: ["pack", "sign", "verify", "publish"] },
  // Its callers of before know no flags, and it deletes nothing.
  "alga-control-plane-reapply": { prefix: ["recover", "--yes"] },
  // Told nobody and asked nobody, which its callers of before count on.
  "alga-appliance-reset-admin": { prefix: ["host", "reset-admin", "--yes"] },
  appliance: { prefix: [] },
};

/** Words of the invocation after the alias of the executable's base name is applied. */
export function expandAlias(baseName: string, words: readonly string[]): readonly string[] {
  const alias = ALIASES[baseName];
  return alias === undefined ? words : [...alias.prefix, ...words];
}
