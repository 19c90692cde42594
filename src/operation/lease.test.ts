import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox, type FakeBox, settle } from "../../test/crash/fake-box.ts";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { isApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { ProcessIdentity } from "../core/ports.ts";
import { createFileStore } from "./file-store.ts";
import { acquireLease, type HeldLease } from "./lease.ts";

function scene() {
  const box = createFakeBox();
  const files = createMemoryFiles(() => box.clock.now());
  const store = createFileStore({ files, clock: box.clock }, statePaths("/"));
  const acquire = (process: ProcessIdentity): Promise<HeldLease | undefined> =>
    acquireLease({ clock: box.clock, random: box.random, log: SILENT_LOG, machine: box.machineOf(process), store });
  return { box, files, store, acquire };
}

async function held(acquire: Promise<HeldLease | undefined>): Promise<HeldLease> {
  const lease = await acquire;
  assert.ok(lease !== undefined, "the lease was expected to be free");
  return lease;
}

const lost = (thrown: unknown): boolean => isApplianceError(thrown, "operation/lease-lost");

test("one process holds the lease while it lives and renews, however the wall clock jumps", async () => {
  const { box, acquire } = scene();
  const [one, two] = [box.spawn(), box.spawn()];
  const lease = await held(acquire(one));
  box.setWall(0);
  assert.equal(await acquire(two), undefined);
  box.setWall(Date.UTC(2040, 1, 1));
  await box.pass(600_000);
  assert.equal(await acquire(two), undefined);
  await lease.confirm();
  await lease.release();
  await held(acquire(two));
  await assert.rejects(lease.confirm(), lost);
});

const TAKE_OVERS: readonly {
  readonly name: string;
  readonly happen: (box: FakeBox, holder: ProcessIdentity) => void;
}[] = [
  { name: "its process is dead", happen: (box, holder) => box.kill(holder) },
  { name: "the machine was booted", happen: (box) => box.boot() },
];
for (const { name, happen } of TAKE_OVERS) {
  test(`the lease is free at once when ${name}`, async () => {
    const { box, acquire } = scene();
    const one = box.spawn();
    await held(acquire(one));
    happen(box, one);
    const lease = await held(acquire(box.spawn()));
    assert.equal(lease.number, 2);
  });
}

test("a new process with the same pid is not the holder", async () => {
  const { box, acquire } = scene();
  const one = box.spawn();
  await held(acquire(one));
  box.kill(one);
  await box.pass(10);
  const again = { ...box.spawn(), pid: one.pid };
  await held(acquire(again));
});

test("a holder in another PID namespace cannot be seen, so only silence frees its lease, and it notices", async () => {
  const { box, acquire, store } = scene();
  const [one, two] = [box.spawn("pid:[1]"), box.spawn("pid:[2]")];
  const first = await held(acquire(one));
  box.kill(one);
  assert.equal(await acquire(two), undefined);
  const silent = await store.readLease();
  assert.ok(silent !== undefined);
  await store.writeLease({ ...silent, renewedUptimeMs: (await box.machineOf(two).uptimeMs()) - 15_000 });
  const second = await held(acquire(two));
  await assert.rejects(first.confirm(), lost);
  assert.equal(first.lost.aborted, true);
  await first.release();
  await second.confirm();
});

test("a renewing holder that was replaced stops by itself", async () => {
  const { box, acquire, store } = scene();
  const first = await held(acquire(box.spawn()));
  const mine = await store.readLease();
  assert.ok(mine !== undefined);
  await store.createLease({ ...mine, number: 2, holder: "another" });
  await box.pass(5_000);
  await settle();
  assert.equal(first.lost.aborted, true);
});

test("of many that try at once, one gets it, also when a dead one held it", async () => {
  const { box, acquire } = scene();
  for (let round = 0; round < 3; round += 1) {
    const processes = Array.from({ length: 8 }, () => box.spawn());
    const got = await Promise.all(processes.map(acquire));
    assert.equal(got.filter((lease) => lease !== undefined).length, 1);
    const winner = processes[got.findIndex((lease) => lease !== undefined)];
    if (winner !== undefined) box.kill(winner);
  }
});

test("a lease file that a bad disk garbled binds nobody", async () => {
  const { box, acquire, files } = scene();
  await held(acquire(box.spawn()));
  files.garble("/var/lib/alga-appliance/lease/00000001.json", "{");
  const next = await held(acquire(box.spawn()));
  assert.equal(next.number, 2);
});
