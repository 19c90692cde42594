/** The box itself in the document: room on disks, memory, clock and registry, each only while what was seen is fresh. */
import { humanAbout } from "../core/duration.ts";
import { humanBytes } from "../core/quantity.ts";
import { oneLine } from "./evidence.ts";
import { instantOrNull } from "./instant.ts";
import type { HostStatus } from "./model.ts";
import { FRESH_MS, type Observations } from "./observation.ts";

/** Disks beyond this are not told: a box has a few. */
const MAX_DISKS = 16;
/** A start without a shutdown before is told for a day: a note, because the box runs, and no alarm. */
const NOTE_MS = 24 * 3_600_000;

/** Folds what the box was seen to be like. What was not seen, or too long ago, is empty or null. */
export function foldHost({ host, clock, registry }: Observations, nowMs: number): HostStatus {
  const isFresh = (seen: { readonly atMs: number } | null, limitMs: number): boolean =>
    seen !== null && nowMs - seen.atMs <= limitMs;
  const fresh = isFresh(host, FRESH_MS.host) ? host : null;
  return {
    disks: (fresh?.disks ?? []).slice(0, MAX_DISKS).map(({ path, freeBytes, totalBytes, fullAtMs }) => ({
      path: oneLine(path, 200),
      freeBytes,
      totalBytes,
      fullAt: instantOrNull(fullAtMs),
    })),
    memory: fresh?.memory ?? null,
    ...startNote(fresh?.uncleanStartMs, nowMs),
    clock:
      clock === null || !isFresh(clock, FRESH_MS.clock)
        ? null
        : { skewMs: clock.skewMs, against: oneLine(clock.against, 200), observedAt: instantOrNull(clock.atMs) },
    registry:
      registry === null || !isFresh(registry, FRESH_MS.registry)
        ? null
        : {
            host: oneLine(registry.host, 200),
            state: registry.state,
            tookMs: registry.tookMs,
            observedAt: instantOrNull(registry.atMs),
          },
  };
}

function startNote(atMs: number | undefined, nowMs: number): Pick<HostStatus, "uncleanStartAt"> {
  const at = atMs === undefined || nowMs - atMs > NOTE_MS || atMs > nowMs ? null : instantOrNull(atMs);
  return at === null ? {} : { uncleanStartAt: at };
}

/** The same with figures so coarse that writing a log, or one answer of the registry, is no news. */
export function roughHost(host: HostStatus): object {
  return {
    disks: host.disks.map(({ path, freeBytes, totalBytes, fullAt }) => ({
      path,
      totalBytes,
      freePercent: percent(freeBytes, totalBytes),
      fullIn: fullAt?.slice(0, 7),
    })),
    memory: host.memory && {
      totalBytes: host.memory.totalBytes,
      twentieths: Math.round(percent(host.memory.availableBytes, host.memory.totalBytes) / 5),
    },
    clock: host.clock && { against: host.clock.against, seconds: Math.round(host.clock.skewMs / 1_000) },
    registry: host.registry && { host: host.registry.host, state: host.registry.state },
    uncleanStartAt: host.uncleanStartAt,
  };
}

/** One line for people: "Disk 41 GB of 118 GB used · memory 6.2 GB of 16 GB used · clock in step"; empty when nothing is known. */
export function hostLine({ disks, memory, clock, uncleanStartAt }: HostStatus): string {
  const used = (free: number, total: number): string =>
    `${humanBytes(Math.max(0, total - free))} of ${humanBytes(total)} used`;
  const name = (path: string): string => (disks.length === 1 ? "disk" : `disk ${path}`);
  const parts = [
    ...disks.map((disk) => `${name(disk.path)} ${used(disk.freeBytes, disk.totalBytes)}`),
    ...(memory === null ? [] : [`memory ${used(memory.availableBytes, memory.totalBytes)}`]),
    ...(clock === null ? [] : [`clock ${clockWords(clock.skewMs)}`]),
    ...(uncleanStartAt === undefined
      ? []
      : [`started at ${uncleanStartAt.slice(11, 16)} UTC without a shutdown before`]),
  ];
  const line = parts.join(" · ");
  return line.slice(0, 1).toUpperCase() + line.slice(1);
}

/** The registry tells whole seconds: a difference below one is none. */
function clockWords(skewMs: number): string {
  if (Math.abs(skewMs) < 1_000) return "in step";
  return `${humanAbout(Math.abs(skewMs))} ${skewMs > 0 ? "fast" : "slow"}`;
}

function percent(part: number, whole: number): number {
  return whole <= 0 ? 0 : Math.round((part / whole) * 100);
}
