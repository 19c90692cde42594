import assert from "node:assert/strict";
import { test } from "node:test";
import { MEMORY_SERVER, memoryKube } from "../../test/support/kubernetes.ts";
import { openStorageBench, type StorageBench } from "../../test/support/storage-bench.ts";
import { assertDataStay, assertStorageStands, bringDatabase, STORAGE_CASES } from "../../test/support/storage-cases.ts";

function bench(): StorageBench {
  return openStorageBench({ server: MEMORY_SERVER, fetch: memoryKube().server.fetch });
}

for (const [name, run] of STORAGE_CASES) test(name, { timeout: 60_000 }, () => run(bench()));

test("killed after each of its writes while it moves k3s' storage, the next one ends it and no data are lost", {
  timeout: 120_000,
}, async () => {
  for (let at = 1; ; at += 1) {
    const one = bench();
    const before = await bringDatabase(one);
    if ((await one.runUntil(at, "after")) === undefined) {
      assert.ok(at > 20, `only ${at} writes were seen`);
      return;
    }
    await one.run({ holder: "host" });
    await assertStorageStands(one);
    await assertDataStay(one, before);
  }
});
