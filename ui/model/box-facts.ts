/** The box itself as one-line facts: room on its disks, memory, clock, registry. Pure; empty where nothing was seen. */
import { formatAge, formatBytes, formatEstimate, formatHorizon, formatNumber } from "../format.ts";
import type { HostStatus } from "../state/wire.ts";
import { text } from "../strings.ts";

export interface BoxFact {
  readonly key: string;
  readonly name: string;
  readonly value: string;
}

/** A disk that fills later than this is not worth a forecast. */
const FORECAST_MS = 3 * 365 * 86_400_000;
/** The registry tells whole seconds: what is below one is no difference. */
const IN_STEP_MS = 1_000;

/** Folds what the box saw of itself into rows. `nowMs` is the box's time; an older box tells nothing, and has no rows. */
export function boxFacts(host: HostStatus | undefined, nowMs: number): readonly BoxFact[] {
  if (host === undefined) return [];
  const { disks, memory, clock, registry, uncleanStartAt } = host;
  const one = disks.length === 1;
  return [
    ...disks.map((disk) => ({
      key: `disk ${disk.path}`,
      name: one ? text("box.disk") : text("box.disk-of", { path: disk.path }),
      value: [usedOf(disk.freeBytes, disk.totalBytes), fullIn(disk.fullAt, nowMs)].filter(Boolean).join(" · "),
    })),
    ...(memory === null
      ? []
      : [{ key: "memory", name: text("box.memory"), value: usedOf(memory.availableBytes, memory.totalBytes) }]),
    ...(clock === null ? [] : [{ key: "clock", name: text("box.clock"), value: clockText(clock.skewMs) }]),
    ...(registry === null ? [] : [{ key: "registry", name: text("box.registry"), value: registryText(registry) }]),
    ...(uncleanStartAt === undefined
      ? []
      : [
          {
            key: "start",
            name: text("box.start"),
            value: text("box.start-unclean", { age: formatAge(nowMs - Date.parse(uncleanStartAt)) }),
          },
        ]),
  ];
}

function usedOf(freeBytes: number, totalBytes: number): string {
  const used = formatBytes(Math.max(0, totalBytes - freeBytes));
  const words = text("box.used", { used, total: formatBytes(totalBytes) });
  return freeBytes >= totalBytes / 20 ? words : [words, text("box.free", { free: formatBytes(freeBytes) })].join(" · ");
}

function fullIn(fullAt: string | null, nowMs: number): string {
  const left = fullAt === null ? Number.POSITIVE_INFINITY : Date.parse(fullAt) - nowMs;
  if (!(left < FORECAST_MS)) return "";
  return left <= 0 ? text("box.full-now") : text("box.full-in", { time: formatHorizon(left) });
}

/** Positive: ahead of the one it was compared with. */
function clockText(skewMs: number): string {
  if (Math.abs(skewMs) < IN_STEP_MS) return text("box.clock-right");
  const time = formatEstimate(Math.abs(skewMs));
  return skewMs > 0 ? text("box.clock-fast", { time }) : text("box.clock-slow", { time });
}

function registryText({ host, state, tookMs }: NonNullable<HostStatus["registry"]>): string {
  switch (state) {
    case "answers":
      return text("box.registry-answers", { host, n: formatNumber(tookMs) });
    case "no-such-name":
      return text("box.registry-no-name", { host });
    case "refused":
      return text("box.registry-refused", { host });
    case "no-answer":
      return text("box.registry-silent", { host });
    case "certificate":
      return text("box.registry-certificate", { host });
    case "denied":
      return text("box.registry-denied", { host });
    case "broken":
      return text("box.registry-broken", { host });
  }
}
