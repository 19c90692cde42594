/**
 * What makes and removes volumes around an API server: the scheduler, the kubelet, the volume controller, and the provisioners of
 * k3s and of the appliance, as far as storage goes. A disk is a map from folder to content, so that lost data is seen.
 *
 * One turn moves everything on by one step. It works over any `Kube`, so over the in-memory server and over the real one.
 */
import type { Kube } from "../../src/kube/client.ts";
import { type KindRef, type KubeObject, listAt, refOf, textAt } from "../../src/kube/model.ts";
import { BUNDLED } from "../../src/storage/facts.ts";
import { CLASS_NAME, DEFAULT_MARK, DRIVER, HOST_FOLDER, PROVISIONER } from "../../src/storage/objects.ts";

export const BUNDLED_FOLDER = "/var/lib/rancher/k3s/storage";
export const IMAGES = {
  provisioner: "docker.io/rancher/local-path-provisioner:v0.0.31",
  helper: "docker.io/library/busybox:1.37",
};

const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim" } as const;
const VOLUME = { apiVersion: "v1", kind: "PersistentVolume" } as const;
const POD = { apiVersion: "v1", kind: "Pod" } as const;
const CLASS = { apiVersion: "storage.k8s.io/v1", kind: "StorageClass" } as const;
const K3S = { "objectset.rio.cattle.io/hash": "183f35c65ffbc3064603f43f1580d8c68a2dabd4" };

export interface StorageWorld {
  /** Folder of a volume -> what is in it. */
  readonly disk: Map<string, string>;
  /** Images that the node has or can pull. */
  readonly images: Set<string>;
  /** Nothing can be written any more. */
  diskFull: boolean;
  /** What df says of the volumes' disk, in bytes. */
  room: { readonly totalBytes: number; readonly freeBytes: number };
  /** What must never be: two provisioners at once, a volume made twice. */
  readonly wrongs: string[];
  /** Everything moves on by one step. */
  turn(): Promise<void>;
  /** The cluster as k3s leaves it: its provisioner, its class, and an application with data. */
  bringBundled(): Promise<void>;
  /** A claim with its volume and data, made by the provisioner that runs. @returns the folder of its data. */
  bringData(name: string, content: string): Promise<string>;
}

/** @param kube A client that may do everything, under a field manager of its own. */
export function createStorageWorld(kube: Kube): StorageWorld {
  let last: Promise<void> = Promise.resolve();
  const world: StorageWorld = {
    disk: new Map(),
    images: new Set(Object.values(IMAGES)),
    diskFull: false,
    room: { totalBytes: 100e9, freeBytes: 60e9 },
    wrongs: [],
    // One after the other, whoever asks.
    turn: () => {
      last = last.catch(() => {}).then(() => turn(kube, world));
      return last;
    },
    bringBundled: () => bringBundled(kube, world),
    bringData: (name, content) => bringData(kube, world, { name, content }),
  };
  return world;
}

async function turn(kube: Kube, world: StorageWorld): Promise<void> {
  for (const place of [BUNDLED, PROVISIONER]) await playDeployment(kube, world, place);
  const pods = (await kube.list(POD)).items;
  const makers = [BUNDLED, PROVISIONER].filter(({ namespace }) =>
    pods.some(
      ({ metadata, status }) => metadata.namespace === namespace && textAt({ status }, "status", "phase") === "Running",
    ),
  );
  if (makers.length > 1) world.wrongs.push("two provisioners ran at once");
  const folder =
    makers[0] === undefined ? undefined : makers[0].namespace === PROVISIONER.namespace ? HOST_FOLDER : BUNDLED_FOLDER;
  for (const claim of (await kube.list(CLAIM)).items) await playClaim(kube, world, { claim, pods, folder });
  for (const volume of (await kube.list(VOLUME)).items)
    await playVolume(kube, world, { volume, runs: folder !== undefined });
  for (const pod of pods) if (pod.metadata.name.startsWith("smoke-")) await playSmokePod(kube, world, pod);
}

