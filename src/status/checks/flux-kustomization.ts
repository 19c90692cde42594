/** Checks of the Kustomizations: what Flux applies, and why it does not. */
import { fieldAt, type KubeObject } from "../../kube/model.ts";
import { evidence, oneLine } from "../evidence.ts";
import { type ConditionFacts, condition, nameOf, namespaceOf, refText } from "../facts.ts";
import type { View } from "../view.ts";
import { type CheckRule, type Explains, type Finding, type RuleWords, wordsOf } from "./rule.ts";

const NOT_APPLIED: readonly Explains[] = [
  { codes: ["flux/kustomization-*", "flux/helm-*", "operation/*"], where: "any" },
];
const LATER_ONES: readonly Explains[] = [{ codes: ["flux/kustomization-dependency", "operation/*"], where: "any" }];

interface Row extends RuleWords {
  readonly headline: string;
  readonly says: (name: string) => string;
  readonly state?: "progressing";
  /** Milliseconds in which it is under way and no failure yet. Absent: 0. */
  readonly patienceMs?: number;
  readonly explains: readonly Explains[];
  /** First row that accepts a condition takes it. */
  readonly accepts: (ready: ConditionFacts, object: KubeObject) => boolean;
}

const suspended = (object: KubeObject): boolean => fieldAt(object, "spec", "suspend") === true;
const reason =
  (...names: readonly string[]) =>
  (ready: ConditionFacts): boolean =>
    names.includes(ready.reason);

const ROWS: readonly Row[] = [
  {
    code: "flux/kustomization-build",
    title: "The configuration of the release can be built",
    about: "The files of the configuration bundle do not make a valid set of objects.",
    next: "Choose another release and tell the publisher of this one. Trying again will not help",
    retrySafe: false,
    headline: "the configuration of the release is broken",
    says: (name) => `The configuration of ${name} cannot be built.`,
    explains: NOT_APPLIED,
    accepts: reason("BuildFailed"),
  },
  {
    code: "flux/kustomization-source",
    title: "Flux has what it applies",
    about: "The artifact that a Kustomization reads is not there.",
    next: "Read what Flux says below; it tries again by itself",
    retrySafe: true,
    headline: "Flux has no configuration to apply",
    says: (name) => `${name} has nothing to apply.`,
    patienceMs: 60_000,
    explains: NOT_APPLIED,
    accepts: reason("ArtifactFailed", "SourceNotReady"),
  },
  {
    code: "flux/kustomization-health",
    title: "What was applied becomes ready in time",
    about: "The objects were applied, but some did not become ready within the time of the Kustomization.",
    next: "Look at the components below: one of them says why it is not ready",
    retrySafe: true,
    headline: "a part of the release does not become ready",
    says: (name) => `What ${name} applied does not become ready.`,
    explains: LATER_ONES,
    accepts: (ready) => ready.reason === "HealthCheckFailed" || /timeout waiting for/i.test(ready.message),
  },
  {
    code: "flux/kustomization-prune",
    title: "What the release no longer has is removed",
    about: "Objects that the release no longer contains cannot be removed.",
    next: "Read what Flux says below; mostly a finalizer of another controller holds the object",
    retrySafe: true,
    headline: "an old part of the release cannot be removed",
    says: (name) => `${name} cannot remove what is no longer wanted.`,
    explains: LATER_ONES,
    accepts: reason("PruneFailed"),
  },
  {
    code: "flux/kustomization-validation",
    title: "Kubernetes accepts what the release wants",
    about: "The API server refuses an object of the configuration bundle.",
    next: "Read which object and field is refused; choose another release or correct the values. Trying again will not help",
    retrySafe: false,
    headline: "Kubernetes refuses a part of the release",
    says: (name) => `Kubernetes refuses an object of ${name}.`,
    explains: NOT_APPLIED,
    accepts: (ready) =>
      /dry-run failed|invalid|admission webhook|forbidden|immutable|no matches for kind/i.test(ready.message),
  },
  {
    code: "flux/kustomization-not-ready",
    title: "Every part of the release is applied",
    about: "A Kustomization is not ready for a cause that is not one of the known ones.",
    next: "Read what Flux says below; it tries again by itself",
    retrySafe: true,
    headline: "a part of the release cannot be applied",
    says: (name) => `${name} cannot be applied.`,
    explains: NOT_APPLIED,
    accepts: (ready) => !/^(?:Progressing|DependencyNotReady)/.test(ready.reason) && ready.status === "False",
  },
  {
    code: "flux/kustomization-dependency",
    title: "No part of the release waits for another",
    about: "A Kustomization waits until the one before it is ready; the cause is there.",
    next: null,
    retrySafe: true,
    headline: "a part of the release waits for the one before it",
    says: (name) => `${name} waits for the part before it.`,
    state: "progressing",
    explains: [],
    accepts: reason("DependencyNotReady"),
  },
];

export const FLUX_KUSTOMIZATION_CHECKS: readonly CheckRule[] = [
  ...ROWS.map(
    (row): CheckRule => ({
      ...wordsOf(row),
      tier: "platform",
      needs: ["kustomizations"],
      explains: row.explains,
      find: (view) => findRow(view, row),
    }),
  ),
  {
    code: "flux/suspended",
    tier: "full",
    title: "Flux is not stopped by hand",
    about: "Somebody has suspended a Flux object, so what it carries no longer follows the release.",
    next: "Let it go on when the reason for the stop is gone: flux resume",
    retrySafe: false,
    needs: ["kustomizations", "helmReleases", "ociRepositories"],
    find: findSuspended,
  },
];

function findRow(view: View, row: Row): Finding[] {
  return view.items("kustomizations").flatMap((one) => {
    const ready = condition(one, "Ready");
    if (ready?.status !== "False" || suspended(one)) return [];
    if (ROWS.find((candidate) => candidate.accepts(ready, one)) !== row) return [];
    const name = oneLine(nameOf(one), 80);
    const ref = refText("Kustomization", namespaceOf(one), nameOf(one));
    return [
      {
        scope: { flux: ref },
        tier: tierOf(view, nameOf(one)),
        ...stateOf(row, view.nowMs - (ready.sinceMs ?? 0)),
        headline: row.headline,
        title: row.says(name),
        cause: `${oneLine(ready.message === "" ? ready.reason : ready.message).replace(/\.$/, "")}.`,
        evidence: [evidence(ref, `${ready.reason}: ${ready.message}`)],
        sinceMs: ready.sinceMs,
      },
    ];
  });
}

function stateOf(row: Row, ageMs: number): Pick<Finding, "state"> {
  if (row.state !== undefined) return { state: row.state };
  return ageMs < (row.patienceMs ?? 0) ? { state: "progressing" } : {};
}

/** The child Kustomizations are named for the group of components that they carry. */
function tierOf(view: View, name: string): "platform" | "core" | "background" {
  const group = view.seen.components.find((component) => `alga-${component.group}` === name)?.group;
  return group ?? "platform";
}

function findSuspended(view: View): Finding[] {
  const all = [...view.items("ociRepositories"), ...view.items("kustomizations"), ...view.items("helmReleases")];
  return all.filter(suspended).map((one) => {
    const ref = refText(one.kind, namespaceOf(one), nameOf(one));
    return {
      scope: { flux: ref },
      headline: `${oneLine(nameOf(one), 60)} was stopped by hand`,
      title: `${oneLine(ref, 120)} is suspended.`,
      cause: "It stays as it is, whatever the release says.",
      evidence: [evidence(ref, "spec.suspend: true")],
    };
  });
}
