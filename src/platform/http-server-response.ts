/**
 * From a web `Response` to a message of `node:http`, streaming, never faster than the reader.
 *
 * A reader that takes nothing for a while is cut off, so that no stalled phone holds memory or a connection for ever.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

/** Pieces of this size, so that a slow reader shows progress. */
const PIECE_BYTES = 64 * 1024;
/** Bytes of a body that are read ahead to learn its length. */
const READY_BYTES = 256 * 1024;
/** Bytes of an unread request that are thrown away, so that the client sees the answer and no reset. */
const LINGER_BYTES = 1024 * 1024;
const LINGER_MS = 1_000;

/** Headers that belong to one connection: `node:http` writes them. */
const HOP_BY_HOP: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade"]);

export interface Sending {
  readonly message: IncomingMessage;
  readonly answer: ServerResponse;
  /** Tells that this connection shall not be used again. */
  readonly last: boolean;
  /** Milliseconds in which the reader must take one piece. */
  readonly stallMs: number;
  /** Called with a function that ends the body early: for event streams of a server that drains. */
  readonly onStream?: (end: () => void) => void;
}

/** Writes the whole answer; resolves when it is handed over or the reader is gone, never rejects. */
export async function sendResponse(response: Response, to: Sending): Promise<void> {
  const { message, answer } = to;
  if (answer.destroyed) return void (await discard(response));
  try {
    const unread = hasBody(message) && !message.complete;
    writeHead(response, answer, to.last || unread);
    await writeBody(response, to);
    answer.end();
    cutOffLater(answer, to.stallMs);
    if (unread) linger(message);
  } catch {
    // The reader went away or the body broke after its head was sent: only a broken connection tells the truth.
    answer.destroy();
  }
}

/**
 * Writes the body: with its length where all of it is there at once, as a stream otherwise.
 *
 * A media type tells nothing here: a Kubernetes watch is `application/json` too.
 */
async function writeBody(response: Response, to: Sending): Promise<void> {
  const { message, answer } = to;
  if (response.body === null) return;
  const reader = response.body.getReader();
  const end = (): void => void reader.cancel().catch(() => {});
  answer.once("close", end);
  to.onStream?.(end);
  try {
    const start = await readReady(reader);
    if (start.pending === undefined && !answer.hasHeader("content-length")) {
      answer.setHeader("content-length", start.sizeBytes);
    }
    if (message.method === "HEAD") return;
    answer.flushHeaders();
    for (const chunk of start.chunks) await writePieces(to, chunk);
    if (start.pending !== undefined) await pump(reader, start.pending, to);
  } finally {
    answer.off("close", end);
    end();
  }
}

type Read = Promise<ReadableStreamReadResult<Uint8Array>>;

/** Reads what a body has ready now; `pending` is the read that has to wait, absent when the body is at its end. */
async function readReady(reader: ReadableStreamDefaultReader<Uint8Array>) {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for (;;) {
    const pending: Read = reader.read();
    const read = sizeBytes > READY_BYTES ? undefined : await Promise.race([pending, nextTurn()]);
    if (read === undefined) return { chunks, sizeBytes, pending };
    if (read.done) return { chunks, sizeBytes };
    chunks.push(read.value);
    sizeBytes += read.value.length;
  }
}

function nextTurn(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(() => resolve(undefined)));
}

async function pump(reader: ReadableStreamDefaultReader<Uint8Array>, first: Read, to: Sending): Promise<void> {
  for (let pending = first; ; pending = reader.read()) {
    const { done, value } = await pending;
    if (done) return;
    await writePieces(to, value);
  }
}

function hasBody(message: IncomingMessage): boolean {
  return message.method !== "GET" && message.method !== "HEAD";
}

function writeHead(response: Response, answer: ServerResponse, last: boolean): void {
  answer.statusCode = response.status;
  for (const [name, value] of response.headers) {
    if (!HOP_BY_HOP.has(name) && name !== "set-cookie") answer.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) answer.setHeader("set-cookie", cookies);
  if (last) answer.setHeader("connection", "close");
}

async function writePieces({ answer, stallMs }: Sending, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    if (answer.destroyed) return;
    if (!answer.write(bytes.subarray(at, at + PIECE_BYTES))) await drained(answer, stallMs);
  }
}

/** Waits until the reader took what was written; rejects when it takes nothing for too long. */
function drained(answer: ServerResponse, stallMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => (): void => {
      clearTimeout(timer);
      answer.off("drain", onDrain);
      answer.off("close", onDrain);
      act();
    };
    const onDrain = settle(resolve);
    const timer = setTimeout(
      settle(() => reject(new Error("the reader takes nothing"))),
      stallMs,
    );
    answer.on("drain", onDrain);
    answer.on("close", onDrain);
  });
}

/** Breaks the connection when the reader does not take the end of the answer. */
function cutOffLater(answer: ServerResponse, stallMs: number): void {
  if (answer.writableFinished) return;
  const timer = setTimeout(() => answer.destroy(), stallMs);
  timer.unref();
  answer.once("close", () => clearTimeout(timer));
}

/** Reads and forgets the rest of a request for a moment, then breaks the connection. */
function linger(message: IncomingMessage): void {
  let leftBytes = LINGER_BYTES;
  const stop = (): void => void message.destroy();
  const timer = setTimeout(stop, LINGER_MS);
  timer.unref();
  message.on("data", (chunk: Uint8Array) => {
    leftBytes -= chunk.length;
    if (leftBytes < 0) stop();
  });
  message.once("close", () => clearTimeout(timer));
  message.resume();
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}
