/**
 * The `Network` port: what this machine sees of names, addresses, ports and certificates. It only looks; nothing it
 * finds is trusted by anybody else.
 */
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { connect, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { clearTimeout, setTimeout } from "node:timers";
import { connect as connectTls, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { ApplianceError } from "../core/errors.ts";
import type { Network, PeerCertificate } from "../core/ports.ts";
import { trust } from "./fetch-connect.ts";
import { netError } from "./fetch-errors.ts";
import { dnsError, resolveBy } from "./fetch-lookup.ts";

const RESOLV_CONF = "/etc/resolv.conf";
const RESOLVE_MS = 5_000;
const LISTEN_MS = 1_000;
const CERTIFICATE_MS = 10_000;

/** Bridges and pairs of container runtimes and CNI plugins, which nobody outside can reach. */
const VIRTUAL_INTERFACE =
  /^(?:lo|docker|br-|veth|virbr|cni|flannel|cali|tunl|kube-|cilium|vxlan|nerdctl|podman|lxc|ve-|vb-)/;

export const systemNetwork: Network = {
  nameServers: async () => parseResolvConf(await readFile(RESOLV_CONF, "utf8").catch(() => "")),
  resolve: (name, options = {}) =>
    options.servers === undefined || options.servers.length === 0
      ? resolveBySystem(name, options.timeoutMs ?? RESOLVE_MS)
      : resolveBy(options.servers, name, { timeoutMs: options.timeoutMs }),
  addresses: async () => reachableAddresses(networkInterfaces()),
  isListening,
  certificate,
};

/** Name servers of a resolv.conf, in order. @see resolv.conf(5) */
export function parseResolvConf(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? "")
    .filter((address) => isIP(address.replace(/%.*$/, "")) !== 0);
}

/** Addresses that other machines may reach, IPv4 first: no loopback, link-local or container network. */
export function reachableAddresses(interfaces: ReturnType<typeof networkInterfaces>): readonly string[] {
  const all = Object.entries(interfaces).flatMap(([name, addresses]) =>
    VIRTUAL_INTERFACE.test(name) ? [] : (addresses ?? []),
  );
  const usable = all.filter(({ address, internal }) => !internal && !/^(?:169\.254\.|fe[89ab])/i.test(address));
  return usable.map(({ address }) => address).sort((a, b) => isIP(a) - isIP(b));
}

async function resolveBySystem(name: string, timeoutMs: number): Promise<readonly string[]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error("no answer in time"), { code: "ETIMEOUT" })), timeoutMs);
  });
  try {
    const found = await Promise.race([lookup(name, { all: true }), late]);
    return [...new Set(found.map(({ address }) => address))].sort((a, b) => isIP(a) - isIP(b));
  } catch (cause) {
    throw dnsError(name, cause, []);
  } finally {
    clearTimeout(timer);
  }
}

/** Connects to the port over both loopbacks; whoever accepts is closed at once. */
async function isListening(port: number): Promise<boolean> {
  const answers = await Promise.all(["127.0.0.1", "::1"].map((host) => accepts(host, port)));
  return answers.includes(true);
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => end(false), LISTEN_MS);
    const end = (accepted: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(accepted);
    };
    socket.on("connect", () => end(true));
    socket.on("error", () => end(false));
  });
}

/**
 * Reads the certificate of a server by a handshake that accepts any; nothing else is sent over it.
 *
 * @throws {ApplianceError} net/dns, net/unreachable, net/timeout, or net/tls when the server speaks no TLS.
 */
function certificate(
  host: string,
  port: number,
  options: { readonly ca?: string; readonly timeoutMs?: number } = {},
): Promise<PeerCertificate> {
  const timeoutMs = options.timeoutMs ?? CERTIFICATE_MS;
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host,
      port,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...trust(options),
      rejectUnauthorized: false,
    });
    const end = (finish: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      finish();
    };
    const timer = setTimeout(() => end(() => reject(late(host, port, timeoutMs))), timeoutMs);
    socket.on("secureConnect", () => {
      const seen = describe(socket);
      end(() => resolve(seen));
    });
    socket.on("error", (thrown) => end(() => reject(netError(thrown, { target: `${host}:${port}`, secure: true }))));
  });
}

function describe(socket: TLSSocket): PeerCertificate {
  const peer: DetailedPeerCertificate = socket.getPeerCertificate(true);
  // An Error or its code, as the runtime likes it.
  const problem: unknown = socket.authorizationError;
  const said = problem instanceof Error ? ("code" in problem ? String(problem.code) : problem.message) : problem;
  return {
    subject: nameOf(peer.subject),
    issuer: nameOf(peer.issuer),
    names: (peer.subjectaltname ?? "")
      .split(/,\s*/)
      .map((entry) => entry.replace(/^(?:DNS|IP Address):/, ""))
      .filter(Boolean),
    validFromMs: Date.parse(peer.valid_from),
    validToMs: Date.parse(peer.valid_to),
    trusted: socket.authorized,
    ...(socket.authorized || said === null || said === undefined ? {} : { problem: String(said) }),
  };
}

/** "CN=ghcr.io, O=GitHub": the parts of a distinguished name in the order the certificate has them. */
function nameOf(name: object | undefined): string {
  return Object.entries(name ?? {})
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(", ");
}

function late(host: string, port: number, timeoutMs: number): ApplianceError {
  return new ApplianceError(
    "net/timeout",
    `Cannot read the certificate of "${host}:${port}": no handshake within ${Math.round(timeoutMs / 1000)} s`,
  );
}
