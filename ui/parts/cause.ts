/** Why something fails: cause, what was seen, the raw evidence, the next step, at most two buttons. */
import { asSentence } from "../format.ts";
import { type Children, classes, html, type VNode } from "../html.ts";
import { text } from "../strings.ts";
import { NextLine } from "./next-line.ts";

export interface EvidenceLine {
  readonly ref: string;
  readonly text: string;
}

export interface CauseProps {
  readonly tone?: "failed" | "attention";
  readonly what: string;
  readonly seen?: string | undefined;
  readonly evidence?: readonly EvidenceLine[];
  readonly next?: string | null | undefined;
  /** Two buttons at most, the right one first. */
  readonly children?: Children;
}

/** Words of the box become sentences here; evidence stays as it was seen. */
export function Cause(props: CauseProps): VNode {
  const { tone = "failed", what, seen, evidence = [], next, children } = props;
  return html`<div class=${classes("cause", tone)}>
    <p class="what">${asSentence(what)}</p>
    ${seen === undefined || seen === "" || seen === what ? undefined : html`<p>${asSentence(seen)}</p>`}
    ${evidence.length === 0 ? undefined : html`<${Evidence} lines=${evidence} />`}
    <${NextLine} step=${next ?? ""} />
    ${children === undefined ? undefined : html`<div class="buttons">${children}</div>`}
  </div>`;
}

function Evidence({ lines }: { readonly lines: readonly EvidenceLine[] }): VNode {
  const shown = lines.map((line) => (line.ref === "" ? line.text : `${line.ref}\n${line.text}`)).join("\n\n");
  return html`<pre class="evidence" tabindex="0" aria-label=${text("cause.evidence")}>${shown}</pre>`;
}
