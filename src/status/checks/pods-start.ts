/** Checks of pods that do not get to run: memory, settings, mounts, network, a place. */

import { textAt } from "../../kube/model.ts";
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import type { PodFacts, View } from "../view.ts";
import { startAnew } from "./next-step.ts";
import { LONG_MS, PATIENCE_MS, podCheck, scopeOf, sentence, times, whose } from "./pod-check.ts";
import type { CheckRule, Finding } from "./rule.ts";

export const POD_START_CHECKS: readonly CheckRule[] = [
  podCheck(
    {
      code: "pod/out-of-memory",
      title: "No container runs out of memory",
      about: "The kernel stopped a container because it used more memory than it may.",
      next: "Give the box more memory, or raise the memory limit of the component",
      retrySafe: true,
    },
    outOfMemory,
  ),
  podCheck(
    {
      code: "pod/config-missing",
      title: "Every container has its settings",
      about: "A ConfigMap or Secret that a container needs does not exist or lacks a key.",
      next: "Bring back the ConfigMap or Secret that is named below from a backup of the cluster",
      retrySafe: true,
    },
    settingsMissing,
  ),
  podCheck(
    {
      code: "pod/start-failed",
      title: "Every container can be started",
      about: "The container runtime cannot start a container.",
      next: "Read the evidence: the program, a mount or a permission of the container is wrong in this release",
      retrySafe: true,
    },
    waitingWith(
      ["CreateContainerError", "RunContainerError", "StartError", "PostStartHookError", "CreatePodSandboxError"],
      {
        label: "Cannot start",
        headline: "a container cannot be started",
        title: (name) => `Container ${name} cannot be started.`,
      },
    ),
  ),
  podCheck(
    {
      code: "pod/mount-failed",
      title: "Every pod has its volumes and secrets mounted",
      about: "A volume, Secret or ConfigMap cannot be mounted into a pod.",
      next: "Read the evidence: what is named there does not exist or cannot be attached",
      retrySafe: true,
    },
    (view, pod) =>
      notStarted(view, pod, ["FailedMount", "FailedAttachVolume", "FailedMapVolume"], {
        label: "Mount fails",
        headline: "a volume or secret of a component cannot be mounted",
        title: `${oneLine(pod.ref, 120)} cannot mount what it needs.`,
      }),
  ),
  podCheck(
    {
      code: "pod/no-network",
      title: "Every pod gets its network",
      about: "The node cannot set up the network or the sandbox of a pod.",
      next: "Restart Kubernetes on the box: systemctl restart k3s",
      retrySafe: true,
    },
    (view, pod) =>
      notStarted(view, pod, ["FailedCreatePodSandBox", "NetworkNotReady"], {
        label: "No network",
        headline: "the network of a pod cannot be set up",
        title: `${oneLine(pod.ref, 120)} gets no network.`,
      }),
  ),
  podCheck(
    {
      code: "pod/unschedulable",
      title: "Every pod has a place",
      about: "The scheduler finds no node for a pod; the check gives its reason.",
      next: "Read the scheduler's reason below: memory, processors, a port, a volume or a taint",
      retrySafe: true,
    },
    unschedulable,
  ),
  podCheck(
    {
      code: "pod/evicted",
      title: "No pod was evicted",
      about: "The node stopped a pod to free memory or disk, and nothing has replaced it.",
      next: "Free disk or memory on the box; the pod then starts again by itself",
      retrySafe: true,
    },
    evicted,
  ),
  podCheck(
    {
      code: "pod/stuck-terminating",
      title: "Pods end when they should",
      about: "A pod should have ended minutes ago and keeps its place or its volume.",
      next: "Restart Kubernetes on the box: systemctl restart k3s",
      retrySafe: true,
    },
    stuckTerminating,
  ),
];

function outOfMemory(_view: View, pod: PodFacts): Finding | undefined {
  const container = pod.containers.find((one) => !one.ready && (one.terminated ?? one.last)?.reason === "OOMKilled");
  const end = container === undefined ? undefined : (container.terminated ?? container.last);
  if (container === undefined || end === undefined) return undefined;
  return {
    ...scopeOf(pod),
    headline: `${whose(pod)} runs out of memory`,
    title: `Container ${oneLine(container.name, 60)} of ${whose(pod)} was stopped: out of memory.`,
    cause: `It has been started ${times(container.restarts + 1)}; the kernel stopped it when it used more memory than it may.`,
    label: "Out of memory",
    evidence: [evidence(pod.ref, `OOMKilled, exit code ${end.exitCode ?? 137}`)],
    sinceMs: end.finishedMs,
  };
}

interface Words {
  readonly label: string;
  readonly headline: string;
}

