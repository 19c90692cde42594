/** The end of a container's log: follow, search, copy, download. Read from the cluster while it is open, and only then. */
import { useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { Button } from "../parts/button.ts";
import { Card } from "../parts/card.ts";
import { Cause } from "../parts/cause.ts";
import { LogView } from "../parts/log-view.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { usePolled } from "../state/poll.ts";
import type { Inventory, LogTail } from "../state/wire.ts";
import { text } from "../strings.ts";

const FOLLOW_MS = 2_000;
const LINES = 2_000;

export interface PodLogProps {
  readonly pod: Inventory["pods"][number];
  readonly onClose: () => void;
}

/** Lines are untrusted; the box has redacted them and made them harmless, and they are shown as text only. */
export function PodLog({ pod, onClose }: PodLogProps): VNode {
  const [container, setContainer] = useState(pod.containers.at(-1)?.name ?? "");
  const [previous, setPrevious] = useState(false);
  const query = new URLSearchParams({ container, lines: String(LINES), ...(previous ? { previous: "true" } : {}) });
  const path = `/api/pods/${encodeURIComponent(pod.namespace)}/${encodeURIComponent(pod.name)}/log?${query}`;
  const { value, problem } = usePolled<LogTail>(path, previous ? 0 : FOLLOW_MS);
  const options = pod.containers.map(
    ({ name }) => html`<option value=${name} key=${name} selected=${name === container}>${name}</option>`,
  );
  return html`<${Card} title=${text("log.of", { pod: pod.name })}>
    <div class="log-tools">
      <label class="field"><span class="label">${text("log.container")}</span>
        <select class="input" onChange=${(event: Event) => setContainer((event.currentTarget as HTMLSelectElement).value)}>${options}</select></label>
      <label class="check"><input type="checkbox" checked=${previous} onChange=${() => setPrevious(!previous)} />${text("log.previous")}</label>
      <${Button} small onClick=${onClose}>${text("log.close")}<//>
    </div>
    ${problem === undefined ? undefined : html`<${Cause} tone="attention" what=${problem.detail} next=${problem.hint} />`}
    ${value === undefined ? html`<${Skeleton} lines=${8} />` : html`<${LogView} label=${text("log.of", { pod: pod.name })} lines=${value.lines} fileName=${`${pod.name}-${container}.log`} />`}
    ${value?.cut === true ? html`<p class="quiet">${text("log.cut")}</p>` : undefined}
  <//>`;
}
