/**
 * The CONNECT handshake with an HTTP proxy. The proxy's answer is untrusted: bounded, and only its status counts.
 *
 * @see RFC 9110 section 9.3.6
 */
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { ApplianceError } from "../core/errors.ts";
import { proxyAuthorization } from "../core/proxy.ts";

/** 16 KiB for the head of an answer that has no body for us. */
const MAX_HEAD_BYTES = 16 * 1024;

export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
  readonly proxy: URL;
}

/**
 * Asks a proxy for a tunnel; afterwards the socket carries bytes to the target.
 *
 * @throws {ApplianceError} net/proxy when the proxy refuses, ends, or answers something else.
 */
export async function openTunnel(socket: Duplex, target: TunnelTarget): Promise<void> {
  const authority = `${isIP(target.host) === 6 ? `[${target.host}]` : target.host}:${target.port}`;
  const login = proxyAuthorization(target.proxy);
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`];
  if (login !== undefined) lines.push(`Proxy-Authorization: ${login}`);
  const answer = readHead(socket, target.proxy);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const status = /^HTTP\/1\.[01] (\d{3})(?: |\r|$)/.exec(await answer)?.[1];
  if (status?.startsWith("2") === true) return;
  const is = status === undefined ? "it does not answer as a proxy" : `it answers ${status} to CONNECT ${authority}`;
  const hint =
    status === "407"
      ? "Put user and password into the address of the proxy"
      : "Check the proxy settings: alga-appliance doctor --settings";
  throw new ApplianceError("net/proxy", `Cannot pass proxy "${target.proxy.host}": ${is}`, { hint });
}

/** Reads up to the empty line. Bytes after it would be before our first: no server speaks first in TLS, so they are refused. */
function readHead(socket: Duplex, proxy: URL): Promise<string> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const end = (problem?: string, cause?: unknown): void => {
      socket.off("data", take);
      socket.off("end", ended);
      socket.off("error", failed);
      socket.pause();
      if (problem === undefined) resolve(head.toString("latin1"));
      else reject(new ApplianceError("net/proxy", `Cannot pass proxy "${proxy.host}": ${problem}`, { cause }));
    };
    const ended = (): void => end("it closes the connection");
    const failed = (cause: Error): void => end("the connection to it breaks", cause);
    const take = (chunk: Uint8Array): void => {
      head = Buffer.concat([head, chunk]);
      const at = head.indexOf("\r\n\r\n");
      if (at >= 0) end(at + 4 === head.length ? undefined : "it sends more than an answer");
      else if (head.length > MAX_HEAD_BYTES) end("its answer is too long");
    };
    socket.on("data", take);
    socket.on("end", ended);
    socket.on("error", failed);
  });
}
