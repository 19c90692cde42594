// Processes that outlive one command of the lab (the box, the registry, the name server), each with a pid file and a log.
// A pid alone is not trusted: the file also holds the process' start time, so a reused number is never signaled.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RUN } from "./places.ts";

const FOLDER = join(RUN, "daemons");

/** Starts a process that goes on when this one ends; its output goes to `<run>/daemons/<name>.log`. */
export function startDaemon(name: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}): number {
  mkdirSync(FOLDER, { recursive: true });
  const log = openSync(join(FOLDER, `${name}.log`), "a");
  const [command, ...args] = argv;
  const child = spawn(command ?? "", args, {
    detached: true,
    stdio: ["ignore", log, log],
    env: { ...process.env, ...env },
  });
  if (child.pid === undefined) throw new Error(`Cannot start "${name}": ${command} did not start`);
  child.unref();
  writeFileSync(join(FOLDER, `${name}.pid`), `${child.pid} ${startTime(child.pid)}`);
  return child.pid;
}

/** The pid of a daemon that runs, or undefined. */
export function daemonPid(name: string): number | undefined {
  const file = join(FOLDER, `${name}.pid`);
  if (!existsSync(file)) return undefined;
  const [pid, started] = readFileSync(file, "utf8").split(" ");
  return pid !== undefined && startTime(Number(pid)) === started && started !== "" ? Number(pid) : undefined;
}

/** Signals a daemon and waits until it is gone; kills it after the given time, in milliseconds. Safe to call again. */
export async function stopDaemon(name: string, signal: NodeJS.Signals = "SIGTERM", patienceMs = 10_000): Promise<void> {
  const pid = daemonPid(name);
  if (pid !== undefined) {
    process.kill(pid, signal);
    if (!(await gone(pid, patienceMs))) process.kill(pid, "SIGKILL");
    await gone(pid, 5_000);
  }
  rmSync(join(FOLDER, `${name}.pid`), { force: true });
}

/** What a daemon has printed since the lab was brought up; empty when it never ran. */
export function daemonLog(name: string): string {
  const file = join(FOLDER, `${name}.log`);
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What no waiting will mend: ends an `until` at once. */
export class Hopeless extends Error {}

/**
 * Asks again until the answer is truthy. A question that fails is asked again too: on a slow machine a cluster that is fine may
 * leave one unanswered.
 * @throws {Error} what was waited for and the last failure, after the time; a `Hopeless` at once
 */
export async function until<T>(what: string, seconds: number, ask: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = Date.now() + seconds * 1000;
  let failure = "";
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
      failure = "";
    } catch (problem) {
      if (problem instanceof Hopeless) throw problem;
      failure = `; the last look failed: ${problem instanceof Error ? problem.message : problem}`;
    }
    if (Date.now() > deadline) throw new Error(`Cannot wait longer for ${what}: ${seconds} s have passed${failure}`);
    await sleep(250);
  }
}

async function gone(pid: number, patienceMs: number): Promise<boolean> {
  const started = startTime(pid);
  for (let waited = 0; waited < patienceMs; waited += 100) {
    if (started === "" || startTime(pid) !== started) return true;
    await sleep(100);
  }
  return false;
}

// Field 22 of /proc/<pid>/stat, counted after the command name, which may hold spaces; a zombie counts as ended.
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "" : (fields[19] ?? "");
  } catch {
    return "";
  }
}
