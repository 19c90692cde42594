/** The inside of a wizard card: title, lead, contents, and the foot with its buttons. */
import { type Children, html, type VNode } from "../html.ts";
import { PageTitle } from "../parts/page-title.ts";

export interface SheetProps {
  readonly title: string;
  readonly lead?: string;
  readonly foot?: Children;
  readonly live?: boolean;
  readonly children?: Children;
  /** Given: the sheet is a form; Enter in a field does what its main button does. */
  readonly onSubmit?: () => void;
}

/** The inside of the card; with `onSubmit` it is a form. */
export function Sheet({ title, lead, foot, live = false, children, onSubmit }: SheetProps): VNode {
  const inside = html`<div class="sheet-body">
      <${PageTitle} title=${title} live=${live} />
      ${lead === undefined ? undefined : html`<p class="lead">${lead}</p>`}
      ${children}
    </div>
    ${foot === undefined ? undefined : html`<div class="sheet-foot">${foot}</div>`}`;
  if (onSubmit === undefined) return html`<div>${inside}</div>`;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    onSubmit();
  };
  return html`<form novalidate autocomplete="off" onSubmit=${submit}>${inside}</form>`;
}
