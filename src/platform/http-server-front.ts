/**
 * A listener before an HTTP server on a Unix socket: it asks the kernel who connects, and ends connections that stall.
 *
 * Bun's HTTP server has no descriptor to ask of, so connections are taken by `node:net` and handed over; the server's own watch over
 * slow clients does not see those, so it is kept here.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer, type Socket, type Server as SocketServer } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import type { PeerIdentity } from "../cli/command.ts";
import { ApplianceError } from "../core/errors.ts";
import { openPeerReader } from "./peer-credentials.ts";

const IDENTITIES = new WeakMap<object, PeerIdentity>();

/** Who is at the other end of a connection that a front took; undefined for any other. */
export function identityOf(socket: object): PeerIdentity | undefined {
  return IDENTITIES.get(socket);
}

/** Bounds of one connection, in milliseconds: until a request begins, until it has arrived; and how many there may be. */
export interface FrontLimits {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxConnections: number;
}

/**
 * Makes the front of a server; it listens in its place.
 * @throws {ApplianceError} http/cannot-listen where this runtime cannot ask the kernel.
 */
export async function openFront(server: Server, limits: FrontLimits): Promise<SocketServer> {
  const ask = await openPeerReader();
  if (ask === undefined) {
    throw new ApplianceError("http/cannot-listen", "Cannot tell who connects: this runtime cannot ask the kernel", {
      hint: "Run the executable itself, not its sources under another runtime",
    });
  }
  const connections = new Set<Socket>();
  const stalls = watchStalls(server, limits);
  const front = createServer((socket) => {
    const identity = ask(socket);
    if (identity === undefined) return void socket.destroy();
    IDENTITIES.set(socket, identity);
    connections.add(socket);
    socket.once("close", () => {
      connections.delete(socket);
      stalls.forget(socket);
    });
    stalls.expect(socket, limits.headersTimeoutMs);
    server.emit("connection", socket);
  });
  front.maxConnections = limits.maxConnections;
  const closeAll = server.closeAllConnections.bind(server);
  server.closeAllConnections = () => {
    closeAll();
    for (const socket of connections) socket.destroy();
  };
  return front;
}

interface Stalls {
  /** Ends the connection unless something arrives in time. */
  expect(socket: Socket, ms: number): void;
  forget(socket: Socket): void;
}

/** A time that no drip of bytes makes longer: for a request to begin, and for a begun one to arrive. */
function watchStalls(server: Server, limits: FrontLimits): Stalls {
  const timers = new Map<Socket, ReturnType<typeof setTimeout>>();
  const forget = (socket: Socket): void => {
    clearTimeout(timers.get(socket));
    timers.delete(socket);
  };
  const expect = (socket: Socket, ms: number): void => {
    forget(socket);
    if (!socket.destroyed) timers.set(socket, setTimeout(() => socket.destroy(), ms).unref());
  };
  server.on("request", (message: IncomingMessage, answer: ServerResponse) => {
    const { socket, method } = message;
    // What has no body has arrived; its answer may take as long as the application wants.
    if (method === "GET" || method === "HEAD") forget(socket);
    else expect(socket, limits.requestTimeoutMs);
    message.once("end", () => forget(socket));
    answer.once("close", () => expect(socket, limits.headersTimeoutMs));
  });
  return { expect, forget };
}
