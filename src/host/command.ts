/** `host`: what the host's units and its operator ask of the executable. */

import type { Command } from "../cli/command.ts";
import { commands as accessCommands } from "./access-command.ts";
import { factsCommand } from "./agent-command.ts";
import { commands as certificateCommands } from "./certificate-command.ts";
import { commands as imageCommands } from "./image-command.ts";
import { commands as maintenanceCommands } from "./maintenance-command.ts";
import { commands as resolveCommands } from "./resolve-command.ts";
import { commands as storageCommands } from "./storage-command.ts";

export const commands: readonly Command[] = [
  ...accessCommands,
  factsCommand,
  ...certificateCommands,
  ...imageCommands,
  ...maintenanceCommands,
  ...resolveCommands,
  ...storageCommands,
];
