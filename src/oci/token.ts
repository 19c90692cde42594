/**
 * Getting a Bearer token from the token service that a registry names.
 *
 * Parties: the registry chooses the address, so it is checked first: https, or plain HTTP on the registry's own host
 * when the registry itself is spoken to in plain HTTP; never a link-local or metadata address. Redirects are not
 * followed, because the request carries the credentials.
 *
 * @see distribution v2.8, docs/spec/auth/token.md and oauth.md
 */
import { ApplianceError } from "../core/errors.ts";
import { isForbiddenHost, isLoopbackHost } from "../core/hosts.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import type { Clock, Fetch } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { failedAnswer } from "./answers.ts";
import { readBytes } from "./body.ts";
import type { Challenge } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";

export interface Token {
  readonly secret: Secret;
  readonly livesMs: number;
}

export interface TokenRequest {
  readonly challenge: Extract<Challenge, { scheme: "bearer" }>;
  /** Asked when the challenge names none: `repository:<name>:pull`. */
  readonly scope: string | undefined;
  /** Origin of the registry, for messages and for the rule on the realm. */
  readonly registry: URL;
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal;
}

/** 256 KiB: a token is a few kilobytes, with claims for many repositories more. */
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_TOKEN = 64 * 1024;
/** @see token.md: "expires_in ... defaults to 60 seconds" */
const DEFAULT_LIFE_MS = 60_000;
const MAX_LIFE_MS = 3_600_000;

/**
 * Asks for a token.
 *
 * @throws {ApplianceError} oci/bad-challenge when the realm is not safe; oci/unauthorized when the credentials are
 *   rejected; oci/token-failed when the answer has no usable token; oci/rate-limited and oci/unavailable to retry.
 */
export async function requestToken(
  deps: { readonly fetch: Fetch; readonly clock: Clock },
  wanted: TokenRequest,
): Promise<Token> {
  const response = await deps.fetch(buildRequest(wanted));
  const registry = wanted.registry.host;
  if (response.status === 401 || response.status === 403) {
    await response.body?.cancel();
    throw unauthorized(registry, wanted.credentials !== undefined);
  }
  if (response.status === 429 || response.status >= 500) {
    throw await failedAnswer(response, { what: `token service of "${registry}"`, clock: deps.clock });
  }
  if (response.status !== 200) {
    await response.body?.cancel();
    throw tokenFailed(registry, `it answers ${response.status}`);
  }
  return readToken(
    await readBytes(response, {
      what: `token of "${registry}"`,
      maxBytes: MAX_ANSWER_BYTES,
      clock: deps.clock,
      signal: wanted.signal,
    }),
    registry,
  );
}

function buildRequest(wanted: TokenRequest): Request {
  const realm = safeRealm(wanted.challenge.realm, wanted.registry);
  const { service } = wanted.challenge;
  const scope = wanted.challenge.scope ?? wanted.scope;
  const fields = new URLSearchParams();
  if (service !== undefined) fields.set("service", service);
  for (const one of scope?.split(" ").filter(Boolean) ?? []) fields.append("scope", one);
  if (wanted.credentials?.kind === "identity") {
    fields.delete("scope");
    if (scope !== undefined) fields.set("scope", scope);
    fields.set("grant_type", "refresh_token");
    fields.set("client_id", "alga-appliance");
    fields.set("refresh_token", wanted.credentials.token.reveal());
    const headers = { "content-type": "application/x-www-form-urlencoded", accept: "application/json" };
    return new Request(realm, { method: "POST", body: fields.toString(), headers, signal: wanted.signal });
  }
  for (const [name, value] of fields) realm.searchParams.append(name, value);
  const basic = wanted.credentials?.kind === "password" ? { authorization: basicHeader(wanted.credentials) } : {};
  return new Request(realm, { headers: { accept: "application/json", ...basic }, signal: wanted.signal });
}

/** The header of Basic authentication. It is a secret: never log it. @see RFC 7617 */
export function basicHeader(credentials: Extract<Credentials, { kind: "password" }>): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password.reveal()}`).toString("base64")}`;
}

function safeRealm(realm: string, registry: URL): URL {
  const refuse = (what: string): ApplianceError =>
    new ApplianceError(
      "oci/bad-challenge",
      `Cannot log in to registry "${registry.host}": it names the token service "${realm.slice(0, 200)}", ${what}`,
    );
  if (!URL.canParse(realm)) throw refuse("which is not a URL");
  const url = new URL(realm);
  const isPlainToo = registry.protocol === "http:" && url.protocol === "http:" && isSameHost(url, registry);
  if (url.protocol !== "https:" && !isPlainToo) throw refuse("https is wanted");
  if (url.username !== "" || url.password !== "") throw refuse("which holds a login of its own");
  if (isForbiddenHost(url.hostname)) throw refuse("which is a link-local or metadata address");
  url.hash = "";
  return url;
}

function isSameHost(url: URL, registry: URL): boolean {
  return url.hostname === registry.hostname || (isLoopbackHost(url.hostname) && isLoopbackHost(registry.hostname));
}

function readToken(bytes: Uint8Array, registry: string): Token {
  const document = parseAnswer(bytes, registry);
  const token = [document.token, document.access_token].find((value) => typeof value === "string" && value !== "");
  if (typeof token !== "string") throw tokenFailed(registry, "its answer has no token");
  if (token.length > MAX_TOKEN || !/^[\x21-\x7e]+$/.test(token)) {
    throw tokenFailed(registry, "its token has characters or a length that no header can carry");
  }
  const seconds = typeof document.expires_in === "number" && document.expires_in > 0 ? document.expires_in : undefined;
  const livesMs = seconds === undefined ? DEFAULT_LIFE_MS : Math.min(seconds * 1_000, MAX_LIFE_MS);
  return { secret: new Secret(token), livesMs };
}

function parseAnswer(bytes: Uint8Array, registry: string): Readonly<Record<string, unknown>> {
  try {
    const value = parseJson(bytes, { what: `token of "${registry}"`, maxBytes: MAX_ANSWER_BYTES, maxDepth: 16 });
    if (isPlainObject(value)) return value;
  } catch (cause) {
    throw tokenFailed(registry, "its answer is not JSON", cause);
  }
  throw tokenFailed(registry, "its answer is not a JSON object");
}

function tokenFailed(registry: string, is: string, cause?: unknown): ApplianceError {
  return new ApplianceError("oci/token-failed", `Cannot get a token for registry "${registry}": ${is}`, { cause });
}

/** The one sentence for a rejected login, with what to do about it. */
export function unauthorized(registry: string, withCredentials: boolean): ApplianceError {
  return new ApplianceError(
    "oci/unauthorized",
    `Cannot log in to registry "${registry}": ${withCredentials ? "it rejects the credentials" : "it wants credentials and there are none, or the repository does not exist"}`,
    { hint: "Give --username and --password-stdin, or a file with --registry-config" },
  );
}
