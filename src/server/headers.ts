/** Headers that every answer carries: deny by default, and the browser keeps to this box. */
import type { Layer } from "./exchange.ts";

/** No inline script or style, no other host, no frame. `connect-src` covers the event stream. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'none'",
  "frame-ancestors 'none'",
  "form-action 'self'",
  "base-uri 'none'",
].join("; ");

const ALWAYS: Readonly<Record<string, string>> = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
};
/** One year; only sent over TLS, where it means something (RFC 6797 section 7.2). */
const STRICT_TRANSPORT = "max-age=31536000";

/** Adds the headers; what an answer already says is kept, and nothing is cached unless it says so itself. */
export function securityHeaders(): Layer {
  return (next) => async (exchange) => {
    const answer = await next(exchange);
    const headers = new Headers(answer.headers);
    for (const [name, value] of Object.entries(ALWAYS)) headers.set(name, value);
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
    if (exchange.url.protocol === "https:") headers.set("strict-transport-security", STRICT_TRANSPORT);
    return new Response(answer.body, { status: answer.status, headers });
  };
}
