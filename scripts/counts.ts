/** Counting tests: one form of result for every leg, read from what the runners print. */
import { spawn } from "node:child_process";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..");

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

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

/** Runs a command, shows its output as it comes, and counts. A command that ends badly without a count is one failure. */
export async function runCounted(command: readonly string[], options: RunOptions): Promise<LegResult> {
  const { code, output } = await run(command, options);
  const counts = readCounts(output) ?? NONE;
  const failed = code !== 0 && counts.failed === 0 ? 1 : counts.failed;
  return { ...counts, failed, code, output };
}

function run(command: readonly string[], options: RunOptions): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const [program = "", ...words] = command;
    const child = spawn(program, words, {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...options.env },
    });
    let output = "";
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      if (options.quiet !== true) process.stdout.write(chunk);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    const timer = setTimeout(() => {
      process.stdout.write(`\nstopped: "${command.join(" ")}" took longer than ${options.timeoutMs / 1000} s\n`);
      child.kill("SIGKILL");
    }, options.timeoutMs);
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: 127, output: `${output}\n${error.message}` });
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 1, output });
    });
  });
}
