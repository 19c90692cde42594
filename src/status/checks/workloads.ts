/** Checks of the workloads that the component table names: there at all, and serving. */
import { ageText } from "../age.ts";
import { bootstrapState } from "../bootstrap-state.ts";
import { evidence, oneLine } from "../evidence.ts";
import { condition, createdMs, nameOf, namespaceOf } from "../facts.ts";
import type { View, WorkloadFacts } from "../view.ts";
import { helmAgain } from "./next-step.ts";
import type { CheckRule, Explains, Finding } from "./rule.ts";

const NOT_SERVING: readonly Explains[] = [
  { codes: ["flux/*", "login/*"], where: "same-component" },
  { codes: ["workload/*", "flux/*", "login/*", "bootstrap/*"], where: "lower-tier" },
  { codes: ["flux/kustomization-health", "operation/*"], where: "any" },
];
/** A workload that is neither ready nor explained by one of its pods deserves a word after this time. */
const SLOW_MS = 600_000;

export const WORKLOAD_CHECKS: readonly CheckRule[] = [
  {
    code: "workload/missing",
    tier: "full",
    title: "Every workload of the release is there",
    about: "Helm says that a component is installed, but one of its workloads does not exist.",
    next: "Let Helm put it back: force its HelmRelease",
    retrySafe: true,
    needs: ["deployments", "statefulSets", "helmReleases"],
    explains: NOT_SERVING,
    find: findMissing,
  },
  {
    code: "workload/stalled",
    tier: "full",
    title: "Every rollout comes to its end",
    about: "Kubernetes gave up waiting for the pods of a workload.",
    next: "Look at the events of its pods: kubectl -n <namespace> describe pods",
    retrySafe: true,
    needs: ["deployments", "statefulSets"],
    explains: NOT_SERVING,
    find: findStalled,
  },
  {
    code: "workload/slow",
    tier: "full",
    title: "Every workload serves",
    about: "A workload has not been serving for ten minutes, and none of its pods says why.",
    next: "Look at the log of its pods",
    retrySafe: true,
    needs: ["deployments", "statefulSets"],
    explains: NOT_SERVING,
    find: findSlow,
  },
];

function findMissing(view: View): Finding[] {
  return view.workloads
    .filter((workload) => workload.state === "absent" && isReleased(view, workload))
    .map((workload) => ({
      scope: { component: workload.component.name },
      tier: workload.spec.tier,
      headline: `${workload.spec.name} is not there`,
      title: `${workload.ref} does not exist.`,
      cause: `Helm says that ${workload.component.name} is installed, but its workload was removed or renamed.`,
      label: "Missing",
      evidence: [evidence(workload.ref, "not found")],
      ...helmAgain(view, workload.component.name, "Let Helm put it back"),
    }));
}

function isReleased(view: View, workload: WorkloadFacts): boolean {
  const release = view
    .items("helmReleases")
    .find((one) => nameOf(one) === workload.component.name && namespaceOf(one) === workload.component.releaseNamespace);
  return release !== undefined && condition(release, "Ready")?.status === "True";
}

function findStalled(view: View): Finding[] {
  return view.workloads
    .filter((workload) => workload.state === "failed")
    .map((workload) => ({
      ...about(workload),
      headline: `${workload.spec.name} does not come up`,
      title: `${workload.ref} does not come up.`,
      cause: `${oneLine(workload.reason).replace(/\.$/, "")}.`,
      label: "Does not start",
      next: `Look at the events of its pods: kubectl -n ${workload.component.targetNamespace} describe pods`,
    }));
}

function findSlow(view: View): Finding[] {
  return view.workloads.flatMap((workload) => {
    if (workload.state !== "progressing" || workload.object === undefined || waitsForTenant(view, workload)) return [];
    const sinceMs = condition(workload.object, "Available")?.sinceMs ?? createdMs(workload.object) ?? view.nowMs;
    if (view.nowMs - sinceMs < SLOW_MS) return [];
    return [
      {
        ...about(workload),
        headline: `${workload.spec.name} has not served for ${ageText(view.nowMs - sinceMs)}`,
        title: `${workload.ref} does not serve.`,
        cause: `${oneLine(workload.reason).replace(/\.$/, "")}, for ${ageText(view.nowMs - sinceMs)}.`,
        label: "Does not serve",
        sinceMs,
      },
    ];
  });
}

/** The application starts on what the bootstrap job creates, however long that takes. */
function waitsForTenant(view: View, { spec }: WorkloadFacts): boolean {
  return spec.tier === "login" && ["absent", "progressing"].includes(bootstrapState(view).state);
}

function about(workload: WorkloadFacts): Pick<Finding, "scope" | "tier" | "evidence" | "sinceMs"> {
  return {
    scope: {
      component: workload.component.name,
      ...(workload.pods[0] === undefined ? {} : { pod: workload.pods[0].ref }),
    },
    tier: workload.spec.tier,
    evidence: [evidence(workload.ref, workload.reason)],
    sinceMs: workload.sinceMs,
  };
}
