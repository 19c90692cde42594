/** A store that forgets with its process: for a box whose disk takes no journal. Holds what one run writes, and no secret. */

import type { JournalEntry } from "../operation/journal.ts";
import type { Lease } from "../operation/lease.ts";
import type { HistoryRecord, StateStore } from "../operation/store.ts";

/** Makes it, empty. */
export function createPassingStore(): StateStore {
  const journals = new Map<string, JournalEntry[]>();
  const history: HistoryRecord[] = [];
  let lease: Lease | undefined;
  const sizeOf = (id: string): number => JSON.stringify(journals.get(id) ?? []).length;
  return {
    readDocument: async () => undefined,
    writeDocument: async () => {},
    removeDocument: async () => {},
    readSecret: async () => undefined,
    writeSecret: async () => {},
    removeSecret: async () => {},
    secretNames: async () => [],
    listJournals: async () => [...journals.keys()],
    createJournal: async (id, first) => {
      if (journals.has(id)) return false;
      journals.set(id, [first]);
      return true;
    },
    appendJournal: async (id, entry) => void journals.get(id)?.push(entry),
    readJournal: async (id) => {
      const entries = journals.get(id);
      return entries === undefined ? undefined : { entries: [...entries], goodBytes: sizeOf(id), rest: "none" };
    },
    journalFile: async (id) => ({ path: `memory/${id}`, modifiedMs: 0 }),
    journalSize: async (id) => (journals.has(id) ? sizeOf(id) : undefined),
    repairJournal: async () => undefined,
    appendHistory: async (record) => void history.push(record),
    readHistory: async () => history,
    readLease: async () => lease,
    createLease: async (next) => {
      if (lease !== undefined && lease.number >= next.number) return false;
      lease = next;
      return true;
    },
    writeLease: async (next) => {
      lease = next;
    },
    removeLeases: async (which) => {
      if ("only" in which && lease?.number === which.only) lease = undefined;
    },
    sweep: async () => {},
  };
}
