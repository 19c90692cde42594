/** The operations of this room by their kinds: whoever opens the operations of a box must know them all, to go on with any. */
import type { OperationsOptions } from "../operation/operations.ts";
import { addressProgram } from "./address.ts";
import { adminPasswordProgram } from "./admin-password.ts";
import { setupProgram } from "./engine.ts";
import { licenseProgram } from "./license-key.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";

/** Makes the programs of setup and of what can be changed later. */
export function setupPrograms(deps: SetupDeps, settings: SetupSettings): OperationsOptions["programs"] {
  return {
    setup: setupProgram(deps, settings),
    address: addressProgram(deps, settings),
    password: adminPasswordProgram(deps, settings),
    license: licenseProgram(deps, settings),
  };
}
