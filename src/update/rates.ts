/** Error rates while an update is judged, against the hour before it. Pure. */
import { humanDuration } from "../core/duration.ts";
import type { Counts } from "./pulse.ts";

/** Minutes of the hour before that must be known: fewer are no rate to compare with. */
const LEAST_MINUTES = 10;
/** A rate counts as higher from twice the one before on: single events come in no even beat. */
const TIMES = 2;
/** How often it must have happened at all. A pod that is replaced leaves some warnings behind it. */
const LEAST = { restarts: 1, warnings: 5, failed: 2, errors: 1 } as const;

const MINUTE_MS = 60_000;

/**
 * Names what happened more often than before, worst first: the login page, then restarts, then warnings.
 *
 * @param before undefined, or too short: nothing is known of the hour before. Then restarts and failed looks count against none, and
 *   warnings, which every box has some of, are not judged.
 */
export function worseRates(before: Counts | undefined, now: Counts): readonly string[] {
  const isKnown = before !== undefined && before.minutes >= LEAST_MINUTES;
  const known = isKnown ? before : undefined;
  return [
    ...login(known, now),
    ...perComponent("restarts", known, now),
    ...(known === undefined ? [] : perComponent("warnings", known, now)),
  ];
}

function login(before: Counts | undefined, now: Counts): string[] {
  const share = ({ looks }: Counts, count: number): number => (looks === 0 ? 0 : count / looks);
  const isWorse = (kind: "failed" | "errors"): boolean =>
    now[kind] >= LEAST[kind] &&
    share(now, now[kind]) > TIMES * (before === undefined ? 0 : share(before, before[kind]));
  const told = (kind: "failed" | "errors", words: string): string => {
    const earlier = before === undefined ? "" : `, ${before[kind]} of ${before.looks} in the hour before`;
    return `The login page ${words} at ${now[kind]} of ${now.looks} looks${earlier}`;
  };
  if (isWorse("errors")) return [told("errors", "answered with a server error")];
  return isWorse("failed") ? [told("failed", "was not there")] : [];
}

function perComponent(kind: "restarts" | "warnings", before: Counts | undefined, now: Counts): string[] {
  const rate = ({ minutes }: Counts, count: number): number => count / Math.max(1, minutes);
  const found = Object.entries(now[kind]).filter(([name, count]) => {
    const earlier = before === undefined ? 0 : rate(before, before[kind][name] ?? 0);
    return count >= LEAST[kind] && rate(now, count) > TIMES * earlier;
  });
  return found
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => {
      const times = count === 1 ? "once" : `${count} times`;
      const what = kind === "restarts" ? `${name} was started again ${times}` : `Kubernetes warned of ${name} ${times}`;
      const span = humanDuration(Math.max(1, Math.round(now.minutes)) * MINUTE_MS);
      return `${what} in ${span}${before === undefined ? "" : `, ${before[kind][name] ?? 0} in the hour before`}`;
    });
}
