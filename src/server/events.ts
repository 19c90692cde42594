/**
 * The event stream: one hub, many readers, bounded in every direction.
 *
 * A reader first gets the current documents, then events as they happen. Ids are `<process>-<number>`: a reader that comes
 * back with the id of this process and young enough gets only what it missed, any other gets the documents again. Status
 * documents come at most four times a second, the newest of each quarter. A reader that does not keep up is cut off; its
 * browser comes back by itself.
 *
 * @see HTML Living Standard, "Server-sent events"
 */
import { ApplianceError } from "../core/errors.ts";
import { eventBytes } from "../core/event-stream.ts";
import type { Deps } from "../core/ports.ts";
import { createReaders, type Reader } from "./event-readers.ts";
import { createEventRing } from "./event-ring.ts";

export type EventType = "status" | "operation" | "journal" | "log" | "updates";

export interface EventDocument {
  readonly type: EventType;
  readonly data: unknown;
}

/** The event stream: events are numbered, sent to every reader and kept for those that come back. `publish` never waits. */
export interface EventHub {
  publish(type: EventType, data: unknown): void;
  /**
   * Opens a stream for one reader.
   *
   * @param options.lastEventId What the reader got last; untrusted.
   * @param options.isAllowed Asked at every keep-alive; the stream ends when it says no.
   * @throws {ApplianceError} http/busy when there are too many readers.
   */
  open(options: {
    readonly lastEventId?: string | null;
    readonly isAllowed?: () => Promise<boolean>;
  }): ReadableStream<Uint8Array>;
  /** Asks every reader's `isAllowed` now: after a logout. */
  recheck(): void;
  readers(): number;
  /** Ends all streams and takes no more readers. */
  close(): void;
}

export interface EventHubOptions {
  /** Documents as they are now: what a new reader gets first. */
  readonly documents: () => readonly EventDocument[];
  readonly maxReaders?: number;
}

/** Open pages and scripts; they share their bytes, so that two hundred take some megabytes. */
const MAX_READERS = 256;
const RING = { maxEvents: 512, maxBytes: 4 * 1024 * 1024 } as const;
const STATUS_EVERY_MS = 250;
/** Milliseconds that a browser waits before it comes back. */
const RETRY_MS = 2_000;

const encoder = new TextEncoder();

/** Makes a hub with an id of its own: what another process has numbered is not taken up. Holds at most 4 MiB of events. */
export function createEventHub(deps: Pick<Deps, "clock" | "random" | "log">, options: EventHubOptions): EventHub {
  const epoch = Buffer.from(deps.random.bytes(6)).toString("hex");
  const ring = createEventRing(RING);
  const readers = createReaders(deps);
  const maxReaders = options.maxReaders ?? MAX_READERS;
  let closed = false;

  const emit = (type: EventType, data: unknown): void => {
    const sequence = ring.latest() + 1;
    const bytes = eventBytes({ id: `${epoch}-${sequence}`, type, data });
    ring.add({ sequence, bytes });
    readers.sendAll(bytes);
  };
  const status = createCoalescer(deps.clock, (data) => emit("status", data));

  /** Sends what a reader must have before the next event: what it missed, or the documents under the newest id. */
  const greet = ({ controller }: Reader, lastEventId: string | null | undefined): void => {
    controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
    const missed = ring.after(sequenceOf(lastEventId, epoch));
    for (const event of missed ?? []) controller.enqueue(event.bytes);
    if (missed !== undefined) return;
    const id = `${epoch}-${ring.latest()}`;
    for (const document of options.documents()) controller.enqueue(eventBytes({ ...document, id }));
  };
  return {
    publish: (type, data) => {
      if (closed) return;
      if (type === "status") status.offer(data);
      else emit(type, data);
    },
    open: ({ lastEventId, isAllowed = async () => true }) => {
      if (closed) throw new ApplianceError("http/draining", "Cannot open the event stream: the server is stopping");
      if (readers.count() >= maxReaders) throw tooMany(maxReaders);
      let reader: Reader;
      return new ReadableStream<Uint8Array>(
        {
          start: (controller) => {
            reader = { controller, isAllowed };
            readers.add(reader);
            greet(reader, lastEventId);
          },
          cancel: () => readers.leave(reader),
        },
        new ByteLengthQueuingStrategy({ highWaterMark: 0 }),
      );
    },
    recheck: readers.recheck,
    readers: readers.count,
    close: () => {
      closed = true;
      status.stop();
      readers.endAll();
    },
  };
}

/** Sends the first value at once and then at most one, the newest, each quarter of a second. */
function createCoalescer(
  clock: Pick<Deps["clock"], "after">,
  send: (data: unknown) => void,
): { offer(data: unknown): void; stop(): void } {
  let held: { readonly data: unknown } | undefined;
  let stopTimer: (() => void) | undefined;
  const pause = (): void => {
    stopTimer = clock.after(STATUS_EVERY_MS, () => {
      stopTimer = undefined;
      if (held === undefined) return;
      const { data } = held;
      held = undefined;
      pause();
      send(data);
    });
  };
  return {
    offer: (data) => {
      if (stopTimer !== undefined) {
        held = { data };
        return;
      }
      pause();
      send(data);
    },
    stop: () => stopTimer?.(),
  };
}

/** The number in an id of this process; one that is never kept for anything else. */
function sequenceOf(id: string | null | undefined, epoch: string): number {
  const [, process, number] = /^([0-9a-f]{12})-(\d{1,15})$/.exec(id ?? "") ?? [];
  return process === epoch ? Number(number) : Number.POSITIVE_INFINITY;
}

function tooMany(maxReaders: number): ApplianceError {
  return new ApplianceError("http/busy", `Cannot open the event stream: ${maxReaders} pages listen already`, {
    hint: "Close a page of the appliance that is not needed",
  });
}
