/** Times of others as instants: what is out of range becomes null instead of an error. */
import { toInstant } from "../core/time.ts";

/** Milliseconds since 1970 as RFC 3339; null when there are none or ECMAScript has no such date. */
export function instantOrNull(ms: number | undefined): string | null {
  return ms === undefined || !Number.isFinite(ms) || Math.abs(ms) > 8.64e15 ? null : toInstant(ms);
}
