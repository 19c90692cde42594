/** What a page says when there is nothing to show yet, and where to go on. */
import { type Children, html, type VNode } from "../html.ts";

/** One sentence, and the way on as its children. */
export function EmptyState({ message, children }: { readonly message: string; readonly children?: Children }): VNode {
  return html`<div class="empty"><p>${message}</p>${children}</div>`;
}
