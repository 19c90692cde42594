/** How the box was started and ended, and what changed beneath the appliance, as its host notes it. */
import { html, type VNode } from "../html.ts";
import { startsView } from "../model/starts.ts";
import { Card } from "../parts/card.ts";
import { Facts } from "../parts/facts.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { usePolled } from "../state/poll.ts";
import type { Maintenance } from "../state/wire.ts";
import { text } from "../strings.ts";

/** It changes with a start of the box: the page is asked for anew after one anyway. */
const STARTS_MS = 10 * 60_000;

/** Says so where the host tells nothing, as in a rehearsal. */
export function StartsCard(): VNode {
  const { value, problem } = usePolled<Maintenance | null>("/api/host/maintenance", STARTS_MS);
  if (value === undefined || value === null) {
    const waiting =
      problem === undefined && value === undefined
        ? html`<${Skeleton} lines=${4} />`
        : html`<p class="quiet">${text("starts.untold")}</p>`;
    return html`<${Card} title=${text("starts.title")}>${waiting}<//>`;
  }
  const { summary, starts, changes, isCut } = startsView(value);
  const { os, kernel, k3s } = value.system;
  const system = [
    { name: text("part.os"), value: os ?? text("starts.none") },
    { name: text("part.kernel"), value: kernel ?? text("starts.none") },
    { name: text("part.k3s"), value: k3s ?? text("starts.none") },
  ];
  return html`<${Card} title=${text("starts.title")}>
    <p>${summary}</p>
    <${Facts} items=${starts} />
    <h3 class="label">${text("starts.system")}</h3>
    <${Facts} items=${system} />
    ${changes.length === 0 ? undefined : html`<h3 class="label">${text("starts.changes")}</h3><${Facts} items=${changes} />`}
    ${isCut ? html`<p class="quiet">${text("starts.more")} <code>${MORE_COMMAND}</code></p>` : undefined}
  <//>`;
}

const MORE_COMMAND = "alga-appliance host maintenance";
