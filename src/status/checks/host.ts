/** Checks of the box itself, where its host tells: room on the disks, memory, the clock. */
import { humanAbout } from "../../core/duration.ts";
import { humanBytes } from "../../core/quantity.ts";
import { evidence, oneLine } from "../evidence.ts";
import { instantOrNull } from "../instant.ts";
import { FRESH_MS } from "../observation.ts";
import type { View } from "../view.ts";
import { agentDoubt, clockDoubt, hostDoubt } from "./doubt.ts";
import type { CheckRule, Finding } from "./rule.ts";

/** The kubelet begins to evict at 15 % free for images and 10 % for the node; people should hear of it before. */
const NEARLY_FULL = 0.15;
const FULL_BYTES = 512 * 1024 * 1024;
const LOW_MEMORY = 0.05;
/** Certificates and registry tokens are valid for minutes around now. */
const SKEW_WARN_MS = 30_000;
const SKEW_FAIL_MS = 300_000;

/** Stands before the checks of Kubernetes: it tells why Kubernetes is away. */
export const UNIT_CHECKS: readonly CheckRule[] = [
  {
    code: "host/kubernetes-stopped",
    tier: "platform",
    title: "Kubernetes runs on the box",
    about: "The unit of Kubernetes (k3s) has failed or was stopped, as the host agent tells.",
    next: "Start it and see what it says: systemctl restart k3s; journalctl -u k3s --since -5min",
    retrySafe: true,
    needs: [],
    explains: [{ codes: ["kube/*", "login/*", "operation/*"], where: "any" }],
    doubt: agentDoubt,
    find: findUnit,
  },
];

export const HOST_CHECKS: readonly CheckRule[] = [
  {
    code: "host/clock-skew",
    tier: "platform",
    title: "The clock is in step",
    about: "A clock that is minutes away makes certificates and registry tokens invalid.",
    next: "Set the clock of the box: timedatectl set-ntp true",
    retrySafe: true,
    needs: [],
    explains: [
      {
        codes: ["registry/certificate", "registry/denied", "login/certificate", "flux/source-*", "image/certificate"],
        where: "any",
      },
      { codes: ["operation/*", "kube/unauthorized"], where: "any" },
    ],
    doubt: clockDoubt,
    find: findSkew,
  },
  {
    code: "host/disk-full",
    tier: "platform",
    title: "The disks have room",
    about: "A disk that is full stops the database, image pulls and the journal of setup and updates.",
    next: "Make room on the disk of the box, or make it larger",
    retrySafe: true,
    needs: [],
    explains: [
      {
        codes: [
          "node/disk-pressure",
          "image/disk-full",
          "storage/*",
          "pod/*",
          "workload/*",
          "flux/*",
          "bootstrap/*",
          "login/*",
          "operation/*",
        ],
        where: "any",
      },
    ],
    doubt: hostDoubt,
    find: (view) => findDisks(view, "full"),
  },
  {
    code: "host/disk-nearly-full",
    tier: "full",
    title: "No disk will be full soon",
    about: "Less than 15 % of a disk is free; Kubernetes begins to stop pods soon after.",
    next: "Make room on the disk of the box, or make it larger",
    retrySafe: true,
    needs: [],
    doubt: hostDoubt,
    find: (view) => findDisks(view, "nearly"),
  },
  {
    code: "host/disk-failing",
    tier: "full",
    title: "The disks are sound",
    about: "A disk says of itself (S.M.A.R.T.) that it is about to fail.",
    next: "Make a backup now, then replace the disk",
    retrySafe: false,
    needs: [],
    doubt: agentDoubt,
    find: findFailingDisks,
  },
  {
    code: "host/memory-low",
    tier: "full",
    title: "The box has memory left",
    about: "Less than 5 % of the memory is available; the kernel will stop processes.",
    next: "Give the box more memory, or stop what else runs on it",
    retrySafe: true,
    needs: [],
    explains: [{ codes: ["pod/out-of-memory"], where: "any" }],
    doubt: hostDoubt,
    find: findMemory,
  },
];

