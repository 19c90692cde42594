/** What a journal says, in lines for a terminal. Pure. */
import { humanDuration } from "../core/duration.ts";
import type { JournalEntry } from "./journal.ts";

/** One line for one transition, nothing for those that say nothing new. */
export function entryText(entry: JournalEntry, titles: ReadonlyMap<string, string>): string | undefined {
  switch (entry.kind) {
    case "step-started":
      return `${titles.get(entry.step) ?? entry.step}${entry.attempt > 1 ? ` (attempt ${entry.attempt})` : ""}`;
    case "step-progress":
      return `  ${entry.detail}${entry.problem === null ? "" : `: ${entry.problem.message}`}`;
    case "step-done":
    case "step-skipped":
      return `  ${entry.kind === "step-done" ? "done" : "skipped"}${entry.detail === null ? "" : `: ${entry.detail}`}`;
    case "step-failed":
      return `  failed: ${entry.problem.message}${entry.retryInMs === null ? "" : `; tries again in ${humanDuration(entry.retryInMs)}`}`;
    case "step-waits-for-network":
      return "  waits for the network";
    case "pause-asked":
      return "  pauses when this step has ended";
    case "paused":
      return "Paused";
    default:
      return undefined;
  }
}
