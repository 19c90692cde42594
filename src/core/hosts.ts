/**
 * What a host name of a URL, or the address of a peer, says by itself: loopback, and addresses that a registry must never
 * send us to.
 *
 * Names are not resolved here, so a name that resolves to a forbidden address passes; what it answers still has to
 * carry the digest that was asked for, and no credential goes with the request.
 */

const LOOPBACK = prefixes(["127.0.0.0/8", "::1/128"]);

/** Link-local (cloud metadata lives there), "this host", multicast and reserved, and the metadata address of AWS over IPv6. */
const FORBIDDEN = prefixes([
  "169.254.0.0/16",
  "0.0.0.0/8",
  "224.0.0.0/3",
  "fe80::/10",
  "ff00::/8",
  "::/128",
  "fd00:ec2::254/128",
]);

const METADATA_NAMES: readonly string[] = ["metadata.google.internal", "metadata", "instance-data"];

/** Tells whether a host is this machine: "localhost", 127.0.0.0/8 or ::1. A port is ignored. */
export function isLoopbackHost(host: string): boolean {
  const name = canonical(host);
  return name === "localhost" || name.endsWith(".localhost") || isIn(LOOPBACK, name);
}

/** Tells whether a host is one that no registry has a reason to name. */
export function isForbiddenHost(host: string): boolean {
  const name = canonical(host);
  return METADATA_NAMES.includes(name) || isIn(FORBIDDEN, name);
}

/** The host as `URL` writes it (0x7f.1 is 127.0.0.1), without brackets, port and final dot. */
function canonical(host: string): string {
  const isBareIpv6 = !host.startsWith("[") && host.split(":").length > 2;
  const text = isBareIpv6 ? `http://[${host}]/` : `http://${host}/`;
  const name = URL.canParse(text) ? new URL(text).hostname : host.toLowerCase();
  return name.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

function prefixes(ranges: readonly string[]): readonly string[] {
  return ranges.map((range) => {
    const [address = "", bits] = range.split("/");
    return `${address.includes(":") ? 6 : 4}:${(bitsOf(address) ?? "").slice(0, Number(bits))}`;
  });
}

/** An IPv4 address inside IPv6 (::ffff:0:0/96) is judged as the IPv4 address that it is. */
const MAPPED = `${"0".repeat(80)}${"1".repeat(16)}`;

function isIn(ranges: readonly string[], address: string): boolean {
  const bits = bitsOf(address);
  if (bits === undefined) return false;
  const isMapped = bits.length === 128 && bits.startsWith(MAPPED);
  const tagged = isMapped ? `4:${bits.slice(MAPPED.length)}` : `${bits.length === 128 ? 6 : 4}:${bits}`;
  return ranges.some((range) => tagged.startsWith(range));
}

/** An address as a string of 32 or 128 zeros and ones; undefined for a name. */
function bitsOf(address: string): string | undefined {
  const binary = (value: number, width: number): string => value.toString(2).padStart(width, "0");
  if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(address)) {
    return address
      .split(".")
      .map((part) => binary(Number(part), 8))
      .join("");
  }
  if (!/^[0-9a-f:]*:[0-9a-f:]*$/.test(address)) return undefined;
  const [head = "", tail] = address.split("::");
  const groups = (text: string): string[] => text.split(":").filter(Boolean);
  const [before, after] = [groups(head), groups(tail ?? "")];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].map((group) => binary(Number.parseInt(group, 16), 16)).join("");
}
