/**
 * Who may call: the session guard and the origin guard.
 *
 * A cookie knows neither port nor page: the application on another port of this host gets it too. So state changes only
 * by a request that a page of this very origin made, and API answers are not given to other pages at all.
 */
import { ApplianceError } from "../core/errors.ts";
import { type Exchange, isSafe, type Layer } from "./exchange.ts";
import type { Sessions } from "./sessions.ts";

/** Lets a route with `access: "session"` pass only with a valid session of a claimed appliance. */
export function sessionGuard(sessions: Pick<Sessions, "find">): Layer {
  return (next) => async (exchange) => {
    if (exchange.route?.access !== "session") return await next(exchange);
    const session = await sessions.find(exchange.request);
    if (session?.kind !== "full") throw sessionRequired(session !== undefined);
    return await next(exchange);
  };
}

/** Refuses state changes from other pages, and API reads that a page of another origin started. */
export function originGuard(): Layer {
  return (next) => async (exchange) => {
    const site = exchange.request.headers.get("sec-fetch-site");
    const foreign = site === "cross-site" || site === "same-site";
    if (foreign && (!isSafe(exchange.request.method) || exchange.route?.access === "session")) throw badOrigin();
    if (!isSafe(exchange.request.method) && !isOurs(exchange, site)) throw badOrigin();
    return await next(exchange);
  };
}

/** @see Fetch standard, "Origin header"; Fetch Metadata, "Sec-Fetch-Site" */
function isOurs(exchange: Exchange, site: string | null): boolean {
  const origin = exchange.request.headers.get("origin");
  return origin === null ? site === "same-origin" : isSameHost(origin, exchange.url);
}

/** The scheme is not compared: a TLS front may stand before this server. */
function isSameHost(origin: string, url: URL): boolean {
  const parsed = /^https?:\/\/[^/?#@\s]+$/.test(origin) ? URL.parse(origin) : null;
  return parsed !== null && (parsed.host === url.host || parsed.host === withDefaultPort(url, parsed.protocol));
}

/** Host as `new URL` would write it under another scheme, where another port is the default one. */
function withDefaultPort(url: URL, protocol: string): string | undefined {
  return URL.parse(`${protocol}//${url.host}`)?.host;
}

function sessionRequired(hasClaimSession: boolean): ApplianceError {
  return hasClaimSession
    ? new ApplianceError("session/required", "Cannot answer without a session: the appliance has no password yet", {
        hint: "Set the management password on the setup page",
      })
    : new ApplianceError(
        "session/required",
        "Cannot answer without a session: no valid session came with the request",
        {
          hint: "Log in on the start page",
        },
      );
}

function badOrigin(): ApplianceError {
  return new ApplianceError(
    "http/bad-origin",
    "Cannot take the request: it does not come from a page of this appliance, an Origin header with its own address is wanted",
    { hint: "Open the appliance's own address and try again" },
  );
}
