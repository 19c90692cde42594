/**
 * Log records: an event name, plain fields, redacted before they leave.
 *
 * An event is a short name in the past ("registry request failed"), fields carry the values, so that text and JSON
 * lines say the same. The port writes; this file only shapes.
 */
import type { LogLevel } from "./errors.ts";
import { ApplianceError } from "./errors.ts";
import { redactText, redactValue } from "./redact.ts";
import { toInstant } from "./time.ts";

export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Writes records of an event name and fields. Never throws and never waits. Fields are redacted, so a secret in one by accident
 * shows as a mask; do not rely on it.
 */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A log whose every record carries these fields too. */
  with(fields: LogFields): Log;
}

export interface LogRecord {
  readonly at: string;
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

const ORDER: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Where records go, and the clock (milliseconds since 1970) that dates them. `write` must not throw. */
export interface LogSink {
  readonly now: () => number;
  /** Records below this level are dropped. */
  readonly level: LogLevel;
  readonly write: (record: LogRecord) => void;
}

/** Makes a log over a sink. Fields are redacted here, so no sink can forget it. */
export function createLog(sink: LogSink, bound: LogFields = {}): Log {
  const emit = (level: LogLevel, event: string, fields: LogFields = {}): void => {
    if (ORDER.indexOf(level) < ORDER.indexOf(sink.level)) return;
    const shaped = Object.fromEntries(Object.entries({ ...bound, ...fields }).map(([k, v]) => [k, describe(v)]));
    sink.write({
      at: toInstant(sink.now()),
      level,
      event: redactText(event),
      fields: redactValue(shaped) as LogFields,
    });
  };
  return {
    debug: (event, fields) => emit("debug", event, fields),
    info: (event, fields) => emit("info", event, fields),
    warn: (event, fields) => emit("warn", event, fields),
    error: (event, fields) => emit("error", event, fields),
    with: (fields) => createLog(sink, { ...bound, ...fields }),
  };
}

/** A log that keeps nothing: for tests and for commands that print their own results. */
export const SILENT_LOG: Log = createLog({ now: () => 0, level: "error", write: () => {} });

/** One JSON object a line. */
export function formatJsonLine(record: LogRecord): string {
  return JSON.stringify({ at: record.at, level: record.level, event: record.event, ...record.fields });
}

/** One line for people: time, level, event, key=value. Line breaks inside values are escaped. */
export function formatTextLine(record: LogRecord): string {
  const fields = Object.entries(record.fields).map(([key, value]) => `${key}=${plain(value)}`);
  return [record.at.slice(11, 23), record.level.toUpperCase().padEnd(5), record.event, ...fields].join(" ");
}

function plain(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined");
  return /^[\w@%+=:,./-]+$/.test(text) ? text : JSON.stringify(text);
}

/** Errors become their code, message and chain of causes, because JSON would show them as {}. */
function describe(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const cause = value.cause === undefined ? {} : { cause: describe(value.cause) };
  const code = value instanceof ApplianceError ? { code: value.code, details: value.details } : { stack: value.stack };
  return { message: value.message, ...code, ...cause };
}
