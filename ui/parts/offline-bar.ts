/** Says that the box does not answer, since when, and that nothing is lost by it. Gone when the box answers. */
import { formatTimeOfDay } from "../format.ts";
import { html, type VNode } from "../html.ts";
import { text } from "../strings.ts";
import { Button } from "./button.ts";

export interface OfflineBarProps {
  /** When the connection was lost; undefined while all is well. */
  readonly since: string | undefined;
  readonly onRetry: () => void;
}

/** The region stays in the page, so that readers announce what appears in it. */
export function OfflineBar({ since, onRetry }: OfflineBarProps): VNode {
  const bar =
    since === undefined
      ? undefined
      : html`<div class="bar offline"><span>${text("offline.message", { time: formatTimeOfDay(since) })}</span>
        <${Button} kind="plain" onClick=${onRetry}>${text("offline.retry")}<//></div>`;
  return html`<div role="status">${bar}</div>`;
}
