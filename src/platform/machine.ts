/**
 * The `Machine` port on /proc and /etc: what identifies this boot, this machine and this process.
 *
 * A lease is only as good as these facts, so they come from the kernel, not from the environment.
 */
import { readlink } from "node:fs/promises";
import { availableParallelism, hostname } from "node:os";
import { ApplianceError } from "../core/errors.ts";
import type { Machine, ProcessIdentity } from "../core/ports.ts";
import { readBounded } from "./file-read.ts";
import { readScreen } from "./screen.ts";

/** Facts of /proc are a few lines. */
const MAX_FACT_BYTES = 64 * 1024;

export const systemMachine: Machine = {
  bootId: async () => (await fact("/proc/sys/kernel/random/boot_id")).trim(),
  uptimeMs,
  machineId,
  hostName: async () => hostname(),
  memory,
  cpuCount: () => availableParallelism(),
  self,
  processStart,
  screen: readScreen,
};

/** /proc/uptime counts since boot, sleep included (CLOCK_BOOTTIME), in hundredths of a second; nobody can set it. */
async function uptimeMs(): Promise<number> {
  return parseUptime(await fact("/proc/uptime"));
}

/** Milliseconds since boot, from the text of /proc/uptime. @throws {ApplianceError} when it has another form. */
export function parseUptime(text: string): number {
  const seconds = Number(text.split(" ")[0]);
  if (!Number.isFinite(seconds)) throw unknownForm("/proc/uptime");
  return Math.round(seconds * 1_000);
}

async function machineId(): Promise<string | undefined> {
  const bytes = await readBounded("/etc/machine-id", { maxBytes: MAX_FACT_BYTES });
  const id = bytes === undefined ? "" : new TextDecoder().decode(bytes).trim();
  // systemd writes "uninitialized" into images before their first boot: machine-id(5).
  return /^[0-9a-f]{32}$/.test(id) ? id : undefined;
}

async function memory(): Promise<{ readonly totalBytes: number; readonly availableBytes: number }> {
  return parseMemory(await fact("/proc/meminfo"));
}

/** Bytes of memory, in all and to be had without swapping, from the text of /proc/meminfo. @throws {ApplianceError} when a line is missing. */
export function parseMemory(text: string): { readonly totalBytes: number; readonly availableBytes: number } {
  const field = (name: string): number => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text);
    if (match === null) throw unknownForm("/proc/meminfo");
    return Number(match[1]) * 1024;
  };
  return { totalBytes: field("MemTotal"), availableBytes: field("MemAvailable") };
}

async function self(): Promise<ProcessIdentity> {
  const startTicks = await processStart(process.pid);
  if (startTicks === undefined) throw unknownForm("/proc/self/stat");
  return { pid: process.pid, startTicks, pidNamespace: await readlink("/proc/self/ns/pid") };
}

async function processStart(pid: number): Promise<string | undefined> {
  if (!Number.isSafeInteger(pid) || pid < 1) return undefined;
  const bytes = await readBounded(`/proc/${pid}/stat`, { maxBytes: MAX_FACT_BYTES }).catch(() => undefined);
  return bytes === undefined ? undefined : parseStart(new TextDecoder().decode(bytes));
}

/**
 * Takes the start time out of /proc/<pid>/stat; undefined for a process that has ended but was not yet collected.
 *
 * @see proc_pid_stat(5): the name (field 2) may hold anything, so fields are counted from its last parenthesis
 */
export function parseStart(text: string): string | undefined {
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .trim()
    .split(" ");
  const [state, startTicks] = [fields[0], fields[19]];
  if (state === "Z" || state === "X" || state === "x") return undefined;
  return startTicks !== undefined && /^\d+$/.test(startTicks) ? startTicks : undefined;
}

async function fact(path: string): Promise<string> {
  const bytes = await readBounded(path, { maxBytes: MAX_FACT_BYTES });
  if (bytes === undefined) throw unknownForm(path);
  return new TextDecoder().decode(bytes);
}

function unknownForm(path: string): ApplianceError {
  return new ApplianceError("file/unreadable", `Cannot read file "${path}": it has no usable content, Linux is wanted`);
}
