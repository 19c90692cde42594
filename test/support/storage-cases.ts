/**
 * What the storage engine promises, as cases for any API server: the in-memory one in `npm test`, the real one in the leg of
 * Kubernetes. Each case begins on a cluster without any storage.
 */
import assert from "node:assert/strict";
import { isApplianceError } from "../../src/core/errors.ts";
import type { Kube } from "../../src/kube/client.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../../src/kube/model.ts";
import { BUNDLED } from "../../src/storage/facts.ts";
import { STORAGE_LEASE } from "../../src/storage/lease.ts";
import {
  CLASS_NAME,
  CONFIGURATION,
  DEFAULT_MARK,
  DRIVER,
  HOST_FOLDER,
  PROVISIONER,
} from "../../src/storage/objects.ts";
import { SMOKE_NAMESPACE } from "../../src/storage/smoke-objects.ts";
import type { StorageBench } from "./storage-bench.ts";
import { BUNDLED_FOLDER, ensure, IMAGES } from "./storage-world.ts";

export type StorageCase = readonly [name: string, run: (bench: StorageBench) => Promise<void>];

const CLASS = { apiVersion: "storage.k8s.io/v1", kind: "StorageClass" } as const;
const VOLUME = { apiVersion: "v1", kind: "PersistentVolume" } as const;
const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim" } as const;

export const STORAGE_CASES: readonly StorageCase[] = [
  ["a cluster without storage gets a class that is proven, and a second run changes nothing", firstInstall],
  ["k3s' storage moves over with the data on its volumes", movesOver],
  ["k3s took its own storage away: its volumes stay all the same", alreadyGone],
  ["two at once, in the pod and on the host, work one after the other", twoAtOnce],
  ["a holder that died is replaced when its lease has stood still, whatever the wall clocks say", deadHolder],
  ["one that slept while another took over stops before its next call", sleeper],
  ["another provisioner's default class is used and not touched", foreignClass],
  ["two default classes are told, with the command that mends it, and nothing is changed", twoDefaults],
  ["a class of our name that is another one's is told", nameTaken],
  ["an older installation with an open folder and wide rights is put right, its volumes stay", olderInstallation],
  ["an image that does not come is told while it waits, and goes on when it comes", imageMissing],
  ["a class that somebody makes the default meanwhile ends the wait", classMeanwhile],
  ["a full disk is told in the pod's own words, and nothing of the test is left", fullDisk],
  ["too much claimed for the disk is told", overClaimed],
];

/** The volumes and claims of an application, as one text that must not change by anything that we do. */
async function dataOf({ kube, world }: StorageBench): Promise<string> {
  const claims = (await kube.list({ ...CLAIM, namespace: "msp" })).items.map(({ metadata, spec, status }) =>
    [metadata.name, metadata.uid, textAt({ spec }, "spec", "volumeName"), textAt({ status }, "status", "phase")].join(
      " ",
    ),
  );
  const volumes = (await kube.list(VOLUME)).items
    .filter((one) => textAt(one, "spec", "claimRef", "namespace") === "msp")
    .map((one) => [one.metadata.name, one.metadata.uid, textAt(one, "spec", "hostPath", "path")].join(" "));
  const disk = [...world.disk]
    .filter(([path]) => path.includes("_msp_"))
    .map(([path, content]) => `${path}=${content}`);
  return [...claims, ...volumes, ...disk].sort().join("\n");
}

const policies = async (kube: Kube): Promise<readonly (string | undefined)[]> =>
  (await kube.list(VOLUME)).items.map((one) => textAt(one, "spec", "persistentVolumeReclaimPolicy"));

