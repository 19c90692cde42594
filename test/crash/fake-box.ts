/** A machine and a clock that a test moves: boots, processes that die, time that passes at once. */
import { abortReason } from "../../src/core/deadline.ts";
import type { Clock, Machine, ProcessIdentity, Random } from "../../src/core/ports.ts";

export interface FakeBox {
  readonly clock: Clock;
  /** The machine as one process of it sees it. */
  machineOf(process: ProcessIdentity): Machine;
  /** Starts a process; it lives until `kill` or a boot. */
  spawn(pidNamespace?: string): ProcessIdentity;
  kill(process: ProcessIdentity): void;
  boot(): void;
  /** Lets time pass, with the timers that fall due. */
  pass(ms: number): Promise<void>;
  /** Moves the wall clock alone. */
  setWall(ms: number): void;
  readonly random: Random;
}

interface Timer {
  readonly atMs: number;
  readonly fire: () => void;
}

/** Sleeps of this length last until they are stopped, also where others return at once. */
export const FOREVER_MS = 987_654_321;

/** @param options.instant Sleeps move the clock and return at once, so that a test never waits. */
export function createFakeBox(options: { readonly instant?: boolean } = {}): FakeBox {
  let wallMs = Date.UTC(2026, 10, 21);
  let upMs = 60_000;
  let boots = 1;
  let nextPid = 100;
  let nextByte = 1;
  const living = new Map<number, string>();
  const timers = new Set<Timer>();
  const advance = (ms: number): void => {
    wallMs += ms;
    upMs += ms;
  };
  const clock: Clock = {
    now: () => wallMs,
    monotonic: () => upMs,
    sleep: async (ms, signal) => {
      if (signal?.aborted) throw abortReason(signal);
      if (options.instant && ms !== FOREVER_MS) {
        advance(ms);
        await new Promise((resolve) => setImmediate(resolve));
        if (signal?.aborted) throw abortReason(signal);
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const stop = clock.after(ms, resolve);
        signal?.addEventListener("abort", () => {
          stop();
          reject(abortReason(signal));
        });
      });
    },
    after: (ms, fire) => {
      const timer = { atMs: upMs + ms, fire };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  };
  return {
    clock,
    random: {
      bytes: (count) => Uint8Array.from({ length: count }, () => nextByte++ % 256),
      uuid: () => `uuid-${nextByte++}`,
      fraction: () => 0.5,
    },
    spawn(pidNamespace = "pid:[1]") {
      const process = { pid: nextPid++, startTicks: String(upMs), pidNamespace };
      living.set(process.pid, process.startTicks);
      return process;
    },
    kill: (process) => void living.delete(process.pid),
    boot() {
      boots += 1;
      upMs = 5_000;
      living.clear();
      timers.clear();
    },
    setWall: (ms) => {
      wallMs = ms;
    },
    async pass(ms) {
      const endMs = upMs + ms;
      for (;;) {
        await settle();
        const due = [...timers].filter((timer) => timer.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
        if (due === undefined) break;
        advance(Math.max(0, due.atMs - upMs));
        timers.delete(due);
        due.fire();
      }
      advance(endMs - upMs);
      await settle();
    },
    machineOf: (process) => ({
      bootId: async () => `boot-${boots}`,
      uptimeMs: async () => upMs,
      machineId: async () => "0123456789abcdef0123456789abcdef",
      hostName: async () => "box",
      memory: async () => ({ totalBytes: 16e9, availableBytes: 12e9 }),
      cpuCount: () => 4,
      self: async () => process,
      processStart: async (pid) => living.get(pid),
      screen: async () => undefined,
    }),
  };
}

/** Lets everything that is ready run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 40; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
