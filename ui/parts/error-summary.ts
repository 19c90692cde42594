/** The wrong answers of a page, each a link to its field. Shown when there are two or more; it takes the focus. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { fieldError } from "../state/api.ts";
import { text } from "../strings.ts";
import { fieldId } from "./field.ts";

export interface SummaryItem {
  readonly field: string;
  readonly detail: string;
}

export interface ErrorSummaryProps {
  readonly items: readonly SummaryItem[];
  /** Grows with every try. */
  readonly attempt: number;
}

/** The same mistake made twice is announced twice. */
export function ErrorSummary({ items: given, attempt }: ErrorSummaryProps): VNode | null {
  const items = perField(given);
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const first = items[0];
    if (first === undefined) return;
    const target = items.length > 1 ? box.current : document.getElementById(fieldId(first.field));
    target?.focus();
  }, [attempt]);
  if (items.length < 2) return null;
  const links = items.map(
    (item) =>
      html`<li key=${item.field}><a href=${`#${fieldId(item.field)}`} onClick=${toField}>${item.detail}</a></li>`,
  );
  return html`<div class="summary" ref=${box} tabindex="-1" role="alert">
    <b>${text("errors.title", { n: items.length })}</b><ul>${links}</ul>
  </div>`;
}

function toField(event: MouseEvent): void {
  event.preventDefault();
  const link = event.currentTarget as HTMLAnchorElement;
  document.getElementById(link.hash.slice(1))?.focus();
}

/** A field with three faults is one line. */
function perField(items: readonly SummaryItem[]): readonly SummaryItem[] {
  const fields = [...new Set(items.map((item) => item.field))];
  return fields.map((field) => ({ field, detail: fieldError(items, field) ?? "" }));
}
