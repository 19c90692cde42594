/** The difference of two releases, told by component: images, charts and values, with secret values hidden. Pure. */

import type { Change, ReleaseDifference, Side } from "../release/difference.ts";
import { type ComponentSpec, componentsOf } from "../release/model.ts";
import type { ResolvedRelease } from "../release/resolved.ts";
import type { ComponentChange, OtherChange, PlannedChange } from "./model.ts";

/** Values under such names are never shown, although none of ours holds a secret. */
const SECRET_NAME = /password|passwd|secret|token|credential|private|(?:api|auth|access|encryption)[-_]?key/i;
const HIDDEN = "hidden";
/** Characters of one value on a screen. */
const MAX_TEXT = 200;
/** Fields of the manifest that are told elsewhere in a plan. */
const TOLD: ReadonlySet<string> = new Set(["update", "schema"]);

export interface PlannedChanges {
  readonly components: readonly ComponentChange[];
  readonly other: readonly OtherChange[];
}

/** Groups a difference by the components of the release that is wanted; what belongs to none stands in `other`. */
export function plannedChanges(difference: ReleaseDifference, to: ResolvedRelease): PlannedChanges {
  const specs = componentsOf(to.manifest);
  const groups = new Map<string, PlannedChange[]>(specs.map(({ name }) => [name, []]));
  const other: OtherChange[] = [];
  for (const change of difference.changes) {
    const owners = specs.filter((spec) => isOf(change, spec));
    for (const { name } of owners) groups.get(name)?.push(ofComponent(change));
    if (owners.length === 0) other.push(...ofOther(change));
  }
  const components = [...groups].map(([name, changes]) => ({ name, restarts: changes.length > 0, changes }));
  return { components: components.filter(({ changes }) => changes.length > 0), other };
}

function isOf(change: Change, spec: ComponentSpec): boolean {
  if (change.kind === "values") return change.name.split(" ", 1)[0] === spec.valuesKey;
  return change.name === `chart ${spec.chart}` || change.name === `image ${spec.imageKey}`;
}

function ofComponent(change: Change): PlannedChange {
  if (change.kind === "values") {
    const name = change.name.slice(change.name.indexOf(" ") + 1);
    const shown = (side: Side): string | null => (side !== null && SECRET_NAME.test(name) ? HIDDEN : textOf(side));
    return { kind: "values", name, from: shown(change.from), to: shown(change.to) };
  }
  const kind = change.name.startsWith("chart ") ? "chart" : "image";
  return { kind, name: change.name, from: textOf(change.from), to: textOf(change.to) };
}

function ofOther({ kind, name, from, to }: Change): readonly OtherChange[] {
  const sides = { from: textOf(from), to: textOf(to) };
  if (kind === "field") return TOLD.has(name) ? [] : [{ kind: "field", name, ...sides }];
  if (name === "flux") return [{ kind: "flux", name: "Flux", ...sides }];
  if (name === "control-plane image") return [{ kind: "control-plane", name: "Control plane", ...sides }];
  return [{ kind: "config", name: name === "config" ? "Configuration bundle" : name, ...sides }];
}

function textOf(side: Side): string | null {
  return side === null ? null : String(side).slice(0, MAX_TEXT);
}