/** What every run must end in, whatever was before. */
export async function assertStorageStands({ kube, world }: StorageBench): Promise<void> {
  const found = await kube.get({ ...CLASS, name: CLASS_NAME });
  assert.deepEqual(
    [
      textAt(found, "reclaimPolicy"),
      textAt(found, "provisioner"),
      fieldAt(found, "metadata", "annotations", DEFAULT_MARK),
    ],
    ["Retain", DRIVER, "true"],
  );
  assert.equal(fieldAt(await kube.get(BUNDLED), "spec", "replicas") ?? 0, 0, "the provisioner of k3s runs");
  assert.ok(
    (await policies(kube)).every((policy) => policy === "Retain"),
    "a volume would go with its claim",
  );
  const left = [
    ...(await kube.list({ apiVersion: "v1", kind: "Pod", namespace: SMOKE_NAMESPACE })).items,
    ...(await kube.list({ ...CLAIM, namespace: SMOKE_NAMESPACE })).items,
    ...(await kube.list(VOLUME)).items.filter(
      (one) => textAt(one, "spec", "claimRef", "namespace") === SMOKE_NAMESPACE,
    ),
  ];
  assert.deepEqual(
    left.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    [],
    "the smoke test left something",
  );
  assert.ok(
    ![...world.disk.keys()].some((path) => path.includes(SMOKE_NAMESPACE)),
    "a folder of the smoke test is left",
  );
  assert.equal(
    textAt(await kube.get(STORAGE_LEASE), "spec", "holderIdentity"),
    undefined,
    "the lease was not given back",
  );
  assert.deepEqual(world.wrongs, []);
}

async function firstInstall(bench: StorageBench): Promise<void> {
  const first = await bench.run();
  assert.deepEqual([first.kind, first.storageClass], ["own", `${CLASS_NAME} (${DRIVER})`]);
  assert.deepEqual(first.done, [
    "installed the provisioner",
    `made ${CLASS_NAME} (${DRIVER}) the default class`,
    "proved it by a volume of its own, which is gone again",
  ]);
  assert.equal(first.proof?.totalBytes, Math.floor(100e9 / 1_024) * 1_024);
  await assertStorageStands(bench);
  const second = await bench.run();
  assert.deepEqual(second.done, ["proved it by a volume of its own, which is gone again"]);
}

/** The cluster as k3s leaves it, with a database on two volumes. @returns its data. */
export async function bringDatabase(bench: StorageBench): Promise<string> {
  await bench.world.bringBundled();
  await bench.world.bringData("data-db-0", "tables");
  await bench.world.bringData("data-redis-0", "keys");
  assert.deepEqual(await policies(bench.kube), ["Delete", "Delete"]);
  return await dataOf(bench);
}

/** Asserts that the data are as they were, also when their claims go. */
export async function assertDataStay(bench: StorageBench, before: string): Promise<void> {
  assert.equal(await dataOf(bench), before);
  await bench.kube.delete({ apiVersion: "v1", kind: "Pod", namespace: "msp", name: "data-db-0" });
  await bench.kube.delete({ ...CLAIM, namespace: "msp", name: "data-db-0" });
  for (let turns = 0; turns < 4; turns += 1) await bench.world.turn();
  const [path] = [...bench.world.disk].find(([one]) => one.endsWith("_msp_data-db-0")) ?? [];
  assert.ok(path?.startsWith(BUNDLED_FOLDER), "the folder went with its claim");
  assert.equal(bench.world.disk.get(path ?? ""), "tables");
}

async function movesOver(bench: StorageBench): Promise<void> {
  const before = await bringDatabase(bench);
  const { done } = await bench.run();
  assert.deepEqual(done.slice(0, 4), [
    "told 2 volumes to stay when their claims go",
    "stopped the provisioner of k3s",
    "took StorageClass local-path away, whose volumes would have gone with their claims",
    "installed the provisioner",
  ]);
  await assertStorageStands(bench);
  const path = await bench.world.bringData("data-new-0", "fresh");
  assert.ok(path.startsWith(HOST_FOLDER), path);
  await bench.kube.delete({ apiVersion: "v1", kind: "Pod", namespace: "msp", name: "data-new-0" });
  await bench.kube.delete({ ...CLAIM, namespace: "msp", name: "data-new-0" });
  for (let turns = 0; turns < 4; turns += 1) await bench.world.turn();
  assert.equal(bench.world.disk.get(path), "fresh", "a volume of ours went with its claim");
  const volume = (await bench.kube.list(VOLUME)).items.find((one) => textAt(one, "spec", "hostPath", "path") === path);
  await bench.kube.delete({ ...VOLUME, name: volume?.metadata.name ?? "" });
  for (let turns = 0; turns < 4; turns += 1) await bench.world.turn();
  bench.world.disk.delete(path);
  await assertDataStay(bench, before);
}

