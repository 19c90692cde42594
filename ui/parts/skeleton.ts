/** Holds the place of what is not known yet, so that nothing jumps when it comes. Silent for readers: the title speaks. */
import { html, type VNode } from "../html.ts";

/** `lines`: how many lines of text will stand here. */
export function Skeleton({ lines }: { readonly lines: number }): VNode {
  const bars = Array.from({ length: lines }, (_, index) => html`<i key=${index}></i>`);
  return html`<div class="skeleton" aria-hidden="true">${bars}</div>`;
}
