/** Says on every screen of the rehearsal that nothing is real. */
import { html, type VNode } from "../html.ts";
import { text } from "../strings.ts";

export function RehearsalBar(): VNode {
  return html`<aside class="bar" aria-label=${text("rehearsal.label")}>${text("rehearsal.message")}</aside>`;
}
