/** Headers that every answer carries: deny by default, and the browser keeps to this box. */
import type { Layer } from "./exchange.ts";

/**
 * No inline script, no other host, no frame. `connect-src` covers the event stream.
 *
 * @param styles Digests of the inline sheets that are allowed; none: no inline style at all.
 */
export function contentSecurityPolicy(styles: readonly string[] = []): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    ["style-src 'self'", ...styles.map((digest) => `'${digest}'`)].join(" "),
    "connect-src 'self'",
    "img-src 'self' data:",
    "font-src 'none'",
    "frame-ancestors 'none'",
    "form-action 'self'",
    "base-uri 'none'",
  ].join("; ");
}

const POLICY = "content-security-policy";

const ALWAYS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
};
/**
 * Adds the headers; what an answer already says is kept, and nothing is cached unless it says so itself.
 *
 * Never `strict-transport-security`: it holds for every port of a host (RFC 6797 section 8.3), so a browser would speak TLS to the
 * plain port of the box, and to the product under the same name.
 */
export function securityHeaders(): Layer {
  return (next) => async (exchange) => {
    const answer = await next(exchange);
    const headers = new Headers(answer.headers);
    const policy = headers.get(POLICY) ?? contentSecurityPolicy();
    for (const [name, value] of Object.entries(ALWAYS)) headers.set(name, value);
    headers.set(POLICY, policy);
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
    return new Response(answer.body, { status: answer.status, headers });
  };
}
