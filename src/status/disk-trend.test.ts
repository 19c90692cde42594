/** When a disk will be full: by steady growth, and not by a download, a rotated log or a young process. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createDiskTrend, untilFull } from "./disk-trend.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const GB = 1e9;
/** Hourly samples of a use in bytes by the hour. */
const hourly = (hours: number, used: (hour: number) => number) =>
  Array.from({ length: hours + 1 }, (_none, hour) => ({ atMs: hour * HOUR_MS, usedBytes: used(hour) }));
const days = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.round(ms / DAY_MS));

describe("a disk", () => {
  test("that grows by a gigabyte a day is full when its room is used up", () => {
    const samples = hourly(72, (hour) => 40 * GB + (hour / 24) * GB);
    assert.equal(days(untilFull(samples, 30 * GB)), 30);
  });

  test("that was filled once by a download is not growing", () => {
    const samples = hourly(48, (hour) => (hour < 20 ? 10 * GB : 40 * GB));
    assert.equal(untilFull(samples, 60 * GB), undefined);
  });

  test("with logs that are rotated each day is not growing", () => {
    const samples = hourly(120, (hour) => 40 * GB + ((hour % 24) / 24) * GB);
    const left = untilFull(samples, 60 * GB);
    assert.ok(left === undefined || left > 300 * DAY_MS, `${days(left)} days`);
  });

  test("that shrinks, stands still, was seen for hours only, or lasts for years says nothing", () => {
    assert.equal(
      untilFull(
        hourly(48, (hour) => 40 * GB - hour * 1e6),
        GB,
      ),
      undefined,
    );
    assert.equal(
      untilFull(
        hourly(48, () => 40 * GB),
        GB,
      ),
      undefined,
    );
    assert.equal(
      untilFull(
        hourly(23, (hour) => hour * GB),
        GB,
      ),
      undefined,
    );
    assert.equal(
      untilFull(
        hourly(48, (hour) => hour * 1_000),
        60 * GB,
      ),
      undefined,
    );
    assert.equal(untilFull([], GB), undefined);
  });
});

test("looks are kept by the hour, for two weeks, and apart for each disk", () => {
  const trend = createDiskTrend();
  const at = (path: string, hour: number): number | undefined => {
    const disk = { path, totalBytes: 1_000 * GB, freeBytes: path === "/still" ? 500 * GB : 500 * GB - hour * 1e8 };
    for (const minutes of [0, 20, 40]) trend.see(disk, hour * HOUR_MS + minutes * 60_000);
    return trend.see(disk, hour * HOUR_MS + 59 * 60_000);
  };
  let grows: number | undefined;
  let still: number | undefined;
  for (let hour = 0; hour < 1_000; hour += 1) {
    grows = at("/grows", hour);
    still = at("/still", hour);
    if (hour < 23) assert.equal(grows, undefined);
  }
  assert.equal(days(grows), Math.round((500 * GB - 999 * 1e8) / 1e8 / 24));
  assert.equal(still, undefined);
});