async function playDeployment(
  kube: Kube,
  world: StorageWorld,
  place: typeof BUNDLED | typeof PROVISIONER,
): Promise<void> {
  const deployment = await kube.get(place);
  const pods = (await kube.list({ ...POD, namespace: place.namespace })).items.filter(
    ({ metadata }) => metadata.labels?.app === place.name,
  );
  const wanted = deployment === undefined ? 0 : Number((deployment.spec as { replicas?: number }).replicas ?? 1);
  const image = textAt(listAt(deployment, "spec", "template", "spec", "containers")[0], "image") ?? "";
  if (wanted === 0) for (const pod of pods) await kube.delete(refOf(pod), { gracePeriodSeconds: 0 });
  if (deployment === undefined) return;
  if (wanted === 0) return await tell(kube, deployment, deploymentStatus(deployment, { wanted, ready: 0 }));
  const current = pods.filter((pod) => textAt(listAt(pod, "spec", "containers")[0], "image") === image);
  for (const pod of pods) if (!current.includes(pod)) await kube.delete(refOf(pod), { gracePeriodSeconds: 0 });
  if (current.length === 0) {
    const name = `${place.name}-${deployment.metadata.generation}`;
    const metadata = { name, namespace: place.namespace, labels: { app: place.name } };
    await kube.create({ ...POD, metadata, spec: { containers: [{ name: place.name, image }] } });
    return;
  }
  const runs = world.images.has(image);
  for (const pod of current) await tell(kube, pod, podStatus(place.name, image, runs));
  await tell(kube, deployment, deploymentStatus(deployment, { wanted, ready: runs ? 1 : 0 }));
}

function deploymentStatus(
  { metadata }: KubeObject,
  count: { readonly wanted: number; readonly ready: number },
): object {
  return {
    observedGeneration: metadata.generation,
    replicas: count.wanted,
    updatedReplicas: count.wanted,
    readyReplicas: count.ready,
    availableReplicas: count.ready,
  };
}

function podStatus(name: string, image: string, runs: boolean): object {
  const base = { name, image, imageID: "", ready: runs, restartCount: 0 };
  if (runs)
    return {
      phase: "Running",
      containerStatuses: [{ ...base, state: { running: { startedAt: "2026-11-21T00:00:00Z" } } }],
    };
  const waiting = { reason: "ImagePullBackOff", message: `Back-off pulling image "${image}"` };
  return { phase: "Pending", containerStatuses: [{ ...base, state: { waiting } }] };
}

interface ClaimTurn {
  readonly claim: KubeObject;
  readonly pods: readonly KubeObject[];
  /** Where the provisioner that runs makes volumes; undefined while none runs. */
  readonly folder: string | undefined;
}

async function playClaim(kube: Kube, world: StorageWorld, { claim, pods, folder }: ClaimTurn): Promise<void> {
  const { namespace = "", name, uid = "" } = claim.metadata;
  const isUsed = pods.some(
    (pod) =>
      pod.metadata.namespace === namespace &&
      listAt(pod, "spec", "volumes").some((one) => textAt(one, "persistentVolumeClaim", "claimName") === name),
  );
  if (claim.metadata.deletionTimestamp !== undefined) return isUsed ? undefined : await release(kube, claim);
  if (!isUsed || folder === undefined || textAt(claim, "status", "phase") === "Bound") return;
  const storageClass = await kube.get({ ...CLASS, name: textAt(claim, "spec", "storageClassName") ?? CLASS_NAME });
  if (textAt(storageClass, "provisioner") !== DRIVER) return;
  const volume = `pvc-${uid}`;
  const path = `${folder}/${volume}_${namespace}_${name}`;
  if ((await kube.get({ ...VOLUME, name: volume })) === undefined) {
    if ([...world.disk.keys()].some((one) => one.includes(volume))) world.wrongs.push(`${volume} was made twice`);
    world.disk.set(path, "");
    await kube.create({
      ...VOLUME,
      metadata: { name: volume, annotations: { "pv.kubernetes.io/provisioned-by": DRIVER } },
      spec: {
        capacity: { storage: textAt(claim, "spec", "resources", "requests", "storage") },
        accessModes: ["ReadWriteOnce"],
        persistentVolumeReclaimPolicy: textAt(storageClass, "reclaimPolicy"),
        storageClassName: CLASS_NAME,
        claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid },
        hostPath: { path, type: "DirectoryOrCreate" },
      },
    });
  }
  await kube.patch(refOf(claim), { spec: { volumeName: volume } });
  await tell(kube, claim, { phase: "Bound" });
  await tell(kube, { ...VOLUME, metadata: { name: volume } }, { phase: "Bound" });
}

async function playVolume(
  kube: Kube,
  world: StorageWorld,
  { volume, runs }: { readonly volume: KubeObject; readonly runs: boolean },
): Promise<void> {
  if (volume.metadata.deletionTimestamp !== undefined) return await release(kube, volume);
  const claimRef = (volume.spec as { claimRef?: { namespace: string; name: string; uid: string } }).claimRef;
  if (claimRef === undefined) return;
  const claim = await kube.get({ ...CLAIM, namespace: claimRef.namespace, name: claimRef.name });
  if (claim?.metadata.uid === claimRef.uid) return;
  if (textAt(volume, "status", "phase") !== "Released") return await tell(kube, volume, { phase: "Released" });
  if (!runs || textAt(volume, "spec", "persistentVolumeReclaimPolicy") !== "Delete") return;
  world.disk.delete(textAt(volume, "spec", "hostPath", "path") ?? "");
  await kube.delete(refOf(volume));
}

