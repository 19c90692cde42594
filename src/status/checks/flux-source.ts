/** Checks of Flux itself and of the source it reads: the configuration bundle in the registry. */

import { isChartSource } from "../../flux/source.ts";
import { type KubeObject, textAt } from "../../kube/model.ts";
import { readinessOf } from "../../kube/readiness.ts";
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import { condition, createdMs, nameOf, namespaceOf, refText } from "../facts.ts";
import { type PullProblem, pullProblemOf } from "../pull-problem.ts";
import { isKept } from "../source-state.ts";
import type { View } from "../view.ts";
import type { CheckCode } from "./check-code.ts";
import { startAnew } from "./next-step.ts";
import type { CheckRule, Explains, Finding } from "./rule.ts";

const FLUX_DOWN: readonly Explains[] = [{ codes: ["flux/*", "operation/*"], where: "any" }];
const NO_SOURCE: readonly Explains[] = [
  { codes: ["flux/kustomization-*", "flux/helm-*", "operation/*"], where: "any" },
];
const SLOW_MS = 300_000;

export const FLUX_SOURCE_CHECKS: readonly CheckRule[] = [
  {
    code: "flux/missing",
    tier: "platform",
    title: "Flux is installed",
    about: "A release is installed, but Flux, which keeps it in place, is not there.",
    next: "Bring Flux back: apply the Flux manifests that the release pins, or restore the cluster from a backup",
    retrySafe: true,
    needs: [],
    explains: FLUX_DOWN,
    find: findMissing,
  },
  {
    code: "flux/controllers-not-ready",
    tier: "platform",
    title: "The controllers of Flux run",
    about: "A controller in flux-system does not run, so nothing is brought to the cluster.",
    next: "Look at the pods of Flux: kubectl -n flux-system get pods",
    retrySafe: true,
    needs: ["deployments"],
    explains: FLUX_DOWN,
    find: findControllers,
  },
  source("unauthorized", {
    title: "The registry gives out the configuration of the release",
    headline: "the registry denies the configuration of the release",
    says: "The registry does not give out the configuration of the release.",
    next: "Put in registry credentials that may pull it, then try again",
    retrySafe: false,
  }),
  source("not-found", {
    title: "The configuration of the release is in the registry",
    headline: "the configuration of the release is missing in the registry",
    says: "The registry does not have the configuration of the release.",
    next: "Choose another release and tell the publisher of this one. Trying again will not help",
    retrySafe: false,
  }),
  source("digest", {
    title: "The configuration of the release has the promised digest",
    headline: "the registry sends a wrong configuration",
    says: "The registry sends other bytes than the release promises.",
    next: "Do not go on: the registry or a mirror in between changes the release. Tell whoever runs it",
    retrySafe: false,
  }),
  source("certificate", {
    title: "Flux trusts the certificate of the registry",
    headline: "Flux does not trust the certificate of the registry",
    says: "Flux does not trust the certificate of the registry.",
    next: "Give the registry's certificate authority: --registry-ca <pem>, then try again",
    retrySafe: false,
  }),
  source("network", {
    title: "Flux reaches the registry",
    headline: "Flux cannot reach the registry",
    says: "Flux cannot reach the registry.",
    next: "Check the way to the registry: cable, firewall, proxy, name servers. Flux tries again by itself",
    retrySafe: true,
  }),
  source("other", {
    title: "The source of Flux is ready",
    headline: "the source of the release is not ready",
    says: "The source of the release is not ready.",
    next: "Read what Flux says below; it tries again by itself",
    retrySafe: true,
  }),
];

/** Which causes of a pull count as which check of the source. */
const FOLDED: Readonly<Record<PullProblem, string>> = {
  unauthorized: "unauthorized",
  "not-found": "not-found",
  invalid: "not-found",
  digest: "digest",
  certificate: "certificate",
  network: "network",
  name: "network",
  "rate-limited": "network",
  "disk-full": "other",
  other: "other",
};

