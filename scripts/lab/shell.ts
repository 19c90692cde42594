// Commands of the host, run by the lab: an argument vector, a time limit, and an error that shows what the command said.
// Nothing here goes through a shell, so a path with a space or a quote stays one argument.

import { spawnSync } from "node:child_process";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string | Uint8Array;
  /** Limit of the whole command, in milliseconds; 10 minutes when absent. */
  readonly timeoutMs?: number;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TEN_MINUTES = 600_000;
const LAST_BYTES_SHOWN = 2_000;

/** Runs a command to its end and answers its exit code and output; never throws for a code other than 0. */
export function tryRun(argv: readonly string[], options: RunOptions = {}): RunResult {
  const [command, ...args] = argv;
  const done = spawnSync(command ?? "", args, {
    cwd: options.cwd,
    env: options.env === undefined ? process.env : { ...process.env, ...options.env },
    input: options.input,
    timeout: options.timeoutMs ?? TEN_MINUTES,
    maxBuffer: 256 * 1024 * 1024,
    encoding: "utf8",
  });
  const problem = done.error === undefined ? "" : `${done.error.message}\n`;
  return { code: done.status ?? 1, stdout: done.stdout ?? "", stderr: problem + (done.stderr ?? "") };
}

/**
 * Runs a command and answers its standard output.
 * @throws {Error} when the command ends with another code than 0; the message carries the end of what it printed
 */
export function run(argv: readonly string[], options: RunOptions = {}): string {
  const result = tryRun(argv, options);
  if (result.code === 0) return result.stdout;
  const said = `${result.stderr}${result.stdout}`.trim().slice(-LAST_BYTES_SHOWN);
  throw new Error(`Cannot run "${argv.slice(0, 4).join(" ")}": exit code ${result.code}\n${said}`);
}

/** Tells whether a program is found on the search path. */
export function hasProgram(name: string): boolean {
  return tryRun(["which", name]).code === 0;
}

export function say(line: string): void {
  process.stderr.write(`lab: ${line}\n`);
}
