/**
 * Logging in to a registry as a wrapper `Fetch -> Fetch`.
 *
 * 1. A request to the registry goes out, with a login if one is known for what it touches.
 * 2. On 401 the challenge is read: Basic adds the credentials, Bearer asks the token service.
 * 3. The request goes out once more. A second 401 is final.
 *
 * Credentials and tokens are added only to requests whose origin is the registry's, so a redirect (which makes a new
 * request, see `redirects.ts`) never carries them to another host.
 */
import { ApplianceError } from "../core/errors.ts";
import type { Clock, Fetch } from "../core/ports.ts";
import { parseChallenge } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import { basicHeader, requestToken, type Token, unauthorized } from "./token.ts";

export interface AuthOptions {
  /** Origin of the registry. */
  readonly registry: URL;
  readonly credentials?: Credentials | undefined;
  /** Ask for push also where pull would do: one login for all of a push. Not for anonymous callers. */
  readonly isPushing?: boolean;
}

interface Login {
  readonly header: string;
  /** By the monotonic clock; undefined: as long as the client lives. */
  readonly untilMs: number | undefined;
}

/** A token is renewed this long before its end, so that it does not run out on the way. At most a tenth of its life. */
const RENEW_BEFORE_MS = 10_000;

/**
 * A body that announces more is not kept for a second try: whoever sends it has just logged in by a smaller request, and looks
 * at what has arrived before it sends again. Keeping the chunks of an upload twice cost 100 MB of garbage at a time.
 */
const MAX_KEPT_BYTES = 1024 * 1024;

/**
 * Makes the wrapper. A body is kept in memory until the answer is there, because a 401 makes it go out twice; one that
 * announces more than 1 MiB goes out once.
 *
 * @throws {ApplianceError} (the wrapped fetch) oci/unauthorized, oci/bad-challenge, oci/token-failed; oci/unavailable when a
 *   large body met a login that had run out: the next request has a new one.
 */
export function withAuth(fetch: Fetch, deps: { readonly clock: Clock }, options: AuthOptions): Fetch {
  const logins = new Map<string, Promise<Login>>();
  const start = (key: string, refused: Refused): Promise<Login> => {
    const pending = logIn({ fetch, clock: deps.clock }, refused);
    logins.set(key, pending);
    pending.catch(() => logins.delete(key));
    return pending;
  };
  return async (request) => {
    const url = new URL(request.url);
    if (url.origin !== options.registry.origin) return fetch(request);
    const key = scopeOf(request, options) ?? "";
    const seen = logins.get(key);
    const before = (await usable(seen, deps.clock)) ?? fixedLogin(options.credentials);
    const response = await fetch(before === undefined ? copyOf(request) : withHeader(request, before.header));
    if (response.status !== 401) return response;
    await response.body?.cancel();
    if (isOnce(request)) {
      logins.delete(key);
      throw new ApplianceError("oci/unavailable", `Cannot send to "${url.host}": the login has run out on the way`);
    }
    // Another request may have begun to log in meanwhile: its login serves this one too.
    const now = logins.get(key);
    const login = await (now === undefined || now === seen ? start(key, { response, request, options }) : now);
    const again = await fetch(withHeader(request, login.header));
    if (again.status !== 401) return again;
    await again.body?.cancel();
    logins.delete(key);
    throw unauthorized(options.registry.host, options.credentials !== undefined);
  };
}

async function usable(pending: Promise<Login> | undefined, clock: Clock): Promise<Login | undefined> {
  const login = await pending?.catch(() => undefined);
  return login?.untilMs !== undefined && login.untilMs <= clock.monotonic() ? undefined : login;
}

interface Refused {
  readonly response: Response;
  readonly request: Request;
  readonly options: AuthOptions;
}

/** A bearer token from an auth file needs no challenge. */
function fixedLogin(credentials: Credentials | undefined): Login | undefined {
  if (credentials?.kind !== "bearer") return undefined;
  return { header: `Bearer ${credentials.token.reveal()}`, untilMs: undefined };
}

async function logIn(deps: { readonly fetch: Fetch; readonly clock: Clock }, refused: Refused): Promise<Login> {
  const { registry, credentials } = refused.options;
  const challenge = parseChallenge(refused.response.headers.get("www-authenticate"), registry.host);
  if (credentials?.kind === "bearer") throw unauthorized(registry.host, true);
  if (challenge.scheme === "basic") {
    if (credentials?.kind !== "password") throw unauthorized(registry.host, credentials !== undefined);
    return { header: basicHeader(credentials), untilMs: undefined };
  }
  const startedMs = deps.clock.monotonic();
  const scope = scopeOf(refused.request, refused.options);
  const isWider = refused.options.isPushing === true && credentials !== undefined && scope !== undefined;
  const asked = isWider ? { ...challenge, scope } : challenge;
  const token = await requestToken(deps, {
    challenge: asked,
    scope,
    registry,
    credentials,
    signal: refused.request.signal,
  });
  return { header: `Bearer ${token.secret.reveal()}`, untilMs: startedMs + usefulMs(token) };
}

function usefulMs(token: Token): number {
  return token.livesMs - Math.min(RENEW_BEFORE_MS, token.livesMs / 10);
}

/** The scope of a request; a push asks for writing at once. */
function scopeOf(request: Request, { isPushing, credentials }: AuthOptions): string | undefined {
  const url = new URL(request.url);
  const isWider = isPushing === true && credentials !== undefined && request.method !== "DELETE";
  return scopeFor(isWider ? "PUT" : request.method, url);
}

/** `repository:<name>:pull`, or with push or delete, and with what a mount reads; undefined outside of a repository. */
function scopeFor(method: string, url: URL): string | undefined {
  const repository = /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//.exec(url.pathname)?.[1];
  if (repository === undefined) return undefined;
  if (method === "GET" || method === "HEAD") return `repository:${repository}:pull`;
  const from = url.searchParams.get("from");
  const mounted = from !== null && url.searchParams.has("mount") ? ` repository:${from}:pull` : "";
  return `repository:${repository}:${method === "DELETE" ? "delete" : "pull,push"}${mounted}`;
}

function withHeader(request: Request, authorization: string): Request {
  const copy = new Request(copyOf(request));
  copy.headers.set("authorization", authorization);
  return copy;
}

/** A request whose body may be read while the original stays whole, unless it goes out once. */
function copyOf(request: Request): Request {
  return request.body === null || isOnce(request) ? request : request.clone();
}

function isOnce(request: Request): boolean {
  return Number(request.headers.get("content-length") ?? 0) > MAX_KEPT_BYTES;
}
