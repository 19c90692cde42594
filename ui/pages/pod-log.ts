/** A container's log: it follows while it is open, can be searched and taken along; also the log before the last restart. */
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
import { type FollowedLog, useFollowedLog } from "./use-followed-log.ts";

const LINES = "2000";

export interface PodLogProps {
  readonly pod: Inventory["pods"][number];
  readonly onClose: () => void;
}

/** Lines are untrusted; the box has redacted them and made them harmless, and they are shown as text only. */
export function PodLog({ pod, onClose }: PodLogProps): VNode {
  const [container, setContainer] = useState(pod.containers.at(-1)?.name ?? "");
  const [previous, setPrevious] = useState(false);
  const options = pod.containers.map(
    ({ name }) => html`<option value=${name} key=${name} selected=${name === container}>${name}</option>`,
  );
  const path = `/api/pods/${encodeURIComponent(pod.namespace)}/${encodeURIComponent(pod.name)}/log`;
  const shown = previous ? PreviousLog : LiveLog;
  return html`<${Card} title=${text("log.of", { pod: pod.name })}>
    <div class="log-tools">
      <label class="field"><span class="label">${text("log.container")}</span>
        <select class="input" onChange=${(event: Event) => setContainer((event.currentTarget as HTMLSelectElement).value)}>${options}</select></label>
      <label class="check"><input type="checkbox" checked=${previous} onChange=${() => setPrevious(!previous)} />${text("log.previous")}</label>
      <${Button} small onClick=${onClose}>${text("log.close")}<//>
    </div>
    <${shown} path=${path} container=${container} pod=${pod.name} key=${`${previous} ${container}`} />
  <//>`;
}

interface LogProps {
  readonly path: string;
  readonly container: string;
  readonly pod: string;
}

/** Grows line by line over an event stream, and says when the container has ended. */
function LiveLog({ path, container, pod }: LogProps): VNode {
  const log = useFollowedLog(`${path}/stream?${new URLSearchParams({ container, lines: LINES })}`);
  return html`<${Lines} log=${log} pod=${pod} container=${container} />
    ${log.left > 0 ? html`<p class="quiet">${text("log.left", { n: log.left })}</p>` : undefined}
    ${log.ended ? html`<p class="quiet" role="status">${text("log.ended")}</p>` : undefined}`;
}

/** What the container said before it was started again: read once, it does not grow. */
function PreviousLog({ path, container, pod }: LogProps): VNode {
  const query = new URLSearchParams({ container, lines: LINES, previous: "true" });
  const { value, problem } = usePolled<LogTail>(`${path}?${query}`, 0);
  const log = { lines: value?.lines, problem: problem && { message: problem.detail, hint: problem.hint } };
  return html`<${Lines} log=${log} pod=${pod} container=${container} />
    ${value?.cut === true ? html`<p class="quiet">${text("log.cut")}</p>` : undefined}`;
}

interface LinesProps {
  readonly log: Pick<FollowedLog, "lines" | "problem">;
  readonly pod: string;
  readonly container: string;
}

function Lines({ log: { lines, problem }, pod, container }: LinesProps): VNode {
  const waits = lines === undefined && problem === undefined;
  return html`${problem === undefined ? undefined : html`<div role="alert"><${Cause} tone="attention" what=${problem.message} next=${problem.hint} /></div>`}
    ${waits ? html`<${Skeleton} lines=${8} />` : undefined}
    ${lines === undefined ? undefined : html`<${LogView} label=${text("log.of", { pod })} lines=${lines} fileName=${`${pod}-${container}.log`} />`}`;
}
