/** Checks of the Kubernetes API itself: does it answer, does it know us, may we read what we must. */
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import { FRESH_MS, LIST_KINDS, type ListKey, SPARED } from "../observation.ts";
import { resourceName } from "../resource-name.ts";
import type { View } from "../view.ts";
import type { CheckRule, Finding } from "./rule.ts";

const EVERYTHING = [{ codes: ["*"], where: "any" }] as const;

export const KUBERNETES_CHECKS: readonly CheckRule[] = [
  {
    code: "kube/unreachable",
    tier: "platform",
    title: "Kubernetes answers",
    about: "The Kubernetes API must answer, or nothing of the appliance can be seen or changed.",
    next: "Wait a minute. If it stays, look at Kubernetes on the box: systemctl status k3s",
    retrySafe: true,
    needs: [],
    explains: EVERYTHING,
    find: findUnreachable,
  },
  {
    code: "kube/unauthorized",
    tier: "platform",
    title: "Kubernetes accepts our credentials",
    about: "The API answers 401: the token or the client certificate is not, or no longer, valid.",
    next: "Restart the control plane, so that it gets a new token; with a kubeconfig, take a new one",
    retrySafe: true,
    needs: [],
    explains: EVERYTHING,
    find: findUnauthorized,
  },
  {
    code: "kube/forbidden",
    tier: "platform",
    title: "Kubernetes lets us read what the status needs",
    about: "A permission is missing; the check names the rule that lacks.",
    next: "Give the service account of the control plane this rule: apply its manifest again",
    retrySafe: false,
    needs: [],
    find: findForbidden,
  },
  {
    code: "kube/half-answering",
    tier: "platform",
    title: "Kubernetes answers in full",
    about: "The API answers, but lists of some kinds have not been renewed for a while.",
    next: "Wait a minute. If it stays, restart Kubernetes on the box: systemctl restart k3s",
    retrySafe: true,
    needs: [],
    find: findHalfAnswering,
  },
];

function findUnreachable({ seen, nowMs }: View): Finding[] {
  const { kubernetes } = seen;
  const problem = oneLine(kubernetes.problem ?? "");
  const common = { scope: {}, headline: "Kubernetes does not answer", sinceMs: kubernetes.sinceMs };
  if (kubernetes.state === "unconfigured") {
    return [
      {
        ...common,
        headline: "no Kubernetes is known here",
        title: "No Kubernetes API is configured.",
        cause: problem === "" ? "There is no kubeconfig and no service account." : `${problem}.`,
        evidence: [],
        next: "Name a kubeconfig: --kubeconfig <file>",
        retrySafe: false,
      },
    ];
  }
  if (kubernetes.state !== "unreachable" && kubernetes.state !== "broken") return [];
  const age = ageText(nowMs - kubernetes.sinceMs);
  return [
    {
      ...common,
      title: kubernetes.state === "broken" ? "Kubernetes answers with errors." : "Kubernetes does not answer.",
      headline: kubernetes.state === "broken" ? "Kubernetes answers with errors" : common.headline,
      cause: `It has been away for ${age}; what is shown below is what was known before.`,
      evidence: [evidence("Kubernetes API", problem)],
    },
  ];
}

function findUnauthorized({ seen }: View): Finding[] {
  if (seen.kubernetes.state !== "unauthorized") return [];
  return [
    {
      scope: {},
      headline: "Kubernetes rejects the credentials of the control plane",
      title: "Kubernetes rejects our credentials.",
      cause: "The token or client certificate is not valid there. The appliance itself may be fine.",
      evidence: [evidence("Kubernetes API", seen.kubernetes.problem ?? "401 Unauthorized")],
      sinceMs: seen.kubernetes.sinceMs,
    },
  ];
}

function findForbidden({ seen }: View): Finding[] {
  const whole: Finding[] =
    seen.kubernetes.state === "forbidden"
      ? [forbidden("the API", seen.kubernetes.problem, seen.kubernetes.sinceMs)]
      : [];
  const lists = keys(seen.lists).flatMap((key) => {
    const list = seen.lists[key];
    if (list?.state !== "forbidden") return [];
    const found = { ...forbidden(resourceName(LIST_KINDS[key]), list.problem, list.sinceMs), ...ruleWithin(key) };
    // Who may only view a cluster may not read the names of its Secrets; little is lost by that.
    return [SPARED.has(key) ? { ...found, state: "unknown" as const } : found];
  });
  return [...whole, ...lists];
}

/** Of the kind that is read in one namespace alone a Role there is enough. */
function ruleWithin(key: ListKey): Pick<Finding, "cause"> | undefined {
  if (key !== "leases") return undefined;
  const { namespace } = LIST_KINDS[key];
  return {
    cause: `A Role in namespace ${namespace} with the verbs list and watch on ${resourceName(LIST_KINDS[key])} is missing; a silent kubelet is told late without it.`,
  };
}

function forbidden(resource: string, problem: string | undefined, sinceMs: number): Finding {
  return {
    scope: {},
    headline: `the control plane may not read ${resource}`,
    title: `Kubernetes does not let us read ${resource}.`,
    cause: `A ClusterRole with the verbs get, list and watch on ${resource} is missing.`,
    evidence: [evidence(`Rule for ${resource}`, problem ?? "403 Forbidden")],
    sinceMs,
  };
}

/** A watch that broke is mostly back at the next attempt. */
const PATIENCE_MS = 3_000;

function findHalfAnswering({ seen, nowMs }: View): Finding[] {
  if (seen.kubernetes.state !== "reachable") return [];
  return keys(seen.lists).flatMap((key) => {
    const list = seen.lists[key];
    if (list?.state !== "stale" || nowMs - list.sinceMs < PATIENCE_MS) return [];
    const resource = resourceName(LIST_KINDS[key]);
    return [
      {
        scope: {},
        // A restart of the API server is over by then, and what was just seen still counts.
        state: nowMs - list.sinceMs > FRESH_MS.list ? ("failed" as const) : ("progressing" as const),
        headline: "Kubernetes answers only in part",
        title: `Kubernetes does not send its ${resource}.`,
        cause: `They were last read ${ageText(nowMs - list.sinceMs)} ago, while the API answers other requests.`,
        evidence: [evidence(resource, list.problem ?? "The watch does not come back.")],
        sinceMs: list.sinceMs,
      },
    ];
  });
}

function keys(lists: View["seen"]["lists"]): readonly ListKey[] {
  return (Object.keys(LIST_KINDS) as ListKey[]).filter((key) => lists[key] !== undefined);
}
