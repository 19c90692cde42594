/** Boots from before the first note: by the journal, by wtmp, by both, by neither; with wrong clocks and damaged records. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type WtmpEntry, wtmpOf } from "../../test/support/wtmp.ts";
import type { Boot } from "../core/maintenance.ts";
import type { Exec } from "../core/ports.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { earlierBoots } from "./earlier-boots.ts";

const NOW = Date.UTC(2026, 10, 21, 12);
const HERE = "00000000-0000-4000-8000-000000000009";
const at = (text: string): number => Date.parse(text);

const boot = (text: string): WtmpEntry => ({ kind: 2, user: "reboot", atMs: at(text) });
const shutdown = (text: string): WtmpEntry => ({ kind: 1, user: "shutdown", atMs: at(text) });
const login = (text: string): WtmpEntry => ({ kind: 7, user: "root", atMs: at(text) });

interface Given {
  readonly wtmp?: Uint8Array;
  readonly journal?: string;
  readonly startedMs?: number;
}

async function found({ wtmp, journal, startedMs = NOW - 60_000 }: Given): Promise<readonly Boot[]> {
  const files = createMemoryFiles();
  await files.makeDirectory("/box/var/log");
  if (wtmp !== undefined) await files.write("/box/var/log/wtmp", wtmp);
  const asked: string[] = [];
  const exec: Exec = async (argv) => {
    assert.equal(argv.slice(0, 2).join(" "), "journalctl --list-boots");
    if (journal === undefined) throw new Error("no such program");
    return { code: 0, stdout: journal, stderr: "", truncated: false };
  };
  const close = async (one: Boot): Promise<Boot> => {
    asked.push(one.bootId);
    return { ...one, end: "clean" };
  };
  const signal = new AbortController().signal;
  const clock = { now: () => NOW } as Parameters<typeof earlierBoots>[0]["clock"];
  const boots = await earlierBoots({ files, exec, clock }, { root: "/box", bootId: HERE, startedMs, close, signal });
  assert.ok(asked.length <= 20, "a program for each of them");
  return boots;
}

const shown = (boots: readonly Boot[]): string[] =>
  boots.map(({ startedAt, endedAt, end }) => `${startedAt.slice(0, 16)} ${end} ${endedAt?.slice(0, 16) ?? "-"}`);
const line = (id: string, text: string): object => ({
  index: 0,
  boot_id: id.repeat(32),
  first_entry: at(text) * 1_000,
});

describe("earlier boots", () => {
  it("are none where the system keeps no records, or none that can be read", async () => {
    assert.deepEqual(await found({}), []);
    const damaged = [
      "",
      "[]",
      "{}",
      "IDX BOOT ID",
      '[{"boot_id":"../x","first_entry":1}]',
      '[{"boot_id":1}]',
      "[".repeat(9),
    ];
    for (const journal of damaged) {
      assert.deepEqual(await found({ journal, wtmp: new Uint8Array(383) }), []);
    }
  });
  it("end by the shutdown that wtmp noted after them, and without one with the power", async () => {
    const wtmp = wtmpOf([
      boot("2026-11-01T08:00:00Z"),
      login("2026-11-01T08:01:00Z"),
      shutdown("2026-11-01T18:00:00Z"),
      boot("2026-11-02T08:00:00Z"),
      boot("2026-11-03T08:00:00Z"),
      shutdown("2026-11-03T18:00:00Z"),
      boot("2026-11-21T11:59:00Z"),
    ]);
    const boots = await found({ wtmp });
    assert.deepEqual(shown(boots), [
      "2026-11-01T08:00 clean 2026-11-01T18:00",
      "2026-11-02T08:00 unclean -",
      "2026-11-03T08:00 clean 2026-11-03T18:00",
    ]);
    assert.equal(boots[0]?.bootId, `wtmp-${at("2026-11-01T08:00:00Z") / 1_000}`);
  });
  it("have no known end where wtmp never notes a shutdown", async () => {
    const wtmp = wtmpOf([boot("2026-11-01T08:00:00Z"), boot("2026-11-02T08:00:00Z")]);
    assert.deepEqual(shown(await found({ wtmp })), ["2026-11-01T08:00 unknown -", "2026-11-02T08:00 unknown -"]);
  });
  it("are the journal's where it is kept, closed by its words, and wtmp's before that", async () => {
    const journal = JSON.stringify([
      line("a", "2026-11-10T08:00:02Z"),
      line("b", "2026-11-12T08:00:02Z"),
      { index: 0, boot_id: HERE.replaceAll("-", ""), first_entry: NOW * 1_000 },
    ]);
    const wtmp = wtmpOf([
      boot("2026-11-01T08:00:00Z"),
      shutdown("2026-11-01T18:00:00Z"),
      boot("2026-11-10T08:00:00Z"),
      boot("2026-11-12T08:00:00Z"),
      boot("2026-11-21T11:59:00Z"),
    ]);
    const boots = await found({ journal, wtmp });
    assert.deepEqual(
      boots.map(({ bootId, end }) => `${bootId.slice(0, 13)} ${end}`),
      [`wtmp-${at("2026-11-01T08:00:00Z") / 1_000}`.slice(0, 13), "aaaaaaaa-aaaa", "bbbbbbbb-bbbb"].map(
        (id) => `${id} clean`,
      ),
    );
  });
  it("of a clock that was wrong are left out: 1970, and years ahead", async () => {
    const wtmp = wtmpOf([boot("1970-01-01T00:00:09Z"), boot("2026-11-01T08:00:00Z"), boot("2099-01-01T00:00:00Z")]);
    assert.deepEqual(shown(await found({ wtmp })), ["2026-11-01T08:00 unknown -"]);
    const journal = JSON.stringify([line("a", "1970-01-01T00:00:09Z"), { boot_id: "b".repeat(32), first_entry: 9e99 }]);
    assert.deepEqual(await found({ journal }), []);
  });
  it("are bounded, and the newest of them: of thousands of records, and of one that is cut off", async () => {
    const many = Array.from({ length: 9_000 }, (_one, hour) =>
      boot(new Date(at("2025-01-01T00:00:00Z") + hour * 3_600_000).toISOString()),
    );
    const whole = wtmpOf(many);
    const boots = await found({ wtmp: new Uint8Array([...whole, ...whole.subarray(0, 200)]) });
    assert.equal(boots.length, 50);
    assert.equal(boots.at(-1)?.startedAt, new Date(many.at(-1)?.atMs ?? 0).toISOString());
    const journal = JSON.stringify(
      Array.from({ length: 90 }, (_one, day) => ({
        boot_id: day.toString(16).padStart(32, "0"),
        first_entry: (at("2026-08-01T00:00:00Z") + day * 86_400_000) * 1_000,
      })),
    );
    assert.equal((await found({ journal })).length, 20);
  });
  it("are read out of anything without a fault", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2_000 }), fc.string({ maxLength: 200 }), async (wtmp, journal) => {
        assert.ok((await found({ wtmp, journal })).length <= 70);
      }),
      { numRuns: 200 },
    );
  });
});
