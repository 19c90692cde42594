/**
 * Durations: milliseconds inside, Go strings ("1h30m", "10m", "1.5s") on the wire, because Flux and Kubernetes use
 * them, and words on screens.
 */
import { ApplianceError } from "./errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/;

/**
 * Parses a Go duration into milliseconds.
 *
 * @throws {ApplianceError} config/invalid when the text is not a Go duration with h, m, s or ms.
 */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (!WHOLE.test(text)) {
    throw new ApplianceError(
      "config/invalid",
      `Cannot use duration "${text}": a form like 10m, 90s or 1h30m is wanted`,
    );
  }
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(PART)) totalMs += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  return Math.round(totalMs);
}

/** Writes milliseconds for people: "4 min 24 s", "2 h 5 min", "3 days", "0 s". */
export function humanDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** Writes a duration that was only estimated: from an hour on in whole minutes, so that 1 h 59 min 59 s is "2 h". */
export function humanAbout(ms: number): string {
  return humanDuration(ms < 3_600_000 ? ms : Math.round(ms / 60_000) * 60_000);
}
