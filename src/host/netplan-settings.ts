/** Network settings of one interface: what may be set, and the netplan file that says so. Pure. @see netplan(5) */
import { stringify } from "yaml";
import { ApplianceError } from "../core/errors.ts";
import { CLUSTER_NETWORKS, type IpNetwork, isEdge, isInside, overlaps, parseIp, parseNetwork } from "../core/ip.ts";
import type { NetplanDefinition, NetplanFiles } from "./netplan-files.ts";

/** What the operator wants of an interface. */
export type NetworkSettings =
  | { readonly mode: "dhcp" }
  | {
      readonly mode: "static";
      /** With their prefix: "192.0.2.10/24". */
      readonly addresses: readonly string[];
      readonly gateways: readonly string[];
      readonly dns: readonly string[];
    };

/** An address that the box has now. */
export interface BoxAddress {
  readonly interface: string;
  readonly address: string;
  readonly prefix: number;
}

const MAX_EACH = 4;
/** No machine on a network has one of these. @see RFC 6890 */
const UNUSABLE = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8"];
const LINK_LOCAL = "fe80::/10";

/** How interfaces of the network are named here, and no word more: it is a key of a file and an argument. */
export const INTERFACE = /^[A-Za-z][A-Za-z0-9._-]{0,14}$/;

/**
 * Checks settings against themselves, the cluster, and the other interfaces of the box.
 *
 * @param others Addresses of other interfaces.
 * @throws {ApplianceError} host/network-invalid with what to write instead.
 */
export function checkNetworkSettings(settings: NetworkSettings, others: readonly BoxAddress[]): void {
  if (settings.mode === "dhcp") return;
  const { addresses, gateways, dns } = settings;
  if (addresses.length === 0) throw invalid("--address", "", "an address with its prefix such as 192.0.2.10/24");
  for (const list of [addresses, gateways, dns]) {
    if (list.length > MAX_EACH) throw invalid("list", list.join(","), `at most ${MAX_EACH}`);
  }
  const networks = addresses.map((address) => networkOf(address, others));
  for (const gateway of gateways) checkGateway(gateway, networks);
  for (const server of dns) {
    if (parseIp(server) === undefined) throw invalid("--dns", server, "an IP address such as 192.0.2.53");
  }
}

function networkOf(text: string, others: readonly BoxAddress[]): IpNetwork {
  const network = parseNetwork(text);
  if (network === undefined || network.prefix === 0) {
    throw invalid("--address", text, "an address with its prefix such as 192.0.2.10/24");
  }
  if (isEdge(network)) throw invalid("--address", text, "an address between the first and the last of its network");
  if (isAnyOf(network, UNUSABLE)) throw invalid("--address", text, "an address that machines of a network have");
  // An interface there would take the packets of pods and services.
  if (CLUSTER_NETWORKS.some((cidr) => overlaps(network, known(cidr)))) {
    throw invalid("--address", text, `a network apart from those of the cluster, ${CLUSTER_NETWORKS.join(" and ")}`);
  }
  const taken = others.find(({ address, prefix }) => {
    const other = parseNetwork(`${address}/${prefix}`);
    return other !== undefined && overlaps(network, other);
  });
  if (taken !== undefined) {
    throw invalid(
      "--address",
      text,
      `a network that interface ${taken.interface} has not (${taken.address}/${taken.prefix})`,
    );
  }
  return network;
}

function checkGateway(text: string, networks: readonly IpNetwork[]): void {
  const gateway = parseIp(text);
  if (gateway === undefined) throw invalid("--gateway", text, "an IP address such as 192.0.2.1");
  if (isInside(gateway, known(LINK_LOCAL))) return;
  const home = networks.find((network) => isInside(gateway, network));
  if (home === undefined) throw invalid("--gateway", text, "an address of the same network as --address");
  if (home.value === gateway.value || isEdge({ ...gateway, prefix: home.prefix })) {
    throw invalid("--gateway", text, "the address of the router, another than the box's own");
  }
}

/** Our netplan file, whole: one interface anew, the others as before. `definition`: what the files of others call it. */
export function netplanText(
  { kind, id }: NetplanDefinition,
  settings: NetworkSettings,
  kept: NetplanFiles["kept"] = {},
): string {
  const words =
    settings.mode === "dhcp"
      ? { dhcp4: true, dhcp6: true, "accept-ra": true }
      : {
          dhcp4: false,
          dhcp6: false,
          addresses: settings.addresses,
          routes: settings.gateways.map((via) => ({ to: "default", via })),
          nameservers: { addresses: settings.dns },
        };
  const head = "# Written by: alga-appliance console network set. Change it by the same command.\n";
  return `${head}${stringify({ network: { version: 2, ...kept, [kind]: { ...kept[kind], [id]: words } } })}`;
}

function isAnyOf(ip: IpNetwork, list: readonly string[]): boolean {
  return list.some((cidr) => isInside(ip, known(cidr)));
}

function known(cidr: string): IpNetwork {
  const network = parseNetwork(cidr);
  if (network === undefined) throw new Error(`not a network: ${cidr}`);
  return network;
}

function invalid(what: string, text: string, wanted: string): ApplianceError {
  return new ApplianceError("host/network-invalid", `Cannot use ${what} "${text.slice(0, 60)}": ${wanted} is wanted`);
}
