/** The last events in memory, so that a reader that lost its connection gets what it missed and nothing twice. */

export interface RingEvent {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** The latest events, for readers that come back after a lost connection. */
export interface EventRing {
  add(event: RingEvent): void;
  /** Events after a sequence number; undefined when some of them are gone already. */
  after(sequence: number): readonly RingEvent[] | undefined;
  /** Number of the newest event; 0 before the first. */
  latest(): number;
}

/** @param options.maxBytes Bound of all events together; the oldest go first. */
export function createEventRing(options: { readonly maxEvents: number; readonly maxBytes: number }): EventRing {
  const events: RingEvent[] = [];
  let sizeBytes = 0;
  let latest = 0;
  return {
    add: (event) => {
      events.push(event);
      latest = event.sequence;
      sizeBytes += event.bytes.length;
      while (events.length > options.maxEvents || sizeBytes > options.maxBytes) {
        sizeBytes -= events.shift()?.bytes.length ?? 0;
      }
    },
    after: (sequence) => {
      if (sequence > latest) return undefined;
      if (sequence === latest) return [];
      const oldest = events[0]?.sequence ?? Number.POSITIVE_INFINITY;
      return sequence + 1 < oldest ? undefined : events.filter((event) => event.sequence > sequence);
    },
    latest: () => latest,
  };
}
