/** SIGINT and SIGTERM as one AbortSignal; a second signal ends the process at once. */
import { ApplianceError } from "../core/errors.ts";

/** Exit code of a process that a second signal ended, by the shells' convention (128 + 15). */
const EXIT_KILLED = 143;

/** Makes the signal of this process. Call once: it takes the place of the runtime's own handlers. */
export function processSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (name: string): void => {
    if (controller.signal.aborted) process.exit(EXIT_KILLED);
    controller.abort(new ApplianceError("internal/aborted", `Cannot go on: the process got ${name}`));
  };
  process.on("SIGINT", () => stop("SIGINT"));
  process.on("SIGTERM", () => stop("SIGTERM"));
  return controller.signal;
}
