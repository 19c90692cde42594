/**
 * The one time that stands in everything that is built: `SOURCE_DATE_EPOCH`, so that two builds are byte-identical.
 *
 * @see reproducible-builds.org, "SOURCE_DATE_EPOCH specification" 1.1
 */
import { ApplianceError } from "../core/errors.ts";

/** The year 9999: what RFC 3339 can still write. */
const MAX_SECONDS = 253_402_300_799;

/**
 * Seconds since 1970 from the environment; undefined when nothing is said, and then no time is written.
 *
 * @throws {ApplianceError} cli/usage when it is no whole number of seconds.
 */
export function sourceDate(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const text = env.SOURCE_DATE_EPOCH;
  if (text === undefined || text === "") return undefined;
  const seconds = Number(text);
  if (/^\d{1,12}$/.test(text) && seconds <= MAX_SECONDS) return seconds;
  throw new ApplianceError(
    "cli/usage",
    `Cannot use SOURCE_DATE_EPOCH "${text.slice(0, 40)}": it is no time, whole seconds since 1970 are wanted`,
    { hint: "Take the time of the commit: SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)" },
  );
}

/** RFC 3339 in UTC, without a fraction. */
export function instantOfSeconds(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace(".000Z", "Z");
}
