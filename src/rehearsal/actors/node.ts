/** The node and its volumes: a Ready node, claims that are bound once there is a storage class, and what a full disk does. */
import { parseInstant } from "../../core/time.ts";
import type { KubeObject } from "../../kube/model.ts";
import { conditionOf, fieldAt, refOf, textAt } from "../../kube/model.ts";
import { type Actor, type ActorContext, listOf, NODE, type Told, tellStatus } from "./actor.ts";

const NODE_NAME = "rehearsal";
const STORAGE_CLASS = { apiVersion: "storage.k8s.io/v1", kind: "StorageClass" } as const;
const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim" } as const;
const VOLUME = { apiVersion: "v1", kind: "PersistentVolume" } as const;
const MADE_BY = "pv.kubernetes.io/provisioned-by";
const BIND_MS = 1_500;
const LEASE = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: "kube-node-lease" } as const;

export const nodeActor: Actor = {
  name: "node",
  act: async (context) => {
    const node = await context.kube.get({ ...NODE, name: NODE_NAME });
    if (node === undefined) await context.kube.create(newNode());
    else await tellStatus(context, node, { conditions: nodeConditions(context, node) });
    if (!context.faults().nodeNotReady) await renewLease(context);
    for (const claim of await listOf(context, CLAIM)) await bindClaim(context, claim);
    for (const volume of await listOf(context, VOLUME)) await reclaim(context, volume);
  },
};

/** The sign of life of a kubelet. @see Kubernetes, "Nodes", section "Node heartbeats" */
async function renewLease(context: ActorContext): Promise<void> {
  const nowMs = context.clock.now();
  const there = await context.kube.get({ ...LEASE, name: NODE_NAME });
  const renewedMs = parseInstant(textAt(there, "spec", "renewTime")) ?? 0;
  if (Math.abs(nowMs - renewedMs) < context.renewalMs) return;
  const renewTime = new Date(nowMs).toISOString().replace("Z", "000Z");
  const spec = { holderIdentity: NODE_NAME, leaseDurationSeconds: 40, renewTime };
  if (there !== undefined) await context.kube.patch(refOf(there), { spec: { renewTime } });
  else await context.kube.create({ ...LEASE, metadata: { namespace: LEASE.namespace, name: NODE_NAME }, spec });
}

function newNode(): KubeObject {
  const capacity = { cpu: "4", memory: "16Gi", pods: "110", "ephemeral-storage": "118Gi" };
  return {
    ...NODE,
    metadata: { name: NODE_NAME, labels: { "kubernetes.io/hostname": NODE_NAME } },
    spec: {},
    status: {
      capacity,
      allocatable: capacity,
      nodeInfo: { kubeletVersion: "v1.36.3", osImage: "Rehearsal", containerRuntimeVersion: "rehearsal://1" },
    },
  };
}

function nodeConditions(context: ActorContext, node: KubeObject): Told[] {
  const { nodeNotReady, diskFull } = context.faults();
  const ready: Told = nodeNotReady
    ? { type: "Ready", status: "Unknown", reason: "NodeStatusUnknown", message: "Kubelet stopped posting node status." }
    : { type: "Ready", status: "True", reason: "KubeletReady", message: "kubelet is posting ready status" };
  const disk: Told = diskFull
    ? { type: "DiskPressure", status: "True", reason: "KubeletHasDiskPressure", message: "kubelet has disk pressure" }
    : {
        type: "DiskPressure",
        status: "False",
        reason: "KubeletHasNoDiskPressure",
        message: "kubelet has no disk pressure",
      };
  if (conditionOf(node, "Ready")?.status !== ready.status) context.log.debug("node changes", { ready: ready.status });
  return [ready, disk];
}

async function bindClaim(context: ActorContext, claim: KubeObject): Promise<void> {
  if (textAt(claim, "status", "phase") === "Bound") return;
  const wanted = textAt(claim, "spec", "storageClassName") ?? "local-path";
  const storageClass = await context.kube.get({ ...STORAGE_CLASS, name: wanted });
  if (storageClass === undefined) return;
  if (!context.passed(`claim ${claim.metadata.uid}`, BIND_MS)) return;
  const capacity = fieldAt(claim, "spec", "resources", "requests") ?? {};
  const { uid = "", name, namespace } = claim.metadata;
  const volume = { ...VOLUME, name: `pvc-${uid}` };
  if ((await context.kube.get(volume)) === undefined) {
    await context.kube.create({
      ...VOLUME,
      metadata: { name: volume.name, annotations: { [MADE_BY]: textAt(storageClass, "provisioner") ?? "" } },
      spec: {
        accessModes: ["ReadWriteOnce"],
        capacity,
        claimRef: { ...CLAIM, name, namespace, uid },
        persistentVolumeReclaimPolicy: textAt(storageClass, "reclaimPolicy"),
        storageClassName: wanted,
      },
    });
  }
  await context.kube.patch(refOf(claim), { spec: { volumeName: volume.name } });
  await context.kube.patch(refOf(claim), { status: { phase: "Bound", capacity } }, { subresource: "status" });
}

/** A volume whose claim is gone goes too, unless it is to be kept. */
async function reclaim(context: ActorContext, volume: KubeObject): Promise<void> {
  const place = { name: textAt(volume, "spec", "claimRef", "name") ?? "" };
  const namespace = textAt(volume, "spec", "claimRef", "namespace");
  const claim = await context.kube.get({ ...CLAIM, ...place, namespace });
  const isClaimed = claim?.metadata.uid === textAt(volume, "spec", "claimRef", "uid");
  if (isClaimed || textAt(volume, "spec", "persistentVolumeReclaimPolicy") !== "Delete") return;
  await context.kube.delete(refOf(volume));
}