/** As after a restart of k3s with its storage disabled: class and provisioner are gone, volumes would go with their claims. */
async function alreadyGone(bench: StorageBench): Promise<void> {
  const before = await bringDatabase(bench);
  await bench.kube.delete(BUNDLED);
  await bench.kube.delete({ ...CLASS, name: CLASS_NAME });
  for (let turns = 0; turns < 2; turns += 1) await bench.world.turn();
  const { done } = await bench.run();
  assert.equal(done[0], "told 2 volumes to stay when their claims go");
  await assertStorageStands(bench);
  await assertDataStay(bench, before);
}

async function twoAtOnce(bench: StorageBench): Promise<void> {
  const before = await bringDatabase(bench);
  const [pod, host] = await Promise.all([bench.run(), bench.run({ holder: "host" })]);
  assert.deepEqual([pod.kind, host.kind], ["own", "own"]);
  const moved = [pod, host].filter(({ done }) => done.includes("stopped the provisioner of k3s"));
  assert.equal(moved.length, 1, "both moved it");
  assert.ok(bench.told.some((line) => /^Waits for the (?:host|pod), which is at work on the storage$/.test(line)));
  await assertStorageStands(bench);
  await assertDataStay(bench, before);
}

async function deadHolder(bench: StorageBench): Promise<void> {
  assert.notEqual(await bench.runUntil(6, "after"), undefined);
  // A clock that is years ahead makes nobody's lease old or young.
  await bench.kube.patch(STORAGE_LEASE, { spec: { renewTime: "2031-01-01T00:00:00.000000Z" } });
  const busy = await bench.run({ busyMs: 5_000 }).catch((thrown: unknown) => thrown);
  assert.ok(isApplianceError(busy, "storage/busy"), String(busy));
  await bench.run();
  await assertStorageStands(bench);
}

async function sleeper(bench: StorageBench): Promise<void> {
  const { world } = bench;
  const turn = world.turn;
  let isAsleep = false;
  Object.assign(world, {
    turn: async () => {
      await turn();
      if (isAsleep || (await bench.kube.get(PROVISIONER)) === undefined) return;
      isAsleep = true;
      await bench.pass(61_000);
      await bench.kube.patch(STORAGE_LEASE, { spec: { holderIdentity: "host/other" } });
    },
  });
  const thrown = await bench.run().catch((error: unknown) => error);
  assert.ok(isApplianceError(thrown, "operation/lease-lost"), String(thrown));
  assert.equal(textAt(await bench.kube.get(STORAGE_LEASE), "spec", "holderIdentity"), "host/other");
  assert.equal(await bench.kube.get({ ...CLASS, name: CLASS_NAME }), undefined, "it went on");
}

const otherClass = (name: string, provisioner: string, isDefault: boolean): KubeObject => ({
  ...CLASS,
  metadata: { name, annotations: { [DEFAULT_MARK]: String(isDefault) } },
  provisioner,
});

async function foreignClass(bench: StorageBench): Promise<void> {
  await bench.kube.create(otherClass("fast", "disk.example.com", true));
  const outcome = await bench.run();
  assert.deepEqual([outcome.kind, outcome.storageClass, outcome.done], ["foreign", "fast (disk.example.com)", []]);
  assert.equal(await bench.kube.get(PROVISIONER), undefined);
  assert.equal(await bench.kube.get(STORAGE_LEASE), undefined, "a lease was taken to change nothing");
}

async function twoDefaults(bench: StorageBench): Promise<void> {
  const before = await bringDatabase(bench);
  await bench.kube.create(otherClass("fast", "disk.example.com", true));
  const thrown = await bench.run().catch((error: unknown) => error);
  assert.ok(isApplianceError(thrown, "storage/several-defaults"), String(thrown));
  assert.match(
    thrown.message,
    /2 are the default \(fast \(disk\.example\.com\), local-path \(rancher\.io\/local-path\)\)/,
  );
  assert.match(thrown.hint ?? "", new RegExp(`kubectl annotate storageclass fast ${DEFAULT_MARK}-$`));
  assert.deepEqual(await policies(bench.kube), ["Delete", "Delete"]);
  assert.equal(await dataOf(bench), before);
}

async function nameTaken(bench: StorageBench): Promise<void> {
  await bench.kube.create(otherClass(CLASS_NAME, "disk.example.com", false));
  const thrown = await bench.run().catch((error: unknown) => error);
  assert.ok(isApplianceError(thrown, "storage/name-taken"), String(thrown));
  assert.match(thrown.hint ?? "", /kubectl annotate storageclass local-path .*=true$/);
}

