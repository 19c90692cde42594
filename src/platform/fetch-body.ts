/**
 * Bodies of `fetch.ts` in both directions, with back-pressure: nobody reads ahead of whoever consumes.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import { ApplianceError } from "../core/errors.ts";
import type { Idle } from "./fetch-idle.ts";

/** A body up to this size goes out with Content-Length, because some servers do not take chunks. */
const WHOLE_BYTES = 256 * 1024;

export interface OutgoingBody {
  /** Set when the whole body is known. */
  readonly sizeBytes: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Looks at the first bytes of a request body to learn whether it is a small whole. */
export async function outgoingBody(request: Request): Promise<OutgoingBody | undefined> {
  if (request.body === null) return undefined;
  const reader = request.body.getReader();
  const first: Uint8Array[] = [];
  let sizeBytes = 0;
  while (sizeBytes <= WHOLE_BYTES) {
    const { done, value } = await reader.read();
    if (done) return { sizeBytes, chunks: first };
    first.push(value);
    sizeBytes += value.length;
  }
  return { sizeBytes: undefined, chunks: theRest(first, reader) };
}

async function* theRest(
  first: readonly Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* first;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** What is written at once; 256 KiB in the 30 s of the idle limit are a line of 9 kB/s. */
const PIECE_BYTES = 256 * 1024;

/** Writes a body, waiting whenever the socket is full. Stops quietly when the request is over before its end. */
export async function sendBody(outgoing: ClientRequest, body: OutgoingBody | undefined, idle: Idle): Promise<void> {
  for await (const chunk of body?.chunks ?? []) {
    // A megabyte at once on a slow line would look like silence, so each piece tells that it has gone.
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      if (outgoing.destroyed) return;
      const isFull = !outgoing.write(chunk.subarray(at, at + PIECE_BYTES));
      idle.touch();
      if (isFull) await drained(outgoing);
    }
  }
  if (!outgoing.destroyed) outgoing.end();
}

function drained(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off("drain", done);
      outgoing.off("close", done);
      resolve();
    };
    outgoing.on("drain", done);
    outgoing.on("close", done);
  });
}

export interface IncomingOptions {
  readonly idle: Idle;
  /** Turns what the socket says into one of our errors. */
  readonly explain: (thrown: unknown) => ApplianceError;
  /** Called once when the body is over, in whatever way. */
  readonly onEnd: () => void;
}

/** Bytes that may wait between the socket and the consumer. */
const BUFFER_BYTES = 64 * 1024;

export interface IncomingBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Ends the stream with an error: an abort or silence. */
  readonly fail: (problem: ApplianceError) => void;
}

/** The body of an answer as a stream. A body that ends before its time errors. */
export function incomingBody(message: IncomingMessage, options: IncomingOptions): IncomingBody {
  let fail = (_problem: ApplianceError): void => {};
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start: (controller) => {
        let isOver = false;
        const end = (finish: () => void): void => {
          if (isOver) return;
          isOver = true;
          options.idle.stop();
          options.onEnd();
          finish();
        };
        fail = (problem) => {
          end(() => controller.error(problem));
          message.destroy();
        };
        const broken = (thrown: unknown): void => fail(options.explain(thrown));
        message.on("data", (chunk: Uint8Array) => {
          if (isOver) return;
          controller.enqueue(new Uint8Array(chunk));
          options.idle.touch();
          if ((controller.desiredSize ?? 0) > 0) return;
          message.pause();
          options.idle.pause();
        });
        message.on("end", () =>
          message.complete ? end(() => controller.close()) : broken(new Error("premature end")),
        );
        message.on("error", broken);
        message.on("aborted", () => broken(new Error("aborted")));
        message.on("close", () => broken(new Error("closed before the end")));
        message.pause();
      },
      pull: () => {
        options.idle.touch();
        message.resume();
      },
      cancel: () => fail(new ApplianceError("internal/aborted", "Cannot go on reading: nobody wants the body")),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: BUFFER_BYTES }),
  );
  return { stream, fail };
}
