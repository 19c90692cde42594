/** Every state of Jobs, Pods, volume claims and the kinds of Flux: one row each, so that a state that is forgotten is seen here. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readinessOf } from "./readiness.ts";

type Row = readonly [what: string, status: object, state: string, reason: string, spec?: object];

const condition = (type: string, status: string, reason = "R", more: object = {}) => ({
  type,
  status,
  reason,
  message: "m",
  ...more,
});
const waiting = (reason: string, init = false): object => ({
  phase: "Pending",
  [init ? "initContainerStatuses" : "containerStatuses"]: [{ name: "a", state: { waiting: { reason } } }],
});

const JOBS: readonly Row[] = [
  ["without a status", {}, "progressing", "NotStarted"],
  ["whose pod runs", { active: 1 }, "progressing", "Running"],
  ["that tries again", { active: 1, failed: 2 }, "progressing", "Running"],
  ["between two attempts", { failed: 1 }, "progressing", "NotStarted"],
  ["that is suspended", { conditions: [condition("Suspended", "True")] }, "progressing", "Suspended"],
  ["that goes on again", { active: 1, conditions: [condition("Suspended", "False")] }, "progressing", "Running"],
  [
    "that is about to be complete",
    { active: 0, conditions: [condition("SuccessCriteriaMet", "True")] },
    "progressing",
    "NotStarted",
  ],
  ["that is complete", { succeeded: 1, conditions: [condition("Complete", "True")] }, "ready", "Complete"],
  [
    "beyond its limit of attempts",
    { conditions: [condition("Failed", "True", "BackoffLimitExceeded")] },
    "failed",
    "BackoffLimitExceeded",
  ],
  [
    "beyond its deadline",
    { conditions: [condition("Failed", "True", "DeadlineExceeded")] },
    "failed",
    "DeadlineExceeded",
  ],
  [
    "that failed after all, whatever else it says",
    { conditions: [condition("Complete", "True"), condition("Failed", "True", "PodFailurePolicy")] },
    "failed",
    "PodFailurePolicy",
  ],
];

const PODS: readonly Row[] = [
  ["without a status", {}, "progressing", "Pending"],
  [
    "without a node",
    { phase: "Pending", conditions: [condition("PodScheduled", "False", "Unschedulable")] },
    "progressing",
    "Unschedulable",
  ],
  [
    "held back by a gate",
    { phase: "Pending", conditions: [condition("PodScheduled", "False", "SchedulingGated")] },
    "progressing",
    "SchedulingGated",
  ],
  ["that gets its containers", waiting("ContainerCreating"), "progressing", "Pending"],
  ["whose first container runs", waiting("PodInitializing"), "progressing", "Pending"],
  ...[
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
  ].flatMap((reason): Row[] => [
    [`in ${reason}`, waiting(reason), "failed", reason],
    [`whose init container is in ${reason}`, waiting(reason, true), "failed", reason],
  ]),
  [
    "that runs and is not ready",
    { phase: "Running", conditions: [condition("Ready", "False", "ContainersNotReady")] },
    "progressing",
    "ContainersNotReady",
  ],
  ["that runs without a word about readiness", { phase: "Running" }, "progressing", "Running"],
  ["that is ready", { phase: "Running", conditions: [condition("Ready", "True")] }, "ready", "ContainersReady"],
  [
    "that has ended well",
    { phase: "Succeeded", conditions: [condition("Ready", "False", "PodCompleted")] },
    "ready",
    "Succeeded",
  ],
  ["that was evicted", { phase: "Failed", reason: "Evicted", message: "low on disk" }, "failed", "Evicted"],
  ["that has failed without a reason", { phase: "Failed" }, "failed", "Failed"],
  [
    "of a lost node",
    { phase: "Unknown", conditions: [condition("Ready", "False", "NodeLost")] },
    "progressing",
    "NodeLost",
  ],
];

const CLAIMS: readonly Row[] = [
  ["without a status", {}, "progressing", "Pending"],
  ["without a volume", { phase: "Pending" }, "progressing", "Pending"],
  ["that is bound", { phase: "Bound" }, "ready", "Bound"],
  ["whose volume is gone", { phase: "Lost" }, "failed", "Lost"],
];

const seen = (...conditions: readonly object[]): object => ({ observedGeneration: 2, conditions });
/** Of the reasons of Flux 2.9: those that say "wait". */
const WAITS = [
  "DependencyNotReady",
  "Progressing",
  "ProgressingWithRetry",
  "ArtifactFailed",
  "SourceNotReady",
  "Pending",
];
const FLUX: readonly Row[] = [
  ["nobody looked at", {}, "progressing", "NotReconciled"],
  [
    "whose controller has only taken note of it",
    { observedGeneration: -1 },
    "progressing",
    "LatestGenerationNotObserved",
  ],
  [
    "seen in an older form",
    { observedGeneration: 1, conditions: [condition("Ready", "True")] },
    "progressing",
    "LatestGenerationNotObserved",
  ],
  [
    "whose condition is of an older form",
    seen(condition("Ready", "True", "R", { observedGeneration: 1 })),
    "progressing",
    "LatestGenerationNotObserved",
  ],
  ["that is ready", seen(condition("Ready", "True", "Succeeded")), "ready", "Succeeded"],
  ["that does not know", seen(condition("Ready", "Unknown", "Reconciling")), "progressing", "Reconciling"],
  ...WAITS.map(
    (reason): Row => [`that says ${reason}`, seen(condition("Ready", "False", reason)), "progressing", reason],
  ),
  ["that has failed", seen(condition("Ready", "False", "Broken")), "failed", "Broken"],
  ["that works", seen(condition("Reconciling", "True", "NewGeneration")), "progressing", "NewGeneration"],
  [
    "that works, and was ready before",
    seen(condition("Reconciling", "True", "NewRevision"), condition("Ready", "Unknown")),
    "progressing",
    "NewRevision",
  ],
  [
    "that tries again what has failed",
    seen(condition("Reconciling", "True", "ProgressingWithRetry"), condition("Ready", "False", "Broken")),
    "failed",
    "Broken",
  ],
  [
    "that has given up",
    seen(condition("Stalled", "True", "RetriesExceeded"), condition("Ready", "False", "Broken")),
    "failed",
    "RetriesExceeded",
  ],
  ["that was stopped by hand", seen(condition("Ready", "True")), "unknown", "Suspended", { suspend: true }],
];
/** What each of them calls its own failures. */
const REASONS: Readonly<Record<string, readonly string[]>> = {
  HelmRelease: ["InstallFailed", "UpgradeFailed", "RollbackFailed", "TestFailed", "UninstallFailed", "ValuesError"],
  Kustomization: ["BuildFailed", "HealthCheckFailed", "PruneFailed", "ReconciliationFailed"],
  OCIRepository: ["OCIArtifactPullFailed", "URLInvalid", "AuthenticationFailed", "VerificationError"],
};

