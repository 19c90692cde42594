/** The run that one process works on: its recorder, and what ends its waits, its step and itself. */
import type { Recorder } from "./recorder.ts";
import type { RunnerOptions } from "./runner.ts";

export interface Active {
  readonly id: string;
  /** Ends the run in this process. */
  readonly abort: AbortController;
  readonly recorder: Recorder;
  /** Resolves when the lease is given back; never rejects. */
  readonly ended: Promise<void>;
  /** Ends the wait for the next attempt. */
  poke: AbortController;
  /** Stops a step that may be stopped where it is. */
  pause: AbortController;
  cancelled: boolean;
  /** For the runner: a new poke for each wait, a new pause for each attempt. */
  readonly interrupts: Pick<RunnerOptions, "poked" | "paused">;
}

/** Makes it. Nothing runs yet: `ended` is set by whoever begins the work. */
export function createActive(parts: Pick<Active, "id" | "abort" | "recorder">): Active {
  const active: Active = {
    ...parts,
    ended: Promise.resolve(),
    poke: new AbortController(),
    pause: new AbortController(),
    cancelled: false,
    interrupts: {
      poked: () => {
        active.poke = new AbortController();
        return active.poke.signal;
      },
      paused: () => {
        active.pause = new AbortController();
        return active.pause.signal;
      },
    },
  };
  return active;
}
