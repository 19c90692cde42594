/** Checks of parts of the product that are neither pod nor workload of the table: Services, charts, jobs, daemons, the control plane. */
import { textAt } from "../../kube/model.ts";
import { readinessOf } from "../../kube/readiness.ts";
import { compareVersions } from "../../release/version.ts";
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import { condition, createdMs, nameOf, namespaceOf, refText } from "../facts.ts";
import { pullProblemOf } from "../pull-problem.ts";
import { PLATFORM_NAMESPACES, type View } from "../view.ts";
import { helmAgain } from "./next-step.ts";
import type { CheckRule, Finding } from "./rule.ts";

/** A daemon or a Service may come a little after what needs it. */
const PATIENCE_MS = 180_000;

/** Stands before the checks of Helm: it tells why a chart does not come. */
export const CHART_CHECKS: readonly CheckRule[] = [
  {
    code: "flux/chart-not-fetched",
    tier: "full",
    title: "Flux has fetched every chart",
    about: "A chart of the release cannot be fetched from the registry.",
    next: "Check the registry and the credentials for it; Flux tries again by itself",
    retrySafe: true,
    needs: ["helmCharts"],
    explains: [
      { codes: ["flux/helm-*"], where: "same-component" },
      { codes: ["flux/kustomization-health", "operation/*"], where: "any" },
    ],
    find: findCharts,
  },
];

export const PART_CHECKS: readonly CheckRule[] = [
  {
    code: "workload/job-failed",
    tier: "full",
    title: "Every job of the product has ended well",
    about: "A job of the product, for example a migration, has failed for good.",
    next: "Read the end of its log in the evidence; when the cause is mended, let Helm run it again",
    retrySafe: true,
    needs: ["jobs"],
    explains: [{ codes: ["flux/helm-*", "flux/kustomization-health", "operation/*"], where: "any" }],
    find: findJobs,
  },
  {
    code: "workload/daemon-not-ready",
    tier: "full",
    title: "What runs on every node runs",
    about: "A daemon of the platform, which should run on every node, does not.",
    next: "Look at its pods: kubectl -n <namespace> get pods",
    retrySafe: true,
    needs: ["daemonSets"],
    find: findDaemons,
  },
  {
    code: "login/service-missing",
    tier: "login",
    title: "The Service of the login page is there",
    about: "The application is installed, but the Service that leads to its login page does not exist.",
    next: "Let Helm put it back: force its HelmRelease",
    retrySafe: true,
    needs: ["services", "helmReleases"],
    explains: [{ codes: ["login/*", "operation/*"], where: "any" }],
    find: findService,
  },
  {
    code: "release/control-plane-old",
    tier: "full",
    title: "The control plane is as new as the release wants",
    about: "The installed release wants a newer control plane than the one that runs.",
    next: "Update the control plane, then look again",
    retrySafe: false,
    needs: [],
    find: findOldControlPlane,
  },
];

function findCharts(view: View): Finding[] {
  return view.items("helmCharts").flatMap((chart) => {
    const ready = condition(chart, "Ready");
    if (ready?.status !== "False") return [];
    const ref = refText("HelmChart", namespaceOf(chart), nameOf(chart));
    // Flux names a chart "<namespace>-<HelmRelease>".
    const component = view.seen.components.find(
      (one) => `${one.releaseNamespace}-${one.name}` === nameOf(chart) || one.name === nameOf(chart),
    );
    const problem = pullProblemOf(ready.message);
    const ageMs = view.nowMs - (ready.sinceMs ?? createdMs(chart) ?? view.nowMs);
    const name = oneLine(textAt(chart, "spec", "chart") ?? nameOf(chart), 80);
    return [
      {
        scope: { component: component?.name },
        ...(component === undefined ? {} : { tier: component.tier }),
        state: problem === "other" && ageMs < PATIENCE_MS ? ("progressing" as const) : ("failed" as const),
        headline: `the chart ${name} cannot be fetched`,
        title: `Flux cannot fetch the chart ${name}.`,
        cause: `${oneLine(ready.message || ready.reason).replace(/\.$/, "")}.`,
        label: "Chart missing",
        evidence: [evidence(ref, `${ready.reason}: ${ready.message}`)],
        ...(["not-found", "unauthorized", "digest"].includes(problem) ? { retrySafe: false } : {}),
        sinceMs: ready.sinceMs,
      },
    ];
  });
}