function findSkew({ seen, nowMs }: View): Finding[] {
  const clock = seen.clock;
  if (clock === null || nowMs - clock.atMs > FRESH_MS.clock || Math.abs(clock.skewMs) < SKEW_WARN_MS) return [];
  const failed = Math.abs(clock.skewMs) >= SKEW_FAIL_MS;
  const apart = humanAbout(Math.abs(clock.skewMs));
  const side = clock.skewMs > 0 ? "ahead of" : "behind";
  return [
    {
      scope: {},
      ...(failed ? {} : { tier: "full" as const }),
      headline: `the clock of the box is ${apart} ${clock.skewMs > 0 ? "fast" : "slow"}`,
      title: `The clock of the box is ${apart} ${side} the right time.`,
      cause: failed
        ? "Certificates and tokens count as expired or not yet valid, so registries and people are turned away."
        : "Certificates and tokens will be refused when it drifts further.",
      evidence: [evidence(oneLine(clock.against), `Date differs by ${Math.round(clock.skewMs / 1000)} s`)],
    },
  ];
}

function findDisks({ seen, nowMs }: View, which: "full" | "nearly"): Finding[] {
  if (seen.host === null || nowMs - seen.host.atMs > FRESH_MS.host) return [];
  return (seen.host.disks ?? [])
    .filter((disk) => disk.totalBytes > 0 && stageOf(disk) === which)
    .map((disk) => {
      const room = `${humanBytes(disk.freeBytes)} of ${humanBytes(disk.totalBytes)} are free on ${oneLine(disk.path, 80)}`;
      const full = instantOrNull(disk.fullAtMs);
      const until = full === null ? "" : `; at the present rate it is full about ${hourOf(full)}`;
      return {
        scope: {},
        headline: which === "full" ? "the disk is full" : "the disk is nearly full",
        title: which === "full" ? "The disk of the box is full." : "The disk of the box is nearly full.",
        cause: `${room}${until}.`,
        evidence: [evidence(disk.path, `${disk.freeBytes} of ${disk.totalBytes} bytes free`)],
      };
    });
}

/** "2026-11-22 14:00 UTC" */
function hourOf(instant: string): string {
  return `${instant.slice(0, 10)} ${instant.slice(11, 13)}:00 UTC`;
}

function stageOf(disk: { freeBytes: number; totalBytes: number }): "full" | "nearly" | "fine" {
  if (disk.freeBytes < FULL_BYTES || disk.freeBytes < disk.totalBytes * 0.01) return "full";
  return disk.freeBytes < disk.totalBytes * NEARLY_FULL ? "nearly" : "fine";
}

function findFailingDisks({ seen, nowMs }: View): Finding[] {
  if (seen.host === null || nowMs - seen.host.atMs > FRESH_MS.host) return [];
  return (seen.host.failingDisks ?? []).map(({ path, device }) => {
    const disk = oneLine(device === "" ? path : device, 80);
    return {
      scope: {},
      headline: `the disk ${disk} is about to fail`,
      title: `The disk ${disk} is about to fail.`,
      cause: `Its own test says so; ${oneLine(path, 80)} lies on it.`,
      evidence: [evidence(disk, "S.M.A.R.T. overall health: failed")],
    };
  });
}

function findUnit({ seen, nowMs }: View): Finding[] {
  const unit = seen.host?.k3sUnit;
  if (seen.host === null || nowMs - seen.host.atMs > FRESH_MS.host) return [];
  if (unit !== "failed" && unit !== "inactive") return [];
  // An answer of Kubernetes is newer than the facts of half a minute ago.
  if (seen.kubernetes.state === "reachable") return [];
  const what = unit === "failed" ? "has failed" : "is stopped";
  return [
    {
      scope: {},
      headline: `Kubernetes ${what} on the box`,
      title: `Kubernetes ${what} on the box.`,
      cause: `The unit k3s.service is ${unit}.`,
      evidence: [evidence("k3s.service", unit)],
      sinceMs: seen.kubernetes.sinceMs,
    },
  ];
}

function findMemory({ seen, nowMs }: View): Finding[] {
  const memory = seen.host?.memory;
  if (memory === undefined || memory.totalBytes <= 0 || nowMs - (seen.host?.atMs ?? 0) > FRESH_MS.host) return [];
  if (memory.availableBytes >= memory.totalBytes * LOW_MEMORY) return [];
  return [
    {
      scope: {},
      headline: "the box has almost no memory left",
      title: "The box has almost no memory left.",
      cause: `${humanBytes(memory.availableBytes)} of ${humanBytes(memory.totalBytes)} are available.`,
      evidence: [evidence("/proc/meminfo", `MemAvailable ${memory.availableBytes} of ${memory.totalBytes} bytes`)],
    },
  ];
}
