/** What a setup leaves on the disk, in a form in which two runs can be compared. */
import { parseJournal } from "../../src/operation/journal.ts";

/** What a process had fetched that was killed is not counted. */
const FETCHED = /"fetched":\s*\{[^}]*\}/g;
const INSTANT = /\d{4}-\d{2}-\d{2}T[\d:.]+Z/g;

/**
 * Makes files comparable: times are masked, the lease is left out (its number counts processes), and of journals the
 * order of completed steps and the end stay. Everything else is compared byte by byte; a leftover of a write is a
 * difference.
 */
export function comparableFiles(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const entries = [...files].filter(([path]) => !path.includes("/lease/"));
  return new Map(
    entries.map(([path, text]) => [
      path,
      path.endsWith(".ndjson") ? comparableLines(path, text) : comparableText(path, text),
    ]),
  );
}

/** A login that is made at random differs by design; how long it is does not. */
function comparableText(path: string, text: string): string {
  return path.endsWith("/secrets/parts-login") ? `${text.length} characters` : masked(text);
}

function comparableLines(path: string, text: string): string {
  if (!path.includes("/journal/")) return masked(text);
  const { entries, rest } = parseJournal(new TextEncoder().encode(text));
  const ended = entries.flatMap((entry) => {
    if (entry.kind === "step-done" || entry.kind === "step-skipped") return [`${entry.kind} ${entry.step}`];
    return entry.kind === "planned" || entry.kind === "finished" ? [entry.kind] : [];
  });
  return [...ended, rest].join("\n");
}

function masked(text: string): string {
  return text.replace(INSTANT, "<instant>").replace(FETCHED, "<fetched>");
}
