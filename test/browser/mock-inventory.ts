/** Pods, warnings and logs of the mock box. Some were named and written by somebody who means harm. */
import type {
  ClaimRecord,
  EventList,
  HostSample,
  Inventory,
  LogTail,
  Maintenance,
  OpenSession,
} from "../../ui/state/wire.ts";

/** Markup, terminal escapes as the box writes them out, and a raw mark that turns the reading direction. */
export const HOSTILE =
  "<img src=x onerror=globalThis.harmed=1><script>globalThis.harmed=1</script>\\u{1b}[2J\u202egnp.exe";
/** As long as Kubernetes lets a name be, with nothing in it where a line may break. */
export const LONG_NAME = `alga-core-${"n".repeat(243)}`;
const WARNINGS = 1_000;

export function mockInventory(): Inventory {
  const createdAt = new Date(Date.now() - 3 * 3_600_000).toISOString();
  const pod = (name: string, ready: boolean): Inventory["pods"][number] => ({
    namespace: "msp",
    name,
    component: "alga-core",
    node: "box-7f3a",
    phase: ready ? "Running" : "Pending",
    ready,
    restarts: ready ? 0 : 1_204,
    createdAt,
    containers: [
      {
        name: "main",
        image: "registry.example/alga-psa-ee:1.0.3",
        ready,
        restarts: ready ? 0 : 1_204,
        state: ready ? "running" : "waiting",
        reason: ready ? "" : "CrashLoopBackOff",
      },
    ],
  });
  const events = Array.from({ length: WARNINGS }, (_, index) => ({
    at: new Date(Date.now() - index * 1_000).toISOString(),
    ref: `Pod msp/${nameOf(index)}`,
    namespace: "msp",
    name: nameOf(index),
    reason: index % 2 === 0 ? "BackOff" : "Unhealthy",
    message: index === 0 ? HOSTILE : `Readiness probe failed: attempt ${index}`,
  }));
  return {
    pods: [pod("alga-core-0", true), pod(LONG_NAME, true), pod(HOSTILE, false)],
    events,
    left: { pods: 0, events: 0 },
  };
}

function nameOf(index: number): string {
  return [HOSTILE, LONG_NAME][index] ?? `pod-${index}`;
}

export interface MockEvents {
  list(): EventList;
  add(message: string): void;
}

/** The same warnings, with ordinary events between them: a thousand in all, and the newest comes first. */
export function createMockEvents(): MockEvents {
  let events: EventList["events"] = mockInventory().events.map((one, index) => ({
    ...one,
    ...(index % 4 === 3 ? { warning: false, reason: "Pulled", message: `Image ${index} is there` } : { warning: true }),
  }));
  let left = 0;
  return {
    list: () => ({ events, left }),
    add(message) {
      const at = new Date().toISOString();
      const one = { at, ref: "Pod msp/new", namespace: "msp", name: "new", reason: "Started", message, warning: false };
      events = [one, ...events.slice(0, -1)];
      left += 1;
    },
  };
}

export function mockLog(): LogTail {
  const lines = ["server listens on 3000", HOSTILE, ...Array.from({ length: 400 }, (_, index) => `request ${index}`)];
  return { namespace: "msp", pod: "alga-core-0", container: "main", previous: false, lines, cut: true };
}

export function mockSamples(): readonly HostSample[] {
  return Array.from({ length: 240 }, (_, index) => ({
    at: new Date(Date.now() - (240 - index) * 60_000).toISOString(),
    diskBytes: 40e9 + index * 4e6,
    memoryBytes: 6e9 + Math.sin(index / 9) * 4e8,
  }));
}

/** A box of half a year: seven starts, one of them ended by the power, and what was updated beneath it. */
export function mockMaintenance(): Maintenance {
  const day = (ago: number): string => new Date(Date.now() - ago * 86_400_000).toISOString();
  const days = [180, 150, 121, 90, 64, 31, 3];
  return {
    schema: "alga.appliance.maintenance/v1",
    observedAt: day(0),
    system: {
      os: "Ubuntu 26.04.2 LTS",
      kernel: "6.17.0-12-generic",
      k3s: "v1.36.3+k3s1",
      appliance: "1.0.3",
    },
    boots: days.map((ago, index) => {
      const next = days[index + 1];
      const end = next === undefined ? "running" : index === 4 ? "unclean" : "clean";
      return {
        bootId: `boot-${index}`,
        startedAt: day(ago),
        endedAt: next === undefined ? null : day(next + 0.02),
        end,
      };
    }),
    changes: [
      { at: day(150), what: "k3s", from: "v1.36.1+k3s1", to: "v1.36.3+k3s1" },
      { at: day(31), what: "appliance", from: "1.0.2", to: "1.0.3" },
      { at: day(3), what: "kernel", from: "6.17.0-8-generic", to: "6.17.0-12-generic" },
    ],
    uncleanShutdowns: 1,
    runs: [],
  };
}

export function mockClaims(): readonly ClaimRecord[] {
  return [
    { at: new Date(Date.now() - 86_400_000).toISOString(), peer: "192.0.2.20", secure: true, outcome: "claimed" },
    { at: new Date(Date.now() - 7_200_000).toISOString(), peer: "203.0.113.9", secure: false, outcome: "refused" },
  ];
}

export function mockSessions(): readonly OpenSession[] {
  return [
    { current: true, openMs: 600_000, idleMs: 0 },
    { current: false, openMs: 86_400_000, idleMs: 7_200_000 },
  ];
}