/** As the kubelet runs the script of the smoke test. */
async function playSmokePod(kube: Kube, world: StorageWorld, pod: KubeObject): Promise<void> {
  const { namespace = "", name } = pod.metadata;
  if (pod.metadata.deletionTimestamp !== undefined) return await release(kube, pod);
  if (["Succeeded", "Failed"].includes(textAt(pod, "status", "phase") ?? "")) return;
  const claim = await kube.get({ ...CLAIM, namespace, name });
  if (textAt(claim, "status", "phase") !== "Bound") return;
  const container = listAt(pod, "spec", "containers")[0];
  const image = textAt(container, "image") ?? "";
  if (!world.images.has(image)) return await tell(kube, pod, podStatus("smoke", image, false));
  const blocks = (bytes: number): number => Math.floor(bytes / 1_024);
  const { totalBytes, freeBytes } = world.room;
  const df = `/dev/sda1 ${blocks(totalBytes)} ${blocks(totalBytes - freeBytes)} ${blocks(freeBytes)} 40% /volume`;
  const message = world.diskFull ? "sh: write error: No space left on device\n" : `${df}\n`;
  const terminated = { exitCode: world.diskFull ? 1 : 0, reason: world.diskFull ? "Error" : "Completed", message };
  const status = { name: "smoke", image, imageID: "", ready: false, restartCount: 0, state: { terminated } };
  await tell(kube, pod, { phase: world.diskFull ? "Failed" : "Succeeded", containerStatuses: [status] });
}

async function bringBundled(kube: Kube, world: StorageWorld): Promise<void> {
  for (const name of ["kube-system", "msp"])
    await ensure(kube, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  const image = "rancher/local-path-provisioner:v0.0.30";
  world.images.add(image);
  const labels = { app: BUNDLED.name };
  const { namespace, name, ...kind } = BUNDLED;
  await kube.create({
    ...kind,
    metadata: { namespace, name, labels: K3S },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name, image }] } },
    },
  });
  await kube.create({
    ...CLASS,
    metadata: { name: CLASS_NAME, labels: K3S, annotations: { [DEFAULT_MARK]: "true" } },
    provisioner: DRIVER,
    reclaimPolicy: "Delete",
    volumeBindingMode: "WaitForFirstConsumer",
  });
  for (let turns = 0; turns < 3; turns += 1) await world.turn();
}

async function bringData(
  kube: Kube,
  world: StorageWorld,
  { name, content }: { readonly name: string; readonly content: string },
): Promise<string> {
  const namespace = "msp";
  const metadata = { name, namespace };
  await kube.create({
    ...CLAIM,
    metadata,
    spec: {
      accessModes: ["ReadWriteOnce"],
      storageClassName: CLASS_NAME,
      resources: { requests: { storage: "50Gi" } },
    },
  });
  const volumes = [{ name: "data", persistentVolumeClaim: { claimName: name } }];
  await kube.create({ ...POD, metadata, spec: { containers: [{ name: "db", image: "db:1" }], volumes } });
  for (let turns = 0; turns < 3; turns += 1) await world.turn();
  const path = [...world.disk.keys()].find((one) => one.endsWith(`_${namespace}_${name}`));
  if (path === undefined) throw new Error(`claim ${name} got no volume`);
  world.disk.set(path, content);
  return path;
}

/** Creates an object unless one of its name is there. */
export async function ensure(kube: Kube, object: KubeObject): Promise<void> {
  if ((await kube.get(refOf(object))) === undefined) await kube.create(object);
}

/** What the controllers do that guard objects in use. */
async function release(kube: Kube, object: KubeObject): Promise<void> {
  if ((object.metadata.finalizers ?? []).length === 0) {
    if (object.kind === "Pod") await kube.delete(refOf(object), { gracePeriodSeconds: 0 });
    return;
  }
  await kube.patch(refOf(object), { metadata: { finalizers: null } });
}

async function tell(kube: Kube, object: KubeObject & KindRef, status: object): Promise<void> {
  const before = JSON.stringify(object.status ?? {});
  const after = { ...((object.status as object | undefined) ?? {}), ...status };
  if (before !== JSON.stringify(after)) await kube.patch(refOf(object), { status }, { subresource: "status" });
}
