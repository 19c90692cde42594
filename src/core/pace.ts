/** Giving way: long work in one thread lets requests and timers have their turn every few milliseconds. */
import type { Clock } from "./ports.ts";

/** Milliseconds of work before others get a turn: a request that waits for a few of them is still answered at once. */
const TURN_MS = 4;

export interface Pace {
  /** Whether others should get a turn now. Cheap; ask between any two pieces of work. */
  isDue(): boolean;
  /** Lets everything else that is ready run. */
  rest(): Promise<void>;
}

/** Starts to measure now. */
export function createPace(clock: Pick<Clock, "monotonic" | "sleep">): Pace {
  let sinceMs = clock.monotonic();
  return {
    isDue: () => clock.monotonic() - sinceMs >= TURN_MS,
    rest: async () => {
      await clock.sleep(0);
      sinceMs = clock.monotonic();
    },
  };
}

/** Takes all that a generator makes, with rests between its pieces; each piece costs what it costs. */
export async function paced<T>(clock: Pick<Clock, "monotonic" | "sleep">, pieces: Iterable<T>): Promise<T[]> {
  const pace = createPace(clock);
  const made: T[] = [];
  for (const piece of pieces) {
    made.push(piece);
    if (pace.isDue()) await pace.rest();
  }
  return made;
}