function findMissing(view: View): Finding[] {
  const { seen } = view;
  if (seen.kubernetes.state !== "reachable" || seen.installed === null) return [];
  // While an operation runs it may be installing Flux; a kind that has just come is noticed some seconds later.
  if (seen.operation !== null && seen.operation.endedAt === null) return [];
  if (seen.lists.kustomizations?.state !== "absent") return [];
  return [
    {
      scope: {},
      headline: "Flux is not there",
      title: "Flux is not installed.",
      cause: "The release was installed by Flux, but the cluster does not know its kinds any more.",
      evidence: [evidence("Kubernetes API", "kustomize.toolkit.fluxcd.io/v1 is not served")],
      ...startAnew(view, "installs Flux"),
      sinceMs: seen.lists.kustomizations.sinceMs,
    },
  ];
}

function findControllers(view: View): Finding[] {
  return view
    .items("deployments")
    .filter((one) => namespaceOf(one) === "flux-system")
    .flatMap((one) => {
      const { state, message } = readinessOf(one);
      if (state === "ready") return [];
      const sinceMs = condition(one, "Available")?.sinceMs ?? createdMs(one);
      const ageMs = view.nowMs - (sinceMs ?? view.nowMs);
      const name = oneLine(nameOf(one), 80);
      return [
        {
          scope: {},
          state: state === "failed" || ageMs > SLOW_MS ? ("failed" as const) : ("progressing" as const),
          headline: `${name} of Flux does not run`,
          title: `${name} of Flux does not run.`,
          cause: `${oneLine(message).replace(/\.$/, "")}, for ${ageText(ageMs)}.`,
          evidence: [evidence(refText("Deployment", "flux-system", name), message)],
          sinceMs,
        },
      ];
    });
}

interface SourceRow {
  readonly title: string;
  readonly headline: string;
  readonly says: string;
  readonly next: string;
  readonly retrySafe: boolean;
}

/** The kinds with a check of their own; what is none of them is "not ready". */
type SourceKind =
  Extract<CheckCode, `flux/source-${string}`> extends `flux/source-${infer Kind}` ? Kind | "other" : never;

function source(kind: SourceKind, row: SourceRow): CheckRule {
  return {
    code: kind === "other" ? "flux/source-not-ready" : `flux/source-${kind}`,
    tier: "platform",
    title: row.title,
    about: `${row.says} Flux reads it as an OCIRepository and keeps the cluster as it was meanwhile.`,
    next: row.next,
    retrySafe: row.retrySafe,
    needs: ["ociRepositories"],
    explains: NO_SOURCE,
    find: (view) =>
      view.items("ociRepositories").flatMap((one) => {
        // A chart that cannot be had is told by the component that wants it.
        if (isChartSource(nameOf(one))) return [];
        const problem = problemOf(one);
        return problem !== undefined && FOLDED[pullProblemOf(problem.message)] === kind
          ? [sourceFinding(one, { row, problem })]
          : [];
      }),
  };
}

type SourceProblem = NonNullable<ReturnType<typeof condition>>;

/** A fetch that failed says so in FetchFailed before Ready turns. */
function problemOf(one: KubeObject): SourceProblem | undefined {
  const fetchFailed = condition(one, "FetchFailed");
  if (fetchFailed?.status === "True") return fetchFailed;
  const ready = condition(one, "Ready");
  return ready?.status === "False" && !/progressing/i.test(ready.reason) ? ready : undefined;
}

function sourceFinding(one: KubeObject, given: { row: SourceRow; problem: SourceProblem }): Finding {
  const ref = refText("OCIRepository", namespaceOf(one), nameOf(one));
  const url = oneLine(textAt(one, "spec", "url") ?? "", 200);
  const kept = isKept(one);
  return {
    scope: { flux: ref },
    ...(kept ? { state: "unknown" as const, next: null } : {}),
    headline: given.row.headline,
    title: given.row.says,
    cause: `Flux wants ${url === "" ? "its source" : url}${kept ? "; it has it already and goes on without the registry" : ""}.`,
    evidence: [evidence(ref, `${given.problem.reason}: ${given.problem.message}`)],
    sinceMs: given.problem.sinceMs,
  };
}
