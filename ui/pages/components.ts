/** The components of the release with their states. */
import { html, type VNode } from "../html.ts";
import { Card } from "../parts/card.ts";
import { EmptyState } from "../parts/empty-state.ts";
import { Link } from "../parts/link.ts";
import { PageTitle } from "../parts/page-title.ts";
import { Pill } from "../parts/pill.ts";
import { Skeleton } from "../parts/skeleton.ts";
import { Table } from "../parts/table.ts";
import { TONES } from "../parts/tone.ts";
import { status } from "../state/live.ts";
import { useStore } from "../state/store.ts";
import type { Component } from "../state/wire.ts";
import { text } from "../strings.ts";

/** All components of the installed release. */
export function ComponentsPage(): VNode {
  const known = useStore(status);
  if (known === null) return html`<${PageTitle} title=${text("components.title")} /><${Skeleton} lines=${8} />`;
  const rows = known.components;
  return html`<${PageTitle} title=${text("components.title")} />
    <${Card} title=${text("components.of-release")}>
      ${rows.length === 0 ? html`<${EmptyState} message=${text("components.none")} />` : html`<${ComponentTable} rows=${rows} />`}
    <//>`;
}

/** Name, state in a word of its own, version. */
export function ComponentTable({ rows }: { readonly rows: readonly Component[] }): VNode {
  const columns = [
    {
      key: "name",
      title: text("components.name"),
      show: (row: Component) => html`<${Link} to=${`/components/${encodeURIComponent(row.name)}`}>${row.name}<//>`,
      sortBy: (row: Component) => row.name,
    },
    {
      key: "state",
      title: text("components.state"),
      show: (row: Component) => html`<${Pill} tone=${row.state} label=${row.message || text(TONES[row.state].word)} />`,
      sortBy: (row: Component) => row.state,
    },
    { key: "version", title: text("components.version"), show: versionOf, end: true },
  ];
  return html`<${Table} label=${text("components.title")} columns=${columns} rows=${rows} keyOf=${(row: Component) => `${row.namespace}/${row.name}`} />`;
}

/** The part that people compare; what stands behind a plus is the digest of the chart, on hover. */
function versionOf({ version }: Component): VNode {
  return html`<span title=${version ?? undefined}>${(version ?? "").split("+")[0]}</span>`;
}
