/**
 * The readers of the event stream: all get the same bytes; who does not keep up, or may not read any more, is let go.
 *
 * Every fifteen seconds each gets a comment, so that nothing between takes the stream for dead, and is asked whether it may
 * still read. The timer runs only while there are readers.
 */
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";

export interface Reader {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Asked at every keep-alive; the stream ends when it says no or cannot say. */
  readonly isAllowed: () => Promise<boolean>;
}

/** The readers of the event stream. Sending never waits: a reader that does not read is cut off. */
export interface Readers {
  count(): number;
  add(reader: Reader): void;
  /** Forgets a reader that has gone by itself. */
  leave(reader: Reader): void;
  sendAll(bytes: Uint8Array): void;
  /** Asks every reader's `isAllowed` now. */
  recheck(): void;
  endAll(): void;
}

/** Unread bytes of one reader above which it is cut off. */
const MAX_BACKLOG_BYTES = 1024 * 1024;
const KEEP_ALIVE_MS = 15_000;
const KEEP_ALIVE = new TextEncoder().encode(": still here\n\n");

/** Makes an empty set of readers. Its timer runs only while there is one. */
export function createReaders(deps: Pick<Deps, "clock" | "log">): Readers {
  const readers = new Set<Reader>();
  let stopKeepAlive: (() => void) | undefined;

  const leave = (reader: Reader): void => {
    readers.delete(reader);
    if (readers.size > 0) return;
    stopKeepAlive?.();
    stopKeepAlive = undefined;
  };
  const end = (reader: Reader): void => {
    leave(reader);
    try {
      reader.controller.close();
    } catch {
      // The reader is gone already.
    }
  };
  const send = (reader: Reader, bytes: Uint8Array): void => {
    if (MAX_BACKLOG_BYTES + (reader.controller.desiredSize ?? 0) < 0) {
      deps.log.info("slow event reader cut off");
      leave(reader);
      reader.controller.error(new ApplianceError("http/slow", "Cannot send events: the reader does not keep up"));
    } else reader.controller.enqueue(bytes);
  };
  const sendAll = (bytes: Uint8Array): void => {
    for (const reader of [...readers]) send(reader, bytes);
  };
  const recheck = (): void => {
    for (const reader of [...readers]) {
      reader.isAllowed().then(
        (allowed) => allowed || end(reader),
        () => end(reader),
      );
    }
  };
  const keepAlive = (): void => {
    stopKeepAlive = deps.clock.after(KEEP_ALIVE_MS, () => {
      sendAll(KEEP_ALIVE);
      recheck();
      if (readers.size > 0) keepAlive();
    });
  };
  const add = (reader: Reader): void => {
    readers.add(reader);
    if (stopKeepAlive === undefined) keepAlive();
  };
  const endAll = (): void => {
    for (const reader of [...readers]) end(reader);
  };
  return { count: () => readers.size, add, leave, sendAll, recheck, endAll };
}
