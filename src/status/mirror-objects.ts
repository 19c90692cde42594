/**
 * The summary as Kubernetes objects, for people who live in kubectl: a ConfigMap whose data read well under `kubectl describe`, and
 * an Event for each change of the summary. Pure. Everything in them is from the status document, which is safe to show.
 *
 * @see Kubernetes API conventions, "Typical status properties" (conditions) and "Events"
 */
import { z } from "zod";
import { digestOf } from "../core/digest.ts";
import { canonicalJson } from "../core/json.ts";
import { type KubeObject, textAt } from "../kube/model.ts";
import { oneLine } from "./evidence.ts";
import { TIER_NAMES } from "./ladder.ts";
import { type ApplianceStatus, type Phase, type State, TIERS } from "./model.ts";

/** Namespace of the control plane and name of the ConfigMap that mirrors the summary. */
export const MIRROR = { namespace: "alga-appliance-control-plane", name: "appliance-status" } as const;

/** Kubernetes takes 1024 bytes of an event's message. */
const MAX_MESSAGE = 1_000;
const COMPONENT = "alga-appliance";

const conditionSchema = z.object({
  type: z.string(),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string(),
  message: z.string(),
  lastTransitionTime: z.string(),
});

type Condition = z.infer<typeof conditionSchema>;

const CONDITION: Readonly<Record<State, Condition["status"]>> = {
  ready: "True",
  progressing: "False",
  failed: "False",
  unknown: "Unknown",
};

const PHASE_REASONS: Readonly<Record<Phase, string>> = {
  unclaimed: "WaitsForOwner",
  setup: "WaitsForSetup",
  installing: "Installing",
  updating: "Updating",
  recovering: "Recovering",
  running: "Starting",
  blocked: "Stopped",
};

/** One word for the state, as Kubernetes writes reasons: "FluxSourceUnauthorized" for the root cause "flux/source-unauthorized". */
export function reasonOf(status: ApplianceStatus): string {
  const { state } = status.summary;
  if (state === "ready") return "Ready";
  if (state === "unknown") return "NotKnown";
  if (state === "progressing") return PHASE_REASONS[status.phase];
  const top = status.checks.find((check) => check.state === "failed");
  const words = (top?.code ?? "failed").split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
}

/**
 * The ConfigMap to apply. Its conditions keep their time of transition while they say the same, also across a restart.
 *
 * @param before The object as it lies in the cluster; anybody may have changed it, so it is read with care.
 */
export function configMapOf(
  status: ApplianceStatus,
  given: { readonly before: KubeObject | undefined; readonly now: string },
): KubeObject {
  const { summary, tiers, release } = status;
  const known = conditionsIn(given.before);
  const since = (one: Omit<Condition, "lastTransitionTime">): Condition => {
    const same = known.find((other) => other.type === one.type && other.status === one.status);
    return { ...one, lastTransitionTime: same?.lastTransitionTime ?? given.now };
  };
  const conditions = [
    since({
      type: "Ready",
      status: CONDITION[summary.state],
      reason: reasonOf(status),
      message: oneLine(summary.message, MAX_MESSAGE),
    }),
  ];
  const ladder = TIERS.filter((name) => name !== "full").map((name) =>
    `${TIER_NAMES[name].padEnd(16)} ${tiers[name].state.padEnd(12)} ${oneLine(tiers[name].reason)}`.trimEnd(),
  );
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      ...MIRROR,
      labels: { "app.kubernetes.io/managed-by": COMPONENT },
      annotations: { "alga.appliance/about": "Written by the control plane; nothing reads it. See /api/status" },
    },
    data: {
      state: summary.state,
      summary: oneLine(summary.message, MAX_MESSAGE),
      next: summary.next === null ? "" : oneLine(summary.next, MAX_MESSAGE),
      phase: status.phase,
      release: release === null ? "" : oneLine(release.version),
      tiers: `${ladder.join("\n")}\n`,
      conditions: `${JSON.stringify(conditions)}\n`,
    },
  };
}

/** What the ConfigMap says, without how it came to say it: the same text, nothing to write. */
export function newsOf(map: KubeObject): string {
  return canonicalJson(map.data ?? {});
}

function conditionsIn(map: KubeObject | undefined): readonly Condition[] {
  try {
    const found = z
      .array(conditionSchema)
      .max(16)
      .safeParse(JSON.parse(textAt(map, "data", "conditions") ?? ""));
    return found.success ? found.data : [];
  } catch {
    return [];
  }
}

/**
 * The Event of a summary. Its name follows from what it says in one word, so that the same news is counted and not told again.
 *
 * @param given.about The ConfigMap as the cluster has it, so that `kubectl describe` shows the event under it.
 * @param given.before The event of that name, while the cluster still keeps it.
 */
export function eventOf(
  status: ApplianceStatus,
  given: { readonly about: KubeObject; readonly before: KubeObject | undefined; readonly now: string },
): KubeObject {
  const { summary } = status;
  const count = given.before?.count;
  const next = summary.next === null ? "" : ` Next: ${summary.next}`;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { namespace: MIRROR.namespace, name: eventNameOf(status) },
    involvedObject: {
      apiVersion: "v1",
      kind: "ConfigMap",
      ...MIRROR,
      ...(given.about.metadata.uid === undefined ? {} : { uid: given.about.metadata.uid }),
    },
    type: summary.state === "failed" ? "Warning" : "Normal",
    reason: reasonOf(status),
    message: oneLine(`${summary.message}.${next}`, MAX_MESSAGE),
    count: (typeof count === "number" && Number.isInteger(count) && count > 0 ? count : 0) + 1,
    firstTimestamp: textAt(given.before, "firstTimestamp") ?? given.now,
    lastTimestamp: given.now,
    source: { component: COMPONENT },
    reportingComponent: COMPONENT,
    reportingInstance: oneLine(status.appliance.name, 100),
  };
}

/** Name of the Event that tells this summary. */
export function eventNameOf(status: ApplianceStatus): string {
  return nameFor(status.summary.state, reasonOf(status));
}

/** Name of the Event that told what a ConfigMap says; undefined when it says nothing of that. */
export function eventNameIn(map: KubeObject): string | undefined {
  const state = textAt(map, "data", "state");
  const ready = conditionsIn(map).find((one) => one.type === "Ready");
  return state === undefined || ready === undefined ? undefined : nameFor(state, ready.reason);
}

function nameFor(state: string, reason: string): string {
  return `${MIRROR.name}.${digestOf(`${state} ${reason}`).slice("sha256:".length, "sha256:".length + 16)}`;
}
