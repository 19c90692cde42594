/** Durations as bars on one scale: what took how long, the longest as wide as the room. */
import { html, type VNode } from "../html.ts";
import { BAR_WIDTH, type Bar } from "../model/bars.ts";
import { Pill } from "./pill.ts";

export interface BarsProps {
  readonly label: string;
  readonly bars: readonly Bar[];
}

/** A list, because a reader wants name and time; the bar itself is for the eye. */
export function Bars({ label, bars }: BarsProps): VNode {
  const rows = bars.map(
    ({ id, title, tone, from, width, took, word }) => html`<li class=${tone} key=${id}>
      <span class="bar-name">${title}</span>
      <svg viewBox=${`0 0 ${BAR_WIDTH} 10`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <rect x=${from} width=${width} height="10" rx="2" />
      </svg>
      <span class="bar-took">${took === "" ? html`<${Pill} tone=${tone} label=${word} />` : took}</span>
    </li>`,
  );
  return html`<ol class="bars" aria-label=${label}>${rows}</ol>`;
}
