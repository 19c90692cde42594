/**
 * Ages in sentences of the status, coarse on purpose: a document that counted seconds would be another one at every
 * fold, and every reader of the event stream would be told.
 */

/** As `ageText` writes them, with the words around: "for 4 min", ", for 3 h", "5 days ago". */
const AGE = /,? (?:for |in )?(?:less than a minute|\d+ (?:min|h|days))(?: ago)?(?![\w-])/g;

/** Takes ages out of a sentence of the status: for what is written down and read much later, beside the time of its writing. */
export function withoutAges(text: string): string {
  return text.replace(AGE, "");
}

/** Writes milliseconds as "less than a minute", "4 min", "3 h" or "5 days". */
export function ageText(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (!Number.isFinite(ms) || minutes < 1) return "less than a minute";
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}
