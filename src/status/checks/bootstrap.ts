/** Checks of the job that creates the first tenant and its administrator. */

import { type KubeObject, numberAt } from "../../kube/model.ts";
import { ageText } from "../age.ts";
import { bootstrapJobs } from "../bootstrap-state.ts";
import { evidence, oneLine } from "../evidence.ts";
import { type ConditionFacts, condition, createdMs, refText } from "../facts.ts";
import type { View } from "../view.ts";
import type { CheckRule, Explains, Finding } from "./rule.ts";

const NO_TENANT: readonly Explains[] = [
  { codes: ["pod/*", "workload/*", "flux/*", "login/*"], where: "same-component" },
  { codes: ["pod/*", "workload/*", "flux/*", "login/*"], where: "lower-tier" },
  { codes: ["flux/kustomization-health", "operation/*"], where: "any" },
];
const SLOW_MS = 1_800_000;

export const BOOTSTRAP_CHECKS: readonly CheckRule[] = [
  {
    code: "bootstrap/failed",
    tier: "bootstrap",
    title: "The first tenant was created",
    about: "The job that builds the database and creates the tenant has failed; its last lines are the evidence.",
    next: "Read the last lines of the job below, correct what they name, then try again",
    retrySafe: true,
    needs: ["jobs"],
    explains: NO_TENANT,
    find: findFailed,
  },
  {
    code: "bootstrap/retrying",
    tier: "bootstrap",
    title: "The job that creates the tenant needs no second try",
    about: "The job has failed at least once and tries again by itself.",
    next: "Wait: it tries again by itself. The last lines of the try before are below",
    retrySafe: true,
    needs: ["jobs"],
    explains: NO_TENANT,
    find: findRetrying,
  },
  {
    code: "bootstrap/slow",
    tier: "bootstrap",
    title: "The job that creates the tenant ends in time",
    about: "The job has been running for more than half an hour.",
    next: "Look at what it does: kubectl -n msp logs job/alga-core-sebastian-bootstrap -f",
    retrySafe: true,
    needs: ["jobs"],
    explains: NO_TENANT,
    find: findSlow,
  },
];

function findFailed(view: View): Finding[] {
  return bootstrapJobs(view).flatMap(({ job, component, name, namespace }) => {
    const failed = job === undefined ? undefined : condition(job, "Failed");
    if (failed?.status !== "True") return [];
    const ref = refText("Job", namespace, name);
    return [
      {
        scope: { component },
        headline: "the first tenant could not be created",
        title: "The job that creates the first tenant has failed.",
        cause: causeOf(failed, numberAt(job, "status", "failed") ?? 0),
        label: "Tenant not created",
        evidence: excerpts(view, { ref, name, namespace, otherwise: `${failed.reason}: ${failed.message}` }),
        sinceMs: failed.sinceMs,
      },
    ];
  });
}

function causeOf({ reason, message }: ConditionFacts, times: number): string {
  if (reason === "BackoffLimitExceeded" && times > 1)
    return `It has failed ${times} times and is not tried again by itself.`;
  return `${oneLine(message || reason || "It gave up").replace(/\.$/, "")}.`;
}

function findRetrying(view: View): Finding[] {
  return bootstrapJobs(view).flatMap(({ job, component, name, namespace }) => {
    const failures = numberAt(job, "status", "failed") ?? 0;
    if (job === undefined || failures === 0 || isOver(job)) return [];
    const ref = refText("Job", namespace, name);
    return [
      {
        scope: { component },
        state: "progressing" as const,
        headline: "creating the first tenant is tried again",
        title: "The job that creates the first tenant tries again.",
        cause: `It has failed ${failures === 1 ? "once" : `${failures} times`} and goes on by itself.`,
        label: "Tries again",
        evidence: excerpts(view, { ref, name, namespace, otherwise: `failed: ${failures}` }),
        sinceMs: createdMs(job),
      },
    ];
  });
}

function findSlow(view: View): Finding[] {
  return bootstrapJobs(view).flatMap(({ job, component, name, namespace }) => {
    const sinceMs = job === undefined ? undefined : createdMs(job);
    if (job === undefined || sinceMs === undefined || isOver(job) || view.nowMs - sinceMs < SLOW_MS) return [];
    const ref = refText("Job", namespace, name);
    return [
      {
        scope: { component },
        headline: "creating the first tenant takes too long",
        title: "The job that creates the first tenant does not end.",
        cause: `It has been running for ${ageText(view.nowMs - sinceMs)}.`,
        label: "Takes too long",
        evidence: excerpts(view, { ref, name, namespace, otherwise: "No log was read." }),
        sinceMs,
      },
    ];
  });
}

function isOver(job: KubeObject): boolean {
  return condition(job, "Complete")?.status === "True" || condition(job, "Failed")?.status === "True";
}

/** The log of the job's newest pod; pods of a job carry its name as their beginning. */
function excerpts(
  view: View,
  of: { readonly ref: string; readonly name: string; readonly namespace: string; readonly otherwise: string },
): Finding["evidence"] {
  const logs = view.seen.logs
    .filter((log) => log.namespace === of.namespace && log.pod.startsWith(`${of.name}-`) && log.text !== "")
    .sort((a, b) => b.atMs - a.atMs);
  const newest = logs[0];
  const job = evidence(of.ref, of.otherwise);
  return newest === undefined
    ? [job]
    : [evidence(refText("Log of Pod", newest.namespace, newest.pod), newest.text), job];
}
