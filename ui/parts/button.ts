/** A button names its deed. While the deed runs it says so and ignores further clicks, but keeps the focus. */
import { type Children, classes, html, type VNode } from "../html.ts";
import { Icon } from "./icon.ts";

export interface ButtonProps {
  readonly children?: Children;
  readonly kind?: "primary" | "danger" | "plain";
  readonly small?: boolean;
  readonly type?: "button" | "submit";
  /** The deed runs. */
  readonly busy?: boolean;
  readonly id?: string;
  readonly expanded?: boolean;
  readonly onClick?: () => void;
}

/** A button of at least 40 px; the first of a group is `primary`. */
export function Button(props: ButtonProps): VNode {
  const { children, kind, small = false, type = "button", busy = false } = props;
  const act = (event: Event): void => {
    if (busy) event.preventDefault();
    else props.onClick?.();
  };
  return html`<button id=${props.id} type=${type} class=${classes("button", kind, small && "small")}
    aria-disabled=${busy ? "true" : undefined} aria-expanded=${props.expanded} onClick=${act}>
    ${busy ? html`<${Icon} name="arc" spins />` : undefined}${children}
  </button>`;
}
