/** Checks of the HelmReleases: one per component, and why one is not installed as wanted. */

import { fieldAt, type KubeObject, listAt, numberAt, textAt } from "../../kube/model.ts";
import type { ComponentSpec } from "../../release/components.ts";
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import { type ConditionFacts, condition, createdMs, nameOf, namespaceOf, refText } from "../facts.ts";
import { type PullProblem, pullProblemOf } from "../pull-problem.ts";
import type { View } from "../view.ts";
import { asked, startAnew } from "./next-step.ts";
import { type CheckRule, type Explains, type Finding, type RuleWords, wordsOf } from "./rule.ts";

const NOT_INSTALLED: readonly Explains[] = [
  { codes: ["workload/*", "login/*", "bootstrap/*", "pod/*"], where: "same-component" },
  { codes: ["flux/helm-*", "workload/*", "login/*", "bootstrap/*", "pod/*"], where: "lower-tier" },
  {
    codes: ["flux/helm-dependency", "flux/kustomization-health", "flux/kustomization-dependency", "operation/*"],
    where: "any",
  },
];
const STUCK_MS = 600_000;
/** Charts are fetched, and objects seen, some time after they were asked for. */
const PATIENCE_MS = 60_000;

interface Row extends RuleWords {
  readonly headline: (name: string) => string;
  readonly says: (name: string) => string;
  readonly label: string;
  readonly state?: "progressing";
  readonly accepts: (one: ReleaseFacts) => boolean;
}

interface ReleaseFacts {
  readonly object: KubeObject;
  readonly ready: ConditionFacts;
  readonly stalled: ConditionFacts | undefined;
  readonly message: string;
  /** Status of the newest Helm release: deployed, failed, pending-install. */
  readonly helmStatus: string;
  readonly ageMs: number;
}

const is =
  (...names: readonly string[]) =>
  (one: ReleaseFacts): boolean =>
    names.includes(one.ready.reason);

