/**
 * The storage engine on the real kube-apiserver v1.36: the cases of `npm test`, and a run that is killed before and after each of its
 * writes. The controllers around it are played, as there; conflicts, preconditions, immutable fields and finalizers are the server's.
 * Skipped, and said so, when the binaries are not there.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CONTROL_PLANE_MANIFESTS } from "../../embed/manifests.ts";
import type { Fetch } from "../../src/core/ports.ts";
import { controlPlaneObjects } from "../../src/host/control-plane-apply.ts";
import { applySet } from "../../src/kube/apply-set.ts";
import type { KindRef } from "../../src/kube/model.ts";
import { refOf } from "../../src/kube/model.ts";
import { findBinaries, type RealKube, startKubeApiServer } from "../support/kube-apiserver.ts";
import { kubeDeps } from "../support/kubernetes.ts";
import { openStorageBench, type StorageBench } from "../support/storage-bench.ts";
import { assertDataStay, assertStorageStands, bringDatabase, STORAGE_CASES } from "../support/storage-cases.ts";

/** What a run leaves; namespaces stay, because no controller is there that would empty them. */
const KINDS: readonly KindRef[] = [
  { apiVersion: "apps/v1", kind: "Deployment" },
  { apiVersion: "v1", kind: "Pod" },
  { apiVersion: "v1", kind: "PersistentVolumeClaim" },
  { apiVersion: "v1", kind: "PersistentVolume" },
  { apiVersion: "storage.k8s.io/v1", kind: "StorageClass" },
  { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: "alga-appliance-control-plane" },
  { apiVersion: "v1", kind: "ConfigMap", namespace: "local-path-storage" },
  { apiVersion: "v1", kind: "ServiceAccount", namespace: "local-path-storage" },
  { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", namespace: "local-path-storage" },
  { apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", namespace: "local-path-storage" },
];

const binaries = findBinaries(process.env);
let running: Promise<RealKube> | undefined;

after(async () => {
  await (await running)?.stop();
});

function startedServer(): Promise<RealKube> {
  if ("missing" in binaries) throw new Error(binaries.missing);
  running ??= startKubeApiServer(binaries);
  return running;
}

async function freshBench(): Promise<StorageBench> {
  const real = await startedServer();
  const kube = real.kube("test-reset");
  for (const kind of KINDS) {
    for (const one of (await kube.list(kind)).items) {
      await kube.delete(refOf(one), { gracePeriodSeconds: 0 });
      if ((one.metadata.finalizers ?? []).length === 0 || (await kube.get(refOf(one))) === undefined) continue;
      await kube.patch(refOf(one), { metadata: { finalizers: null } });
    }
  }
  return openStorageBench({ server: real.server, fetch: real.fetch });
}

/** The engine with the rights of the control plane's pod, as its manifests give them; what is around it keeps all rights. */
async function benchOfThePod(): Promise<StorageBench> {
  const bench = await freshBench();
  const objects = controlPlaneObjects(CONTROL_PLANE_MANIFESTS, { image: "control-plane:1", version: null });
  const isRule = ({ kind }: { readonly kind: string }): boolean => /^(?:Namespace|ServiceAccount|.*Role.*)$/.test(kind);
  await applySet({ ...kubeDeps, kube: bench.kube }, objects.filter(isRule), { force: true });
  const real = await startedServer();
  const engineFetch: Fetch = (request) => {
    request.headers.set(
      "impersonate-user",
      "system:serviceaccount:alga-appliance-control-plane:appliance-control-plane",
    );
    return real.fetch(request);
  };
  return openStorageBench({ server: real.server, fetch: real.fetch, engineFetch });
}

if ("missing" in binaries) {
  console.log(`skipped: the storage on the real kube-apiserver: ${binaries.missing}`);
  test("storage", { skip: binaries.missing }, () => {});
} else {
  for (const [name, run] of STORAGE_CASES) {
    test(`kube-apiserver: ${name}`, { timeout: 120_000 }, async () => run(await freshBench()));
  }
  test("kube-apiserver: the rights of the control plane are enough to move k3s' storage over", {
    timeout: 120_000,
  }, async () => {
    const bench = await benchOfThePod();
    const data = await bringDatabase(bench);
    assert.equal((await bench.run()).kind, "own");
    await assertStorageStands(bench);
    await assertDataStay(bench, data);
  });
  test("kube-apiserver: killed before and after each write of a move, the next one ends it and no data are lost", {
    timeout: 280_000,
  }, async () => {
    for (let at = 1; ; at += 1) {
      for (const when of ["before", "after"] as const) {
        const bench = await freshBench();
        const data = await bringDatabase(bench);
        const died = await bench.runUntil(at, when);
        if (died === undefined) {
          assert.ok(at > 20, `only ${at} writes were seen`);
          return;
        }
        await bench.run({ holder: "host" });
        await assertStorageStands(bench);
        await assertDataStay(bench, data);
      }
    }
  });
}
