import assert from "node:assert/strict";
import { test } from "node:test";
import { kubeDeps, kubeOver, memoryKube, THING_DEFINITION } from "../../test/support/kubernetes.ts";
import { ApplianceError } from "../core/errors.ts";
import { applySet, inApplyOrder } from "./apply-set.ts";
import type { KubeObject } from "./model.ts";

const THING: KubeObject = { apiVersion: "example.org/v1", kind: "Thing", metadata: { name: "t", namespace: "new" } };
const CONFIG: KubeObject = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "c", namespace: "new" },
  data: { a: "1" },
};
const NAMESPACE: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: "new" } };
const SET = [THING, CONFIG, NAMESPACE, THING_DEFINITION];

test("orders definitions, namespaces, what others refer to, the rest", () => {
  assert.deepEqual(
    inApplyOrder(SET).map((object) => object.kind),
    ["CustomResourceDefinition", "Namespace", "ConfigMap", "Thing"],
  );
});

test("applies a set on an empty cluster, and says unchanged the second time", async () => {
  const { kube } = memoryKube();
  const told: string[] = [];
  const first = await applySet({ ...kubeDeps, kube }, SET, {
    onProgress: (one, done, total) => void told.push(`${done}/${total} ${one.ref.kind} ${one.action}`),
  });
  assert.deepEqual([first.created, first.changed, first.unchanged], [4, 0, 0]);
  assert.equal(told.at(-1), "4/4 Thing created");
  const second = await applySet({ ...kubeDeps, kube }, SET);
  assert.deepEqual([second.created, second.changed, second.unchanged], [0, 0, 4]);
  const third = await applySet({ ...kubeDeps, kube }, [{ ...CONFIG, data: { a: "2" } }, NAMESPACE]);
  assert.deepEqual([third.created, third.changed, third.unchanged], [0, 1, 1]);
});

test("a dry run foresees a set whose kinds and namespaces do not exist yet", async () => {
  const { kube, server } = memoryKube();
  const before = server.revision();
  const seen = await applySet({ ...kubeDeps, kube }, SET, { dryRun: true });
  assert.equal(seen.created, 4);
  assert.equal(server.revision(), before);
});

test("stops at the first failure, names the object and how far it came, and goes on later", async () => {
  const { kube, server } = memoryKube();
  const lift = server.faults.add({ method: "PATCH", path: "/configmaps/c", status: 422, message: "no room" });
  await assert.rejects(applySet({ ...kubeDeps, kube }, SET), (thrown: unknown) => {
    assert.ok(thrown instanceof ApplianceError);
    assert.equal(thrown.code, "kube/invalid");
    assert.match(thrown.message, /Cannot apply ConfigMap "new\/c": no room/);
    assert.deepEqual([thrown.details.applied, thrown.details.total], [2, 4]);
    return true;
  });
  lift();
  const again = await applySet({ ...kubeDeps, kube }, SET);
  assert.deepEqual([again.created, again.unchanged], [2, 2]);
});

test("a conflict names the owner; force takes the field", async () => {
  const { kube, server } = memoryKube();
  const other = kubeOver(server.fetch, "somebody");
  await other.create({ ...NAMESPACE });
  await other.apply({ ...CONFIG, data: { a: "other" } });
  await assert.rejects(applySet({ ...kubeDeps, kube }, [CONFIG]), (thrown: unknown) => {
    assert.ok(thrown instanceof ApplianceError);
    assert.equal(thrown.code, "kube/conflict");
    assert.deepEqual(thrown.details.conflicts, [{ manager: "somebody", field: ".data.a" }]);
    return true;
  });
  const forced = await applySet({ ...kubeDeps, kube }, [CONFIG], { force: true });
  assert.equal(forced.changed, 1);
});

test("an abort ends the set with internal/aborted", async () => {
  const { kube } = memoryKube();
  const stop = new AbortController();
  const work = applySet({ ...kubeDeps, kube }, SET, { signal: stop.signal, onProgress: () => stop.abort() });
  await assert.rejects(
    work,
    (thrown: unknown) => thrown instanceof ApplianceError && thrown.code === "internal/aborted",
  );
});
