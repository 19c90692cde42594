/** Checks of pods that run and do not serve: crashing, not answering, waiting for others. */
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import type { ContainerFacts, TerminatedFacts } from "../facts.ts";
import type { PodFacts, View } from "../view.ts";
import { LONG_MS, PATIENCE_MS, podCheck, scopeOf, times, whose } from "./pod-check.ts";
import type { CheckRule, Finding } from "./rule.ts";

/** Restarts after which waiting for a dependency is no longer the likely reason. */
const MANY_RESTARTS = 3;

/** On the lower rungs these come before the job that creates the tenant, because that job needs them. */
export const POD_RUN_CHECKS: readonly CheckRule[] = [
  podCheck(
    {
      code: "pod/crash-loop",
      title: "No container keeps crashing",
      about: "A container stops soon after each start; the check gives its exit code and last words.",
      next: "Read the last lines of its log below; if they do not tell, send them to support",
      retrySafe: true,
    },
    crashLoop,
  ),
  podCheck(
    {
      code: "pod/not-answering",
      title: "Every container answers its probe",
      about: "A container runs, but its own readiness probe does not answer.",
      next: "Read the probe's words below and the log of the container",
      retrySafe: true,
    },
    notAnswering,
  ),
  podCheck(
    {
      code: "pod/init-waiting",
      title: "No pod waits for another part",
      about: "The first container of a pod has been waiting for something else for minutes.",
      next: null,
      retrySafe: true,
    },
    initWaiting,
  ),
];

function crashLoop(view: View, pod: PodFacts): Finding | undefined {
  const container = pod.containers.find((one) => isCrashing(one));
  const end = container === undefined ? undefined : (container.terminated ?? container.last);
  if (container === undefined || end?.reason === "OOMKilled" || isOfJob(pod)) return undefined;
  const code = end?.exitCode;
  const exit = code === undefined ? "" : ` (exit code ${code}${EXIT_WORDS[code] ?? ""})`;
  return {
    ...scopeOf(pod),
    state: container.restarts < MANY_RESTARTS ? "progressing" : "failed",
    headline: `${whose(pod)} keeps crashing`,
    title: `Container ${oneLine(container.name, 60)} of ${whose(pod)} keeps stopping${exit}.`,
    cause: `It has been started ${times(container.restarts + 1)}${lastSeen(view, end)}.`,
    label: "Keeps crashing",
    evidence: [evidence(pod.ref, lastWords(view, pod, { container, end }))],
    sinceMs: end?.finishedMs ?? pod.createdMs,
  };
}

const EXIT_WORDS: Readonly<Record<number, string>> = {
  126: ": the program may not be run",
  127: ": the program was not found",
  134: ": it aborted",
  137: ": it was killed",
  139: ": memory fault",
  143: ": it was asked to stop",
};

/** The checks of the bootstrap job speak for its pods. */
function isOfJob(pod: PodFacts): boolean {
  return pod.owner?.kind === "Job";
}

function isCrashing(container: ContainerFacts): boolean {
  if (container.waiting?.reason === "CrashLoopBackOff") return true;
  const ended = container.terminated;
  return ended !== undefined && (ended.exitCode ?? 0) !== 0 && container.restarts >= MANY_RESTARTS;
}

function lastSeen(view: View, end: TerminatedFacts | undefined): string {
  return end?.finishedMs === undefined ? "" : `; it last stopped ${ageText(view.nowMs - end.finishedMs)} ago`;
}

/** The termination message, else the excerpt of the log, else what the kubelet says. */
function lastWords(
  view: View,
  pod: PodFacts,
  at: { readonly container: ContainerFacts; readonly end: TerminatedFacts | undefined },
): string {
  if (at.end !== undefined && at.end.message !== "") return at.end.message;
  const excerpt = view.seen.logs.find(
    (log) => log.namespace === pod.namespace && log.pod === pod.name && log.container === at.container.name,
  );
  if (excerpt !== undefined && excerpt.text !== "") return excerpt.text;
  return at.container.waiting?.message || at.end?.reason || "No message.";
}

function notAnswering(view: View, pod: PodFacts): Finding | undefined {
  if (pod.phase !== "Running" || pod.ready?.status === "True" || isOfJob(pod)) return undefined;
  const container = pod.containers.find(
    (one) =>
      !one.init && !one.ready && one.runningSinceMs !== undefined && view.nowMs - one.runningSinceMs > PATIENCE_MS,
  );
  if (container?.runningSinceMs === undefined) return undefined;
  const ranMs = view.nowMs - container.runningSinceMs;
  const event = view.events.find(
    (one) =>
      one.kind === "Pod" && one.namespace === pod.namespace && one.name === pod.name && one.reason === "Unhealthy",
  );
  return {
    ...scopeOf(pod),
    state: ranMs < LONG_MS ? "progressing" : "failed",
    headline: `${whose(pod)} runs but does not answer`,
    title: `Container ${oneLine(container.name, 60)} of ${whose(pod)} runs but is not ready.`,
    cause: `It was started ${ageText(ranMs)} ago and its own probe does not answer yet.`,
    label: "Does not answer",
    evidence: [evidence(pod.ref, event?.message ?? pod.ready?.message ?? "The pod is not ready.")],
    sinceMs: pod.ready?.sinceMs,
  };
}

function initWaiting(view: View, pod: PodFacts): Finding | undefined {
  const container = pod.containers.find((one) => one.init && one.runningSinceMs !== undefined && !one.ready);
  if (container?.runningSinceMs === undefined) return undefined;
  const waitedMs = view.nowMs - container.runningSinceMs;
  if (waitedMs < PATIENCE_MS) return undefined;
  return {
    ...scopeOf(pod),
    state: "progressing",
    headline: `${whose(pod)} waits for another part`,
    title: `${oneLine(pod.ref, 120)} waits in its first container ${oneLine(container.name, 60)}.`,
    cause: `It has waited ${ageText(waitedMs)} for what it needs from another part.`,
    label: "Waits",
    evidence: [evidence(pod.ref, `Init container ${container.name} runs since ${ageText(waitedMs)}.`)],
    sinceMs: container.runningSinceMs,
  };
}
