/** The answer: one sentence, one line below it, and what to do. The first thing on every page that shows state. */
import { type Children, html, type VNode } from "../html.ts";
import { Badge } from "./badge.ts";
import type { IconName } from "./icon.ts";
import { NextLine } from "./next-line.ts";
import { PageTitle } from "./page-title.ts";
import type { Tone } from "./tone.ts";

export interface AnswerProps {
  readonly tone: Tone;
  /** Another mark than the tone's: what is offered is no progress. */
  readonly icon?: IconName | undefined;
  readonly sentence: string;
  readonly line: string | undefined;
  /** Buttons. */
  readonly children?: Children;
}

/** The sentence is the heading of the page, and read out when it changes. */
export function Answer({ tone, icon, sentence, line, children }: AnswerProps): VNode {
  return html`<section class="card answer" aria-label=${sentence}>
    <${Badge} tone=${tone} icon=${icon} large />
    <div>
      <${PageTitle} title=${sentence} live />
      <${NextLine} step=${line ?? ""} />
      ${children === undefined || children === null ? undefined : html`<div class="buttons">${children}</div>`}
    </div>
  </section>`;
}