/** The bootstrap jobs have checks of their own. */
function findJobs(view: View): Finding[] {
  const own = new Set(view.seen.components.map((one) => `${one.targetNamespace}/${one.bootstrapJob}`));
  const namespaces = new Set(view.seen.components.map((one) => one.targetNamespace));
  return view.items("jobs").flatMap((job) => {
    const [namespace, name] = [namespaceOf(job), nameOf(job)];
    const failed = condition(job, "Failed");
    if (!namespaces.has(namespace) || own.has(`${namespace}/${name}`) || failed?.status !== "True") return [];
    const pod = view.pods.find(
      (one) => one.namespace === namespace && one.owner?.kind === "Job" && one.owner.name === name,
    );
    const log = view.seen.logs.find((one) => one.namespace === namespace && one.pod === pod?.name && one.text !== "");
    const ref = refText("Job", namespace, name);
    return [
      {
        scope: pod === undefined ? {} : { pod: pod.ref },
        headline: `the job ${oneLine(name, 80)} has failed`,
        title: `${oneLine(ref, 120)} has failed.`,
        cause: `${oneLine(failed.message || failed.reason).replace(/\.$/, "")}.`,
        evidence: [
          evidence(ref, `${failed.reason}: ${failed.message}`),
          ...(log === undefined ? [] : [evidence(`Log of Pod ${namespace}/${log.pod}`, log.text)]),
        ],
        sinceMs: failed.sinceMs,
      },
    ];
  });
}

function findDaemons(view: View): Finding[] {
  return view.items("daemonSets").flatMap((set) => {
    const namespace = namespaceOf(set);
    const { state, message } = readinessOf(set);
    const ageMs = view.nowMs - (createdMs(set) ?? view.nowMs);
    if (!PLATFORM_NAMESPACES.includes(namespace) || state === "ready" || ageMs < PATIENCE_MS) return [];
    const ref = refText("DaemonSet", namespace, nameOf(set));
    return [
      {
        scope: {},
        headline: `${oneLine(nameOf(set), 80)} does not run on every node`,
        title: `${oneLine(ref, 120)} does not run on every node.`,
        cause: `${oneLine(message).replace(/\.$/, "")}.`,
        evidence: [evidence(ref, message)],
        next: `Look at its pods: kubectl -n ${oneLine(namespace, 80)} get pods`,
      },
    ];
  });
}

function findService(view: View): Finding[] {
  return view.seen.components.flatMap((component) => {
    const { loginService, targetNamespace } = component;
    const release = view
      .items("helmReleases")
      .find((one) => nameOf(one) === component.name && namespaceOf(one) === component.releaseNamespace);
    const ready = release === undefined ? undefined : condition(release, "Ready");
    const isThere = view
      .items("services")
      .some((one) => nameOf(one) === loginService?.name && namespaceOf(one) === targetNamespace);
    if (loginService === undefined || isThere || ready?.status !== "True") return [];
    // Each kind has its own watch, so one may be seconds behind the other.
    const ageMs = view.nowMs - (ready.sinceMs ?? 0);
    const ref = refText("Service", targetNamespace, loginService.name);
    return [
      {
        scope: { component: component.name },
        tier: component.tier,
        state: ageMs < 10_000 ? ("progressing" as const) : ("failed" as const),
        headline: "the Service of the login page is missing",
        title: `${oneLine(ref, 120)} does not exist.`,
        cause: `Helm said ${ageText(ageMs)} ago that ${component.name} is installed, but its Service was removed or renamed.`,
        evidence: [evidence(ref, "not found")],
        ...helmAgain(view, component.name, "Let Helm put it back"),
      },
    ];
  });
}

/** A version that is no version, as one built from source has, is not compared. */
function findOldControlPlane({ seen }: View): Finding[] {
  const wanted = seen.installed?.minimumControlPlane;
  const running = seen.appliance.version;
  const order = wanted === undefined ? undefined : compareVersions(running, wanted);
  if (wanted === undefined || order === undefined || order >= 0 || running.endsWith("-source")) return [];
  return [
    {
      scope: {},
      headline: "the control plane is older than the release wants",
      title: "The control plane is older than the release wants.",
      cause: `Version ${oneLine(running, 40)} runs; the release wants ${oneLine(wanted, 40)} or newer.`,
      evidence: [evidence("Control plane", `${running}, at least ${wanted} is wanted`)],
    },
  ];
}
