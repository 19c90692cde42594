/**
 * A container's log as it grows: pieces of whole lines with their instants, bounded in length, until the container ends.
 *
 * The kubelet sends nothing, not even the head of its answer, before the container has written its first line. So there is no
 * limit on silence here; who reads ends it by the signal.
 */
import { abortReason } from "../core/deadline.ts";
import type { FollowOptions, LogLine, PodRef } from "./calls.ts";
import { errorOfTransport } from "./errors.ts";
import type { Exchange, Transport } from "./transport.ts";

/** A silent container may write its first line in a day. */
const OPEN_MS = 24 * 3_600_000;
/** Characters of one line that are kept; what follows up to its end is dropped. */
const MAX_LINE = 16 * 1024;
/** `2026-11-21T15:00:00.123456789Z text`; the zone is that of the node. */
const STAMPED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) ?(.*)$/s;

/** Follows a log. Each piece has the lines that came together; a piece is read only when it is asked for. */
export async function* followLog(
  transport: Transport,
  ref: PodRef,
  options: FollowOptions,
): AsyncGenerator<readonly LogLine[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, options.signal]);
  const exchange = exchangeOf(ref, options);
  const body = await transport.open(exchange, signal);
  const reader = body.getReader();
  const giveUp = (): void => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", giveUp, { once: true });
  const lines = createLineReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted) throw abortReason(signal);
      const piece = lines.take(done ? decoder.decode() : decoder.decode(value, { stream: true }), done);
      if (piece.length > 0) yield piece;
      if (done) return;
    }
  } catch (thrown) {
    throw signal.aborted ? abortReason(signal) : errorOfTransport(exchange.attempt, thrown, transport.server);
  } finally {
    signal.removeEventListener("abort", giveUp);
    giveUp();
    stop.abort();
  }
}

function exchangeOf(ref: PodRef, { tailLines, since }: FollowOptions): Exchange {
  const rule = { verb: "get", group: "", resource: "pods/log", namespace: ref.namespace, name: ref.pod };
  return {
    attempt: { doing: "follow the log of", what: `Pod "${ref.namespace}/${ref.pod}"`, rule },
    method: "GET",
    path: `/api/v1/namespaces/${encodeURIComponent(ref.namespace)}/pods/${encodeURIComponent(ref.pod)}/log`,
    query: { container: ref.container, follow: true, timestamps: true, tailLines, sinceTime: since },
    accept: "*/*",
    timeoutMs: OPEN_MS,
  };
}

interface LineReader {
  /** Takes text and gives the lines that are whole; at the end also the last one without a line break. */
  take(text: string, isEnd: boolean): readonly LogLine[];
}

function createLineReader(): LineReader {
  let rest = "";
  let at = "";
  const lineOf = (line: string): LogLine => {
    const [, instant, text] = STAMPED.exec(line) ?? [];
    if (instant !== undefined) at = instant;
    return { at, text: (text ?? line).slice(0, MAX_LINE) };
  };
  return {
    take: (text, isEnd) => {
      const parts = (rest + text).split("\n");
      // The instant stands at the beginning, so a line that is cut here keeps it.
      rest = isEnd ? "" : (parts.pop() ?? "").slice(0, 2 * MAX_LINE);
      return (isEnd && parts.at(-1) === "" ? parts.slice(0, -1) : parts).map(lineOf);
    },
  };
}
