/** The cluster's warnings of the last hour, newest first, found by words. */
import { useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { EmptyState } from "../parts/empty-state.ts";
import { Field } from "../parts/field.ts";
import { PageTitle } from "../parts/page-title.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Time } from "../parts/time.ts";
import { usePolled } from "../state/poll.ts";
import type { Inventory } from "../state/wire.ts";
import { text } from "../strings.ts";

/** Often enough for what Kubernetes itself tells with seconds of delay. */
export const INVENTORY_MS = 5_000;
/** Rows until one asks for more. */
const PAGE_ROWS = 100;

type Warning = Inventory["events"][number];

/** What Kubernetes warned of. The causes that matter stand on the overview; this is the raw list. */
export function EventsPage(): VNode {
  const { value, problem } = usePolled<Inventory>("/api/inventory", INVENTORY_MS);
  const [wanted, setWanted] = useState("");
  const found = value === undefined ? [] : matching(value.events, wanted);
  return html`<${PageTitle} title=${text("events.title")} />
    <${Card} title=${text("events.about")}>
      ${problem === undefined ? undefined : html`<${Cause} tone="attention" what=${problem.detail} next=${problem.hint} />`}
      <${Field} name="events-search" type="search" label=${text("log.search")} value=${wanted} onInput=${setWanted} />
      ${value === undefined ? html`<${Skeleton} lines=${6} />` : html`<${WarningList} warnings=${found} total=${value.events.length} key=${wanted} />`}
    <//>`;
}

interface WarningListProps {
  readonly warnings: readonly Warning[];
  /** Without the search. */
  readonly total: number;
}

/** The newest hundred, and more on demand. */
export function WarningList({ warnings, total }: WarningListProps): VNode {
  const [count, setCount] = useState(PAGE_ROWS);
  if (warnings.length === 0) return html`<${EmptyState} message=${text(total === 0 ? "events.none" : "log.empty")} />`;
  const rows = warnings.slice(0, count).map(
    (one, index) => html`<li key=${`${one.at} ${one.ref} ${one.reason} ${index}`}>
      <div><b>${one.reason}</b><span class="mono">${one.ref}</span>${one.at === null ? undefined : html`<${Time} at=${one.at} ago />`}</div>
      <p>${one.message}</p>
    </li>`,
  );
  const left = warnings.length - count;
  return html`<ul class="events" aria-label=${text("events.title")}>${rows}</ul>
    ${left <= 0 ? undefined : html`<${Button} onClick=${() => setCount(count + PAGE_ROWS)}>${text("events.more", { n: left })}<//>`}`;
}

function matching(warnings: readonly Warning[], wanted: string): readonly Warning[] {
  const needle = wanted.trim().toLowerCase();
  if (needle === "") return warnings;
  return warnings.filter((one) => `${one.ref} ${one.reason} ${one.message}`.toLowerCase().includes(needle));
}
