/** One rung: icon and word of its state, one line, since when; a failing rung holds its cause open. */
import { asSentence } from "../format.ts";
import { type Children, classes, html, type VNode } from "../html.ts";
import { Badge } from "./badge.ts";
import type { Tone } from "./tone.ts";

export interface RungProps {
  readonly tone: Tone;
  readonly title: string;
  readonly line?: string | undefined;
  /** Age or elapsed time; takes no space when absent. */
  readonly since?: Children;
  /** Word of the state for screen readers, when the tone's own does not fit. */
  readonly word?: string | undefined;
  /** The cause, opened. */
  readonly children?: Children;
}

/** One item of a `Ladder`. */
export function Rung({ tone, title, line, since, word, children }: RungProps): VNode {
  return html`<li class=${classes("rung", tone)}>
    <${Badge} tone=${tone} label=${word} />
    <div>
      <div class="rung-head"><h3>${title}</h3><span class="since">${since}</span></div>
      ${line === undefined || line === "" ? undefined : html`<p class="line">${asSentence(line)}</p>`}
      ${children}
    </div>
  </li>`;
}
