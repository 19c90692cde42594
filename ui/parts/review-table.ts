/** What will happen: step, contents, how much. */
import { html, type VNode } from "../html.ts";
import { text } from "../strings.ts";

export interface ReviewRow {
  readonly step: string;
  readonly contents: string;
  readonly about: string;
}

/** Rows are read top down; below 600 px each becomes two lines. */
export function ReviewTable({ rows }: { readonly rows: readonly ReviewRow[] }): VNode {
  const lines = rows.map(
    (row) =>
      html`<tr key=${row.step}><td>${row.step}</td><td>${row.contents}</td><td class="end">${row.about}</td></tr>`,
  );
  return html`<table class="table review">
    <thead><tr>
      <th scope="col">${text("review.step")}</th>
      <th scope="col"><span class="hidden-visually">${text("review.contents")}</span></th>
      <th scope="col" class="end">${text("review.about")}</th>
    </tr></thead>
    <tbody>${lines}</tbody>
  </table>`;
}
