/** What the commands of updates work through: parts of the engines of the box, which the composition root opens. */
import type { CommandContext } from "../cli/command.ts";
import type { Operations } from "../operation/operations.ts";
import type { Updates } from "./engine.ts";

export interface OpenUpdates {
  readonly updates: Updates;
  /** With the programs of all kinds: an interrupted setup goes on as an interrupted update does. */
  readonly operations: Operations;
  /** Leaves a run that is not done to the next process. */
  close(): Promise<void>;
}

/** Opens the state, the cluster and the registry that flags and settings name. */
export type UpdatesOpener = (context: CommandContext) => Promise<OpenUpdates>;
