import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "./model.ts";
import { readinessOf } from "./readiness.ts";

interface Row {
  readonly name: string;
  readonly object: Omit<KubeObject, "metadata"> & { readonly metadata?: Record<string, unknown> };
  readonly state: string;
  readonly reason: string;
}

const condition = (type: string, status: string, reason = "R", more: object = {}) => ({
  type,
  status,
  reason,
  message: "m",
  ...more,
});
const flux = (status: object, spec: object = {}) => ({
  apiVersion: "kustomize.toolkit.fluxcd.io/v1",
  kind: "Kustomization",
  metadata: { generation: 2 },
  spec,
  status,
});
const deployment = (status: object, spec: object = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { generation: 1 },
  spec: { replicas: 2, ...spec },
  status,
});
const pod = (status: object) => ({ apiVersion: "v1", kind: "Pod", status });

const ROWS: readonly Row[] = [
  { name: "a deployment nobody looked at", object: deployment({}), state: "progressing", reason: "NotReconciled" },
  {
    name: "a deployment seen in an older form",
    object: { ...deployment({ observedGeneration: 1, availableReplicas: 2 }), metadata: { generation: 2 } },
    state: "progressing",
    reason: "LatestGenerationNotObserved",
  },
  {
    name: "a deployment with one of two replicas",
    object: deployment({ observedGeneration: 1, replicas: 2, updatedReplicas: 2, availableReplicas: 1 }),
    state: "progressing",
    reason: "MinimumReplicasUnavailable",
  },
  {
    name: "a deployment that still stops old pods",
    object: deployment({ observedGeneration: 1, replicas: 3, updatedReplicas: 2, availableReplicas: 2 }),
    state: "progressing",
    reason: "Terminating",
  },
  {
    name: "a deployment with all replicas",
    object: deployment({ observedGeneration: 1, replicas: 2, updatedReplicas: 2, availableReplicas: 2 }),
    state: "ready",
    reason: "MinimumReplicasAvailable",
  },
  {
    name: "a deployment scaled to nothing",
    object: deployment({ observedGeneration: 1 }, { replicas: 0 }),
    state: "ready",
    reason: "MinimumReplicasAvailable",
  },
  {
    name: "a deployment beyond its deadline",
    object: deployment({
      observedGeneration: 1,
      conditions: [condition("Progressing", "False", "ProgressDeadlineExceeded")],
    }),
    state: "failed",
    reason: "ProgressDeadlineExceeded",
  },
  {
    name: "a stateful set in the middle of an update",
    object: {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      spec: { replicas: 1 },
      status: { observedGeneration: 1, readyReplicas: 1, currentRevision: "a", updateRevision: "b" },
    },
    state: "progressing",
    reason: "Updating",
  },
  {
    name: "a daemon set on all nodes",
    object: {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      status: { observedGeneration: 1, desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberAvailable: 1 },
    },
    state: "ready",
    reason: "PodsAvailable",
  },
  {
    name: "a job that failed",
    object: {
      apiVersion: "batch/v1",
      kind: "Job",
      status: { conditions: [condition("Failed", "True", "BackoffLimitExceeded")] },
    },
    state: "failed",
    reason: "BackoffLimitExceeded",
  },
  {
    name: "a job that is done",
    object: { apiVersion: "batch/v1", kind: "Job", status: { conditions: [condition("Complete", "True")] } },
    state: "ready",
    reason: "Complete",
  },
  {
    name: "a job that runs",
    object: { apiVersion: "batch/v1", kind: "Job", status: { active: 1 } },
    state: "progressing",
    reason: "Running",
  },
  {
    name: "a pod without a node",
    object: pod({ phase: "Pending", conditions: [condition("PodScheduled", "False", "Unschedulable")] }),
    state: "progressing",
    reason: "Unschedulable",
  },
  {
    name: "a pod whose image does not come",
    object: pod({
      phase: "Pending",
      containerStatuses: [{ name: "a", state: { waiting: { reason: "ImagePullBackOff", message: "no" } } }],
    }),
    state: "failed",
    reason: "ImagePullBackOff",
  },
  {
    name: "a pod whose first container crashes again and again",
    object: pod({
      phase: "Pending",
      initContainerStatuses: [{ name: "a", state: { waiting: { reason: "CrashLoopBackOff" } } }],
    }),
    state: "failed",
    reason: "CrashLoopBackOff",
  },
  {
    name: "a pod that serves",
    object: pod({ phase: "Running", conditions: [condition("Ready", "True")] }),
    state: "ready",
    reason: "ContainersReady",
  },
  {
    name: "a claim without a volume",
    object: { apiVersion: "v1", kind: "PersistentVolumeClaim", status: { phase: "Pending" } },
    state: "progressing",
    reason: "Pending",
  },
  {
    name: "a definition that is established",
    object: {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      status: { conditions: [condition("Established", "True")] },
    },
    state: "ready",
    reason: "Established",
  },
  {
    name: "a Kustomization nobody looked at",
    object: flux({ observedGeneration: -1 }),
    state: "progressing",
    reason: "LatestGenerationNotObserved",
  },
  { name: "a Kustomization without conditions", object: flux({}), state: "progressing", reason: "NotReconciled" },
  {
    name: "a Kustomization that is ready",
    object: flux({
      observedGeneration: 2,
      conditions: [condition("Ready", "True", "ReconciliationSucceeded", { observedGeneration: 2 })],
    }),
    state: "ready",
    reason: "ReconciliationSucceeded",
  },
  {
    name: "a Kustomization that was ready in an older form",
    object: flux({ conditions: [condition("Ready", "True", "R", { observedGeneration: 1 })] }),
    state: "progressing",
    reason: "LatestGenerationNotObserved",
  },
  {
    name: "a Kustomization that waits for another",
    object: flux({ observedGeneration: 2, conditions: [condition("Ready", "False", "DependencyNotReady")] }),
    state: "progressing",
    reason: "DependencyNotReady",
  },
  {
    name: "a Kustomization that does not build",
    object: flux({ observedGeneration: 2, conditions: [condition("Ready", "False", "BuildFailed")] }),
    state: "failed",
    reason: "BuildFailed",
  },
  {
    name: "a failure while it tries again",
    object: flux({
      conditions: [
        condition("Reconciling", "True", "ProgressingWithRetry"),
        condition("Ready", "False", "BuildFailed"),
      ],
    }),
    state: "failed",
    reason: "BuildFailed",
  },
  {
    name: "a stalled one, whatever else it says",
    object: flux({ conditions: [condition("Ready", "Unknown"), condition("Stalled", "True", "RetriesExceeded")] }),
    state: "failed",
    reason: "RetriesExceeded",
  },
  { name: "a suspended one", object: flux({}, { suspend: true }), state: "unknown", reason: "Suspended" },
  {
    name: "an OCI HelmRepository, which has no status",
    object: { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "HelmRepository", spec: { type: "oci" } },
    state: "ready",
    reason: "Static",
  },
  {
    name: "a kind without conditions",
    object: { apiVersion: "v1", kind: "ConfigMap" },
    state: "ready",
    reason: "Current",
  },
  {
    name: "anything that is being deleted",
    object: { apiVersion: "v1", kind: "ConfigMap", metadata: { deletionTimestamp: "2026-11-21T09:00:00Z" } },
    state: "progressing",
    reason: "Terminating",
  },
];

for (const { name, object, state, reason } of ROWS) {
  test(`${name} is ${state}`, () => {
    const found = readinessOf({
      ...object,
      apiVersion: object.apiVersion,
      kind: object.kind,
      metadata: { name: "x", ...object.metadata },
    } as KubeObject);
    assert.deepEqual([found.state, found.reason], [state, reason]);
    assert.notEqual(found.message, "");
  });
}
