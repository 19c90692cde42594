/**
 * Numbers as people read them: durations, sizes and times of day. Pure; the words come from the catalogue.
 *
 * Durations are milliseconds, sizes are bytes and shown in decimal units, as disks are sold.
 */
import { LANGUAGE, text } from "./strings.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const WHOLE = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 0 });
const ONE_DIGIT = new Intl.NumberFormat(LANGUAGE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const TIME_OF_DAY = new Intl.DateTimeFormat(LANGUAGE, { hour: "numeric", minute: "2-digit", hourCycle: "h23" });
const MOMENT = new Intl.DateTimeFormat(LANGUAGE, {
  ...{ weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" },
  hourCycle: "h23",
});
const WEEKDAY = new Intl.DateTimeFormat(LANGUAGE, { weekday: "short", timeZone: "UTC" });
const unitFormat = (unit: string): Intl.NumberFormat =>
  new Intl.NumberFormat(LANGUAGE, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 });
const HORIZONS = { day: unitFormat("day"), month: unitFormat("month"), year: unitFormat("year") } as const;

/** Two units at most: "4 min 24 s", "2 h 5 min", "41 days". Negative values count as 0. */
export function formatDuration(ms: number): string {
  const value = Math.max(0, ms);
  if (value < MINUTE) return text("unit.seconds", { n: Math.floor(value / SECOND) });
  if (value < HOUR) return join("unit.minutes", value / MINUTE, "unit.seconds", (value % MINUTE) / SECOND);
  if (value < 2 * DAY) return join("unit.hours", value / HOUR, "unit.minutes", (value % HOUR) / MINUTE);
  return text("unit.days", { n: Math.floor(value / DAY) });
}

/** The largest unit alone: "12 min", "41 days"; for "since when". */
export function formatAge(ms: number): string {
  const value = Math.max(0, ms);
  if (value < MINUTE) return text("unit.seconds", { n: Math.floor(value / SECOND) });
  if (value < HOUR) return text("unit.minutes", { n: Math.floor(value / MINUTE) });
  if (value < 2 * DAY) return text("unit.hours", { n: Math.floor(value / HOUR) });
  return text("unit.days", { n: Math.floor(value / DAY) });
}

/** A stopwatch: "0:09", "3:20", "1:02:03". */
export function formatStopwatch(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / SECOND);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, "0"));
  const hours = Math.floor(seconds / 3_600);
  return hours > 0 ? `${hours}:${parts.join(":")}` : `${Number(parts[0])}:${parts[1]}`;
}

/** Time as an estimate: "10 s", "8 min", "2 h". */
export function formatEstimate(ms: number): string {
  if (ms < MINUTE) return text("unit.seconds", { n: Math.max(1, Math.round(ms / SECOND)) });
  if (ms < 90 * MINUTE) return text("unit.minutes", { n: Math.round(ms / MINUTE) });
  return text("unit.hours", { n: Math.round(ms / HOUR) });
}

/** "1.9 GB", "340 MB", "12 kB"; three digits at most. */
export function formatBytes(bytes: number): string {
  const units = ["unit.bytes", "unit.kilobytes", "unit.megabytes", "unit.gigabytes", "unit.terabytes"] as const;
  let value = Math.max(0, bytes);
  let index = 0;
  while (value >= 999.5 && index < units.length - 1) {
    value /= 1_000;
    index += 1;
  }
  const shown = index === 0 || value >= 9.95 ? formatNumber(Math.round(value)) : ONE_DIGIT.format(value);
  return text(units[index] ?? "unit.bytes", { n: shown });
}

/** "10:42" of the reader's zone. */
export function formatTimeOfDay(iso: string): string {
  return TIME_OF_DAY.format(new Date(iso));
}

/** "Sat 28 Nov, 10:42" of the reader's zone. */
export function formatMoment(iso: string): string {
  return MOMENT.format(new Date(iso));
}

/** The seven days in the words of the language, Monday first. */
export function weekdays(): readonly string[] {
  // 2024-01-01 was a Monday.
  return Array.from({ length: 7 }, (_, index) => WEEKDAY.format(new Date(Date.UTC(2024, 0, 1 + index, 12))));
}

/** A whole number with the groups of the language: "1,204". */
export function formatNumber(value: number): string {
  return WHOLE.format(value);
}

/** A time ahead in one unit, days to years: "41 days", "9 months", "2 years". */
export function formatHorizon(ms: number): string {
  const days = Math.max(0, ms) / DAY;
  if (days < 60) return HORIZONS.day.format(Math.round(days));
  return days < 700 ? HORIZONS.month.format(Math.round(days / 30.4)) : HORIZONS.year.format(Math.round(days / 365));
}

/** The exact time, for hover and copied text: "2026-11-21 10:42:07 UTC". */
export function formatExact(iso: string): string {
  return `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Shortens a digest to what a person compares: "c6e1…8b6f". */
export function formatDigest(digest: string): string {
  const hex = digest.slice(digest.indexOf(":") + 1);
  return hex.length > 12 ? `${hex.slice(0, 4)}…${hex.slice(-4)}` : hex;
}

/** Messages of the box end without a period, because they also stand in lists; on the page they are sentences. */
export function asSentence(words: string): string {
  const trimmed = words.trim();
  return trimmed === "" || /[.!?:]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

type Unit = "unit.seconds" | "unit.minutes" | "unit.hours";

function join(large: Unit, many: number, small: Unit, few: number): string {
  const head = text(large, { n: Math.floor(many) });
  const rest = Math.floor(few);
  return rest === 0 ? head : `${head} ${text(small, { n: rest })}`;
}
