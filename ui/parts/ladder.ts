/** The ladder: the same rungs on the overview, in the installation, on the console and in the terminal. */
import { type Children, html, type VNode } from "../html.ts";

/** Holds `Rung`s in their order. */
export function Ladder({ label, children }: { readonly label: string; readonly children?: Children }): VNode {
  return html`<ol class="ladder" aria-label=${label}>${children}</ol>`;
}