function waitingWith(reasons: readonly string[], words: Words & { title: (container: string) => string }) {
  return (_view: View, pod: PodFacts): Finding | undefined => {
    const container = pod.containers.find((one) => reasons.includes(one.waiting?.reason ?? ""));
    if (container === undefined) return undefined;
    const { reason = "", message = "" } = container.waiting ?? {};
    return {
      ...scopeOf(pod),
      headline: words.headline,
      title: words.title(`${oneLine(container.name, 60)} of ${whose(pod)}`),
      cause: sentence(oneLine(message === "" ? reason : message)),
      label: words.label,
      evidence: [evidence(pod.ref, `${reason}: ${message}`)],
      sinceMs: pod.createdMs,
    };
  };
}

const lacksSettings = waitingWith(["CreateContainerConfigError"], {
  label: "Settings missing",
  headline: "settings of a component are missing",
  title: (name) => `Container ${name} lacks a setting.`,
});

function settingsMissing(view: View, pod: PodFacts): Finding | undefined {
  const found = lacksSettings(view, pod);
  return found === undefined ? undefined : { ...found, ...startAnew(view, "writes the settings of the release") };
}

function notStarted(
  view: View,
  pod: PodFacts,
  reasons: readonly string[],
  words: Words & { readonly title: string },
): Finding | undefined {
  if (pod.phase !== "Pending" || pod.node === "") return undefined;
  const event = view.events.find(
    (one) =>
      one.kind === "Pod" && one.namespace === pod.namespace && one.name === pod.name && reasons.includes(one.reason),
  );
  const ageMs = view.nowMs - (pod.createdMs ?? view.nowMs);
  if (event === undefined || pod.containers.some((one) => one.runningSinceMs !== undefined)) return undefined;
  return {
    ...scopeOf(pod),
    state: ageMs < PATIENCE_MS ? "progressing" : "failed",
    headline: words.headline,
    title: words.title,
    cause: sentence(oneLine(event.message)),
    label: words.label,
    evidence: [evidence(pod.ref, `${event.reason}: ${event.message}`)],
    sinceMs: pod.createdMs,
  };
}

const NO_PLACE: readonly (readonly [RegExp, string])[] = [
  [/insufficient memory/i, "the box has too little memory"],
  [/insufficient cpu/i, "the box has too few processors"],
  [/insufficient ephemeral-storage/i, "the box has too little disk"],
  [/free ports/i, "a port of the box is taken"],
  [/persistentvolumeclaim|volume/i, "a volume is missing"],
  [/taint/i, "the node does not accept pods"],
  [/unschedulable/i, "the node is closed"],
  [/no nodes available/i, "there is no node"],
  [/too many pods/i, "the node has too many pods"],
];

function unschedulable(view: View, pod: PodFacts): Finding | undefined {
  if (pod.node !== "" || pod.scheduled?.status !== "False") return undefined;
  const ageMs = view.nowMs - (pod.scheduled.sinceMs ?? pod.createdMs ?? view.nowMs);
  const message = pod.scheduled.message;
  const isNew = ageMs < PATIENCE_MS;
  const why = NO_PLACE.find(([pattern]) => pattern.test(message))?.[1] ?? "no node fits";
  return {
    ...scopeOf(pod),
    state: isNew ? "progressing" : "failed",
    headline: `${whose(pod)} finds no place: ${why}`,
    title: `${oneLine(pod.ref, 120)} finds no place: ${why}.`,
    cause: sentence(oneLine(message === "" ? pod.scheduled.reason : message)),
    ...(isNew ? {} : { label: "No place" }),
    evidence: [evidence(pod.ref, `${pod.scheduled.reason}: ${message}`)],
    sinceMs: pod.scheduled.sinceMs ?? pod.createdMs,
  };
}

function evicted(view: View, pod: PodFacts): Finding | undefined {
  if (pod.phase !== "Failed") return undefined;
  const reason = textAt(pod.object, "status", "reason") ?? "";
  const message = textAt(pod.object, "status", "message") ?? "";
  const replaced = view.pods.some(
    (one) => one !== pod && one.owner?.name === pod.owner?.name && one.ready?.status === "True",
  );
  if (reason !== "Evicted" || replaced) return undefined;
  return {
    ...scopeOf(pod),
    headline: `${whose(pod)} was stopped to free room on the box`,
    title: `${oneLine(pod.ref, 120)} was evicted.`,
    cause: sentence(oneLine(message || "The node was short of memory or disk")),
    label: "Evicted",
    evidence: [evidence(pod.ref, `${reason}: ${message}`)],
    sinceMs: pod.createdMs,
  };
}

function stuckTerminating(view: View, pod: PodFacts): Finding | undefined {
  if (pod.deletingMs === undefined || view.nowMs - pod.deletingMs < LONG_MS) return undefined;
  return {
    ...scopeOf(pod),
    headline: `${whose(pod)} does not end`,
    title: `${oneLine(pod.ref, 120)} does not end.`,
    cause: `It should have ended ${ageText(view.nowMs - pod.deletingMs)} ago.`,
    label: "Does not end",
    evidence: [evidence(pod.ref, "metadata.deletionTimestamp is in the past")],
    sinceMs: pod.deletingMs,
  };
}
