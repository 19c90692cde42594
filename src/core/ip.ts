/** IP addresses as text, told apart without asking a system. @see RFC 4291 section 2.2 for the forms of IPv6 */

/** Four decimal numbers without leading zeros, which some systems read as octal. */
export function isIPv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

/** Without brackets and zone: a URL parser knows all other forms. */
export function isIPv6(text: string): boolean {
  return /^[0-9a-f:.]{2,45}$/i.test(text) && text.includes(":") && URL.canParse(`http://[${text}]/`);
}

/** Tells whether text is an address of either kind; a name is none. */
export function isIpAddress(text: string): boolean {
  return isIPv4(text) || isIPv6(text);
}
