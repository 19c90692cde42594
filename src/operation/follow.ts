/** Following a run from a command: its journal as progress, its end as the result. One way for all kinds. */
import type { CommandContext } from "../cli/command.ts";
import { EXIT, type ExitCode } from "../core/errors.ts";
import { entryText } from "./entry-text.ts";
import type { OperationView } from "./model.ts";
import type { Operations } from "./operations.ts";

/**
 * Begins or joins a run, tells each line of its journal as progress, and prints how it came to rest.
 *
 * @param run.begin Starts the run, or finds the one to follow; throws what stands in its way.
 * @param run.text The result for people.
 * @returns `done` where the run is; `notReady` where it is paused; else `failed`.
 */
export async function followRun(
  { out, signal }: Pick<CommandContext, "out" | "signal">,
  operations: Operations,
  run: { readonly begin: () => Promise<unknown>; readonly text: (view: OperationView) => string },
): Promise<ExitCode> {
  const untold = operations.subscribe((event) => {
    if (event.type !== "journal") return;
    const titles = new Map(operations.current()?.steps.map(({ id, title }) => [id, title]));
    const line = entryText(event.entry, titles);
    if (line !== undefined) out.progress(line);
  });
  try {
    await run.begin();
    const view = await operations.settled(signal);
    if (view === undefined) throw new TypeError("a run was begun and there is none");
    out.result({ operation: view }, () => run.text(view));
    if (view.state === "done") return EXIT.done;
    return view.state === "paused" ? EXIT.notReady : EXIT.failed;
  } finally {
    untold();
  }
}
