/** The plan of an update against a whole box: definitions that change, checks that fail, and what was fetched beside what was planned. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deps } from "../../src/core/ports.ts";
import { createKube } from "../../src/kube/client.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { packTree, readTarGz } from "../../src/oci/tar.ts";
import { fluxManifestsLayer } from "../../src/rehearsal/sample/flux-manifests.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { createFakeBox } from "./fake-box.ts";
import { GOOD, openUpdateBench } from "./update-bench.ts";
import { depsOf, installed, REGISTRY, STATE, type World } from "./update-world.ts";

const SIGNAL = new AbortController().signal;
const HELM = "helmreleases.helm.toolkit.fluxcd.io";
const CRD = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", name: HELM };

/** A Flux whose Helm releases have another version: v3 beside v2, or in its place. */
function otherFlux(change: (text: string) => string): Uint8Array {
  const files = readTarGz(fluxManifestsLayer(`${REGISTRY}/fluxcd`));
  const changed = [...files].map(([path, content]) => {
    const text = new TextDecoder().decode(content);
    return { path, bytes: new TextEncoder().encode(text.includes(HELM) ? change(text) : text) };
  });
  return packTree(changed);
}

async function scene(change: (text: string) => string) {
  const box = createFakeBox({ instant: true });
  const server = createRegistryServer();
  const layer = otherFlux(change);
  const common = { registry: REGISTRY, pinned: true };
  buildSampleRelease(server.store, {
    ...common,
    version: GOOD,
    channels: ["next"],
    fluxManifests: { layer, version: "2.9.9" },
  });
  buildSampleRelease(server.store, { ...common, version: "1.0.3", channels: ["stable"] });
  const world = await installed(box, server.fetch);
  let asked = 0;
  const registry = (request: Request): Promise<Response> => {
    asked += 1;
    return server.fetch(request);
  };
  const open = (more: Partial<Deps> = {}) => {
    const deps = { ...depsOf(world, { box, process: box.spawn(), registry }), ...more };
    return openUpdateBench(deps, { registry: REGISTRY, kube: world.stage.kube, stateFolder: STATE });
  };
  return { box, world, open, asked: () => asked };
}

function clusterOf(world: World, box: ReturnType<typeof createFakeBox>) {
  const deps = depsOf(world, { box, process: box.spawn(), registry: () => Promise.reject(new Error("not asked")) });
  return createKube(deps, { server: "http://api", fetch: world.stage.kube, headers: async () => ({}) });
}

const added = (text: string): string => text.replace(/^( *)- name: v2$/m, "$1- name: v2\n$1- name: v3");
const moved = (text: string): string => text.replace(/^( *)- name: v2$/m, "$1- name: v3");

test("versions of definitions that come are told, and nothing is asked twice", async () => {
  const { open, asked } = await scene(added);
  const { updates, operations } = open();
  const plan = await updates.plan({ version: GOOD }, SIGNAL);
  assert.deepEqual(plan.definitions, [{ name: HELM, isNew: false, added: ["v3"], removed: [], lost: [] }]);
  assert.deepEqual(plan.notNow, []);
  assert.ok(plan.checks.length >= 15 && plan.checks.every(({ state }) => state === "ok"), JSON.stringify(plan.checks));
  const before = asked();
  const again = await updates.plan({ digest: plan.to.digest }, SIGNAL);
  assert.deepEqual(again.definitions, plan.definitions);
  assert.equal(asked(), before, "a plan that is made again asks the registry for parts that it knows");
  await operations.stop();
});

test("a version that goes away while objects are stored in it stands in the way, and the update does not start", async () => {
  const { open, world, box } = await scene(moved);
  await clusterOf(world, box).patch(CRD, { status: { storedVersions: ["v2"] } }, { subresource: "status" });
  const { updates, operations } = open();
  const plan = await updates.plan({ version: GOOD }, SIGNAL);
  assert.deepEqual(plan.definitions?.[0]?.lost, ["v2"]);
  assert.deepEqual(
    plan.notNow.map(({ code }) => code),
    ["update/stored-version"],
  );
  await assert.rejects(updates.start({ planDigest: plan.digest }, SIGNAL), { code: "update/not-now" });
  assert.equal((await operations.list())[0]?.kind, "setup", "nothing was started");
  await operations.stop();
});

test("a machine that has lost memory is told before the update begins, by the check of setup", async () => {
  const { open, box } = await scene(added);
  const machine = { ...box.machineOf(box.spawn()), memory: async () => ({ totalBytes: 2e9, availableBytes: 1e9 }) };
  const { updates, operations } = open({ machine });
  const plan = await updates.plan({ version: GOOD }, SIGNAL);
  assert.deepEqual(
    plan.notNow.map(({ code }) => code),
    ["host/memory"],
  );
  assert.match(plan.notNow[0]?.message ?? "", /^The machine has too little memory: The machine has 2 GB/);
  await operations.stop();
});

test("the history has the bytes that were fetched beside those of the plan", async () => {
  const { open } = await scene((text) => text);
  const { updates, operations } = open();
  const plan = await updates.plan({ version: GOOD }, SIGNAL);
  await updates.start({ planDigest: plan.digest }, SIGNAL);
  assert.equal((await operations.settled())?.state, "done");
  const [record] = await updates.history();
  assert.deepEqual(
    [record?.planDigest, record?.bytes, record?.expectedMs],
    [plan.digest, plan.downloadBytes, plan.expectedMs],
  );
  assert.ok((record?.fetched?.parts ?? 0) > 1_000, JSON.stringify(record?.fetched));
  await operations.stop();
});
