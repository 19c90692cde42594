/** The rows of the component table: state, version and one line for each, from its Helm release and its workloads. */
import { listAt, textAt } from "../kube/model.ts";
import type { ComponentSpec } from "../release/components.ts";
import { releaseOf } from "./checks/flux-helm.ts";
import { oneLine } from "./evidence.ts";
import { condition } from "./facts.ts";
import type { Judged, Judgement } from "./judge.ts";
import type { Component, State } from "./model.ts";
import type { View, WorkloadFacts } from "./view.ts";

/** Folds one row per component, in the order of the table. */
export function foldComponents(view: View, judgement: Judgement): readonly Component[] {
  return view.seen.components.map((component) => {
    const workloads = view.workloads.filter((workload) => workload.component.name === component.name);
    return {
      name: component.name,
      namespace: component.targetNamespace,
      tier: component.tier,
      version: versionOf(view, component, workloads),
      ...stateOf(view, { component, workloads, judgement }),
    };
  });
}

type Row = Pick<Component, "state" | "message">;

function stateOf(
  view: View,
  given: {
    readonly component: ComponentSpec;
    readonly workloads: readonly WorkloadFacts[];
    readonly judgement: Judgement;
  },
): Row {
  const { component, workloads } = given;
  const doubt = view.doubt("helmReleases") ?? workloads.find((one) => one.state === "unknown")?.reason;
  if (doubt !== undefined) return { state: "unknown", message: doubt };
  const trouble = given.judgement.findings.filter((one) => one.finding.scope.component === component.name);
  const failed = worst(trouble, "failed");
  if (failed !== undefined)
    return { state: "failed", message: failed.finding.label ?? oneLine(failed.finding.title, 80) };
  const release = releaseOf(view, component);
  const ready = release === undefined ? undefined : condition(release, "Ready");
  if (ready?.status === "True" && workloads.every((one) => one.state === "ready"))
    return { state: "ready", message: "Ready" };
  return {
    state: underWay(view, component, release !== undefined),
    message: waitsFor(view, { component, workloads, trouble }),
  };
}

function underWay(view: View, component: ComponentSpec, released: boolean): State {
  if (!view.installing) return "unknown";
  return released || component.dependsOn.length === 0 ? "progressing" : "unknown";
}

function waitsFor(
  view: View,
  given: {
    readonly component: ComponentSpec;
    readonly workloads: readonly WorkloadFacts[];
    readonly trouble: readonly Judged[];
  },
): string {
  const other = given.component.dependsOn.find((name) => !isServing(view, name));
  if (other !== undefined && view.installing) return `Waits for ${other}`;
  const moving = worst(given.trouble, "progressing");
  if (moving?.finding.label !== undefined) return moving.finding.label;
  const workload = given.workloads.find((one) => one.state !== "ready");
  if (workload === undefined) return "Helm finishes";
  return workload.state === "absent" ? "Not installed yet" : "Starts";
}

/** Helm calls a component ready early where it does not wait for it, so the workloads count too. */
function isServing(view: View, name: string): boolean {
  const component = view.seen.components.find((one) => one.name === name);
  const release = component === undefined ? undefined : releaseOf(view, component);
  return release !== undefined && condition(release, "Ready")?.status === "True";
}

function worst(trouble: readonly Judged[], state: Judged["state"]): Judged | undefined {
  const those = trouble.filter((one) => one.state === state);
  return those.find((one) => one.because.length === 0) ?? those[0];
}

/** The tag of the image where the release sets one, else the version of the chart. */
function versionOf(view: View, component: ComponentSpec, workloads: readonly WorkloadFacts[]): string | null {
  const own = workloads.find((one) => one.spec.tier === component.tier)?.object;
  const image = textAt(listAt(own, "spec", "template", "spec", "containers")[0], "image");
  const tag = component.imageKey === undefined ? undefined : tagOf(image);
  const release = releaseOf(view, component);
  const chart =
    textAt(listAt(release, "status", "history")[0], "chartVersion") ??
    textAt(release, "spec", "chart", "spec", "version");
  const version = tag ?? chart;
  return version === undefined || version === "" ? null : oneLine(version, 80);
}

function tagOf(image: string | undefined): string | undefined {
  const [name = "", digest] = (image ?? "").split("@");
  const colon = name.lastIndexOf(":");
  if (colon > name.lastIndexOf("/")) return name.slice(colon + 1);
  return digest?.replace(/^sha256:/, "").slice(0, 12);
}
