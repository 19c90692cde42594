/**
 * Ages in sentences of the status, coarse on purpose: a document that counted seconds would be another one at every
 * fold, and every reader of the event stream would be told.
 */

/** Writes milliseconds as "less than a minute", "4 min", "3 h" or "5 days". */
export function ageText(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (!Number.isFinite(ms) || minutes < 1) return "less than a minute";
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}
