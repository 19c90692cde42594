/** IP addresses and networks as numbers: what lies in what. Pure. @see RFC 4291 section 2.2; RFC 4632 */

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
