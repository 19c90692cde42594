/** One component: its state, its pods with restarts, its last events, and a log on demand. */
import { useState } from "preact/hooks";
import { formatNumber } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { eventsOfComponent } from "../model/component-events.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { EmptyState } from "../parts/empty-state.ts";
import { Link } from "../parts/link.ts";
import { PageTitle } from "../parts/page-title.ts";
import { Pill } from "../parts/pill.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Table } from "../parts/table.ts";
import { Time } from "../parts/time.ts";
import { TONES } from "../parts/tone.ts";
import { status } from "../state/live.ts";
import { usePolled } from "../state/poll.ts";
import { useStore } from "../state/store.ts";
import type { Component, EventList, Inventory } from "../state/wire.ts";
import { text } from "../strings.ts";
import { EventRows, INVENTORY_MS } from "./events.ts";
import { PodLog } from "./pod-log.ts";

type Pod = Inventory["pods"][number];

/** The component with this name; says so when the release has none. */
export function ComponentPage({ name }: { readonly name: string }): VNode {
  const known = useStore(status);
  const component = known?.components.find((one) => one.name === name);
  const { value } = usePolled<Inventory>("/api/inventory", INVENTORY_MS);
  if (known === null) return html`<${PageTitle} title=${name} /><${Skeleton} lines=${4} />`;
  if (component === undefined)
    return html`<${PageTitle} title=${text("component.unknown")} /><p class="note"><${Link} to="/components">${text("components.title")}<//></p>`;
  return html`<${PageTitle} title=${name} /><${StateLine} component=${component} />
    <div class="stack">${value === undefined ? html`<${Skeleton} lines=${8} />` : html`<${Inside} name=${name} inventory=${value} />`}</div>`;
}

function StateLine({ component }: { readonly component: Component }): VNode {
  const { state, message, version } = component;
  return html`<p class="state-line"><${Pill} tone=${state} label=${message || text(TONES[state].word)} />
    ${version === null ? undefined : html`<span class="quiet numbers">${text("component.version", { version })}</span>`}</p>`;
}

function Inside({ name, inventory }: { readonly name: string; readonly inventory: Inventory }): VNode {
  const [shown, setShown] = useState<string | undefined>(undefined);
  const pods = inventory.pods.filter((pod) => pod.component === name);
  // Where they cannot be listed, the warnings are known all the same.
  const { value: listed } = usePolled<EventList>("/api/cluster-events", INVENTORY_MS);
  const events = eventsOfComponent(listed?.events ?? inventory.events, { name, pods });
  const read = pods.find((pod) => pod.name === shown);
  return html`<${Card} title=${text("pods.title")}>
      ${pods.length === 0 ? html`<${EmptyState} message=${text("pods.none")} />` : html`<${PodTable} pods=${pods} onLog=${setShown} />`}
    <//>
    ${read === undefined ? undefined : html`<${PodLog} pod=${read} key=${read.name} onClose=${() => setShown(undefined)} />`}
    <${Card} title=${text("events.last")}><${EventRows} events=${events} none=${text("events.none-of-it")} /><//>`;
}

function PodTable({ pods, onLog }: { readonly pods: readonly Pod[]; readonly onLog: (name: string) => void }): VNode {
  const columns = [
    {
      key: "name",
      title: text("plan.name"),
      show: (pod: Pod) => html`<span class="mono">${pod.name}</span>`,
      sortBy: (pod: Pod) => pod.name,
    },
    { key: "state", title: text("components.state"), show: stateOf, sortBy: (pod: Pod) => (pod.ready ? 1 : 0) },
    {
      key: "restarts",
      title: text("pods.restarts"),
      show: (pod: Pod) => formatNumber(pod.restarts),
      sortBy: (pod: Pod) => pod.restarts,
      end: true,
    },
    {
      key: "age",
      title: text("pods.age"),
      show: (pod: Pod) => (pod.createdAt === null ? "" : html`<${Time} at=${pod.createdAt} />`),
      end: true,
    },
    {
      key: "log",
      title: text("kit.log"),
      show: (pod: Pod) =>
        html`<${Button} kind="plain" small onClick=${() => onLog(pod.name)}>${text("pods.show-log")}<//>`,
      end: true,
    },
  ];
  return html`<${Table} label=${text("pods.title")} columns=${columns} rows=${pods} stacks keyOf=${(pod: Pod) => `${pod.namespace}/${pod.name}`} />`;
}

/** In Kubernetes' own word where it does not run: that is what one searches for. */
function stateOf(pod: Pod): VNode {
  const reason = pod.containers.map((one) => one.reason).find((word) => word !== "");
  if (pod.ready) return html`<${Pill} tone="ready" />`;
  return html`<${Pill} tone=${reason === undefined ? "progressing" : "failed"} label=${reason ?? pod.phase} />`;
}
