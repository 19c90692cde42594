/** A surface with a quiet title. */
import { type Children, html, type VNode } from "../html.ts";

export interface CardProps {
  readonly title: string;
  readonly children?: Children;
  readonly id?: string;
}

/** A section that readers find by its title. */
export function Card({ title, children, id }: CardProps): VNode {
  return html`<section class="card padded" id=${id} aria-label=${title}><h2>${title}</h2>${children}</section>`;
}
