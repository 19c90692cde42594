/** What Kubernetes told in the last hour, newest first, found by words and by kind. */
import { useMemo, useState } from "preact/hooks";
import { classes, html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { EmptyState } from "../parts/empty-state.ts";
import { Field } from "../parts/field.ts";
import { Icon } from "../parts/icon.ts";
import { PageTitle } from "../parts/page-title.ts";
import { Segments } from "../parts/segments.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Time } from "../parts/time.ts";
import { TONES } from "../parts/tone.ts";
import { usePolled } from "../state/poll.ts";
import { navigate, usePlace } from "../state/router.ts";
import type { EventList, Inventory } from "../state/wire.ts";
import { text } from "../strings.ts";

/** Often enough for what Kubernetes itself tells with seconds of delay. */
export const INVENTORY_MS = 5_000;
/** Rows until one asks for more. */
const PAGE_ROWS = 100;

type Told = Inventory["events"][number] & { readonly warning?: boolean };
type Kind = "all" | "warning" | "normal";

/** What Kubernetes told. The causes that matter stand on the overview; this is the raw list. The kind stands in the address. */
export function EventsPage(): VNode {
  const { value, problem } = usePolled<EventList>("/api/cluster-events", INVENTORY_MS);
  const asked = usePlace().query.get("kind");
  const kind: Kind = asked === "warning" || asked === "normal" ? asked : "all";
  const [wanted, setWanted] = useState("");
  const found = useMemo(() => matching(value?.events ?? [], { wanted, kind }), [value, wanted, kind]);
  const warnings = value?.events.filter((one) => one.warning).length ?? 0;
  const kinds = [
    { value: "all", label: text("events.all") },
    { value: "warning", label: text("events.warning", { n: warnings }) },
    { value: "normal", label: text("events.normal", { n: (value?.events.length ?? 0) - warnings }) },
  ];
  const choose = (next: string): void =>
    navigate(next === "all" ? "/events" : `/events?kind=${next}`, { replace: true });
  const list = html`<${EventRows} events=${found} none=${text(value?.events.length === 0 ? "events.none" : "log.empty")} key=${`${kind} ${wanted}`} />`;
  return html`<${PageTitle} title=${text("events.title")} />
    <${Card} title=${text("events.about")}>
      ${problem === undefined ? undefined : html`<${Cause} tone="attention" what=${problem.detail} next=${problem.hint} />`}
      <div class="log-tools">
        <${Segments} name="kind" label=${text("events.kind")} value=${kind} options=${kinds} onChange=${choose} />
        <${Field} name="events-search" type="search" label=${text("log.search")} value=${wanted} onInput=${setWanted} />
      </div>
      ${value === undefined ? html`<${Skeleton} lines=${6} />` : list}
      ${value === undefined ? undefined : html`<${Left} left=${value.left} />`}
    <//>`;
}

function Left({ left }: Pick<EventList, "left">): VNode | null {
  if (left === 0) return null;
  return html`<p class="quiet note">${left === null ? text("events.too-many") : text("events.left", { n: left })}</p>`;
}

export interface EventRowsProps {
  readonly events: readonly Told[];
  /** What is said when there is none. */
  readonly none: string;
}

/** The newest hundred, and more on demand. */
export function EventRows({ events, none }: EventRowsProps): VNode {
  const [count, setCount] = useState(PAGE_ROWS);
  if (events.length === 0) return html`<${EmptyState} message=${none} />`;
  const keys = keysOf(events);
  const rows = events.slice(0, count).map(
    (one, index) => html`<li key=${keys[index]}>
      <div><${EventMark} warning=${one.warning !== false} /><b>${one.reason}</b><span class="mono">${one.ref}</span>${one.at === null ? undefined : html`<${Time} at=${one.at} ago />`}</div>
      <p>${one.message}</p>
    </li>`,
  );
  const left = events.length - count;
  return html`<ul class="events" aria-label=${text("events.title")}>${rows}</ul>
    ${left <= 0 ? undefined : html`<${Button} onClick=${() => setCount(count + PAGE_ROWS)}>${text("events.more", { n: left })}<//>`}`;
}

/** Names each row for good, so that news above it moves it and builds it not anew. Two that say the same are counted. */
function keysOf(events: readonly Told[]): readonly string[] {
  const seen = new Map<string, number>();
  return events
    .map((one) => `${one.at} ${one.ref} ${one.reason} ${one.message}`)
    .map((key) => {
      const count = seen.get(key) ?? 0;
      seen.set(key, count + 1);
      return `${key} ${count}`;
    });
}

/** A warning and an ordinary event differ by their icon and its word. */
function EventMark({ warning }: { readonly warning: boolean }): VNode {
  const tone = warning ? "attention" : "unknown";
  return html`<span class=${classes("event-mark", tone)}><${Icon} name=${warning ? "alert" : TONES.unknown.icon} />
    <span class="hidden-visually">${text(warning ? "events.is-warning" : "events.is-normal")}</span></span>`;
}

function matching(
  events: readonly Told[],
  { wanted, kind }: { readonly wanted: string; readonly kind: Kind },
): readonly Told[] {
  const needle = wanted.trim().toLowerCase();
  const ofKind = kind === "all" ? events : events.filter((one) => (one.warning !== false) === (kind === "warning"));
  if (needle === "") return ofKind;
  return ofKind.filter((one) => `${one.ref} ${one.reason} ${one.message}`.toLowerCase().includes(needle));
}
