/** Our registry behind a real socket, in plain HTTP or TLS, through the product's own adapters of node:http. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Fetch } from "../../src/core/ports.ts";
import { toRequest } from "../../src/platform/http-server-request.ts";
import { sendResponse } from "../../src/platform/http-server-response.ts";
import { type Running, run } from "./sockets.ts";
import type { KeyPair } from "./tls.ts";

/** Serves any `Fetch` on loopback and a free port. */
export function serveFetch(handle: Fetch, tls?: KeyPair): Promise<Running> {
  const answer = async (message: IncomingMessage, reply: ServerResponse): Promise<void> => {
    const request = toRequest(message, { signal: new AbortController().signal, secure: tls !== undefined });
    await sendResponse(await handle(request), {
      message,
      answer: reply,
      last: false,
      stallMs: 30_000,
      onStream: () => {},
    });
  };
  const listener = (message: IncomingMessage, reply: ServerResponse): void => {
    answer(message, reply).catch(() => reply.destroy());
  };
  return run(tls === undefined ? createServer(listener) : createTlsServer({ ...tls }, listener));
}
