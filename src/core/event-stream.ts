/**
 * Events of a `text/event-stream` as data, and their bytes.
 *
 * @see HTML Living Standard, "Server-sent events"
 */
import type { RouteRequest } from "./http.ts";

export interface StreamEvent {
  /** What the reader sends as Last-Event-ID when it comes back; one line. Absent: the reader keeps the one before. */
  readonly id?: string;
  readonly type: string;
  readonly data: unknown;
}

/**
 * Answers a request with a stream of events, one at a time as the reader takes them.
 *
 * The stream ends when `events` ends, when the reader goes or takes nothing for too long, when its session ends and when the
 * server stops; `signal` fires then. What `events` throws breaks the stream, and a browser comes back with its last id.
 *
 * @throws {ApplianceError} http/busy when too many are open, http/draining when the server stops.
 */
export type OpenStream = (call: RouteRequest, events: (signal: AbortSignal) => AsyncIterable<StreamEvent>) => Response;

export const EVENT_STREAM_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

const encoder = new TextEncoder();

/** Writes one event. JSON has no line break, so one data line holds any document. */
export function eventBytes({ id, type, data }: StreamEvent): Uint8Array {
  const name = id === undefined ? "" : `id: ${id}\n`;
  return encoder.encode(`${name}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
}
