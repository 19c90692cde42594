/** Ports for registry tests: a clock whose waits take no time, counted randomness, and a client over any Fetch. */

import { SILENT_LOG } from "../../src/core/log.ts";
import type { Clock, Deps, Fetch, Random } from "../../src/core/ports.ts";
import { createRegistryClient, type RegistryClient, type RegistryOptions } from "../../src/oci/client.ts";

export interface FakeClock extends Clock {
  /** Milliseconds of every sleep so far. */
  readonly slept: number[];
  /** Moves time on; timers whose time has come are called. */
  advance(ms: number): void;
}

/** A clock that stands still but for sleeps and `advance`; sleeps end at once. */
export function fakeClock(startMs = Date.UTC(2026, 10, 21)): FakeClock {
  let elapsedMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly call: () => void }>();
  const slept: number[] = [];
  const advance = (ms: number): void => {
    elapsedMs += ms;
    for (const timer of [...timers]) {
      if (timer.atMs > elapsedMs) continue;
      timers.delete(timer);
      timer.call();
    }
  };
  return {
    slept,
    advance,
    now: () => startMs + elapsedMs,
    monotonic: () => elapsedMs,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      slept.push(ms);
      advance(ms);
    },
    after: (ms, call) => {
      const timer = { atMs: elapsedMs + ms, call };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  };
}

/** Random that counts, so that every run is the same run. */
export function countedRandom(): Random {
  let count = 0;
  return {
    bytes: (length) => new Uint8Array(length).map((_, index) => (++count * 31 + index) & 255),
    uuid: () => `00000000-0000-4000-8000-${String(++count).padStart(12, "0")}`,
    fraction: () => 0.5,
  };
}

export function testDeps(clock: Clock = fakeClock()): Pick<Deps, "clock" | "random" | "log"> {
  return { clock, random: countedRandom(), log: SILENT_LOG };
}

/** A client of `registry.test` over plain HTTP unless told otherwise. */
export function clientOver(
  fetch: Fetch,
  options: Partial<RegistryOptions> = {},
  clock: Clock = fakeClock(),
): RegistryClient {
  return createRegistryClient({ ...testDeps(clock), fetch }, { registry: "registry.test", ...options });
}

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
