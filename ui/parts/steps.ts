/** Where one is in the wizard. Steps behind are links; the one here is marked for the eye and the reader. */
import { html, type VNode } from "../html.ts";
import { text } from "../strings.ts";
import { Icon } from "./icon.ts";
import { Link } from "./link.ts";

export interface StepItem {
  readonly title: string;
  readonly to: string;
  readonly state: "past" | "here" | "ahead";
  /** False: the step can be seen but not gone to. */
  readonly open: boolean;
}

/** A list of steps inside a navigation. */
export function Steps({ items }: { readonly items: readonly StepItem[] }): VNode {
  const rows = items.map((item, index) => {
    const mark = item.state === "past" ? html`<${Icon} name="check" />` : index + 1;
    const name = item.open && item.state !== "here" ? html`<${Link} to=${item.to}>${item.title}<//>` : item.title;
    const said = item.state === "past" ? html`<span class="hidden-visually">${text("steps.done")}</span>` : undefined;
    return html`<li class=${item.state} key=${item.to} aria-current=${item.state === "here" ? "step" : undefined}>
      <span class="mark" aria-hidden="true">${mark}</span><span class="name">${name}${said}</span>
    </li>`;
  });
  return html`<nav aria-label=${text("steps.label")}><ol class="steps">${rows}</ol></nav>`;
}
