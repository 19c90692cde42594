import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostStatus } from "../state/wire.ts";
import { boxFacts } from "./box-facts.ts";
import { isUnverified, verifiedText } from "./verified.ts";

const NOW = Date.parse("2026-11-21T10:00:00Z");
const DAY_MS = 86_400_000;

function host(change: Partial<HostStatus> = {}): HostStatus {
  return { disks: [], memory: null, clock: null, registry: null, ...change };
}

function valuesOf(change: Partial<HostStatus>): readonly string[] {
  return boxFacts(host(change), NOW).map(({ name, value }) => `${name}: ${value}`);
}

function disk(days: number | null): HostStatus["disks"][number] {
  const fullAt = days === null ? null : new Date(NOW + days * DAY_MS).toISOString();
  return { path: "/", freeBytes: 77e9, totalBytes: 118e9, fullAt };
}

test("boxFacts() says what is used, and when a disk will be full, in units one plans with", () => {
  const cases = [
    [null, "Disk: 41 GB of 118 GB used"],
    [275, "Disk: 41 GB of 118 GB used · full in about 9 months"],
    [12, "Disk: 41 GB of 118 GB used · full in about 12 days"],
    [1, "Disk: 41 GB of 118 GB used · full in about 1 day"],
    [730, "Disk: 41 GB of 118 GB used · full in about 2 years"],
    [20 * 365, "Disk: 41 GB of 118 GB used"],
    [-1, "Disk: 41 GB of 118 GB used · full"],
  ] as const;
  for (const [days, words] of cases) assert.deepEqual(valuesOf({ disks: [disk(days)] }), [words]);
  const full = { ...disk(null), freeBytes: 0.4e9 };
  assert.deepEqual(valuesOf({ disks: [full] }), ["Disk: 118 GB of 118 GB used · only 400 MB free"]);
  const two = valuesOf({ disks: [disk(null), { ...disk(null), path: "/data" }] });
  assert.deepEqual(
    two.map((line) => line.split(":")[0]),
    ["Disk /", "Disk /data"],
  );
});

test("boxFacts() says how the clock stands and how the registry answers", () => {
  const clock = (skewMs: number): HostStatus["clock"] => ({ skewMs, against: "registry", observedAt: null });
  assert.deepEqual(valuesOf({ clock: clock(900) }), ["Clock: in step"]);
  assert.deepEqual(valuesOf({ clock: clock(-7_199_000) }), ["Clock: 2 h slow"]);
  assert.deepEqual(valuesOf({ clock: clock(61_000) }), ["Clock: 1 min fast"]);
  const states = ["answers", "no-such-name", "refused", "no-answer", "certificate", "denied", "broken"] as const;
  const words = states.map((state) =>
    valuesOf({ registry: { host: "ghcr.io", state, tookMs: 1_234, observedAt: null } }),
  );
  assert.equal(new Set(words.flat()).size, states.length);
  assert.deepEqual(words[0], ["Registry: ghcr.io answers in 1,234 ms"]);
});

test("boxFacts() tells of a start without a shutdown before", () => {
  const uncleanStartAt = new Date(NOW - 2 * 3_600_000).toISOString();
  assert.deepEqual(valuesOf({ uncleanStartAt }), ["Last start: 2 h ago, without a shutdown before"]);
});

test("boxFacts() says nothing of what was not seen, or by an older control plane", () => {
  assert.deepEqual(boxFacts(undefined, NOW), []);
  assert.deepEqual(valuesOf({}), []);
});

test("verifiedText() calls a release without a key unverified", () => {
  assert.deepEqual(
    [verifiedText("none"), verifiedText("2026-a"), isUnverified("none"), isUnverified("2026-a")],
    ["unverified", "verified by key 2026-a", true, false],
  );
});

test("verifiedText() tells a key id that is a digest by its first twelve digits", () => {
  assert.equal(verifiedText("19152ed02d5c".padEnd(64, "0")), verifiedText("19152ed02d5c"));
});
