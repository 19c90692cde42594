/** One journal entry as one line of text: time, step, what happened, and the rest by name. Pure. */
import type { JournalEntry } from "../state/wire.ts";

/** Shown first and without their names. */
const LEADING = ["step", "kind", "detail"];
/** Of no use to a reader of one journal. */
const QUIET = new Set(["at", "schema", "operationId", "operation", "seq", "uptimeMs", "bootId", "steps", "plan"]);

/** The line of one entry; unknown fields are kept as `name=value`. Text of the box: shown as text only, never as markup. */
export function journalLine(entry: JournalEntry): string {
  const at = typeof entry.at === "string" ? entry.at.slice(11, 23).replace("Z", "") : "";
  const leading = LEADING.filter((key) => key in entry).map((key) => shown(entry[key]));
  const rest = Object.entries(entry)
    .filter(([key, value]) => !LEADING.includes(key) && !QUIET.has(key) && value !== null && value !== undefined)
    .map(([key, value]) => `${key}=${shown(value)}`);
  return [at, ...leading, ...rest].filter((part) => part !== "").join("  ");
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "object" && "message" in value) return String(value.message);
  return typeof value === "string" ? value : JSON.stringify(value);
}
