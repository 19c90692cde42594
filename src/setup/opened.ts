/** What the commands of setup work through: parts of the engines of the box, which the composition root opens. */
import type { CommandContext } from "../cli/command.ts";
import type { Operations } from "../operation/operations.ts";
import type { Address } from "./address.ts";
import type { AdminPassword } from "./admin-password.ts";
import type { Setup } from "./engine.ts";
import type { LicenseKey } from "./license-key.ts";

export interface OpenSetup {
  readonly setup: Setup;
  readonly address: Address;
  readonly adminPassword: AdminPassword;
  readonly licenseKey: LicenseKey;
  /** With the programs of all kinds: an interrupted update goes on as an interrupted setup does. */
  readonly operations: Operations;
  /** Leaves a run that is not done to the next process. */
  close(): Promise<void>;
}

/** Opens the state, the cluster and the registry that flags and settings name. */
export type SetupOpener = (context: CommandContext) => Promise<OpenSetup>;
