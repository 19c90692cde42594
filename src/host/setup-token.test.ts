/** The setup token: its form, its strength, and that it is made once. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { systemRandom } from "../platform/random.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { ensureSetupToken, newSetupToken } from "./setup-token.ts";

it("is five groups of four digits, and never the same twice", () => {
  const seen = new Set(Array.from({ length: 500 }, () => newSetupToken(systemRandom).reveal()));
  assert.equal(seen.size, 500);
  for (const token of seen) assert.match(token, /^\d{4}(-\d{4}){4}$/);
});

it("has at least 66 bits: every group of digits is as likely as every other", () => {
  const times = new Map<string, number>();
  for (let value = 0; value < 65_536; value += 1) {
    // What is drawn again is followed by a mark that no value of two bytes is.
    const draws = [Uint8Array.of(value >> 8, value & 255), Uint8Array.of(0, 0)];
    const random = { bytes: () => draws.shift() ?? Uint8Array.of(0, 0) };
    const [group = ""] = newSetupToken(random).reveal().split("-");
    const wasTaken = draws.length === 0 && value < 60_000;
    if (wasTaken) times.set(group, (times.get(group) ?? 0) + 1);
  }
  assert.equal(times.size, 10_000);
  assert.deepEqual(new Set(times.values()), new Set([6]));
  assert.ok(5 * Math.log2(times.size) >= 66);
});

it("uses no bytes that would make some digits likelier", () => {
  const draws = [Uint8Array.of(255, 255), Uint8Array.of(0, 7)];
  const random = { bytes: () => draws.shift() ?? Uint8Array.of(0, 1) };
  assert.equal(newSetupToken(random).reveal(), "0007-0001-0001-0001-0001");
});

it("stays the same when it is asked for again, with mode 0600", async () => {
  const files = createMemoryFiles();
  await files.makeDirectory("/state");
  const first = await ensureSetupToken({ files, random: systemRandom }, "/state/setup-token");
  const again = await ensureSetupToken({ files, random: systemRandom }, "/state/setup-token");
  assert.equal(again.reveal(), first.reveal());
  assert.equal((await files.stat("/state/setup-token"))?.mode, 0o600);
});
