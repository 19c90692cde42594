/** All real ports of this process in one record. Imported by `process.ts` alone. */
import type { Log } from "../core/log.ts";
import type { Deps } from "../core/ports.ts";
import { systemClock } from "./clock.ts";
import { systemExec } from "./exec.ts";
import { createTransports } from "./fetch.ts";
import { systemFiles } from "./files.ts";
import { systemMachine } from "./machine.ts";
import { systemNetwork } from "./network.ts";
import { systemRandom } from "./random.ts";

/** Gathers the real ports. Nothing is opened or read yet. */
export function createDeps(log: Log): Deps {
  return {
    clock: systemClock,
    random: systemRandom,
    files: systemFiles,
    transports: createTransports(),
    network: systemNetwork,
    machine: systemMachine,
    exec: systemExec,
    log,
  };
}
