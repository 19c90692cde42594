/**
 * The real local-path provisioner on the real kube-apiserver, with real folders and files: our objects give it rights enough, its
 * volumes are as we say, and what k3s' own storage made moves over with its data. Skipped, and said so, when the binaries are not
 * there.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Kube } from "../../src/kube/client.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../../src/kube/model.ts";
import { BUNDLED } from "../../src/storage/facts.ts";
import { installStorage, type StorageOutcome } from "../../src/storage/install.ts";
import { CLASS_NAME, CONFIGURATION, DEFAULT_MARK, DRIVER, HOST_FOLDER } from "../../src/storage/objects.ts";
import { SMOKE_NAMESPACE } from "../../src/storage/smoke-objects.ts";
import { eventually } from "../support/eventually.ts";
import { findBinaries, type RealKube, startKubeApiServer } from "../support/kube-apiserver.ts";
import { kubeDeps } from "../support/kubernetes.ts";
import { createProvisionerNode, findProvisioner, type ProvisionerNode } from "../support/provisioner-node.ts";
import { BUNDLED_FOLDER, IMAGES } from "../support/storage-world.ts";

const PATIENCE_MS = 60_000;
const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: "default" } as const;
const POD = { apiVersion: "v1", kind: "Pod", namespace: "default" } as const;
const VOLUME = { apiVersion: "v1", kind: "PersistentVolume" } as const;
const CLASS = { apiVersion: "storage.k8s.io/v1", kind: "StorageClass" } as const;

const binaries = findBinaries(process.env);
const program = findProvisioner(process.env);

interface Scene {
  readonly kube: Kube;
  readonly node: ProvisionerNode;
}

/** As k3s lays it down: its Deployment, its class, and rights that are wide enough. */
async function bringBundled({ kube }: Scene): Promise<void> {
  const { namespace, name, ...kind } = BUNDLED;
  const account = "local-path-provisioner-service-account";
  const nodePathMap = [{ node: "DEFAULT_PATH_FOR_NON_LISTED_NODES", paths: [BUNDLED_FOLDER] }];
  const helper = `apiVersion: v1\nkind: Pod\nmetadata: {name: helper-pod}\nspec: {containers: [{name: helper-pod, image: "b:1"}]}\n`;
  const labels = { app: name };
  const rbac = "rbac.authorization.k8s.io";
  const metadata = { annotations: { [DEFAULT_MARK]: "true" }, labels: { "objectset.rio.cattle.io/hash": "183f35c6" } };
  const objects: readonly KubeObject[] = [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: account, namespace } },
    {
      apiVersion: `${rbac}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name: "local-path-provisioner-bind" },
      roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "cluster-admin" },
      subjects: [{ kind: "ServiceAccount", name: account, namespace }],
    },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: CONFIGURATION.name, namespace },
      data: {
        "config.json": JSON.stringify({ nodePathMap }),
        setup: 'mkdir -m 0777 -p "$VOL_DIR"\n',
        teardown: 'rm -rf "$VOL_DIR"\n',
        "helperPod.yaml": helper,
      },
    },
    {
      ...kind,
      metadata: { name, namespace },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { serviceAccountName: account, containers: [{ name, image: "p:1" }] } },
      },
    },
    {
      ...CLASS,
      metadata: { name: CLASS_NAME, ...metadata },
      provisioner: DRIVER,
      reclaimPolicy: "Delete",
      volumeBindingMode: "WaitForFirstConsumer",
    },
  ];
  for (const object of objects) await kube.create(object);
}

/** A claim and a pod that uses it, and a file on its volume. @returns the path of the volume on the host. */
async function bringData({ kube, node }: Scene, name: string, content: string): Promise<string> {
  const { namespace } = CLAIM;
  const resources = { requests: { storage: "1Gi" } };
  const spec = { accessModes: ["ReadWriteOnce"], storageClassName: CLASS_NAME, resources };
  await kube.create({ apiVersion: "v1", kind: CLAIM.kind, metadata: { name, namespace }, spec });
  const volumes = [{ name: "data", persistentVolumeClaim: { claimName: name } }];
  const containers = [{ name: "db", image: "db:1" }];
  await kube.create({ apiVersion: "v1", kind: POD.kind, metadata: { name, namespace }, spec: { containers, volumes } });
  await moves(node, `claim ${name} has a volume`, async () => {
    const claim = await kube.get({ ...CLAIM, name });
    return textAt(claim, "status", "phase") === "Bound";
  });
  const volume = (await kube.list(VOLUME)).items.find((one) => textAt(one, "spec", "claimRef", "name") === name);
  const path = textAt(volume, "spec", "local", "path") ?? textAt(volume, "spec", "hostPath", "path") ?? "";
  writeFileSync(join(node.root, path, "tables"), content);
  return path;
}

const moves = (node: ProvisionerNode, what: string, isThere: () => Promise<boolean>): Promise<void> =>
  eventually(
    what,
    async () => {
      await node.turn();
      return await isThere();
    },
    PATIENCE_MS,
  );

/** The engine with a real clock, while the node moves on. */
function install({ kube, node }: Scene): Promise<StorageOutcome> {
  const { clock, random } = kubeDeps;
  const sleep = async (): Promise<void> => {
    await node.turn();
    await clock.sleep(20);
  };
  return installStorage(
    { clock: { ...clock, sleep }, random, log: SILENT_LOG, kube },
    {
      holder: "host",
      images: async () => IMAGES,
      prove: true,
      busyMs: PATIENCE_MS,
      pollMs: 100,
      progress: () => {},
      signal: new AbortController().signal,
    },
  );
}

const policyOf = async (kube: Kube, name: string): Promise<string | undefined> =>
  textAt(
    (await kube.list(VOLUME)).items.find((one) => textAt(one, "spec", "claimRef", "name") === name),
    "spec",
    "persistentVolumeReclaimPolicy",
  );

async function moveOver(scene: Scene): Promise<void> {
  const { kube, node } = scene;
  await bringBundled(scene);
  const old = await bringData(scene, "old", "rows of before");
  assert.ok(old.startsWith(BUNDLED_FOLDER), old);
  assert.equal(await policyOf(kube, "old"), "Delete");

  const outcome = await install(scene);
  assert.equal(outcome.kind, "own");
  assert.ok((outcome.proof?.totalBytes ?? 0) > 0, "df was not read");
  const volumes = readdirSync(join(node.root, HOST_FOLDER));
  assert.deepEqual(volumes, [], `the smoke test left ${volumes.join()}`);
  assert.deepEqual((await kube.list({ ...POD, namespace: SMOKE_NAMESPACE })).items, []);

  const made = await bringData(scene, "new", "rows of now");
  assert.ok(made.startsWith(HOST_FOLDER), made);
  assert.equal(statSync(join(node.root, made)).mode & 0o7777, 0o770);
  assert.deepEqual([await policyOf(kube, "old"), await policyOf(kube, "new")], ["Retain", "Retain"]);
  const helper = node.ran.find(
    ({ spec }) => textAt(listAt({ spec }, "spec", "containers")[0], "image") === IMAGES.helper,
  );
  assert.equal(fieldAt(helper, "spec", "automountServiceAccountToken"), false);

  for (const name of ["old", "new"]) {
    await kube.delete({ ...POD, name }, { gracePeriodSeconds: 0 });
    await kube.delete({ ...CLAIM, name });
  }
  await moves(node, "both volumes are released", async () =>
    (await kube.list(VOLUME)).items.every((one) => textAt(one, "status", "phase") === "Released"),
  );
  // A second run begins anew where something would be taken away; its own test volume goes, these stay.
  await install(scene);
  assert.equal(readFileSync(join(node.root, old, "tables"), "utf8"), "rows of before");
  assert.equal(readFileSync(join(node.root, made, "tables"), "utf8"), "rows of now");
  const refused = /is forbidden|cannot (?:get|list|watch|create|update|patch|delete) resource/;
  assert.doesNotMatch(node.said.join(""), refused);
}

async function withScene(work: (scene: Scene) => Promise<void>): Promise<void> {
  if ("missing" in binaries || program === undefined) throw new Error("binaries are missing");
  const real: RealKube = await startKubeApiServer(binaries);
  const node = await createProvisionerNode(real, program);
  try {
    await work({ kube: real.kube(), node });
  } catch (thrown) {
    console.log(node.said.join("").slice(-20_000));
    throw thrown;
  } finally {
    node.stop();
    await real.stop();
  }
  assert.ok(!existsSync(node.root));
}

if ("missing" in binaries || program === undefined) {
  const why =
    "missing" in binaries ? binaries.missing : "no local-path-provisioner in the lab's cache (npm run lab builds it)";
  console.log(`skipped: the real local-path provisioner: ${why}`);
  test("local-path-provisioner", { skip: why }, () => {});
} else {
  const title =
    "the real provisioner of k3s gives way to ours, and files on its volumes stay, also when their claims go";
  test(title, { timeout: 240_000 }, () => withScene(moveOver));
}
