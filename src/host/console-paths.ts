/** Where the console keeps what it must remember, below the host's own folder, and what nobody must find after a reboot. */
import { join } from "node:path/posix";
import type { StatePaths } from "../core/paths.ts";

export interface ConsolePaths {
  /** Record of the first login, without the password. */
  readonly credential: string;
  /** How the network was before a change that nobody has confirmed yet. */
  readonly networkUndo: string;
  /** The first login in plain text: in memory only, root's alone, gone with a reboot. */
  readonly login: string;
}

/** Paths under the root of a box. */
export function consolePaths({ root, host }: Pick<StatePaths, "root" | "host">): ConsolePaths {
  return {
    credential: join(host, "console/credential.json"),
    networkUndo: join(host, "console/network-undo.json"),
    login: join(root, "run/alga-appliance-console/login"),
  };
}
