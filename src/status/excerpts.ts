/**
 * Log excerpts: the last lines of containers that crash and of the job that failed, read once for each run of theirs.
 *
 * Log lines are untrusted and may hold secrets: they are bounded here and redacted before they are kept.
 */
import { withDeadline } from "../core/deadline.ts";
import type { Deps } from "../core/ports.ts";
import { redactText } from "../core/redact.ts";
import type { Kube } from "../kube/calls.ts";
import type { KubeObject } from "../kube/model.ts";
import { bootstrapJobs } from "./bootstrap-state.ts";
import { harmless } from "./evidence.ts";
import { type ContainerFacts, condition, nameOf, namespaceOf } from "./facts.ts";
import type { LogExcerpt } from "./observation.ts";
import type { PodFacts, View } from "./view.ts";

const TAIL_LINES = 40;
const LIMIT_BYTES = 8_192;
const MAX_KEPT = 16;
const TIMEOUT_MS = 5_000;

/** The last lines of logs that a check quotes as evidence. They are untrusted text, bounded and redacted. */
export interface Excerpts {
  current(): readonly LogExcerpt[];
  /** Reads what the view wants and has not been read. @returns true when something new was read. */
  read(view: View, signal: AbortSignal): Promise<boolean>;
}

interface Wanted {
  readonly key: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** The run before the one that goes on now. */
  readonly previous: boolean;
}

/** Makes a keeper of log excerpts. Reads a run of a container once; the oldest goes when too many are kept. */
export function createExcerpts(deps: Pick<Deps, "clock" | "log">, kube: Pick<Kube, "logs"> | undefined): Excerpts {
  const kept = new Map<string, LogExcerpt>();
  const read = async (wanted: Wanted, signal: AbortSignal): Promise<void> => {
    const { namespace, pod, container, previous } = wanted;
    const text = await withDeadline(deps.clock, TIMEOUT_MS, {
      what: "a log",
      parent: signal,
      work: async (limit) =>
        (await kube?.logs(
          { namespace, pod, container },
          { tailLines: TAIL_LINES, limitBytes: LIMIT_BYTES, previous, signal: limit },
        )) ?? "",
    }).catch((thrown: unknown) => {
      deps.log.debug("log not read", { pod, error: thrown });
      return "";
    });
    kept.set(wanted.key, { namespace, pod, container, text: harmless(redactText(text)), atMs: deps.clock.now() });
    while (kept.size > MAX_KEPT) kept.delete([...kept.keys()][0] ?? "");
  };
  return {
    current: () => [...kept.values()],
    read: async (view, signal) => {
      if (kube === undefined) return false;
      const wanted = wantedLogs(view)
        .filter((one) => !kept.has(one.key))
        .slice(0, 4);
      await Promise.all(wanted.map((one) => read(one, signal)));
      return wanted.length > 0;
    },
  };
}

/** Which logs would tell the cause of something: one per container and run. */
function wantedLogs(view: View): readonly Wanted[] {
  const jobs = new Set([
    ...bootstrapJobs(view).map((job) => `${job.namespace}/${job.name}`),
    ...view.items("jobs").flatMap((job) => (failed(job) ? `${namespaceOf(job)}/${nameOf(job)}` : [])),
  ]);
  return view.pods.flatMap((pod) =>
    pod.containers
      .filter((one) => (jobs.has(`${pod.namespace}/${pod.owner?.name}`) ? hasEndedBadly(one) : isCrashing(one)))
      .map((one) => wantedOf(pod, one)),
  );
}

function failed(job: KubeObject): boolean {
  return condition(job, "Failed")?.status === "True";
}

function isCrashing(container: ContainerFacts): boolean {
  const end = container.terminated ?? container.last;
  return container.waiting?.reason === "CrashLoopBackOff" && (end === undefined || end.message === "");
}

function hasEndedBadly(container: ContainerFacts): boolean {
  return [container.terminated, container.last].some((end) => end !== undefined && end.exitCode !== 0);
}

function wantedOf(pod: PodFacts, container: ContainerFacts): Wanted {
  const { namespace, name } = pod;
  const previous = container.runningSinceMs !== undefined || container.waiting !== undefined;
  return {
    key: `${namespace}/${name}/${container.name}/${container.restarts}`,
    namespace,
    pod: name,
    container: container.name,
    previous: previous && container.restarts > 0,
  };
}