function table(kind: string, apiVersion: string, rows: readonly Row[]): void {
  describe(`a ${kind}`, () => {
    for (const [what, status, state, reason, spec] of rows) {
      test(`${what} is ${state}`, () => {
        const metadata = { name: "x", namespace: "n", generation: 2 };
        const object = { apiVersion, kind, metadata, spec: spec ?? {}, status };
        const readiness = readinessOf(object);
        assert.deepEqual([readiness.state, readiness.reason], [state, reason]);
        assert.ok(readiness.message !== "", "and says why");
        const leaving = { ...object, metadata: { ...metadata, deletionTimestamp: "2026-11-21T09:00:00Z" } };
        assert.equal(readinessOf(leaving).reason, "Terminating");
      });
    }
  });
}

table("Job", "batch/v1", JOBS);
table("Pod", "v1", PODS);
table("PersistentVolumeClaim", "v1", CLAIMS);
for (const [kind, apiVersion] of [
  ["HelmRelease", "helm.toolkit.fluxcd.io/v2"],
  ["Kustomization", "kustomize.toolkit.fluxcd.io/v1"],
  ["OCIRepository", "source.toolkit.fluxcd.io/v1"],
] as const) {
  const own = (REASONS[kind] ?? []).map(
    (reason): Row => [`that says ${reason}`, seen(condition("Ready", "False", reason)), "failed", reason],
  );
  table(kind, apiVersion, [...FLUX, ...own]);
}
