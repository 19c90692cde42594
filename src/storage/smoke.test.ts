/** The proof of the storage beside volumes of others: one that is no longer its own is not taken away, whatever it looked like before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MEMORY_SERVER, memoryKube } from "../../test/support/kubernetes.ts";
import { openStorageBench } from "../../test/support/storage-bench.ts";
import type { Fetch } from "../core/ports.ts";
import { textAt } from "../kube/model.ts";
import { SMOKE_NAMESPACE } from "./smoke-objects.ts";

const VOLUME = { apiVersion: "v1", kind: "PersistentVolume" } as const;

test("a volume that another claim has taken over in the meantime stays as it is", { timeout: 60_000 }, async () => {
  const { fetch } = memoryKube().server;
  const taken: string[] = [];
  // Between the look and the change, as somebody else would.
  const engineFetch: Fetch = async (request) => {
    const name = /\/persistentvolumes\/([^/?]+)$/.exec(new URL(request.url).pathname)?.[1];
    if (request.method === "PATCH" && name !== undefined && taken.length === 0) {
      taken.push(name);
      await bench.kube.patch({ ...VOLUME, name }, { spec: { claimRef: { uid: "of-another-claim" } } });
    }
    return await fetch(request);
  };
  const bench = openStorageBench({ server: MEMORY_SERVER, fetch, engineFetch });
  await bench.run().catch(() => {});
  const [name = ""] = taken;
  const volume = await bench.kube.get({ ...VOLUME, name });
  assert.equal(textAt(volume, "spec", "claimRef", "namespace"), SMOKE_NAMESPACE, "the volume of the test was not met");
  assert.equal(textAt(volume, "spec", "persistentVolumeReclaimPolicy"), "Retain");
});
