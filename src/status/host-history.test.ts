/** The ring of the last hours: a sample a minute, never more than twelve hours of them. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { statusWith } from "../../test/support/status.ts";
import { SILENT_LOG } from "../core/log.ts";
import { createHostHistory, hostHistoryRoutes } from "./host-history.ts";
import type { HostStatus } from "./model.ts";

const NOW_MS = Date.parse("2026-11-21T10:00:00Z");

/** A clock that passes as fast as it is waited for, `turns` times. */
function quickClock(turns: number, end: AbortController) {
  let nowMs = NOW_MS;
  let left = turns;
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    sleep: async (ms: number) => {
      left -= 1;
      if (left <= 0) end.abort();
      nowMs += ms;
    },
    after: () => () => {},
  };
}

function host(change: Partial<HostStatus>): HostStatus {
  return { disks: [], memory: null, clock: null, registry: null, ...change };
}

async function samplesAfter(turns: number, seen: HostStatus | undefined) {
  const end = new AbortController();
  const history = createHostHistory(
    { clock: quickClock(turns, end) as never, log: SILENT_LOG },
    () => statusWith(() => "ready", seen === undefined ? {} : { host: seen }),
    end.signal,
  );
  while (!end.signal.aborted) await new Promise((done) => setImmediate(done));
  return { history, samples: history.samples() };
}

it("keeps twelve hours of minutes and forgets the oldest", async () => {
  const memory = { totalBytes: 16e9, availableBytes: 10e9 };
  const { samples } = await samplesAfter(2_000, host({ memory }));
  assert.equal(samples.length, 720);
  assert.deepEqual(
    [
      samples[0]?.memoryBytes,
      samples[0]?.diskBytes,
      Date.parse(samples[1]?.at ?? "") - Date.parse(samples[0]?.at ?? ""),
    ],
    [6e9, null, 60_000],
  );
});

it("tells the fullest disk, and nothing of what was not seen", async () => {
  const disks = [
    { path: "/", freeBytes: 90e9, totalBytes: 100e9, fullAt: null },
    { path: "/data", freeBytes: 1e9, totalBytes: 10e9, fullAt: null },
  ];
  assert.equal((await samplesAfter(3, host({ disks }))).samples[0]?.diskBytes, 9e9);
  assert.deepEqual((await samplesAfter(20, undefined)).samples, []);
});

it("serves the ring", async () => {
  const { history } = await samplesAfter(3, host({ memory: { totalBytes: 2, availableBytes: 1 } }));
  const response = await hostHistoryRoutes(history)[0]?.handle({} as never);
  const body = (await response?.json()) as { samples: readonly unknown[] };
  assert.equal(body.samples.length, history.samples().length);
});
