/** Counting tests: one form of result for every leg, read from what the runners print. */
import { spawn } from "node:child_process";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..");

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const FAILURES_SHOWN = 40;
const FAILURE_LENGTH = 1_500;
/** What a command gets to take its own things down after SIGTERM, before SIGKILL. */
const GRACE_MS = 60_000;
const DRAIN_MS = 5_000;
/** The exit code that timeout(1) gives too: never 0, even when the command ends well after all. */
const TIMED_OUT = 124;
const INTERRUPTED = 130;
const STOP_SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM"];

export const NONE: Counts = { passed: 0, failed: 0, skipped: 0 };

export function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** The closing line that people and machines read. */
export function closingLine(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

/** Reads the last closing line of ours, or the summary of `bun test`, out of a leg's output. */
export function readCounts(output: string): Counts | undefined {
  const plain = [...output.matchAll(/^(?:[\w ]+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1);
  if (plain !== undefined)
    return { passed: Number(plain[1]), failed: Number(plain[2]), skipped: Number(plain[3] ?? 0) };
  const bun = (word: string): number | undefined => {
    const found = [...output.matchAll(new RegExp(`^\\s*(\\d+) ${word}$`, "gm"))].at(-1)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const passed = bun("pass");
  return passed === undefined
    ? undefined
    : { passed, failed: bun("fail") ?? 0, skipped: (bun("skip") ?? 0) + (bun("todo") ?? 0) };
}

export interface LegResult extends Counts {
  readonly code: number;
  readonly output: string;
}

export interface RunOptions {
  readonly timeoutMs: number;
  readonly env?: Record<string, string>;
  /** Shows nothing while it runs: for commands that run side by side. */
  readonly quiet?: boolean;
}

/** Commands that run now: when we are told to end, the last of them ends us. */
const running = new Set<object>();

/** Runs a command, shows its output as it comes, and counts. A command that ends badly without a count is one failure. */
export async function runCounted(command: readonly string[], options: RunOptions): Promise<LegResult> {
  const { code, output } = await run(command, options);
  const counts = readCounts(output) ?? NONE;
  const failed = code !== 0 && counts.failed === 0 ? 1 : counts.failed;
  return { ...counts, failed, code, output };
}

/** The lines of an output that name what failed: those of `bun test`, and those of our own runners. */
export function readFailures(output: string): string[] {
  const lines = output.match(/^(?:\(fail\) |failed: |held at the second try: |stopped: ).*$/gm) ?? [];
  return [...new Set(lines)].map((line) => line.slice(0, FAILURE_LENGTH)).slice(0, FAILURES_SHOWN);
}

function run(command: readonly string[], options: RunOptions): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const [program = "", ...words] = command;
    // A group of its own, so that what it started can be ended with it.
    const child = spawn(program, words, {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...options.env },
      detached: true,
    });
    running.add(child);
    const timers: NodeJS.Timeout[] = [];
    let interrupted = false;
    const stop = (): void => {
      signal(child.pid, "SIGTERM");
      timers[1] = setTimeout(() => signal(child.pid, "SIGKILL"), GRACE_MS);
    };
    const stopWithUs = (): void => {
      if (!interrupted) stop();
      interrupted = true;
    };
    for (const name of STOP_SIGNALS) process.on(name, stopWithUs);
    let output = "";
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      if (options.quiet !== true) process.stdout.write(chunk);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    let timedOut = false;
    timers[0] = setTimeout(() => {
      timedOut = true;
      take(Buffer.from(`\nstopped: "${command.join(" ")}" took longer than ${options.timeoutMs / 1000} s\n`));
      stop();
    }, options.timeoutMs);
    const end = (code: number): void => {
      for (const timer of timers) clearTimeout(timer);
      for (const name of STOP_SIGNALS) process.off(name, stopWithUs);
      running.delete(child);
      if (interrupted && options.quiet === true) process.stdout.write(output);
      if (interrupted && running.size === 0) process.exit(INTERRUPTED);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code, output });
    };
    child.once("error", (error) => {
      output += `\n${error.message}`;
      end(127);
    });
    child.once("exit", (code) => {
      // What it left running may hold the pipes open for ever; what it printed has come by then.
      const outcome = timedOut ? TIMED_OUT : (code ?? 1);
      timers[2] = setTimeout(() => {
        signal(child.pid, "SIGKILL");
        end(outcome);
      }, DRAIN_MS);
      child.once("close", () => end(outcome));
    });
  });
}

/** Signals a whole process group; one that is gone already is what was wanted. */
function signal(group: number | undefined, name: NodeJS.Signals): void {
  try {
    if (group !== undefined) process.kill(-group, name);
  } catch {
    // ESRCH: nothing of it is left.
  }
}
