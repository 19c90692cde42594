/** A table: sortable by its heads, and above 200 rows only the rows in view are built. */
import { useMemo, useState } from "preact/hooks";
import { type Children, classes, html, type VNode } from "../html.ts";
import { text } from "../strings.ts";

export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  readonly show: (row: Row) => Children;
  /** Absent: the column cannot be sorted by. */
  readonly sortBy?: (row: Row) => string | number;
  readonly end?: boolean;
}

export interface TableProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  /** In less than 500 px a row becomes a small list of names and values: for tables of many columns. */
  readonly stacks?: boolean;
}

interface Order {
  readonly key: string;
  readonly down: boolean;
}

/** From here on rows are built only when they are in view. */
const VIRTUAL_FROM = 200;
const ROW_PX = 43;
const VIEW_ROWS = 40;

/** `keyOf` names a row for good: sorting moves rows and builds none anew. */
export function Table<Row>({ label, columns, rows, keyOf, stacks = false }: TableProps<Row>): VNode {
  const [order, setOrder] = useState<Order | undefined>(undefined);
  const [top, setTop] = useState(0);
  const sorted = useMemo(() => sort(rows, columns, order), [rows, columns, order]);
  const large = sorted.length > VIRTUAL_FROM;
  const first = large ? Math.max(0, Math.floor(top / ROW_PX) - 10) : 0;
  const shown = large ? sorted.slice(first, first + VIEW_ROWS) : sorted;
  const lines = shown.map(
    (row) => html`<tr role="row" key=${keyOf(row)}>${columns.map((column) => cell(column, row))}</tr>`,
  );
  const table = html`<table class=${classes("table", stacks && "stacks")} role="table" aria-label=${label} aria-rowcount=${sorted.length}>
    <thead role="rowgroup"><tr role="row">${columns.map((column) => head(column, order, setOrder))}</tr></thead>
    <tbody role="rowgroup">
      ${large ? spacer(first, columns.length) : undefined}${lines}
      ${large ? spacer(sorted.length - first - shown.length, columns.length) : undefined}
    </tbody>
  </table>`;
  if (!large) return stacks ? html`<div class="table-room">${table}</div>` : table;
  const scrolled = (event: Event): void => setTop((event.currentTarget as HTMLElement).scrollTop);
  return html`<div class="table-window" tabindex="0" role="group" aria-label=${label} onScroll=${scrolled}>${table}</div>`;
}

function cell<Row>(column: Column<Row>, row: Row): VNode {
  return html`<td role="cell" class=${column.end ? "end" : undefined} data-label=${column.title} key=${column.key}><div>${column.show(row)}</div></td>`;
}

function head<Row>(column: Column<Row>, order: Order | undefined, setOrder: (order: Order) => void): VNode {
  const mine = order?.key === column.key;
  const next = { key: column.key, down: mine && !order.down };
  const direction = mine ? (order.down ? "descending" : "ascending") : undefined;
  const title =
    column.sortBy === undefined
      ? column.title
      : html`<button type="button" title=${text("table.sort", { column: column.title })} onClick=${() => setOrder(next)}>
        ${column.title}${mine ? (order.down ? " ↓" : " ↑") : ""}
      </button>`;
  return html`<th scope="col" role="columnheader" class=${column.end ? "end" : undefined} aria-sort=${direction} key=${column.key}>${title}</th>`;
}

/** Stands for the rows that are not built. The height is set through the CSSOM, which the content policy allows. */
function spacer(count: number, columns: number): VNode | undefined {
  if (count <= 0) return undefined;
  const size = (cellNode: HTMLTableCellElement | null): void => {
    cellNode?.style.setProperty("height", `${count * ROW_PX}px`);
  };
  return html`<tr aria-hidden="true"><td colspan=${columns} ref=${size}></td></tr>`;
}

function sort<Row>(rows: readonly Row[], columns: readonly Column<Row>[], order: Order | undefined): readonly Row[] {
  const by = columns.find((column) => column.key === order?.key)?.sortBy;
  if (by === undefined || order === undefined) return rows;
  const sign = order.down ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare(by(a), by(b)));
}

function compare(a: string | number, b: string | number): number {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en");
}
