/** Real servers for tests: raw sockets that say what they want, and a CONNECT proxy. All listen on loopback and a free port. */
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

export interface Running {
  readonly port: number;
  /** Connections taken so far. */
  readonly connections: () => number;
  close(): Promise<void>;
}

/** Starts any server of node's and keeps its sockets, so that `close` ends them. */
export async function run(server: Server, options: { readonly socketPath?: string } = {}): Promise<Running> {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on("connection", (socket: Socket) => {
    count += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => {
    if (options.socketPath === undefined) server.listen(0, "127.0.0.1", resolve);
    else server.listen(options.socketPath, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? (address as AddressInfo).port : 0,
    connections: () => count,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Keeps the servers of a test file, so that one call ends them all. */
export function createKeeper(): {
  readonly keep: (starting: Promise<Running>) => Promise<Running>;
  readonly closeAll: () => Promise<void>;
} {
  const servers: Running[] = [];
  return {
    keep: async (starting) => {
      const running = await starting;
      servers.push(running);
      return running;
    },
    closeAll: async () => {
      for (const server of servers) await server.close();
    },
  };
}

/** A port of loopback that nobody listens on now. Somebody else may take it before its user does. */
export async function freePort(): Promise<number> {
  const probe = await run(createServer());
  await probe.close();
  return probe.port;
}

/** A server that hands over each connection once the first bytes of a request are there. */
export function rawServer(answer: (socket: Socket, head: string) => void, tls?: TlsOptions): Promise<Running> {
  const take = (socket: Socket): void => {
    socket.on("error", () => {});
    socket.once("data", (head: Buffer) => answer(socket, head.toString("latin1")));
  };
  return run(tls === undefined ? createServer(take) : createTlsServer(tls, take));
}

export function httpServer(handle: RequestListener, tls?: TlsOptions): Promise<Running> {
  return run(tls === undefined ? createHttpServer(handle) : createHttpsServer(tls, handle));
}

export interface ProxyLog {
  /** One line a request: "CONNECT registry.test:443" or "GET http://...". */
  readonly lines: string[];
  readonly logins: (string | undefined)[];
}

/** A proxy that tunnels every CONNECT to one port of loopback, whatever name was asked for. */
export async function connectProxy(targetPort: number, log: ProxyLog, refuseWith?: string): Promise<Running> {
  const server = createHttpServer((request, response) => {
    log.lines.push(`${request.method} ${request.url}`);
    log.logins.push(request.headers["proxy-authorization"]);
    response.end("by proxy");
  });
  server.on("connect", (request, client: Socket) => {
    client.on("error", () => {});
    log.lines.push(`CONNECT ${request.url}`);
    log.logins.push(request.headers["proxy-authorization"]);
    if (refuseWith !== undefined) {
      client.end(`HTTP/1.1 ${refuseWith}\r\n\r\n`);
      return;
    }
    const target = connect(targetPort, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      target.pipe(client);
      client.pipe(target);
    });
    target.on("error", () => client.destroy());
    client.on("close", () => target.destroy());
  });
  return run(server);
}
