/**
 * Resolving names for connections: the system's way, or by asking given name servers.
 *
 * With own name servers /etc/hosts is not asked, but "localhost" stays this machine whatever they say.
 */
import { Resolver } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { ApplianceError } from "../core/errors.ts";

/** Milliseconds for one server and try; two tries. */
const TIMEOUT_MS = 3_000;

export interface ResolveOptions {
  readonly timeoutMs?: number | undefined;
}

/**
 * Asks name servers for the addresses of a name, IPv4 first.
 *
 * @param servers Addresses, each with an optional port ("10.0.0.53", "[fd00::53]:5353").
 * @throws {ApplianceError} net/dns with the reason when there is no address; config/invalid for a bad server address.
 */
export async function resolveBy(
  servers: readonly string[],
  name: string,
  options: ResolveOptions = {},
): Promise<readonly string[]> {
  if (isIP(name) !== 0) return [name];
  if (name === "localhost" || name.endsWith(".localhost")) return ["127.0.0.1", "::1"];
  const resolver = new Resolver({ timeout: options.timeoutMs ?? TIMEOUT_MS, tries: 2 });
  useServers(resolver, servers);
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  if (addresses.length > 0) return addresses;
  const [first] = answers;
  throw dnsError(name, first.status === "rejected" ? first.reason : undefined, servers);
}

function useServers(resolver: Resolver, servers: readonly string[]): void {
  try {
    resolver.setServers(servers);
  } catch (cause) {
    throw new ApplianceError(
      "config/invalid",
      `Cannot use DNS servers "${servers.join(", ")}": IP addresses are wanted`,
      {
        cause,
      },
    );
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no such name",
  ENODATA: "the name has no address",
  ESERVFAIL: "the DNS server cannot answer",
  EREFUSED: "the DNS server refuses to answer",
  ETIMEOUT: "the DNS server does not answer",
  ECONNREFUSED: "nothing answers at the DNS server's address",
  EAI_AGAIN: "no DNS server answers",
};

/** The error for a name without an address. */
export function dnsError(name: string, cause: unknown, servers: readonly string[]): ApplianceError {
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const asked = servers.length === 0 ? "" : `, asked of ${servers.join(", ")}`;
  return new ApplianceError("net/dns", `Cannot resolve "${name}": ${REASONS[code] ?? "no address was found"}${asked}`, {
    cause,
    hint: "Check the name and the DNS servers",
    details: { ...(code === "" ? {} : { reason: code }), servers },
  });
}

/** A lookup for `net.connect` that asks the given servers. */
export function lookupBy(servers: readonly string[]): LookupFunction {
  return (hostname, options, callback) => {
    const wanted =
      options.family === 4 || options.family === "IPv4" ? 4 : options.family === 6 || options.family === "IPv6" ? 6 : 0;
    resolveBy(servers, hostname).then(
      (all) => {
        const found = all
          .map((address) => ({ address, family: isIP(address) }))
          .filter(({ family }) => wanted === 0 || family === wanted);
        const [first] = found;
        if (first === undefined) callback(dnsError(hostname, undefined, servers), "", 0);
        else if (options.all === true) callback(null, found);
        else callback(null, first.address, first.family);
      },
      (thrown: Error) => callback(thrown, "", 0),
    );
  };
}
