/**
 * Asks the name servers of the box for the names that it needs: that of the registry and the one that people type. So a name server
 * that is dead is told apart from a name that is not there, and a name that leads elsewhere from a page that does not answer.
 */
import { isApplianceError, publicError } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import type { Clock, Network } from "../core/ports.ts";
import { oneLine } from "./evidence.ts";
import type { DnsAnswer, DnsObservation } from "./observation.ts";

const TIMEOUT_MS = 3_000;
const MAX_ADDRESSES = 8;

/** What the resolver says when it got no answer at all; everything else is an answer. */
const SILENT: ReadonlySet<unknown> = new Set(["ETIMEOUT", "ECONNREFUSED", "EAI_AGAIN", "ESERVFAIL", "EREFUSED"]);

/** The names that are asked for; null: there is none, or it is an address. */
export interface DnsTargets {
  /** Host of the registry, with or without a port. */
  readonly registry: string | null;
  /** Address that people type. */
  readonly login: string | null;
}

/** What the name servers said last; null before the first look and where no name is needed. */
export interface DnsWatch {
  current(): DnsObservation | null;
  /** One look at each name. Resolves when all are answered or given up. */
  look(targets: DnsTargets): Promise<void>;
}

/** Makes a watch; it asks only when it is told to look. */
export function createDnsWatch(clock: Clock, network: Pick<Network, "resolve" | "nameServers">): DnsWatch {
  let seen: DnsObservation | null = null;
  return {
    current: () => seen,
    look: async (targets) => {
      const wanted = namesOf(targets);
      if (wanted.length === 0) {
        seen = null;
        return;
      }
      const before = seen?.answers ?? [];
      const [servers, answers] = await Promise.all([
        network.nameServers(),
        Promise.all(wanted.map(({ name, use }) => ask(clock, network, { name, use, before }))),
      ]);
      seen = { atMs: clock.now(), servers: servers.slice(0, MAX_ADDRESSES).map((one) => oneLine(one, 80)), answers };
    },
  };
}

type Wanted = Pick<DnsAnswer, "name" | "use">;

function namesOf({ registry, login }: DnsTargets): readonly Wanted[] {
  const wanted: Wanted[] = [];
  const registryName = registry === null ? undefined : nameIn(`http://${registry}`);
  const loginName = login === null ? undefined : nameIn(login);
  if (registryName !== undefined) wanted.push({ name: registryName, use: "registry" });
  if (loginName !== undefined) wanted.push({ name: loginName, use: "login" });
  return wanted;
}

/** The name in an address; undefined for an IP address and for this machine, which no name server is asked for. */
function nameIn(address: string): string | undefined {
  const host = URL.parse(address)?.hostname ?? "";
  const isAddress = host.startsWith("[") || /^[\d.]+$/.test(host);
  return host === "" || isAddress || isLoopbackHost(host) ? undefined : host;
}

async function ask(
  clock: Clock,
  network: Pick<Network, "resolve">,
  { name, use, before }: Wanted & { readonly before: readonly DnsAnswer[] },
): Promise<DnsAnswer> {
  const found = await resolved(network, name);
  const same = before.find((one) => one.name === name && one.use === use && one.state === found.state);
  return { name, use, ...found, sinceMs: same?.sinceMs ?? clock.now() };
}

async function resolved(
  network: Pick<Network, "resolve">,
  name: string,
): Promise<Pick<DnsAnswer, "state" | "addresses" | "text">> {
  try {
    const addresses = (await network.resolve(name, { timeoutMs: TIMEOUT_MS })).slice(0, MAX_ADDRESSES);
    return { state: "resolves", addresses: addresses.map((one) => oneLine(one, 80)), text: "" };
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    const state = SILENT.has(thrown.details.reason) ? "no-answer" : "no-such-name";
    return { state, addresses: [], text: oneLine(publicError(thrown).message, 300) };
  }
}
