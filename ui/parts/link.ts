/** A link inside the page, looking like text or like a button; and one that leads out of it. */
import { type Children, classes, html, type VNode } from "../html.ts";
import { followLink } from "../state/router.ts";
import { Icon } from "./icon.ts";

export interface LinkProps {
  readonly to: string;
  readonly children?: Children;
  readonly button?: "primary" | "normal" | "plain";
  readonly small?: boolean;
  /** This link leads to where we are. */
  readonly current?: boolean;
  readonly class?: string;
  /** What is read out instead of the words, where several links of a page have the same. It begins with them. */
  readonly label?: string;
}

/** Stays inside the page without a reload; modified clicks belong to the browser. */
export function Link(props: LinkProps): VNode {
  const { to, children, button, small = false, current = false, label } = props;
  const look = button === undefined ? props.class : classes("button", button, small && "small", props.class);
  return html`<a href=${to} class=${look} aria-current=${current ? "page" : undefined} aria-label=${label} onClick=${followLink}>${children}</a>`;
}

/** Leads to another page of the same machine, for example the login; opens beside this one. */
export function OutLink({ to, children, primary = false }: OutLinkProps): VNode {
  return html`<a href=${to} class=${classes("button", primary && "primary")} target="_blank" rel="noopener">
    ${children}<${Icon} name="away" />
  </a>`;
}

interface OutLinkProps {
  readonly to: string;
  readonly children?: Children;
  readonly primary?: boolean;
}
