/**
 * Event streams that belong to one reader each: the log of a container. The event hub has its own, because its readers share
 * their bytes.
 *
 * A stream is pulled: its source gets no further than its reader. A reader that takes nothing for half a minute is cut off; one
 * that waits hears a comment every fifteen seconds and is asked for its session then.
 */
import { rejectOnAbort } from "../core/deadline.ts";
import { ApplianceError } from "../core/errors.ts";
import { EVENT_STREAM_HEADERS, eventBytes, type OpenStream, type StreamEvent } from "../core/event-stream.ts";
import type { Deps } from "../core/ports.ts";
import type { Sessions } from "./sessions.ts";

/** Streams of one reader each. */
export interface Streams {
  readonly open: OpenStream;
  /** Asks for every reader's session now: after a logout. */
  recheck(): void;
  /** Ends all streams and takes no more readers. */
  close(): void;
}

/** Each holds a connection to the cluster. */
const MAX_STREAMS = 16;
const KEEP_ALIVE_MS = 15_000;
const STALL_MS = 30_000;
/** A browser comes back after this, when the stream broke. */
const HELLO = new TextEncoder().encode("retry: 2000\n\n");
const STILL_HERE = new TextEncoder().encode(": still here\n\n");

type StreamDeps = Pick<Deps, "clock" | "log">;

/** One stream while it is open. */
interface Line {
  readonly isAllowed: () => Promise<boolean>;
  readonly end: AbortController;
}

/** Makes an empty set of streams. */
export function createStreams(deps: StreamDeps, sessions: Pick<Sessions, "find">): Streams {
  const lines = new Set<Line>();
  let closed = false;
  return {
    open: ({ request }, events) => {
      if (closed) throw new ApplianceError("http/draining", "Cannot open the stream: the server is stopping");
      if (request.method === "HEAD") return new Response(null, { headers: EVENT_STREAM_HEADERS });
      if (lines.size >= MAX_STREAMS) throw tooMany();
      const line: Line = {
        isAllowed: async () => (await sessions.find(request))?.kind === "full",
        end: new AbortController(),
      };
      lines.add(line);
      line.end.signal.addEventListener("abort", () => void lines.delete(line), { once: true });
      return new Response(bodyOf(deps, line, events(line.end.signal)), { headers: EVENT_STREAM_HEADERS });
    },
    recheck: () => {
      for (const line of [...lines]) void endUnlessAllowed(line);
    },
    close: () => {
      closed = true;
      for (const line of [...lines]) line.end.abort();
    },
  };
}

async function endUnlessAllowed(line: Line): Promise<void> {
  if (!(await line.isAllowed().catch(() => false))) line.end.abort();
}

function bodyOf(deps: StreamDeps, line: Line, events: AsyncIterable<StreamEvent>): ReadableStream<Uint8Array> {
  const { signal } = line.end;
  const source = createSource(deps, events, line);
  let stopStall = (): void => {};
  const send = (controller: ReadableStreamDefaultController<Uint8Array>, bytes: Uint8Array): void => {
    controller.enqueue(bytes);
    stopStall = deps.clock.after(STALL_MS, () => {
      deps.log.info("slow stream reader cut off");
      line.end.abort();
      controller.error(new ApplianceError("http/slow", "Cannot send the stream: the reader does not keep up"));
    });
  };
  const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => send(controller, HELLO);
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    stopStall();
    const bytes = await source.next().catch((thrown: unknown) => {
      if (signal.aborted) return undefined;
      line.end.abort();
      throw thrown;
    });
    if (bytes === undefined) {
      line.end.abort();
      return controller.close();
    }
    send(controller, bytes);
  };
  const cancel = (): void => {
    stopStall();
    line.end.abort();
  };
  return new ReadableStream({ start, pull, cancel }, new ByteLengthQueuingStrategy({ highWaterMark: 0 }));
}

/** The events as bytes, with a comment wherever none came for a while; undefined at their end. */
function createSource(
  deps: StreamDeps,
  events: AsyncIterable<StreamEvent>,
  line: Line,
): { next(): Promise<Uint8Array | undefined> } {
  const { signal } = line.end;
  const iterator = events[Symbol.asyncIterator]();
  let pending: Promise<IteratorResult<StreamEvent>> | undefined;
  signal.addEventListener("abort", () => void iterator.return?.().catch(() => {}), { once: true });
  return {
    next: async () => {
      pending ??= iterator.next();
      const silence = silenceOf(deps);
      try {
        const found = await Promise.race([pending, silence.over, rejectOnAbort(signal)]);
        if (found === undefined) {
          await endUnlessAllowed(line);
          return signal.aborted ? undefined : STILL_HERE;
        }
        pending = undefined;
        return found.done === true ? undefined : eventBytes(found.value);
      } finally {
        silence.stop();
      }
    },
  };
}

function silenceOf(deps: StreamDeps): { readonly over: Promise<undefined>; readonly stop: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  return { over: promise, stop: deps.clock.after(KEEP_ALIVE_MS, () => resolve(undefined)) };
}

function tooMany(): ApplianceError {
  return new ApplianceError("http/busy", `Cannot open the stream: ${MAX_STREAMS} are open already`, {
    hint: "Close a page that follows a log",
  });
}
