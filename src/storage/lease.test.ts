import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { kubeOver, memoryKube } from "../../test/support/kubernetes.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { holderOf, STORAGE_LEASE, takeStorageLease } from "./lease.ts";

const signal = new AbortController().signal;
const MAPS = { apiVersion: "v1", kind: "ConfigMap", namespace: "default" } as const;

function scene() {
  const { server, kube } = memoryKube();
  const box = createFakeBox({ instant: true });
  const take = (holder: string, fetch: Fetch = server.fetch, busyMs = 0) =>
    takeStorageLease({ clock: box.clock, random: box.random, kube: kubeOver(fetch) }, { holder, busyMs, signal });
  return { server, kube, box, take };
}

test("a lease is held, told, given back, and taken again at once", async () => {
  const { kube, take } = scene();
  const lease = await take("host");
  assert.equal(holderOf(await kube.get(STORAGE_LEASE)), "host");
  await assert.rejects(take("pod"), (thrown) => isApplianceError(thrown, "storage/busy"));
  await lease.release();
  await lease.release();
  assert.equal(holderOf(await kube.get(STORAGE_LEASE)), undefined);
  await (await take("pod")).release();
  await assert.rejects(lease.kube.list(MAPS), (thrown) => isApplianceError(thrown, "operation/lease-lost"));
});

test("a holder that works keeps it for as long as it works, because each of its calls renews it", async () => {
  const { box, take } = scene();
  const lease = await take("host");
  for (let minute = 0; minute < 5; minute += 1) {
    await box.clock.sleep(20_000);
    await lease.kube.list(MAPS);
    await assert.rejects(take("pod", undefined, 10_000), (thrown) => isApplianceError(thrown, "storage/busy"));
  }
  await lease.release();
});

test("one that slept while another took over writes nothing any more, not even with its next call", async () => {
  const { kube, box, take } = scene();
  const lease = await take("host");
  const other = await take("pod", undefined, 60_000);
  await box.clock.sleep(20_000);
  const map = { ...MAPS, metadata: { namespace: "default", name: "late" } };
  await assert.rejects(lease.kube.create(map), (thrown) => isApplianceError(thrown, "operation/lease-lost"));
  assert.equal(await kube.get({ ...MAPS, name: "late" }), undefined, "it wrote");
  await other.kube.list(MAPS);
  await other.release();
});

test("an answer that is lost on its way costs nobody the lease", async () => {
  const { server, box, take } = scene();
  let lost = 0;
  const forgetful: Fetch = async (request) => {
    const isLease = request.method === "PATCH" && request.url.includes("/leases/");
    const answer = await server.fetch(request);
    if (!isLease || lost > 0) return answer;
    lost += 1;
    throw new ApplianceError("net/reset", "Cannot read the answer: the connection broke");
  };
  const lease = await take("host", forgetful);
  await box.clock.sleep(20_000);
  await lease.kube.list(MAPS);
  assert.equal(lost, 1);
  await lease.release();
});

test("two that find a free lease at the same moment: one has it", async () => {
  const { take } = scene();
  await (await take("host")).release();
  const both = await Promise.allSettled([take("host"), take("pod")]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});
