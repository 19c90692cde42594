/**
 * `Listen` on `node:http`: one server around `(Request, peer) => Promise<Response>`, on TCP or on a Unix socket.
 *
 * Runs alike under Bun, compiled Bun and Deno, which is why it is not the server of one of them. It bounds headers,
 * times and connections, refuses what is not a clean request, and drains when it is closed. What the application
 * throws becomes a plain 500; the application's own edge has logged it by then.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type Socket, type Server as SocketServer } from "node:net";
import type { Listen, Listening, ListenOptions } from "../cli/command.ts";
import { ApplianceError } from "../core/errors.ts";
import { problem } from "../core/http.ts";
import { identityOf, openFront } from "./http-server-front.ts";
import { peerAddress, toRequest } from "./http-server-request.ts";
import { sendResponse } from "./http-server-response.ts";

const LIMITS = {
  maxHeaderBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  stallTimeoutMs: 30_000,
  maxConnections: 512,
} as const;
const KEEP_ALIVE_MS = 30_000;
/** How often node looks for connections that are over their time. */
const LOOK_MS = 1_000;
const MAX_HEADERS = 100;
/** Milliseconds in which the client may take a refusal and close. */
const REFUSED_MS = 1_000;

/** What is under way: requests being answered, and event streams that a drain ends first. */
interface Traffic {
  readonly running: Set<AbortController>;
  readonly streams: Set<() => void>;
  draining: boolean;
}

/**
 * Starts a server.
 *
 * @throws {ApplianceError} http/cannot-listen when the address is taken or may not be used.
 */
export const listen: Listen = async (options) => {
  const limits = { ...LIMITS, ...options.limits };
  const traffic: Traffic = { running: new Set(), streams: new Set(), draining: false };
  const server = openServer(
    {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(LOOK_MS, limits.headersTimeoutMs),
    },
    options.tls,
    (message, answer) => void answerOne(message, answer, { options, traffic }),
  );
  server.maxConnections = limits.maxConnections;
  server.maxHeadersCount = MAX_HEADERS;
  server.on("clientError", refuse);
  server.on("connect", (_message, socket) => socket.destroy());
  const front = options.identify === true ? await openFront(server, limits) : server;
  await bind(front, options);
  return listening(server, front, { options, traffic });
};

type Answering = (message: IncomingMessage, answer: ServerResponse) => void;

/** @throws {ApplianceError} http/cannot-listen for a certificate or key that cannot be used. */
function openServer(limits: ServerOptions, tls: ListenOptions["tls"], answering: Answering): Server {
  if (tls === undefined) return createServer(limits, answering);
  try {
    if (!new X509Certificate(tls.cert).checkPrivateKey(createPrivateKey(tls.key))) throw new Error("of another key");
    return createTlsServer(
      { ...limits, ...tls, minVersion: "TLSv1.2", handshakeTimeout: limits.headersTimeout },
      answering,
    );
  } catch (cause) {
    throw new ApplianceError(
      "http/cannot-listen",
      "Cannot listen with TLS: the certificate or its key cannot be used",
      {
        cause,
        hint: "Give a PEM certificate and the unencrypted PEM key that belongs to it",
      },
    );
  }
}

interface Serving {
  readonly options: ListenOptions;
  readonly traffic: Traffic;
}

async function answerOne(message: IncomingMessage, answer: ServerResponse, serving: Serving): Promise<void> {
  const { traffic } = serving;
  const gone = new AbortController();
  const streams = new Set<() => void>();
  traffic.running.add(gone);
  message.on("error", () => {});
  answer.on("error", () => {});
  answer.once("close", () => {
    traffic.running.delete(gone);
    for (const end of streams) traffic.streams.delete(end);
    if (!answer.writableFinished)
      gone.abort(new ApplianceError("internal/aborted", "Cannot go on: the client is gone"));
  });
  const response = await respond(message, gone.signal, serving);
  const onStream = (end: () => void): void => {
    if (!isEventStream(response)) return;
    streams.add(end);
    traffic.streams.add(end);
    if (traffic.draining) end();
  };
  const stallMs = serving.options.limits?.stallTimeoutMs ?? LIMITS.stallTimeoutMs;
  await sendResponse(response, { message, answer, last: traffic.draining, stallMs, onStream });
}

async function respond(message: IncomingMessage, signal: AbortSignal, serving: Serving): Promise<Response> {
  try {
    if (serving.traffic.draining)
      throw new ApplianceError("http/draining", "Cannot take the request: the server stops");
    const identity = identityOf(message.socket);
    const peer = { address: peerAddress(message), ...(identity === undefined ? {} : { identity }) };
    return await serving.options.handle(
      toRequest(message, { signal, secure: serving.options.tls !== undefined }),
      peer,
    );
  } catch (thrown) {
    return problem(thrown, { "x-content-type-options": "nosniff" });
  }
}

