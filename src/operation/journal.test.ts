import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeEntry, type JournalEntry, parseJournal } from "./journal.ts";

const stamp = (seq: number) => ({ seq, at: "2026-11-21T00:00:00.000Z", uptimeMs: seq * 10 });
const lines: JournalEntry[] = [
  { kind: "step-started", step: "a", attempt: 1, ...stamp(1) },
  { kind: "step-done", step: "a", detail: "ä", ...stamp(2) },
];
const bytes = new TextEncoder().encode(lines.map(encodeEntry).join(""));

test("a journal cut at any byte gives all its whole lines and says that the last is torn", () => {
  for (let size = 0; size <= bytes.length; size += 1) {
    const parsed = parseJournal(bytes.subarray(0, size));
    const whole = bytes.subarray(0, size).filter((byte) => byte === 10).length;
    assert.equal(parsed.entries.length, whole);
    assert.equal(parsed.rest, parsed.goodBytes === size ? "none" : "torn");
  }
  assert.deepEqual(parseJournal(bytes).entries, lines);
});

test("a line that is not ours ends the journal there", () => {
  const cases = [
    "not json\n",
    "[]\n",
    '{"kind":"unknown"}\n',
    encodeEntry({ ...lines[0], seq: 9 } as JournalEntry),
    "\xff\n",
  ];
  for (const line of cases) {
    const parsed = parseJournal(new Uint8Array([...bytes, ...new TextEncoder().encode(line)]));
    assert.deepEqual([parsed.entries.length, parsed.goodBytes, parsed.rest], [2, bytes.length, "corrupt"], line);
  }
});
