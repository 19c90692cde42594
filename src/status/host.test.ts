/** The box itself in the document: only what is fresh, in one line for people, and no news by every written byte. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { foldStatus } from "./fold.ts";
import { hostLine } from "./host.ts";
import { writeMetrics } from "./metrics.ts";
import type { ApplianceStatus, HostStatus } from "./model.ts";
import { FRESH_MS, type Observations } from "./observation.ts";
import { saying } from "./saying.ts";
import { readSituation } from "./situations/situation.ts";

const text = readFileSync(new URL("./situations/healthy.yaml", import.meta.url), "utf8");
const { observations, nowMs } = readSituation(text, () => parse(text));
const GB = 1e9;
const SEEN: Observations = {
  ...observations,
  host: {
    atMs: nowMs,
    disks: [{ path: "/var/lib/alga-appliance", freeBytes: 77 * GB, totalBytes: 118 * GB }],
    memory: { totalBytes: 16 * GB, availableBytes: 9.8 * GB },
  },
  clock: { skewMs: 0, against: "Registry ghcr.io", atMs: nowMs },
  registry: { host: "ghcr.io", state: "answers", atMs: nowMs, sinceMs: nowMs, text: "It answers", tookMs: 84 },
};
const hostOf = (seen: Observations, atMs = nowMs): HostStatus => {
  const { host } = foldStatus(seen, atMs);
  assert.ok(host !== undefined);
  return host;
};

describe("the box in the document", () => {
  test("tells disks, memory, clock and registry as they were seen", () => {
    const observedAt = new Date(nowMs).toISOString();
    assert.deepEqual(hostOf(SEEN), {
      disks: [{ path: "/var/lib/alga-appliance", freeBytes: 77 * GB, totalBytes: 118 * GB, fullAt: null }],
      memory: { totalBytes: 16 * GB, availableBytes: 9.8 * GB },
      clock: { skewMs: 0, against: "Registry ghcr.io", observedAt },
      registry: { host: "ghcr.io", state: "answers", tookMs: 84, observedAt },
    });
  });

  test("is silent about what was not seen, or not lately", () => {
    const nothing = { disks: [], memory: null, clock: null, registry: null };
    assert.deepEqual(hostOf({ ...SEEN, host: null, clock: null, registry: null }), nothing);
    assert.deepEqual(hostOf(SEEN, nowMs + FRESH_MS.clock + 1), nothing);
    const old = hostOf(SEEN, nowMs + FRESH_MS.host + 1);
    assert.deepEqual([old.disks, old.memory, old.clock === null], [[], null, false]);
  });

  test("bounds the number of disks and what their names may do to a terminal", () => {
    const disk = { path: "/a\u001b[2J", freeBytes: 1, totalBytes: 2 };
    const host = hostOf({ ...SEEN, host: { atMs: nowMs, disks: Array.from({ length: 40 }, () => disk) } });
    assert.deepEqual([host.disks.length, host.disks[0]?.path], [16, "/a\\u{1b}[2J"]);
  });

  test("is one line at a terminal", () => {
    assert.equal(hostLine(hostOf(SEEN)), "Disk 41 GB of 118 GB used · memory 6.2 GB of 16 GB used · clock in step");
    const slow = hostOf({ ...SEEN, clock: { skewMs: -400_000, against: "a", atMs: nowMs }, host: null });
    assert.equal(hostLine(slow), "Clock 6 min 40 s slow");
    assert.equal(hostLine({ disks: [], memory: null, clock: null, registry: null }), "");
  });

  test("tells of a start without a shutdown before for a day, as a note and no finding", () => {
    const started = (ageMs: number): Observations => ({
      ...SEEN,
      host: { ...SEEN.host, atMs: nowMs, uncleanStartMs: nowMs - ageMs },
    });
    const hour = 3_600_000;
    assert.equal(hostOf(started(2 * hour)).uncleanStartAt, new Date(nowMs - 2 * hour).toISOString());
    assert.match(hostLine(hostOf(started(2 * hour))), / · started at \d\d:\d\d UTC without a shutdown before$/);
    assert.equal(hostOf(started(25 * hour)).uncleanStartAt, undefined);
    // By the clock of then it is to come: nobody knows when it was.
    assert.equal(hostOf(started(-hour)).uncleanStartAt, undefined);
    assert.deepEqual(foldStatus(started(2 * hour), nowMs).checks, foldStatus(SEEN, nowMs).checks);
    assert.notEqual(saying(foldStatus(started(2 * hour), nowMs)), saying(foldStatus(SEEN, nowMs)));
  });

  test("is no news while figures move a little, and is when they move much", () => {
    const said = (change: Partial<Observations>): string => saying(foldStatus({ ...SEEN, ...change }, nowMs + 1_000));
    const before = saying(foldStatus(SEEN, nowMs));
    const disk = (freeBytes: number): Partial<Observations> => ({
      host: {
        ...SEEN.host,
        atMs: nowMs,
        disks: [{ path: "/var/lib/alga-appliance", freeBytes, totalBytes: 118 * GB }],
      },
    });
    assert.equal(said({}), before);
    assert.equal(said(disk(77.01 * GB)), before);
    assert.equal(said({ registry: { ...SEEN.registry, tookMs: 91 } as Observations["registry"] }), before);
    assert.notEqual(said(disk(60 * GB)), before);
    assert.notEqual(said({ registry: { ...SEEN.registry, state: "refused" } as Observations["registry"] }), before);
  });

  test("is in the metrics", () => {
    const metrics = writeMetrics(foldStatus(SEEN, nowMs));
    assert.match(metrics, /^alga_appliance_disk_free_bytes\{path="\/var\/lib\/alga-appliance"\} 77000000000$/m);
    assert.match(metrics, /^alga_appliance_memory_available_bytes 9800000000$/m);
    assert.match(metrics, /^alga_appliance_clock_skew_seconds 0$/m);
    const { host: _host, ...older } = foldStatus(SEEN, nowMs);
    assert.doesNotMatch(writeMetrics(older satisfies ApplianceStatus), /^alga_appliance_(?:disk|memory|clock)_/m);
  });
});
