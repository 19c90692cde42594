import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatAge,
  formatBytes,
  formatDigest,
  formatDuration,
  formatEstimate,
  formatExact,
  formatHorizon,
  formatNumber,
  formatStopwatch,
} from "./format.ts";

test("formatDuration() says two units at most", () => {
  const cases = [
    [-5, "0 s"],
    [9_400, "9 s"],
    [264_000, "4 min 24 s"],
    [120_000, "2 min"],
    [7_500_000, "2 h 5 min"],
    [41 * 86_400_000, "41 days"],
  ] as const;
  for (const [ms, words] of cases) assert.equal(formatDuration(ms), words);
});

test("formatAge() says the largest unit", () => {
  assert.equal(formatAge(12.9 * 60_000), "12 min");
  assert.equal(formatAge(47 * 3_600_000), "47 h");
  assert.equal(formatAge(48 * 3_600_000), "2 days");
});

test("formatStopwatch() counts like a stopwatch", () => {
  assert.equal(formatStopwatch(9_999), "0:09");
  assert.equal(formatStopwatch(200_000), "3:20");
  assert.equal(formatStopwatch(3_723_000), "1:02:03");
});

test("formatEstimate() rounds to what one plans with", () => {
  assert.equal(formatEstimate(200), "1 s");
  assert.equal(formatEstimate(75_000), "1 min");
  assert.equal(formatEstimate(480_000), "8 min");
});

test("formatBytes() uses decimal units with few digits", () => {
  const cases = [
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1.0 kB"],
    [340_200_000, "340 MB"],
    [1_900_000_000, "1.9 GB"],
    [118e9, "118 GB"],
    [999_900, "1.0 MB"],
  ] as const;
  for (const [bytes, words] of cases) assert.equal(formatBytes(bytes), words);
});

test("formatDigest() keeps both ends and formatExact() is UTC", () => {
  assert.equal(formatDigest(`sha256:c6e1${"0".repeat(56)}8b6f`), "c6e1…8b6f");
  assert.equal(formatExact("2026-11-21T10:42:07.123Z"), "2026-11-21 10:42:07 UTC");
});

test("formatHorizon() and formatNumber() speak the language of the page", () => {
  assert.deepEqual(
    [formatHorizon(0), formatHorizon(86_400_000), formatHorizon(90 * 86_400_000)],
    ["0 days", "1 day", "3 months"],
  );
  assert.equal(formatNumber(1_234_567), "1,234,567");
});
