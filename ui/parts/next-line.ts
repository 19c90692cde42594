/** A next step: its words, and the command to type in mono on a line of its own. */
import { html, type VNode } from "../html.ts";
import { nextStep } from "../model/next-step.ts";

/** Nothing at all for an empty step. */
export function NextLine({ step }: { readonly step: string }): VNode | null {
  const { words, command } = nextStep(step);
  if (words === "") return null;
  return html`<p>${words}</p>${command === undefined ? undefined : html`<pre class="evidence command">${command}</pre>`}`;
}
