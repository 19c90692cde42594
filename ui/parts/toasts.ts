/** Shows the short notes, and reads them out politely. */
import { html, type VNode } from "../html.ts";
import { useStore } from "../state/store.ts";
import { toasts } from "../state/toasts.ts";

/** Stands in the page once; `showToast` fills it. */
export function Toasts(): VNode {
  const shown = useStore(toasts);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map((toast) => html`<div class="toast" key=${toast.id}>${toast.message}</div>`)}
  </div>`;
}
