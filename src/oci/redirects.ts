/**
 * Following redirects as a wrapper `Fetch -> Fetch`: bounded, never from https to http, never to link-local addresses,
 * never with a login on board.
 *
 * Registries send blobs from storage services, so another host is allowed; it sees nothing but the address, and what it
 * answers is checked against the digest like everything else.
 */
import { ApplianceError } from "../core/errors.ts";
import { isForbiddenHost, isLoopbackHost } from "../core/hosts.ts";
import type { Fetch } from "../core/ports.ts";

const MAX_REDIRECTS = 5;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
/** Never repeated to another origin. */
const PRIVATE_HEADERS: readonly string[] = ["authorization", "cookie", "proxy-authorization"];

/**
 * Makes the wrapper. It stands outside of the login, so each hop is authenticated on its own or not at all.
 * Only GET and HEAD are followed; other answers come back as they are.
 *
 * @throws {ApplianceError} (the wrapped fetch) oci/redirect-loop, oci/bad-redirect.
 */
export function withRedirects(fetch: Fetch): Fetch {
  return async (request) => {
    const seen = new Set<string>();
    let current = request;
    for (;;) {
      const response = await fetch(current);
      const canFollow = request.method === "GET" || request.method === "HEAD";
      if (!canFollow || !REDIRECTS.includes(response.status)) return response;
      await response.body?.cancel();
      seen.add(current.url);
      const target = safeTarget(response.headers.get("location"), new URL(current.url));
      if (seen.has(target.href) || seen.size > MAX_REDIRECTS) {
        throw new ApplianceError(
          "oci/redirect-loop",
          `Cannot read "${place(request.url)}": it redirects ${seen.size} times, at most ${MAX_REDIRECTS} to new places are followed`,
        );
      }
      current = hop(current, target);
    }
  };
}

function safeTarget(location: string | null, from: URL): URL {
  const refuse = (what: string): ApplianceError =>
    new ApplianceError("oci/bad-redirect", `Cannot follow redirect of "${place(from.href)}": ${what}`);
  if (location === null || !URL.canParse(location, from.href)) throw refuse("it names no address");
  const target = new URL(location, from.href);
  target.hash = "";
  const shown = `"${place(target.href)}"`;
  if (target.protocol !== "https:" && target.protocol !== "http:") throw refuse(`${shown} is not https`);
  if (target.protocol === "http:" && from.protocol === "https:") throw refuse(`${shown} would go on without TLS`);
  if (target.username !== "" || target.password !== "") throw refuse(`${shown} holds a login`);
  if (isForbiddenHost(target.hostname)) throw refuse(`${shown} is a link-local or metadata address`);
  if (isLoopbackHost(target.hostname) && !isLoopbackHost(from.hostname)) throw refuse(`${shown} is this machine`);
  return target;
}

function hop(from: Request, target: URL): Request {
  const headers = new Headers(from.headers);
  if (new URL(from.url).origin !== target.origin) for (const name of PRIVATE_HEADERS) headers.delete(name);
  return new Request(target, { method: from.method, headers, signal: from.signal });
}

/** Origin and path: the query of a storage service is a signature. */
function place(href: string): string {
  const url = new URL(href);
  return `${url.protocol}//${url.host}${url.pathname}`.slice(0, 300);
}
