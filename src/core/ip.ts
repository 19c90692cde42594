/**
 * IP addresses and networks, as text and as numbers: told apart and compared without asking a system. Pure.
 *
 * @see RFC 4291 section 2.2 for the forms of IPv6; RFC 4632 for networks
 */

/** An address with its family. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** An address in its network, as "192.0.2.10/24" names both. */
export interface IpNetwork extends IpAddress {
  readonly prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Of pods and of services, as k3s has them. @see k3s documentation, "k3s server", --cluster-cidr and --service-cidr */
export const CLUSTER_NETWORKS = ["10.42.0.0/16", "10.43.0.0/16"] as const;

/** Reads an address; undefined when it is none. No zone, no leading zeros of IPv4. */
export function parseIp(text: string): IpAddress | undefined {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

/** Reads "address/prefix"; undefined when it is none. */
export function parseNetwork(text: string): IpNetwork | undefined {
  const [, address = "", digits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const ip = parseIp(address);
  const prefix = Number(digits);
  return ip === undefined || prefix > BITS[ip.family] ? undefined : { ...ip, prefix };
}

/** Whether an address lies in a network. */
export function isInside(ip: IpAddress, network: IpNetwork): boolean {
  return ip.family === network.family && head(ip, network.prefix) === head(network, network.prefix);
}

/** Whether two networks have an address in common. */
export function overlaps(a: IpNetwork, b: IpNetwork): boolean {
  return a.prefix <= b.prefix ? isInside(b, a) : isInside(a, b);
}

/** Whether it is the first (network) or the last (broadcast) address of an IPv4 network, which no machine can have. */
export function isEdge({ family, value, prefix }: IpNetwork): boolean {
  if (family === 6 || prefix >= 31) return false;
  const size = 1n << BigInt(32 - prefix);
  return value % size === 0n || value % size === size - 1n;
}

/** The four or sixteen bytes of an address, as certificates hold it; undefined when it is none. */
export function addressBytes(text: string): Uint8Array | undefined {
  const ip = parseIp(text);
  if (ip === undefined) return undefined;
  const { family, value } = ip;
  const last = BITS[family] / 8 - 1;
  return Uint8Array.from({ length: last + 1 }, (_one, at) => Number((value >> BigInt(8 * (last - at))) & 0xffn));
}

/** Four decimal numbers without leading zeros, which some systems read as octal. */
export function isIPv4(text: string): boolean {
  return parseV4(text) !== undefined;
}

/** Without brackets and zone: a URL parser knows all other forms. */
export function isIPv6(text: string): boolean {
  return /^[0-9a-f:.]{2,45}$/i.test(text) && text.includes(":") && URL.canParse(`http://[${text}]/`);
}

/** Tells whether text is an address of either kind; a name is none. */
export function isIpAddress(text: string): boolean {
  return isIPv4(text) || isIPv6(text);
}

function head({ family, value }: IpAddress, prefix: number): bigint {
  return value >> BigInt(BITS[family] - prefix);
}

function parseV4(text: string): IpAddress | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1) ?? [];
  if (parts.length !== 4 || parts.some((part) => Number(part) > 255 || String(Number(part)) !== part)) return undefined;
  return { family: 4, value: parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n) };
}

function parseV6(text: string): IpAddress | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [front = [], back = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - front.length - back.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...front, ...Array.from({ length: Math.max(0, missing) }, () => "0"), ...back];
  if (groups.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return { family: 6, value: groups.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n) };
}
