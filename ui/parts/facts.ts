/** Names and values, one a line. */
import { type Children, html, type VNode } from "../html.ts";

export interface Fact {
  readonly name: Children;
  readonly value: Children;
  /** Where two facts have one name. */
  readonly key?: string;
}

/** A definition list; a value may be any node. */
export function Facts({ items }: { readonly items: readonly Fact[] }): VNode {
  const rows = items.map(
    (fact) => html`<div key=${fact.key ?? String(fact.name)}><dt>${fact.name}</dt><dd>${fact.value}</dd></div>`,
  );
  return html`<dl class="facts">${rows}</dl>`;
}