/** As an appliance of before left it: the upstream manifest, applied by kubectl. */
async function olderInstallation(bench: StorageBench): Promise<void> {
  const { kube, world } = bench;
  const labels = { app: PROVISIONER.name };
  const { namespace, name, ...kind } = PROVISIONER;
  const mounts = [{ name: "config-volume", mountPath: "/etc/config/" }];
  for (const place of [namespace, "msp"])
    await ensure(kube, { apiVersion: "v1", kind: "Namespace", metadata: { name: place } });
  const { namespace: _place, name: map, ...mapKind } = CONFIGURATION;
  const helperPod = `kind: Pod\nspec:\n  containers:\n  - name: helper-pod\n    image: ${IMAGES.helper}\n`;
  const data = { "helperPod.yaml": helperPod, setup: 'mkdir -m 0777 -p "$VOL_DIR"' };
  await kube.create({ ...mapKind, metadata: { name: map, namespace }, data });
  await kube.create({
    ...kind,
    metadata: { namespace, name },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: "local-path-provisioner-service-account",
          containers: [{ name, image: IMAGES.provisioner, volumeMounts: mounts }],
          volumes: [{ name: "config-volume", configMap: { name: map } }],
        },
      },
    },
  });
  await kube.create({
    ...otherClass(CLASS_NAME, DRIVER, false),
    reclaimPolicy: "Retain",
    volumeBindingMode: "WaitForFirstConsumer",
  });
  for (let turns = 0; turns < 3; turns += 1) await world.turn();
  const path = await world.bringData("data-db-0", "tables");
  const before = await dataOf(bench);
  // No image is named: those that run are kept.
  const { done } = await bench.run({ images: async () => undefined });
  assert.equal(done[0], "put the provisioner right");
  await assertStorageStands(bench);
  const pod = fieldAt(await kube.get(PROVISIONER), "spec", "template", "spec");
  assert.deepEqual(
    [
      textAt(pod, "serviceAccountName"),
      listAt(pod, "volumes").length,
      listAt(listAt(pod, "containers")[0], "volumeMounts").length,
    ],
    [PROVISIONER.name, 1, 1],
  );
  assert.ok(!JSON.stringify((await kube.get(CONFIGURATION))?.data).includes("0777"));
  assert.equal(await dataOf(bench), before);
  assert.equal(world.disk.get(path), "tables");
}

async function imageMissing(bench: StorageBench): Promise<void> {
  const { world, told } = bench;
  world.images.clear();
  const turn = world.turn;
  let waited = 0;
  Object.assign(world, {
    turn: async () => {
      await turn();
      waited += told.at(-1)?.includes("ImagePullBackOff") === true ? 1 : 0;
      if (waited > 2) for (const image of Object.values(IMAGES)) world.images.add(image);
    },
  });
  const outcome = await bench.run();
  assert.equal(outcome.kind, "own");
  assert.ok(
    told.some(
      (line) =>
        line.includes("does not start (ImagePullBackOff Back-off pulling image") && line.includes("StorageClass"),
    ),
    told.join("\n"),
  );
  await assertStorageStands(bench);
}

async function classMeanwhile(bench: StorageBench): Promise<void> {
  const { kube, world, told } = bench;
  world.images.clear();
  const turn = world.turn;
  Object.assign(world, {
    turn: async () => {
      await turn();
      const name = { ...CLASS, name: "fast" };
      if (told.at(-1)?.includes("ImagePullBackOff") && (await kube.get(name)) === undefined)
        await kube.create(otherClass("fast", "disk.example.com", true));
    },
  });
  const outcome = await bench.run();
  assert.deepEqual([outcome.kind, outcome.storageClass], ["foreign", "fast (disk.example.com)"]);
}

async function fullDisk(bench: StorageBench): Promise<void> {
  bench.world.diskFull = true;
  const thrown = await bench.run().catch((error: unknown) => error);
  assert.ok(isApplianceError(thrown, "storage/unproven"), String(thrown));
  assert.match(thrown.message, /No space left on device/);
  bench.world.diskFull = false;
  await assertStorageStands(bench);
}

async function overClaimed(bench: StorageBench): Promise<void> {
  await bringDatabase(bench);
  bench.world.room = { totalBytes: 60e9, freeBytes: 40e9 };
  const { warnings } = await bench.run();
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0] ?? "",
    /^2 claims ask for 107 GB, and the disk of the volumes has 60 GB, of which 40 GB are free/,
  );
}
