/** Names of peers for counting: one per IPv4 address, one per IPv6 network of 64 bits, which is what one site holds. */

const NETWORK_GROUPS = 4;

/** Names a peer by its address, as the socket tells it; a zone is left out. Text that is no address is kept, at most 64 characters. */
export function peerKey(address: string): string {
  const plain = address.split("%", 1)[0] ?? "";
  if (!plain.includes(":")) return plain.slice(0, 64);
  return `${groups(plain).slice(0, NETWORK_GROUPS).join(":")}::/64`;
}

/** Writes `::` out. @see RFC 4291 section 2.2 */
function groups(address: string): string[] {
  const [head = "", tail] = address.toLowerCase().split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...Array.from({ length: missing }, () => "0"), ...right].map((group) =>
    group.replace(/^0+(?=.)/, ""),
  );
}