/** Order matters: the first row that accepts a release takes it, so each release stands in one check only. */
const ROWS: readonly Row[] = [
  {
    code: "flux/helm-values-missing",
    title: "Every component has its values",
    about: "The ConfigMap with the values of a component is not there or lacks its key.",
    next: "Bring back what is named below from a backup of the cluster; Flux then goes on by itself",
    retrySafe: true,
    headline: (name) => `the values of ${name} are missing`,
    says: (name) => `The values of ${name} are missing.`,
    label: "Values missing",
    accepts: (one) =>
      one.ready.reason === "ValuesError" ||
      /could not (?:resolve|find) (?:ConfigMap|Secret)|values reference|valuesFrom|missing key/i.test(one.message),
  },
  {
    code: "flux/helm-chart-missing",
    title: "Every chart can be read",
    about: "The chart of a component cannot be read from the registry.",
    next: "Read what Flux says below: a chart that is missing needs another release, a registry that is away comes back",
    retrySafe: true,
    headline: (name) => `the chart of ${name} cannot be read`,
    says: (name) => `The chart of ${name} cannot be read.`,
    label: "Chart missing",
    accepts: (one) =>
      ["ArtifactFailed", "SourceNotReady", "HelmChartNotReady"].includes(one.ready.reason) ||
      /chart pull error|HelmChart .* is not ready|failed to download chart/i.test(one.message),
  },
  {
    code: "flux/helm-pending",
    title: "No component is stuck half-way",
    about: "An earlier run of Helm was cut off and left its release pending, so every later run is refused.",
    next: "Remove the pending release of Helm, then Flux installs the component anew",
    retrySafe: false,
    headline: (name) => `the installation of ${name} is stuck half-way`,
    says: (name) => `The installation of ${name} is stuck half-way.`,
    label: "Stuck",
    accepts: (one) =>
      /another operation \(install\/upgrade\/rollback\) is in progress/i.test(one.message) ||
      (one.helmStatus.startsWith("pending-") && one.ageMs > STUCK_MS),
  },
  {
    code: "flux/helm-rolled-back",
    title: "No component went back to its old version",
    about: "An upgrade failed, and Helm put the version before it back.",
    next: "Read why the upgrade failed, correct it, then update again",
    retrySafe: true,
    headline: (name) => `${name} went back to the version before`,
    says: (name) => `${name} went back to the version before.`,
    label: "Went back",
    accepts: is("RollbackSucceeded", "UninstallSucceeded", "RollbackFailed"),
  },
  {
    code: "flux/helm-retries-exhausted",
    title: "Flux has not given up on a component",
    about: "All tries of a component have failed; Flux does not try again by itself.",
    next: "Correct the cause below, then try again",
    retrySafe: true,
    headline: (name) => `Flux has given up on ${name}`,
    says: (name) => `Flux has given up on ${name}.`,
    label: "Given up",
    accepts: (one) =>
      one.stalled?.status === "True" &&
      /RetriesExceeded|exhausted/i.test(`${one.stalled.reason} ${one.stalled.message}`),
  },
  {
    code: "flux/helm-install-failed",
    title: "Every component was installed",
    about: "Helm could not install a component.",
    next: "Read what Helm says below, correct it, then try again",
    retrySafe: true,
    headline: (name) => `${name} could not be installed`,
    says: (name) => `${name} could not be installed.`,
    label: "Install failed",
    accepts: (one) => one.ready.reason === "InstallFailed" || /^Helm install failed/i.test(one.message),
  },
  {
    code: "flux/helm-upgrade-failed",
    title: "Every component was updated",
    about: "Helm could not bring a component to the wanted version.",
    next: "Read what Helm says below, then update again or go back to the previous release",
    retrySafe: true,
    headline: (name) => `${name} could not be updated`,
    says: (name) => `${name} could not be updated.`,
    label: "Update failed",
    accepts: (one) => one.ready.reason === "UpgradeFailed" || /^Helm upgrade failed/i.test(one.message),
  },
  {
    code: "flux/helm-not-ready",
    title: "Every component is as the release wants it",
    about: "A HelmRelease is not ready for a cause that is not one of the known ones.",
    next: "Read what Flux says below; it tries again by itself",
    retrySafe: true,
    headline: (name) => `${name} is not as the release wants it`,
    says: (name) => `${name} is not as the release wants it.`,
    label: "Not ready",
    accepts: (one) => one.ready.status === "False" && !/^(?:Progressing|DependencyNotReady)/.test(one.ready.reason),
  },
  {
    code: "flux/helm-dependency",
    title: "No component waits for another",
    about: "A component waits until those it depends on are ready; the cause is there.",
    next: null,
    retrySafe: true,
    headline: (name) => `${name} waits for another component`,
    says: (name) => `${name} waits for another component.`,
    label: "Waits",
    state: "progressing",
    accepts: is("DependencyNotReady"),
  },
];

export const FLUX_HELM_CHECKS: readonly CheckRule[] = [
  {
    code: "flux/helm-missing",
    tier: "full",
    title: "Flux knows every component",
    about: "A component of the release has no HelmRelease although its part of the release was applied.",
    next: "Let Flux put it back: ask its Kustomization to reconcile",
    retrySafe: true,
    needs: ["helmReleases", "kustomizations"],
    explains: NOT_INSTALLED,
    find: findMissing,
  },
  ...ROWS.map(
    (row): CheckRule => ({
      ...wordsOf(row),
      tier: "full",
      needs: ["helmReleases"],
      explains: row.state === "progressing" ? [] : NOT_INSTALLED,
      find: (view) => findRow(view, row),
    }),
  ),
];

function findRow(view: View, row: Row): Finding[] {
  return view.seen.components.flatMap((component) => {
    const object = releaseOf(view, component);
    const facts = object === undefined ? undefined : factsOf(view, object);
    if (facts === undefined || ROWS.find((candidate) => candidate.accepts(facts)) !== row) return [];
    return [finding(view, component, { facts, row })];
  });
}

/** The HelmRelease of a component; undefined when Flux has none. */
export function releaseOf(view: Pick<View, "items">, component: ComponentSpec): KubeObject | undefined {
  return view
    .items("helmReleases")
    .find((one) => nameOf(one) === component.name && namespaceOf(one) === component.releaseNamespace);
}

