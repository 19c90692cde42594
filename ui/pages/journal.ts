/** The journal of one operation: fetched once, then grown by events; fetched again after a gap. */
import { useEffect, useState } from "preact/hooks";
import { html, type VNode } from "../html.ts";
import { journalLine } from "../model/journal-line.ts";
import { LogView } from "../parts/log-view.ts";
import { getJson } from "../state/api.ts";
import { connection, journal, takeOperation } from "../state/live.ts";
import { useStore } from "../state/store.ts";
import type { JournalEntry, OperationDetail } from "../state/wire.ts";
import { text } from "../strings.ts";

/** More than any operation writes; the box holds the rest. */
const KEPT_ENTRIES = 10_000;

/** The journal of the operation with this id; at most the last 10,000 entries. */
export function JournalView({ id }: { readonly id: string }): VNode {
  const [entries, setEntries] = useState<readonly JournalEntry[]>([]);
  const link = useStore(connection).state;
  useEffect(() => {
    void getJson<OperationDetail>(`/api/operations/${encodeURIComponent(id)}`).then((answered) => {
      if (!answered.ok) return;
      setEntries(answered.value.journal);
      takeOperation(answered.value.operation);
    });
  }, [id, link]);
  useEffect(
    () =>
      journal.subscribe(() => {
        const event = journal.get();
        if (event?.operationId === id) setEntries((now) => merge(now, event.entry));
      }),
    [id],
  );
  return html`<${LogView} label=${text("journal.title")} lines=${entries.map(journalLine)} fileName=${`journal-${id}.txt`} />`;
}

/** An event may tell what the fetch already brought. */
function merge(entries: readonly JournalEntry[], entry: JournalEntry): readonly JournalEntry[] {
  const written = JSON.stringify(entry);
  if (entries.slice(-50).some((known) => JSON.stringify(known) === written)) return entries;
  return [...entries, entry].slice(-KEPT_ENTRIES);
}
