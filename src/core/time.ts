/** Instants: milliseconds since 1970 inside, RFC 3339 in UTC on the wire. No clock is read here. */

/** Writes an instant as RFC 3339 with milliseconds: "2026-11-21T08:53:00.000Z". */
export function toInstant(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

/** Reads RFC 3339 or an HTTP date into milliseconds; undefined when it is neither. */
export function parseInstant(text: string | null | undefined): number | undefined {
  if (text === null || text === undefined || text === "") return undefined;
  const epochMs = Date.parse(text);
  return Number.isNaN(epochMs) ? undefined : epochMs;
}
