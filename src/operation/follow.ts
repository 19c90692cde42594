/** Following a run from a command: its journal as progress, its end as the result. One way for all kinds. */
import type { CommandContext } from "../cli/command.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { entryText } from "./entry-text.ts";
import { needsOperator } from "./fold.ts";
import type { Operations } from "./operations.ts";
import { runText } from "./run-text.ts";

type Screen = Pick<CommandContext, "out" | "signal">;

/**
 * Begins or joins a run, tells each line of its journal as progress, and prints how it came to rest.
 *
 * What was interrupted is taken up after `begin` alone: a command that is refused because of it does not touch it.
 *
 * @param begin Starts the run, or finds the one to follow; throws what stands in its way. The state has been read by then.
 * @returns `done` where the run is; `notReady` where it is paused; else `failed`.
 */
export async function followRun(
  { out, signal }: Screen,
  operations: Operations,
  begin: () => Promise<unknown>,
): Promise<ExitCode> {
  await operations.look();
  const untold = operations.subscribe((event) => {
    if (event.type !== "journal") return;
    const titles = new Map(operations.current()?.steps.map(({ id, title }) => [id, title]));
    const line = entryText(event.entry, titles);
    if (line !== undefined) out.progress(line);
  });
  try {
    await begin();
    await operations.recover();
    const view = await operations.settled(signal);
    if (view === undefined) throw new TypeError("a run was begun and there is none");
    out.result({ operation: view }, () => runText(view));
    if (view.state === "done") return EXIT.done;
    return view.state === "paused" ? EXIT.notReady : EXIT.failed;
  } finally {
    untold();
  }
}

/**
 * Lets the newest run go on, whatever kind it is: one that is paused or blocked tries again, one that was interrupted is taken up, one
 * that another process works on is followed. Of one that has ended it prints how. Safe to call again.
 *
 * @param options.hint What to type where nothing was ever begun.
 * @throws {ApplianceError} operation/unknown where there is no run; what the journal or the run throws.
 */
export function resumeRun(
  screen: Screen,
  operations: Operations,
  options: { readonly hint: string },
): Promise<ExitCode> {
  return followRun(screen, operations, async () => {
    const view = operations.current();
    if (view === undefined) {
      throw new ApplianceError("operation/unknown", "Cannot go on: nothing has been started", options);
    }
    if (needsOperator(view) || view.pausing === true || view.state === "failed") await operations.resume(view.id);
  });
}