function isEventStream(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
}

/** Answers what is no HTTP, is too large or too slow, and closes. */
function refuse(error: Error & { code?: string }, socket: Socket | import("node:stream").Duplex): void {
  const [status, text] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "Request Header Fields Too Large"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "Request Timeout"]
        : [400, "Bad Request"];
  socket.on("error", () => {});
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  socket.end(`HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n`);
  // Who does not take the refusal and does not close would hold a connection for ever.
  const timer = setTimeout(() => socket.destroy(), REFUSED_MS);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
}

async function bind(server: SocketServer, options: ListenOptions): Promise<void> {
  const { socketPath } = options;
  if (socketPath === undefined) return await bindPort(server, options);
  await removeStale(socketPath);
  const mode = options.socketMode ?? 0o600;
  // The mask closes the moment between bind and chmod; bind happens inside the call to listen.
  const before = process.umask(0o777 & ~mode);
  const started = start(server, () => server.listen(socketPath), describe(options));
  process.umask(before);
  await started;
  await chmod(socketPath, mode);
}

/** Listens on a port; "::" means every interface, also on a machine whose kernel has no IPv6. */
async function bindPort(server: SocketServer, options: ListenOptions): Promise<void> {
  const host = options.host ?? "127.0.0.1";
  const begin = (address: string) => () => server.listen(options.port ?? 0, address);
  try {
    await start(server, begin(host), describe(options));
  } catch (thrown) {
    if (host !== "::" || !isWithoutIpv6(thrown)) throw thrown;
    await start(server, begin("0.0.0.0"), describe(options));
  }
}

function isWithoutIpv6(thrown: unknown): boolean {
  const cause = thrown instanceof ApplianceError ? thrown.cause : undefined;
  return cause instanceof Error && "code" in cause && /^E(?:AFNOSUPPORT|ADDRNOTAVAIL|INVAL)$/.test(String(cause.code));
}

/** What mends a listener that no other process stands in the way of. */
const HINTS: Readonly<Record<string, string>> = {
  ENOENT: "Make its folder first; on a box a bootstrap makes it: systemctl restart alga-appliance-bootstrap",
  EACCES: "Put sudo before the command, or choose another place",
};

function start(server: SocketServer, begin: () => void, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error & { code?: string }): void =>
      reject(
        new ApplianceError("http/cannot-listen", `Cannot listen on "${what}": ${reasonOf(cause)}`, {
          cause,
          hint: HINTS[cause.code ?? ""] ?? "Stop the other process, or choose another port",
        }),
      );
    server.once("error", fail);
    server.once("listening", () => {
      server.off("error", fail);
      server.on("error", () => {});
      resolve();
    });
    try {
      begin();
    } catch (thrown) {
      fail(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  });
}

function reasonOf(cause: { readonly code?: string }): string {
  if (cause.code === "EADDRINUSE") return "another process uses it, a free address is wanted";
  if (cause.code === "EACCES") return "this user may not use it, a port above 1023 is wanted";
  return `the system refuses it${cause.code === undefined ? "" : ` (${cause.code})`}`;
}

function describe(options: ListenOptions): string {
  return options.socketPath ?? `${options.host ?? "127.0.0.1"}:${options.port ?? 0}`;
}

/** Removes a socket file that a killed process left; one that answers stays, and listening fails. */
async function removeStale(path: string): Promise<void> {
  if (!(await answers(path))) await rm(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const say = (answer: boolean) => (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", say(true));
    socket.once("error", say(false));
  });
}

function listening(server: Server, front: SocketServer, { options, traffic }: Serving): Listening {
  const address = front.address();
  const tcp =
    typeof address === "object" && address !== null ? address : { address: options.socketPath ?? "", port: 0 };
  let closing: Promise<void> | undefined;
  return {
    address: tcp.address,
    port: tcp.port,
    close: (drainMs) => {
      if (front !== server) front.close();
      closing ??= drain(server, traffic, drainMs).then(() => forget(options.socketPath));
      return closing;
    },
  };
}

async function forget(socketPath: string | undefined): Promise<void> {
  if (socketPath !== undefined) await rm(socketPath, { force: true });
}

/** Stops accepting, ends event streams, waits for the rest, then breaks what is left. */
async function drain(server: Server, traffic: Traffic, drainMs: number): Promise<void> {
  traffic.draining = true;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const end of [...traffic.streams]) end();
  const deadline = performance.now() + drainMs;
  while (traffic.running.size > 0 && performance.now() < deadline) {
    server.closeIdleConnections();
    await pause(Math.min(20, drainMs));
  }
  const over = new ApplianceError("http/draining", "Cannot go on: the server stops");
  for (const gone of [...traffic.running]) gone.abort(over);
  server.closeAllConnections();
  await Promise.race([closed, pause(1_000)]);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
