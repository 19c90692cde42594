import assert from "node:assert/strict";
import { test } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { fakeClock } from "../../test/support/oci.ts";
import { digestOf } from "../core/digest.ts";
import type { PushProgress } from "../oci/push.ts";
import { percentLines } from "./percent.ts";
import { progressLines, reportText, tagLines } from "./push-text.ts";

function world(terminal: boolean) {
  const clock = fakeClock();
  const lines: string[] = [];
  const { context } = commandContext({ deps: { clock } });
  const out = { ...context.out, terminal, progress: (line: string) => void lines.push(line) };
  return { clock, lines, context: { ...context, out } };
}

const progress = (more: Partial<PushProgress>): PushProgress => ({
  phase: "sending",
  sentBytes: 0,
  totalBytes: 10_000_000,
  skippedBytes: 0,
  bytesPerSecond: 0,
  checkedBytes: 0,
  ...more,
});

test("progress of a push is a line a second on a terminal, one in fifteen in a log, and one for each phase", () => {
  for (const [terminal, count] of [
    [true, 30],
    [false, 2],
  ] as const) {
    const { clock, lines, context } = world(terminal);
    const tell = progressLines(context);
    tell(progress({ phase: "looking" }));
    for (let tenth = 0; tenth < 300; tenth += 1) {
      tell(progress({ sentBytes: tenth * 30_000, bytesPerSecond: 300_000, checkedBytes: tenth * 10_000 }));
      clock.advance(100);
    }
    tell(progress({ phase: "reading back", checkedBytes: 10_000_000 }));
    assert.equal(lines.length, count + 2);
    assert.equal(lines[0], "Looking for 10 MB at the registry");
    assert.match(lines[2] ?? "", /^Sending: [\d.]+ [kM]B of 10 MB, 300 kB\/s, [\d.]+ [kM]B read back$/);
    assert.equal(lines.at(-1), "Reading back: 10 MB");
  }
});

test("progress says what needs no sending", () => {
  const { lines, context } = world(true);
  progressLines(context)(progress({ skippedBytes: 10_000_000 }));
  progressLines(context)(progress({ skippedBytes: 4_000_000, sentBytes: 1_000_000, bytesPerSecond: 500_000 }));
  assert.deepEqual(lines, [
    "Nothing to send, 10 MB are there already",
    "Sending: 1 MB of 6 MB, 500 kB/s, 4 MB are there already",
  ]);
});

test("progress of a copy has the rate of this run, and its end is said once whatever the time", () => {
  const { clock, lines, context } = world(true);
  const tell = percentLines(context, "Wrote");
  tell(50_000_000, 100_000_000);
  clock.advance(500);
  tell(60_000_000, 100_000_000);
  clock.advance(500);
  tell(70_000_000, 100_000_000);
  clock.advance(10);
  tell(100_000_000, 100_000_000);
  tell(100_000_000, 100_000_000);
  assert.deepEqual(lines, [
    "Wrote 50 MB of 100 MB (50%)",
    "Wrote 70 MB of 100 MB (70%), 20 MB/s",
    "Wrote 100 MB of 100 MB (100%), 50 MB/s",
  ]);
  const { lines: none, context: other } = world(true);
  percentLines(other, "Checked")(0, 0);
  assert.deepEqual(none, ["Checked 0 B of 0 B (100%)"]);
});

test("tags stand in columns, with the first digits of digests and of tags that are digests", () => {
  const [one, two] = [digestOf("1"), digestOf("2")];
  const lines = tagLines([
    { repository: "a/chart", tag: "1.0.0", digest: one, was: null },
    { repository: "a/chart", tag: "1.0.1", digest: one, was: one },
    { repository: "a/r", tag: `${one.replace(":", "-")}.sig`, digest: one, was: two },
  ]);
  const name = `a/r:sha256-${one.slice(7, 19)}....sig`;
  assert.deepEqual(lines, [
    `  ${"a/chart:1.0.0".padEnd(name.length)}  ${one.slice(7, 19)}  new`,
    `  ${"a/chart:1.0.1".padEnd(name.length)}  ${one.slice(7, 19)}  as before`,
    `  ${name}  ${one.slice(7, 19)}  was ${two.slice(7, 19)}`,
  ]);
});

test("a report names lists of statements only where some were written", () => {
  const report = {
    blobs: { total: 6, sent: 4, mounted: 1 },
    manifests: { total: 3, sent: 3 },
    referrerLists: 1,
    totalBytes: 9_000_000,
    sentBytes: 8_000_000,
    skippedBytes: 1_000_000,
    checkedBytes: 9_000_000,
    bytesPerSecond: 2_000_000,
  };
  assert.deepEqual(reportText(report, false), [
    "sent 8 MB at 2 MB/s: 4 of 6 blobs, 3 of 3 manifests",
    "1 MB were there, 1 blob mounted; 9 MB of blobs read back",
    "1 list of statements written: the registry has no API for them",
  ]);
  assert.deepEqual(reportText({ ...report, bytesPerSecond: 0, referrerLists: 0 }, true), [
    "would send 8 MB: 4 of 6 blobs, 3 of 3 manifests",
    "1 MB are there, 1 blob would be mounted; 9 MB of blobs would be read back",
  ]);
});
