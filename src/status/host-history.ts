/**
 * The last hours of the box: used room and memory, once a minute, in a ring of fixed size in memory. Lost at a restart, as
 * a plot may be; what matters for the future (when a disk is full) is in the status document.
 */
import { json, type Route } from "../core/http.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import type { ApplianceStatus } from "./model.ts";
import { repeat } from "./repeat.ts";

export interface HostSample {
  readonly at: string;
  /** Used bytes of the fullest disk; null when it was not seen. */
  readonly diskBytes: number | null;
  readonly memoryBytes: number | null;
}

export interface HostHistory {
  /** Oldest first; twelve hours at most. */
  samples(): readonly HostSample[];
}

const EVERY_MS = 60_000;
const MAX_SAMPLES = 720;

/** Starts keeping samples of the status document until the signal fires. Costs one reading of memory a minute. */
export function createHostHistory(
  deps: Pick<Deps, "clock" | "log">,
  current: () => ApplianceStatus,
  signal: AbortSignal,
): HostHistory {
  let kept: readonly HostSample[] = [];
  const take = async (): Promise<number> => {
    const sample = sampleOf(current(), deps.clock.now());
    if (sample !== undefined) kept = [...kept, sample].slice(-MAX_SAMPLES);
    // The first look at the box takes some seconds after a start.
    return kept.length === 0 ? 2_000 : EVERY_MS;
  };
  repeat(deps, take, { what: "host history", signal, minMs: 1_000 });
  return { samples: () => kept };
}

function sampleOf({ host }: ApplianceStatus, nowMs: number): HostSample | undefined {
  const used = (host?.disks ?? []).map(({ freeBytes, totalBytes }) => ({
    bytes: totalBytes - freeBytes,
    part: totalBytes === 0 ? 0 : 1 - freeBytes / totalBytes,
  }));
  const fullest = used.sort((a, b) => b.part - a.part)[0];
  const memory = host?.memory ?? null;
  if (fullest === undefined && memory === null) return undefined;
  return {
    at: toInstant(nowMs),
    diskBytes: fullest?.bytes ?? null,
    memoryBytes: memory === null ? null : memory.totalBytes - memory.availableBytes,
  };
}

/** `GET /api/host/history`: the ring as JSON. */
export function hostHistoryRoutes(history: HostHistory): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/host/history",
      access: "session",
      summary: "Used disk and memory once a minute over the last hours",
      handle: async () => json({ samples: history.samples() }),
    },
  ];
}
