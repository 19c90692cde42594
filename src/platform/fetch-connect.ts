/**
 * Making connections for `fetch.ts`: direct, over a Unix socket, or through a proxy by CONNECT; then TLS.
 *
 * All of it happens in the agent's `createConnection`, so node's HTTP client pools the result and never sees how it was
 * made. Each step fails with its own code and the whole has one time limit.
 */
import { Agent } from "node:http";
import { connect, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { clearTimeout, setTimeout } from "node:timers";
import {
  connect as connectTls,
  createSecureContext,
  rootCertificates,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import { ApplianceError } from "../core/errors.ts";
import type { TransportOptions } from "../core/ports.ts";
import { netError } from "./fetch-errors.ts";
import { lookupBy } from "./fetch-lookup.ts";
import { openTunnel } from "./fetch-tunnel.ts";

/** Where one origin is reached and how. */
export interface Route {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** Set when a proxy stands between. */
  readonly proxy?: URL | undefined;
}

const CONNECT_MS = 10_000;
const MAX_FREE_SOCKETS = 4;

/** What all connections of one transport share. */
export interface Wiring {
  readonly options: TransportOptions;
  /** Roots and client certificate, parsed once: the built-in roots are more than a hundred. */
  readonly context: () => SecureContext;
}

/**
 * Prepares what the connections share. Certificates are parsed when the first TLS connection wants them.
 *
 * @throws {Error} (from `context`) when a certificate or key is no PEM.
 */
export function createWiring(options: TransportOptions): Wiring {
  let context: SecureContext | undefined;
  return {
    options,
    context: () => {
      context ??= createSecureContext({
        minVersion: "TLSv1.2",
        ...trust(options),
        ...(options.cert === undefined ? {} : { cert: options.cert }),
        ...(options.key === undefined ? {} : { key: options.key }),
      });
      return context;
    },
  };
}

/** An agent for one route; its connections are reused. */
export class RouteAgent extends Agent {
  readonly #dial: () => Promise<Duplex>;

  constructor(route: Route, wiring: Wiring) {
    super({ keepAlive: true, maxFreeSockets: MAX_FREE_SOCKETS });
    this.#dial = () => dial(route, wiring);
  }

  /** Ends the kept connections; those that carry a request now go on to their end. */
  retire(): void {
    for (const socket of Object.values(this.freeSockets).flatMap((kept) => kept ?? [])) socket.destroy();
  }

  override createConnection(
    _options: unknown,
    callback?: (problem: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    this.#dial().then(
      (socket) => callback?.(null, socket),
      (problem: Error) => (callback as ((problem: Error) => void) | undefined)?.(problem),
    );
    return undefined;
  }
}

/**
 * Connects within the time limit.
 *
 * @throws {ApplianceError} net/dns, net/unreachable, net/proxy, net/tls, net/tls-truncated, net/timeout.
 */
async function dial(route: Route, wiring: Wiring): Promise<Duplex> {
  const opened: Duplex[] = [];
  const limitMs = wiring.options.connectTimeoutMs ?? CONNECT_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(timeout(route, limitMs)), limitMs);
  });
  try {
    return await Promise.race([establish(route, wiring, (socket) => opened.push(socket)), late]);
  } catch (thrown) {
    for (const socket of opened) socket.destroy();
    throw netError(thrown, { target: targetOf(route), secure: route.secure });
  } finally {
    clearTimeout(timer);
  }
}

type Track = (socket: Duplex) => void;

async function establish(route: Route, wiring: Wiring, track: Track): Promise<Duplex> {
  const { proxy } = route;
  const { options } = wiring;
  const raw = proxy === undefined ? await openDirect(route, options, track) : await openProxy(proxy, options, track);
  if (!route.secure) return raw;
  if (proxy !== undefined) await openTunnel(raw, { host: route.host, port: route.port, proxy });
  return secure(raw, { host: options.serverName ?? route.host, context: wiring.context(), track });
}

function openDirect(route: Route, options: TransportOptions, track: Track): Promise<Socket> {
  if (options.socketPath !== undefined) return whenOpen(connect({ path: options.socketPath }), track);
  return whenOpen(connect({ host: route.host, port: route.port, ...lookupOf(options) }), track);
}

async function openProxy(proxy: URL, options: TransportOptions, track: Track): Promise<Duplex> {
  const host = proxy.hostname.replace(/^\[|\]$/g, "");
  const isTls = proxy.protocol === "https:";
  const port = proxy.port === "" ? (isTls ? 443 : 80) : Number(proxy.port);
  try {
    const raw = await whenOpen(connect({ host, port, ...lookupOf(options) }), track);
    // The client certificate is for the server behind, so the proxy does not see it.
    const { cert: _cert, key: _key, ...anonymous } = options;
    return isTls ? await secure(raw, { host, context: createWiring(anonymous).context(), track }) : raw;
  } catch (cause) {
    throw new ApplianceError("net/proxy", `Cannot reach proxy "${proxy.host}": the connection to it fails`, {
      cause,
      hint: "Check the proxy settings: alga-appliance doctor --settings",
    });
  }
}

function lookupOf(options: TransportOptions): { readonly lookup?: ReturnType<typeof lookupBy> } {
  const servers = options.nameServers ?? [];
  return servers.length === 0 ? {} : { lookup: lookupBy(servers) };
}

function whenOpen(socket: Socket, track: Track): Promise<Socket> {
  track(socket);
  socket.setNoDelay(true);
  return settled(socket, "connect");
}

interface Secured {
  /** The name that the certificate has to show. */
  readonly host: string;
  readonly context: SecureContext;
  readonly track: Track;
}

function secure(socket: Duplex, { host, context, track }: Secured): Promise<TLSSocket> {
  const name = isIP(host) === 0 ? { servername: host } : {};
  const tls = connectTls({ socket, host, ...name, secureContext: context, ALPNProtocols: ["http/1.1"] });
  track(tls);
  return settled(tls, "secureConnect");
}

/** The roots: built in, ours beside them, or ours alone. */
export function trust(options: Pick<TransportOptions, "ca" | "onlyCa">): { readonly ca?: string[] } {
  if (options.ca === undefined) return options.onlyCa === true ? { ca: [] } : {};
  return { ca: options.onlyCa === true ? [options.ca] : [...rootCertificates, options.ca] };
}

/** Waits for an event that says "open"; rejects when the socket fails or ends before. */
function settled<T extends Duplex>(socket: T, event: "connect" | "secureConnect"): Promise<T> {
  return new Promise((resolve, reject) => {
    const cleanUp = (): void => {
      socket.off(event, open);
      socket.off("error", fail);
      socket.off("close", closed);
    };
    const open = (): void => {
      cleanUp();
      // Until the HTTP client takes the socket over, a late error must not end the process.
      socket.on("error", () => {});
      resolve(socket);
    };
    const fail = (problem: Error): void => {
      cleanUp();
      socket.on("error", () => {});
      reject(problem);
    };
    const closed = (): void => fail(new Error("closed before it was open"));
    socket.on(event, open);
    socket.on("error", fail);
    socket.on("close", closed);
  });
}

function targetOf(route: Route): string {
  return `${isIP(route.host) === 6 ? `[${route.host}]` : route.host}:${route.port}`;
}

function timeout(route: Route, limitMs: number): ApplianceError {
  return new ApplianceError(
    "net/timeout",
    `Cannot reach "${targetOf(route)}": no connection within ${Math.round(limitMs / 100) / 10} s`,
    { hint: "Check the address, the firewall and the proxy" },
  );
}
