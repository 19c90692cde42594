/** Measuring whole processes and requests: medians and percentiles, printed as ratios against a peer in the same run. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Row {
  readonly what: string;
  readonly ours: string;
  readonly peer: string;
  /** Ours divided by the peer's. */
  readonly ratio: string;
  readonly note: string;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export function row(
  what: string,
  ours: number,
  peer: number,
  more: { readonly unit: string; readonly note: string; readonly digits?: number },
): Row {
  const digits = more.digits ?? 1;
  const show = (value: number): string => (Number.isNaN(value) ? "-" : `${value.toFixed(digits)} ${more.unit}`);
  const ratio = Number.isNaN(peer) || peer === 0 ? "-" : (ours / peer).toFixed(ours < peer / 100 ? 4 : 2);
  return { what, ours: show(ours), peer: show(peer), ratio, note: more.note };
}

/** A row that could not be measured here, with the reason. */
export function without(what: string, why: string): Row {
  return { what, ours: "-", peer: "-", ratio: "-", note: `not measured: ${why}` };
}

export function printTable(rows: readonly Row[]): void {
  const head: Row = { what: "what", ours: "ours", peer: "peer", ratio: "ratio", note: "peer is" };
  const keys = ["what", "ours", "peer", "ratio", "note"] as const;
  const widths = keys.map((key) => Math.max(...[head, ...rows].map((one) => one[key].length)));
  for (const one of [head, ...rows])
    console.log(
      keys
        .map((key, index) => one[key].padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}

/** Resident memory of a process in megabytes. */
export function residentMegabytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? Number.NaN) / 1_000;
}

/** Starts a server and measures milliseconds until its first 200 by polling, as a probe would meet it. */
export async function startToFirstAnswer(
  command: readonly string[],
  url: string,
  env: Record<string, string> = {},
): Promise<{ readonly child: ChildProcess; readonly ms: number }> {
  const [program = "", ...words] = command;
  const started = performance.now();
  const child = spawn(program, words, { stdio: "ignore", env: { PATH: process.env.PATH ?? "", ...env } });
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return { child, ms: performance.now() - started };
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode} before it answered`);
    await pause(1);
  }
}

export function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.on("exit", () => resolve());
    child.kill("SIGTERM");
  });
}

/** Between two requests of a schedule, in milliseconds. */
const EVERY_MS = 5;

/**
 * Milliseconds of requests that are sent on a schedule until something ends, whether or not the one before was answered.
 * So a server that stalls for 100 ms shows in twenty of them and not in one.
 */
export async function scheduledTimes(url: string, until: Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  const pending: Promise<void>[] = [];
  let isOver = false;
  const over = until.finally(() => {
    isOver = true;
  });
  const started = performance.now();
  for (let index = 0; !isOver; index += 1) {
    const due = started + index * EVERY_MS;
    await pause(Math.max(0, due - performance.now()));
    pending.push(
      fetch(url)
        .then((answer) => answer.arrayBuffer())
        .then(() => void times.push(performance.now() - due)),
    );
  }
  await Promise.all([over, ...pending]);
  return times;
}

export function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