function factsOf(view: View, object: KubeObject): ReleaseFacts | undefined {
  const ready = condition(object, "Ready");
  if (ready === undefined || ready.status === "True" || fieldAt(object, "spec", "suspend") === true) return undefined;
  const released = condition(object, "Released");
  const stalled = condition(object, "Stalled");
  const message = released?.status === "False" ? `${released.message}\n${ready.message}` : ready.message;
  return {
    object,
    ready,
    stalled,
    message,
    helmStatus: textAt(listAt(object, "status", "history")[0], "status") ?? "",
    ageMs: view.nowMs - (ready.sinceMs ?? createdMs(object) ?? view.nowMs),
  };
}

function finding(view: View, component: ComponentSpec, given: { facts: ReleaseFacts; row: Row }): Finding {
  const { facts, row } = given;
  const ref = refText("HelmRelease", namespaceOf(facts.object), nameOf(facts.object));
  const failures =
    numberAt(facts.object, "status", "installFailures") ?? numberAt(facts.object, "status", "failures") ?? 0;
  const after = failures > 1 ? ` It has failed ${failures} times.` : "";
  const pull = row.code === "flux/helm-chart-missing" ? pullProblemOf(facts.message) : undefined;
  return {
    scope: { component: component.name, flux: ref },
    tier: component.tier,
    ...stateOf(row, { pull, ageMs: facts.ageMs }),
    headline: row.headline(component.name),
    title: row.says(component.name),
    cause: `${oneLine(facts.ready.message || facts.ready.reason).replace(/\.$/, "")}.${after}`,
    label: row.label,
    evidence: [evidence(ref, `${facts.ready.reason}: ${facts.message}`)],
    ...(row.code === "flux/helm-pending" ? { next: unlock(facts.object) } : {}),
    ...(row.code === "flux/helm-values-missing" ? startAnew(view, "writes the values of the release") : {}),
    ...(pull === "not-found" || pull === "unauthorized" || pull === "digest" ? { retrySafe: false } : {}),
    sinceMs: facts.ready.sinceMs,
  };
}

/** Helm keeps each revision as a Secret; the pending one is the lock. */
function unlock(release: KubeObject): string {
  const name = oneLine(textAt(release, "spec", "releaseName") ?? nameOf(release), 60);
  const namespace = oneLine(textAt(release, "spec", "storageNamespace") ?? namespaceOf(release), 60);
  const pending = "pending-install,pending-upgrade,pending-rollback";
  return `Remove the pending release of Helm, then Flux installs it anew: kubectl -n ${namespace} delete secret -l 'owner=helm,name=${name},status in (${pending})'`;
}

/** A chart that is only not there yet is under way; a registry that says no is not. */
function stateOf(
  row: Row,
  seen: { readonly pull: PullProblem | undefined; readonly ageMs: number },
): Pick<Finding, "state"> {
  if (row.state !== undefined) return { state: row.state };
  return seen.pull === "other" && seen.ageMs < PATIENCE_MS ? { state: "progressing" } : {};
}

/** The part of the release that carries a component was applied a while ago, and still there is no HelmRelease. */
function findMissing(view: View): Finding[] {
  return view.seen.components.flatMap((component) => {
    const part = view.items("kustomizations").find((one) => nameOf(one) === `alga-${component.group}`);
    const ready = part === undefined ? undefined : condition(part, "Ready");
    if (ready?.status !== "True" || releaseOf(view, component) !== undefined) return [];
    // Each kind has its own watch, so one may be seconds behind the other.
    if (view.nowMs - (ready.sinceMs ?? 0) < PATIENCE_MS) return [];
    const ref = refText("HelmRelease", component.releaseNamespace, component.name);
    return [
      {
        scope: { component: component.name },
        tier: component.tier,
        headline: `${component.name} is not part of what was applied`,
        title: `${ref} does not exist.`,
        cause: `Its part of the release was applied ${ageText(view.nowMs - (ready.sinceMs ?? view.nowMs))} ago without it.`,
        label: "Missing",
        evidence: [evidence(ref, "not found")],
        next: `Let Flux put it back: ${asked("kustomization", { namespace: "flux-system", name: `alga-${component.group}` })}`,
      },
    ];
  });
}
