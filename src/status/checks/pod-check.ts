/** What the checks of pods share: one pod at a time, its scope, its name for people. */
import { oneLine } from "../evidence.ts";
import type { PodFacts, View } from "../view.ts";
import type { CheckRule, Explains, Finding } from "./rule.ts";

/** Rancher's local-path provisioner, which setup installs where the cluster has no storage of its own, and k3s brings. */
const PROVISIONER_NAMESPACE = "local-path-storage";
const K3S_PROVISIONER = /^local-path-provisioner\b/;

/** No volume is made while what makes them does not run. */
export const NO_PROVISIONER: Explains = {
  codes: ["storage/no-default-class", "storage/claim-unbound"],
  where: "provisioner",
};

/** Tells whether a pod is the one that makes the volumes. */
export function isProvisioner({ namespace, name }: Pick<PodFacts, "namespace" | "name">): boolean {
  return namespace === PROVISIONER_NAMESPACE || (namespace === "kube-system" && K3S_PROVISIONER.test(name));
}

const POD_BROKEN: readonly Explains[] = [
  { codes: ["pod/*"], where: "same-pod" },
  { codes: ["workload/*", "flux/*", "bootstrap/*", "login/*"], where: "same-component" },
  { codes: ["pod/*", "workload/*", "flux/*", "bootstrap/*", "login/*"], where: "lower-tier" },
  { codes: ["flux/kustomization-health", "operation/*"], where: "any" },
  NO_PROVISIONER,
];
/** A pod may take this long before its trouble is called a failure, in milliseconds. */
export const PATIENCE_MS = 60_000;
export const LONG_MS = 300_000;

export type PodCheckBase = Pick<CheckRule, "code" | "title" | "about" | "next" | "retrySafe">;

/** A check that looks at one pod at a time; pods of a silent node tell nothing. */
export function podCheck(about: PodCheckBase, find: (view: View, pod: PodFacts) => Finding | undefined): CheckRule {
  return {
    ...about,
    tier: "full",
    needs: ["pods"],
    explains: POD_BROKEN,
    find: (view) => view.pods.flatMap((pod) => (pod.silent ? [] : (find(view, pod) ?? []))),
  };
}

/** What a finding about this pod is about, and the rung it stands on. */
export function scopeOf(pod: PodFacts): Pick<Finding, "scope" | "tier"> {
  return {
    scope: {
      pod: pod.ref,
      component: pod.component,
      node: pod.node,
      ...(pod.claims[0] === undefined ? {} : { claim: `${pod.namespace}/${pod.claims[0]}` }),
      ...(isProvisioner(pod) ? { provisioner: true } : {}),
    },
    tier: pod.tier,
  };
}

/** What made the pod, as people find it in the list of components. */
export function whose(pod: PodFacts): string {
  return oneLine(pod.owner?.name ?? pod.name, 60);
}

/** "once" or "4 times". */
export function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

/** Ends a text of others with a period where it has no end. */
export function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
