/** What a command works through, opened when it begins and closed when it ends. */
import type { CommandContext } from "../cli/command.ts";
import type { ExitCode } from "../core/errors.ts";

interface Closable {
  /** Leaves a run that is not done to the next process. */
  close(): Promise<void>;
}

/** Opens what a command works through, lends it, and closes it whatever happens. */
export type Lend<T> = (context: CommandContext, work: (opened: T) => Promise<ExitCode>) => Promise<ExitCode>;

/** Makes a lender of an opener. Nothing is opened yet. */
export function lending<T extends Closable>(open: (context: CommandContext) => Promise<T>): Lend<T> {
  return async (context, work) => {
    const opened = await open(context);
    try {
      return await work(opened);
    } finally {
      await opened.close();
    }
  };
}
