/**
 * Whether the first tenant was created.
 *
 * The job removes itself minutes after it ended, so three things count as complete: the job says so, it said so once
 * (remembered with the release), or it is gone while Helm's release is ready and the application runs, which starts
 * only on the job's result.
 */
import { REQUESTED } from "../flux/requests.ts";
import { type KubeObject, textAt } from "../kube/model.ts";
import { condition, nameOf, namespaceOf } from "./facts.ts";
import type { State } from "./model.ts";
import type { View } from "./view.ts";

export interface BootstrapJob {
  readonly job: KubeObject | undefined;
  readonly component: string;
  readonly name: string;
  readonly namespace: string;
}

/** The bootstrap jobs that the component table names, each with what is seen of it. */
export function bootstrapJobs(view: Pick<View, "seen" | "items">): readonly BootstrapJob[] {
  return view.seen.components.flatMap((component) => {
    if (component.bootstrapJob === undefined) return [];
    const namespace = component.targetNamespace;
    const job = view
      .items("jobs")
      .find((one) => nameOf(one) === component.bootstrapJob && namespaceOf(one) === namespace);
    return [{ job, component: component.name, name: component.bootstrapJob, namespace }];
  });
}

export interface BootstrapState {
  readonly state: State | "absent";
  readonly reason: string;
  readonly sinceMs: number | undefined;
}

/** Judges the bootstrap rung by the job, by what is remembered, or by what could not run without it. */
export function bootstrapState(view: View): BootstrapState {
  const states = bootstrapJobs(view).map((one) => stateOf(view, one));
  const order = ["failed", "unknown", "absent", "progressing", "ready"] as const;
  const worst = order.flatMap((state) => states.find((one) => one.state === state) ?? [])[0];
  return worst ?? { state: "ready", reason: "This release needs no first tenant", sinceMs: undefined };
}

function stateOf(view: View, { job, component, name }: BootstrapJob): BootstrapState {
  const record = view.seen.bootstrap;
  const complete = job === undefined ? undefined : condition(job, "Complete");
  if (complete?.status === "True")
    return { state: "ready", reason: "The first tenant was created", sinceMs: complete.sinceMs };
  const failed = job === undefined ? undefined : condition(job, "Failed");
  if (failed?.status === "True") {
    return { state: "failed", reason: "The job that creates the first tenant has failed", sinceMs: failed.sinceMs };
  }
  if (record !== null && record.job === name) {
    return { state: "ready", reason: "The first tenant was created", sinceMs: finite(record.completedAtMs) };
  }
  const doubt = view.doubt("jobs");
  if (doubt !== undefined) return { state: "unknown", reason: doubt, sinceMs: undefined };
  if (job !== undefined)
    return { state: "progressing", reason: "The first tenant is being created", sinceMs: undefined };
  return withoutJob(view, component);
}

function withoutJob(view: View, component: string): BootstrapState {
  const release = view.items("helmReleases").find((one) => nameOf(one) === component);
  const helm = release === undefined ? undefined : condition(release, "Ready");
  const applications = view.workloads.filter(
    (workload) => workload.component.name === component && workload.spec.tier === "login",
  );
  if (isAsked(release)) {
    return { state: "absent", reason: "The job that creates the first tenant is started again", sinceMs: undefined };
  }
  const runs = applications.length > 0 && applications.every((workload) => workload.state === "ready");
  if (helm?.status === "True" && runs) {
    return { state: "ready", reason: "The application runs on what the job has created", sinceMs: helm.sinceMs };
  }
  if (helm?.status === "True") {
    return { state: "unknown", reason: "The job is gone, and nobody saw how it ended", sinceMs: undefined };
  }
  return { state: "absent", reason: "Not begun yet", sinceMs: undefined };
}

/** Helm was asked to run again and has not begun yet. */
function isAsked(release: KubeObject | undefined): boolean {
  const asked = textAt(release, "metadata", "annotations", REQUESTED);
  return asked !== undefined && asked !== textAt(release, "status", "lastHandledReconcileAt");
}

function finite(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined;
}
