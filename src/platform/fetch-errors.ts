/**
 * From what sockets, TLS, DNS and the HTTP parser throw to the codes of the area `net/`.
 *
 * Bun and Deno use Node's names for nearly all of them; where they differ, the table has both.
 */
import { ApplianceError, type ErrorCode } from "../core/errors.ts";

/** Codes of the system and of OpenSSL, each with ours. Longer families follow as patterns. */
const BY_CODE: Readonly<Record<string, ErrorCode>> = {
  ENOTFOUND: "net/dns",
  EAI_AGAIN: "net/dns",
  EAI_FAIL: "net/dns",
  EAI_NONAME: "net/dns",
  EAI_NODATA: "net/dns",
  ENODATA: "net/dns",
  ESERVFAIL: "net/dns",
  EREFUSED: "net/dns",
  EBADRESP: "net/dns",
  ETIMEOUT: "net/dns",
  ECONNREFUSED: "net/unreachable",
  EHOSTUNREACH: "net/unreachable",
  EHOSTDOWN: "net/unreachable",
  ENETUNREACH: "net/unreachable",
  ENETDOWN: "net/unreachable",
  EADDRNOTAVAIL: "net/unreachable",
  ENOENT: "net/unreachable",
  EACCES: "net/unreachable",
  EPERM: "net/unreachable",
  ETIMEDOUT: "net/timeout",
  EPROTO: "net/tls",
  CERT_HAS_EXPIRED: "net/tls",
  CERT_NOT_YET_VALID: "net/tls",
  CERT_REVOKED: "net/tls",
  CERT_UNTRUSTED: "net/tls",
  CERT_REJECTED: "net/tls",
  CERT_SIGNATURE_FAILURE: "net/tls",
  CERT_CHAIN_TOO_LONG: "net/tls",
  DEPTH_ZERO_SELF_SIGNED_CERT: "net/tls",
  SELF_SIGNED_CERT_IN_CHAIN: "net/tls",
  UNABLE_TO_GET_ISSUER_CERT: "net/tls",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "net/tls",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "net/tls",
  INVALID_CA: "net/tls",
  INVALID_PURPOSE: "net/tls",
  HOSTNAME_MISMATCH: "net/tls",
  PATH_LENGTH_EXCEEDED: "net/tls",
  ERR_INVALID_HTTP_TOKEN: "net/malformed",
};

const BY_PATTERN: readonly (readonly [RegExp, ErrorCode])[] = [
  [/^HPE_/, "net/malformed"],
  [/^ERR_(?:TLS|SSL|OSSL)/, "net/tls"],
  [/^ERR_INVALID_(?:CHAR|HTTP|STATUS)/, "net/malformed"],
];

export interface NetContext {
  /** `host:port` or the socket's path. */
  readonly target: string;
  /** Over TLS: a connection that just ends is then a truncated one. */
  readonly secure: boolean;
}

/** Makes one of our errors of anything thrown by the network; ours pass unchanged. */
export function netError(thrown: unknown, context: NetContext): ApplianceError {
  if (thrown instanceof ApplianceError) return thrown;
  const systemCode = codeOf(thrown);
  const code = ourCode(systemCode, thrown, context);
  const message = `Cannot reach "${context.target}": ${describe(code, { systemCode, thrown })}`;
  const details = systemCode === undefined ? {} : { reason: systemCode };
  return new ApplianceError(code, message, { cause: thrown, details, ...hintFor(code) });
}

function ourCode(systemCode: string | undefined, thrown: unknown, context: NetContext): ErrorCode {
  const known = systemCode === undefined ? undefined : BY_CODE[systemCode];
  const pattern = BY_PATTERN.find(([expression]) => expression.test(systemCode ?? ""))?.[1];
  if (known !== undefined || pattern !== undefined) return known ?? pattern ?? "net/reset";
  return context.secure && isQuietEnd(thrown) ? "net/tls-truncated" : "net/reset";
}

/** Node reports a peer that ended without a word as ECONNRESET with a text of its own; a real reset has another. */
function isQuietEnd(thrown: unknown): boolean {
  return thrown instanceof Error && /aborted|hang up|disconnected before|closed before|premature/i.test(thrown.message);
}

/** The code of an error, or of the first of several addresses that were tried. */
function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  if ("code" in thrown && typeof thrown.code === "string") return thrown.code;
  return thrown instanceof AggregateError ? codeOf(thrown.errors[0]) : undefined;
}

const SENTENCES: Partial<Record<ErrorCode, string>> = {
  "net/dns": "its name cannot be resolved",
  "net/unreachable": "it refuses the connection or there is no way to it",
  "net/timeout": "it does not answer in time",
  "net/tls": "its certificate is not trusted",
  "net/tls-truncated": "the TLS connection ended in the middle",
  "net/reset": "the connection broke",
  "net/malformed": "it does not speak HTTP, or its headers are too large",
};

function describe(
  code: ErrorCode,
  given: { readonly systemCode: string | undefined; readonly thrown: unknown },
): string {
  const sentence = SENTENCES[code] ?? "the connection failed";
  const said = code === "net/tls" && given.thrown instanceof Error ? given.thrown.message : given.systemCode;
  return said === undefined || said === "" ? sentence : `${sentence} (${said.split("\n", 1)[0]?.slice(0, 200)})`;
}

function hintFor(code: ErrorCode): { readonly hint?: string } {
  if (code === "net/tls")
    return { hint: "Check the clock of this machine, and give the CA that signed the certificate" };
  if (code === "net/dns") return { hint: "Check the name and the DNS servers" };
  return code === "net/unreachable" ? { hint: "Check the address, the firewall and the proxy" } : {};
}
